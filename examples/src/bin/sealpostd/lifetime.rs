//! A lifetime, as operators write it: `90m`, `12h`, `7d`.

use std::fmt;
use std::str::FromStr;

/// A whole number of minutes, hours or days; not 0, and ten years at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lifetime {
    pub(crate) secs: u32,
}

/// A text is not a lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a number followed by m, h or d (minutes, hours or days), up to 3650d")]
pub(crate) struct NotALifetime;

impl FromStr for Lifetime {
    type Err = NotALifetime;

    fn from_str(text: &str) -> Result<Self, NotALifetime> {
        let split = UNITS.iter().find_map(|(unit, secs)| Some((text.strip_suffix(unit)?, *secs)));
        let (number, unit) = split.ok_or(NotALifetime)?;
        let number: u32 = number.parse().map_err(|_| NotALifetime)?;
        let secs = number.checked_mul(unit).filter(|secs| (1..=MOST_SECS).contains(secs));
        secs.map(|secs| Self { secs }).ok_or(NotALifetime)
    }
}

impl fmt::Display for Lifetime {
    /// Writes the lifetime in the largest unit in which it is whole.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS.iter().find(|(_, secs)| self.secs.is_multiple_of(*secs));
        whole.map_or(Ok(()), |(unit, secs)| write!(f, "{}{unit}", self.secs / secs))
    }
}

const UNITS: [(&str, u32); 3] = [("d", 24 * 60 * 60), ("h", 60 * 60), ("m", 60)];
const MOST_SECS: u32 = 3_650 * 24 * 60 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_read_and_written_with_a_unit() {
        for (text, secs) in [("90m", 5_400), ("12h", 43_200), ("7d", 604_800), ("3650d", MOST_SECS)]
        {
            assert_eq!(text.parse(), Ok(Lifetime { secs }), "{text}");
            assert_eq!(Lifetime { secs }.to_string(), text);
        }
        for text in ["", "d", "7", "0d", "-1d", "1.5d", "7 d", "3651d", "99999999d", "7s"] {
            assert_eq!(text.parse::<Lifetime>(), Err(NotALifetime), "{text}");
        }
    }
}
