//! Names for things: users, messages, receipts, connections, tickets, phone numbers.
//!
//! Each is a type of its own, so that one can't be passed where another is meant.

use core::fmt;
use core::num::NonZeroU64;
use core::str::FromStr;

/// A registered user. Never 0: on the wire 0 is the server, or a client without an id, and
/// parses to `None` of an `Option<UserId>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(NonZeroU64);

impl UserId {
    /// The user with this number; `None` for 0.
    pub const fn new(id: u64) -> Option<Self> {
        match NonZeroU64::new(id) {
            Some(id) => Some(Self(id)),
            None => None,
        }
    }

    /// The number on the wire, never 0.
    pub const fn value(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserId({})", self.0)
    }
}

/// A message's number, unique and strictly growing for each sender (PROTOCOL 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u64);

/// A receipt's number, unique for each reader who signs receipts (PROTOCOL 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReceiptId(pub u64);

/// A connection, as the host numbers it. Never used twice in the life of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// Pairs an action that the host carries out with the event that reports its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Hands out tickets, each once.
#[derive(Debug, Default)]
pub(crate) struct Tickets(u64);

impl Tickets {
    pub(crate) fn issue(&mut self) -> Ticket {
        self.0 = self.0.wrapping_add(1);
        Ticket(self.0)
    }
}

/// Names a user to look up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UserRef {
    /// By id.
    Id(UserId),
    /// By phone number.
    Phone(Phone),
}

/// A phone number in E.164: `+` and 7 to 15 digits, the first one not 0 (PROTOCOL 1).
///
/// Held as the number that its digits write, which loses nothing because there is no leading
/// zero. `Debug` is redacted; `Display` is the whole number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phone(u64);

/// The text is no E.164 phone number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a phone number: write + and 7 to 15 digits, the first one not 0, as in +4915112345678"
)]
pub struct InvalidPhone;

impl Phone {
    /// The longest text of a phone number, in bytes.
    pub const MAX_LEN: usize = 16;

    /// The digits as a number, for storage in an integer column.
    pub const fn digits(self) -> u64 {
        self.0
    }
}

impl FromStr for Phone {
    type Err = InvalidPhone;

    fn from_str(text: &str) -> Result<Self, InvalidPhone> {
        let digits = text.strip_prefix('+').ok_or(InvalidPhone)?;
        let well_formed = (7..=15).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|b| b.is_ascii_digit());
        if !well_formed {
            return Err(InvalidPhone);
        }
        digits.parse().map(Self).map_err(|_| InvalidPhone)
    }
}

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.0)
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Phone(+…{:02})", self.0 % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;

    #[test]
    fn phone_takes_seven_to_fifteen_digits() {
        for good in ["+1234567", "+4915112345678", "+999999999999999"] {
            assert_eq!(good.parse::<Phone>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "+",
            "1234567",
            "+123456",
            "+0234567",
            "+1234567890123456",
            "+12345a7",
            "++1234567",
            "+١٢٣٤٥٦٧",
        ] {
            assert_eq!(bad.parse::<Phone>(), Err(InvalidPhone), "{bad}");
        }
    }

    #[test]
    fn phone_is_redacted_in_debug() {
        let phone: Phone = "+4915112345678".parse().unwrap();
        assert_eq!(format!("{phone:?}"), "Phone(+…78)");
    }
}
