//! Ids of users, messages, receipts, connections, endpoints and tickets; and phone numbers.
//!
//! Each has a type of its own, so one cannot be passed where another is meant.

use core::fmt;
use core::num::NonZeroU64;
use core::str::FromStr;

/// Id of a registered user. Never 0: on the wire 0 is the server, or a client without an id, and
/// parses to the `None` of an `Option<UserId>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(NonZeroU64);

impl UserId {
    /// Makes the id with this number; `None` for 0.
    pub const fn new(id: u64) -> Option<Self> {
        match NonZeroU64::new(id) {
            Some(id) => Some(Self(id)),
            None => None,
        }
    }

    /// Number on the wire, never 0.
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

/// Number that a sender gives a message: unique for that sender and strictly growing (PROTOCOL
/// 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u64);

/// Number that a recipient gives a receipt: unique for that recipient (PROTOCOL 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReceiptId(pub u64);

/// Number of a connection. The host never uses one twice during the life of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// Position of a server's endpoint in the address of its deployment; 0 is the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointIndex(pub usize);

/// Number that pairs an action of a machine with the event that reports its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Reference to a user who is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UserRef {
    /// The user with this id.
    Id(UserId),
    /// The user with this phone number.
    Phone(Phone),
}

/// A phone number in E.164: `+` and 7 to 15 digits, the first of them not 0 (PROTOCOL 1).
///
/// The digits are kept as one integer, which loses nothing because there is no leading zero.
/// `Debug` is redacted for the log; `Display` shows the whole number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phone(u64);

/// The text is not a phone number in E.164.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a phone number: write + and 7 to 15 digits, the first of them not 0, as in +4915112345678"
)]
pub struct InvalidPhone;

impl Phone {
    /// Length in bytes of the longest phone number as text.
    pub const MAX_LEN: usize = 16;

    /// The digits as one integer, for an integer column of a store.
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
    fn phone_numbers_have_seven_to_fifteen_digits() {
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
    fn phone_numbers_are_redacted_in_debug() {
        let phone: Phone = "+4915112345678".parse().unwrap();
        assert_eq!(format!("{phone:?}"), "Phone(+…78)");
    }
}
