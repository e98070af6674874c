//! One-time passwords.

use core::fmt;
use core::str::FromStr;

use crate::keys::Secret;

/// A one-time password: six decimal digits. Zeroized when dropped, compared in constant time, and
/// without a readable `Debug`; `Display` writes the digits. Clones share one copy of them.
#[derive(Clone, PartialEq, Eq)]
pub struct Otp(Secret<{ Self::LEN }>);

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
        let mut rest = number;
        Self(Secret::written(|digits| {
            for digit in digits.iter_mut().rev() {
                // Below ten, so it fits.
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        }))
    }

    /// Reads a password from six ASCII digits.
    pub fn from_digits(digits: &[u8; Self::LEN]) -> Result<Self, InvalidOtp> {
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(InvalidOtp);
        }
        Ok(Self(Secret::written(|otp| otp.copy_from_slice(digits))))
    }

    /// The six ASCII digits.
    pub fn digits(&self) -> &str {
        core::str::from_utf8(self.0.expose()).unwrap_or_default()
    }

    /// Compares two passwords in constant time.
    pub fn ct_eq(&self, other: &Self) -> bool {
        self == other
    }
}

impl FromStr for Otp {
    type Err = InvalidOtp;

    fn from_str(text: &str) -> Result<Self, InvalidOtp> {
        Self::from_digits(text.as_bytes().as_array().ok_or(InvalidOtp)?)
    }
}

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
