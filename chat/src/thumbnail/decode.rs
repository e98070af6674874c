//! Decoding a picture, and scaling it to the cells of a terminal.

use std::io::Cursor;
use std::panic::catch_unwind;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbaImage};

use super::{Bounds, CellSize, Form, Image, MAX_BYTES, Rgb, Thumbnail, Unshowable};

/// The picture in a file, scaled to fit. What is transparent shows the background.
pub(crate) fn make(
    bytes: Vec<u8>,
    bounds: Bounds,
    background: Rgb,
    form: Form,
) -> Result<Thumbnail, Unshowable> {
    // A cell of half blocks has two pixels.
    let cell = match form {
        Form::Blocks => CellSize { width: 1, height: 2 },
        Form::Image { cell, .. } => cell,
    };
    let most = |cells: u16, pixels: u16| {
        u32::from(cells).saturating_mul(u32::from(pixels.clamp(1, MAX_CELL_SIDE))).max(1)
    };
    let bounds = (most(bounds.columns, cell.width), most(bounds.rows, cell.height));
    if u64::try_from(bytes.len()).map_or(true, |len| len > MAX_BYTES) {
        return Err(Unshowable::TooLarge);
    }
    // Decoders are large, and their input is hostile.
    let decoded = catch_unwind(|| decode(bytes, bounds)).unwrap_or(Err(Unshowable::Damaged))?;
    match form {
        Form::Blocks => Ok(cells(&decoded, background)),
        Form::Image { id, cell } => image(&decoded, id, cell),
    }
}

fn decode(bytes: Vec<u8>, bounds: (u32, u32)) -> Result<RgbaImage, Unshowable> {
    let unreadable = |_| Unshowable::NotAPicture;
    let mut reader =
        ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(unreadable)?;
    if !reader.format().is_some_and(|format| FORMATS.contains(&format)) {
        return Err(Unshowable::NotAPicture);
    }
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(MAX_SIDE), Some(MAX_SIDE));
    limits.max_alloc = Some(MAX_DECODED);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|error| meaning(&error))?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width).saturating_mul(u64::from(height));
    if pixels > MAX_PIXELS || decoder.total_bytes() > MAX_DECODED {
        return Err(Unshowable::TooLarge);
    }
    let orientation = decoder.orientation().map_err(|error| meaning(&error))?;
    let decoded = DynamicImage::from_decoder(decoder).map_err(|error| meaning(&error))?;
    // Turned once it is small: scaled to a size that fits in either direction first.
    let longer = bounds.0.max(bounds.1);
    let mut scaled = shrunk(decoded, longer, longer);
    scaled.apply_orientation(orientation);
    Ok(shrunk(scaled, bounds.0, bounds.1).into_rgba8())
}

/// The picture, scaled down to fit. It is never made larger.
fn shrunk(picture: DynamicImage, width: u32, height: u32) -> DynamicImage {
    if picture.width() <= width && picture.height() <= height {
        return picture;
    }
    picture.thumbnail(width, height)
}

fn meaning(error: &image::ImageError) -> Unshowable {
    match error {
        image::ImageError::Limits(_) => Unshowable::TooLarge,
        image::ImageError::Unsupported(_) => Unshowable::NotAPicture,
        image::ImageError::Decoding(_)
        | image::ImageError::Encoding(_)
        | image::ImageError::Parameter(_)
        | image::ImageError::IoError(_) => Unshowable::Damaged,
    }
}

/// Two pixels a cell. Where a last row has only one, the background is below it.
fn cells(picture: &RgbaImage, background: Rgb) -> Thumbnail {
    let over = |x, y| {
        let pixel = picture.get_pixel_checked(x, y).map_or([0; 4], |pixel| pixel.0);
        blend(pixel, background)
    };
    let (width, height) = picture.dimensions();
    let rows = height.div_ceil(2);
    let cells = (0..rows)
        .flat_map(|row| (0..width).map(move |x| (x, row.saturating_mul(2))))
        .map(|(x, y)| [over(x, y), over(x, y.saturating_add(1))])
        .collect();
    let count = |cells| u16::try_from(cells).unwrap_or(u16::MAX);
    Thumbnail::of_blocks(cells, (count(width), count(rows)))
}

/// An image of the terminal's own, over as many cells as it takes.
fn image(picture: &RgbaImage, id: u32, cell: CellSize) -> Result<Thumbnail, Unshowable> {
    let mut png = Cursor::new(Vec::new());
    picture.write_to(&mut png, ImageFormat::Png).map_err(|error| meaning(&error))?;
    let count = |pixels: u32, side: u16| {
        let side = u32::from(side.clamp(1, MAX_CELL_SIDE));
        u16::try_from(pixels.div_ceil(side)).unwrap_or(u16::MAX)
    };
    let (width, height) = picture.dimensions();
    let cells = (count(width, cell.width), count(height, cell.height));
    Ok(Thumbnail::of_image(Image { id, png: png.into_inner() }, cells))
}

fn blend([red, green, blue, alpha]: [u8; 4], [r, g, b]: Rgb) -> Rgb {
    let alpha = u32::from(alpha);
    let mix = |over: u8, under: u8| {
        let sum = u32::from(over)
            .saturating_mul(alpha)
            .saturating_add(u32::from(under).saturating_mul(255_u32.saturating_sub(alpha)));
        u8::try_from(sum / 255).unwrap_or(u8::MAX)
    };
    [mix(red, r), mix(green, g), mix(blue, b)]
}

/// What is decoded, whatever a name or a sender says.
const FORMATS: [ImageFormat; 4] =
    [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::WebP];

/// Longest side of a cell in pixels, whatever the terminal says.
const MAX_CELL_SIDE: u16 = 64;

/// Longest side in pixels.
const MAX_SIDE: u32 = 16_384;

/// Most pixels. Phones make 12 million, good cameras 24. The largest progressive JPEG takes its decoder
/// 300 MB, and the slowest one a second.
const MAX_PIXELS: u64 = 32_000_000;

/// Most bytes that a decoded picture takes: four for each pixel.
const MAX_DECODED: u64 = 128_000_000;

#[cfg(test)]
mod tests {
    use image::{ExtendedColorType, ImageEncoder, Rgba, codecs};
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Bounds = Bounds { columns: 8, rows: 4 };

    fn encoded(format: ImageFormat, picture: &RgbaImage) -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        let picture = DynamicImage::ImageRgba8(picture.clone());
        let picture = if format == ImageFormat::Jpeg {
            DynamicImage::ImageRgb8(picture.into_rgb8())
        } else {
            picture
        };
        picture.write_to(&mut out, format).unwrap();
        out.into_inner()
    }

    /// Red above, blue below.
    fn flag(width: u32, height: u32) -> RgbaImage {
        RgbaImage::from_fn(width, height, |_, y| {
            if y < height / 2 { Rgba([255, 0, 0, 255]) } else { Rgba([0, 0, 255, 255]) }
        })
    }

    fn is_about(found: Rgb, wanted: Rgb) -> bool {
        found.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) < 40)
    }

    #[test]
    fn every_kind_of_picture_is_scaled_to_fit() {
        for format in FORMATS {
            let made = make(encoded(format, &flag(64, 64)), BOUNDS, [0; 3], Form::Blocks).unwrap();
            assert_eq!((made.columns, made.rows), (8, 4), "{format:?}");
            let (first, last) = (made.row(0)[0][0], made.row(3)[7][1]);
            assert!(is_about(first, [255, 0, 0]), "{format:?}: {first:?}");
            assert!(is_about(last, [0, 0, 255]), "{format:?}: {last:?}");
        }
    }

    #[test]
    fn small_picture_keeps_its_size_and_long_ones_their_shape() {
        for ((width, height), cells) in
            [((3, 3), (3, 2)), ((1, 1), (1, 1)), ((1000, 10), (8, 1)), ((10, 1000), (1, 4))]
        {
            let made =
                make(encoded(ImageFormat::Png, &flag(width, height)), BOUNDS, [0; 3], Form::Blocks);
            let made = made.unwrap();
            assert_eq!((made.columns, made.rows), cells, "{width}x{height}");
        }
    }

    #[test]
    fn image_has_the_pixels_of_its_cells() {
        let form = Form::Image { id: 7, cell: CellSize { width: 5, height: 10 } };
        for ((width, height), cells, pixels) in [
            ((400, 400), (8, 4), (40, 40)),
            ((12, 11), (3, 2), (12, 11)),
            ((1000, 10), (8, 1), (40, 1)),
        ] {
            let made = make(encoded(ImageFormat::Png, &flag(width, height)), BOUNDS, [0; 3], form);
            let made = made.unwrap();
            assert_eq!((made.columns(), made.rows()), cells, "{width}x{height}");
            let Image { id: 7, png } = made.image().unwrap() else { panic!("another id") };
            let shown = image::load_from_memory(png).unwrap();
            assert_eq!((shown.width(), shown.height()), pixels, "{width}x{height}");
        }
        assert_eq!(make(bomb(9_000), BOUNDS, [0; 3], form), Err(Unshowable::TooLarge));
    }

    #[test]
    fn transparent_pixels_show_the_background() {
        let picture = RgbaImage::from_pixel(1, 1, Rgba([255, 255, 255, 0]));
        let made =
            make(encoded(ImageFormat::Png, &picture), BOUNDS, [1, 2, 3], Form::Blocks).unwrap();
        assert_eq!(made.row(0), [[[1, 2, 3]; 2]]);
    }

    #[test]
    fn other_files_are_not_pictures() {
        let bmp = [b"BM".as_slice(), &[0; 60]].concat();
        for bytes in [b"".as_slice(), b"#!/bin/sh\n", b"<svg xmlns=''/>", &bmp] {
            assert_eq!(
                make(bytes.to_vec(), BOUNDS, [0; 3], Form::Blocks),
                Err(Unshowable::NotAPicture)
            );
        }
    }

    #[test]
    fn broken_pictures_are_refused() {
        for format in FORMATS {
            let whole = encoded(format, &flag(64, 64));
            // A decoder may show the beginning of a picture whose end is missing.
            let cut = make(whole[..whole.len() / 8].to_vec(), BOUNDS, [0; 3], Form::Blocks);
            assert!(matches!(cut, Err(Unshowable::Damaged) | Ok(_)), "{format:?}: {cut:?}");
            let head = make(whole[..16].to_vec(), BOUNDS, [0; 3], Form::Blocks);
            assert_eq!(head, Err(Unshowable::Damaged), "{format:?}");
        }
    }

    /// A PNG that says that it is so large. Its pixels are zeros, which take next to nothing.
    fn bomb(side: u32) -> Vec<u8> {
        let mut bytes = encoded(ImageFormat::Png, &flag(1, 1));
        bytes[16..24].copy_from_slice(&[side.to_be_bytes(), side.to_be_bytes()].concat());
        let mut crc = !0_u32;
        for byte in &bytes[12..29] {
            crc ^= u32::from(*byte);
            for _ in 0..8 {
                crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
            }
        }
        bytes[29..33].copy_from_slice(&(!crc).to_be_bytes());
        bytes
    }

    #[test]
    fn bombs_are_not_decoded() {
        for side in [9_000, 16_384, 65_535, 1 << 30] {
            assert_eq!(
                make(bomb(side), BOUNDS, [0; 3], Form::Blocks),
                Err(Unshowable::TooLarge),
                "{side}"
            );
        }
        let mut gif = encoded(ImageFormat::Gif, &flag(1, 1));
        gif[6..10].copy_from_slice(&[0xff; 4]);
        assert_eq!(make(gif, BOUNDS, [0; 3], Form::Blocks), Err(Unshowable::TooLarge));
        let large = vec![0; usize::try_from(MAX_BYTES).unwrap() + 1];
        assert_eq!(make(large, BOUNDS, [0; 3], Form::Blocks), Err(Unshowable::TooLarge));
    }

    #[test]
    fn picture_is_turned_as_its_camera_says() {
        // Two pixels wide, and to be shown upright.
        let mut out = Vec::new();
        let mut encoder = codecs::png::PngEncoder::new(&mut out);
        let exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        encoder.set_exif_metadata(exif.to_vec()).unwrap();
        encoder.write_image(&[0; 16 * 4 * 3], 16, 4, ExtendedColorType::Rgb8).unwrap();
        let made = make(out, BOUNDS, [0; 3], Form::Blocks).unwrap();
        assert_eq!((made.columns, made.rows), (2, 4));
    }

    proptest! {
        #[test]
        fn damaged_pictures_never_panic(
            format in 0_usize..4,
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        ) {
            let mut bytes = encoded(FORMATS[format], &flag(12, 12));
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let made = make(bytes, BOUNDS, [0; 3], Form::Blocks);
            if let Ok(made) = made {
                prop_assert!(made.columns <= 8 && made.rows <= 4);
            }
        }
    }
}
