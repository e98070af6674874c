//! QR codes on a terminal.

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

use crate::Failure;

/// The QR code of a text, for a screen that is brighter where there are characters.
pub fn qr_code(text: &str) -> Result<String, Failure> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L)
        .map_err(Failure::context("can't make a QR code"))?;
    let (dark, light) = (Dense1x2::Light, Dense1x2::Dark);
    Ok(code.render().dark_color(dark).light_color(light).build())
}
