//! One-time passwords.

use core::fmt;
use core::str::FromStr;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A one-time password: six decimal digits. Zeroized when dropped, compared in constant time, and
/// without a readable `Debug`; `Display` writes the digits.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Otp([u8; Self::LEN]);

/// The text is not six decimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a one-time password: write its six digits, as in 042137")]
pub struct InvalidOtp;

impl Otp {
    /// Count of digits, and length in bytes on the wire.
    pub const LEN: usize = 6;
    /// Count of possible passwords: [`from_number`](Self::from_number) takes the numbers below it.
    pub const COUNT: u32 = 1_000_000;

    /// Writes `number` with leading zeros; `None` if it has more than six digits.
    pub fn from_number(number: u32) -> Option<Self> {
        (number < Self::COUNT).then(|| Self::last_digits(number.into()))
    }

    /// The last six decimal digits of a number.
    pub fn last_digits(number: u64) -> Self {
        let mut otp = Self([b'0'; Self::LEN]);
        let mut rest = number;
        for digit in otp.0.iter_mut().rev() {
            *digit += u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
        }
        otp
    }

    /// Reads a password from six ASCII digits.
    pub fn from_digits(digits: &[u8; Self::LEN]) -> Result<Self, InvalidOtp> {
        if digits.iter().all(u8::is_ascii_digit) { Ok(Self(*digits)) } else { Err(InvalidOtp) }
    }

    /// The six ASCII digits.
    pub fn digits(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Compares two passwords in constant time.
    pub fn ct_eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl FromStr for Otp {
    type Err = InvalidOtp;

    fn from_str(text: &str) -> Result<Self, InvalidOtp> {
        Self::from_digits(text.as_bytes().try_into().map_err(|_| InvalidOtp)?)
    }
}

impl PartialEq for Otp {
    fn eq(&self, other: &Self) -> bool {
        self.ct_eq(other)
    }
}

impl Eq for Otp {}

impl fmt::Display for Otp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.digits())
    }
}

impl fmt::Debug for Otp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Otp(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;

    #[test]
    fn a_number_is_written_with_leading_zeros() {
        for (number, digits) in [(0, "000000"), (42_137, "042137"), (999_999, "999999")] {
            assert_eq!(Otp::from_number(number).unwrap().to_string(), digits);
        }
        assert_eq!(Otp::from_number(Otp::COUNT), None);
    }

    #[test]
    fn only_six_ascii_digits_parse() {
        assert_eq!("042137".parse::<Otp>(), Ok(Otp::from_number(42_137).unwrap()));
        for text in ["", "04213", "0421377", "04213a", " 42137", "+42137", "٠١٢"] {
            assert_eq!(text.parse::<Otp>(), Err(InvalidOtp), "{text}");
        }
    }

    #[test]
    fn passwords_are_equal_when_every_digit_is() {
        let otp = Otp::from_number(42_137).unwrap();
        assert_eq!(otp, "042137".parse().unwrap());
        for other in ["142137", "043137", "042136"] {
            assert_ne!(otp, other.parse().unwrap());
        }
    }

    #[test]
    fn debug_shows_no_digit() {
        assert_eq!(format!("{:?}", Otp::from_number(42_137)), "Some(Otp(…))");
    }
}
