//! A size in bytes, as operators write it: `65536`, `64KiB`, `16GiB`.

use std::fmt;
use std::str::FromStr;

/// A size in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

/// A text is not a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a number of bytes, or a number followed by KiB, MiB or GiB")]
pub(crate) struct NotASize;

impl FromStr for Size {
    type Err = NotASize;

    fn from_str(text: &str) -> Result<Self, NotASize> {
        let split = UNITS.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes)));
        let (number, unit) = split.unwrap_or((text, 1));
        let number: u64 = number.parse().map_err(|_| NotASize)?;
        number.checked_mul(unit).map(Self).ok_or(NotASize)
    }
}

impl fmt::Display for Size {
    /// Writes the size in the largest unit in which it is at least 1, with one decimal if it is not
    /// whole.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((unit, bytes)) = UNITS.iter().find(|(_, bytes)| self.0 >= *bytes) else {
            return write!(f, "{} bytes", self.0);
        };
        let tenths = self.0 % bytes * 10 / bytes;
        match tenths {
            0 => write!(f, "{} {unit}", self.0 / bytes),
            _ => write!(f, "{}.{tenths} {unit}", self.0 / bytes),
        }
    }
}

const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_a_unit() {
        for (text, bytes) in [("0", 0), ("700", 700), ("64KiB", 65_536), ("16GiB", 16 << 30)] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for text in ["", "MiB", "-1", "1.5MiB", "1 MiB", "1MB", "99999999999GiB"] {
            assert_eq!(text.parse::<Size>(), Err(NotASize), "{text}");
        }
    }

    #[test]
    fn sizes_are_shown_in_the_largest_unit() {
        let shown = [0, 700, 65_536, 1_600_000, 16 << 30].map(|bytes| Size(bytes).to_string());
        assert_eq!(shown, ["0 bytes", "700 bytes", "64 KiB", "1.5 MiB", "16 GiB"]);
    }
}
