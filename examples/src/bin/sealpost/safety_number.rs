//! Safety numbers as people read and type them.

use std::fmt;
use std::str::FromStr;

/// The safety number of two keys. Shown in groups of five digits; the spaces may be left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SafetyNumber(String);

/// The safety number that a person has compared, as an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// Show the number, and ask whether it is the same on both screens.
    Ask,
    Number(SafetyNumber),
}

/// A text that is not a safety number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a safety number: it must have 60 digits")]
pub(crate) struct InvalidSafetyNumber;

impl FromStr for SafetyNumber {
    type Err = InvalidSafetyNumber;

    fn from_str(text: &str) -> Result<Self, InvalidSafetyNumber> {
        let digits: String = text.split_ascii_whitespace().collect();
        let valid = digits.len() == 60 && digits.bytes().all(|byte| byte.is_ascii_digit());
        if valid { Ok(Self(digits)) } else { Err(InvalidSafetyNumber) }
    }
}

impl Comparison {
    pub(crate) const ASK: &str = "ask";
}

impl FromStr for Comparison {
    type Err = InvalidSafetyNumber;

    fn from_str(text: &str) -> Result<Self, InvalidSafetyNumber> {
        if text == Self::ASK { Ok(Self::Ask) } else { text.parse().map(Self::Number) }
    }
}

impl fmt::Display for SafetyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (groups, _) = self.0.as_bytes().as_chunks::<5>();
        for (index, group) in groups.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{}", str::from_utf8(group).unwrap_or_default())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_is_read_with_and_without_spaces() {
        let shown = ["12345"; 12].join(" ");
        let number: SafetyNumber = shown.parse().unwrap();
        assert_eq!(number.to_string(), shown);
        assert_eq!("12345".repeat(12).parse(), Ok(number));
        for bad in ["", "12345", &"1".repeat(61), &"a".repeat(60)] {
            assert_eq!(bad.parse::<SafetyNumber>(), Err(InvalidSafetyNumber), "{bad}");
        }
    }
}
