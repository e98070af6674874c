//! Prints one-time passwords on the operator's terminal.

use std::io::{self, Write};

use sealpost_core::server::OtpDelivery;

/// Prints one line.
pub(super) fn print(out: &mut impl Write, delivery: &OtpDelivery) -> io::Result<()> {
    writeln!(out, "one-time password for {}: {}", delivery.phone, delivery.otp)?;
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
