//! Prints one-time passwords on the operator's terminal.

use std::io::{self, Write};

use sealpost_core::server::OtpDelivery;

use super::secret_text;

/// Prints one line.
pub(super) fn print(out: &mut impl Write, delivery: &OtpDelivery) -> io::Result<()> {
    let OtpDelivery { phone, otp, .. } = delivery;
    // Standard output passes on a whole line as it is. Parts of a line would stay in its buffer.
    let line = secret_text(format_args!("one-time password for {phone}: {otp}\n"));
    out.write_all(line.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_names_phone_and_password() {
        let mut out = Vec::new();
        print(&mut out, &crate::couriers::example()).unwrap();
        assert_eq!(out, b"one-time password for +4915112345678: 042137\n");
    }
}
