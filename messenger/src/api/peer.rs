//! Whom a conversation is with.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use sealpost_core::ids::Phone;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A phone number, as people write it: spaces, dashes, dots, slashes and parentheses are ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PhoneNumber(pub Phone);

/// The id of a group, written as `group:` and 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupId(pub [u8; 16]);

/// A person or a group: a phone number, or `group:` and the id of the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// A person.
    Person(PhoneNumber),
    /// A group.
    Group(GroupId),
}

/// A text that names nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPeer {
    /// It is not a phone number.
    #[error("not a phone number: write it with its country, for example +4915112345678")]
    Phone,
    /// It is not `group:` with an id behind it.
    #[error("not the id of a group: 32 hexadecimal digits follow `group:`")]
    Group,
}

impl FromStr for PhoneNumber {
    type Err = InvalidPeer;

    fn from_str(text: &str) -> Result<Self, InvalidPeer> {
        let bare: String = text.chars().filter(|c| !SEPARATORS.contains(c)).collect();
        bare.parse().map(Self).map_err(|_| InvalidPeer::Phone)
    }
}

impl FromStr for GroupId {
    type Err = InvalidPeer;

    fn from_str(text: &str) -> Result<Self, InvalidPeer> {
        let id = text.strip_prefix(GROUP).ok_or(InvalidPeer::Group)?;
        let mut bytes = [0; 16];
        hex::decode_to_slice(id, &mut bytes).map_err(|_| InvalidPeer::Group)?;
        Ok(Self(bytes))
    }
}

impl FromStr for Peer {
    type Err = InvalidPeer;

    fn from_str(text: &str) -> Result<Self, InvalidPeer> {
        if text.starts_with(GROUP) {
            return text.parse().map(Self::Group);
        }
        text.parse().map(Self::Person)
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(phone) => phone.fmt(f),
            Self::Group(group) => group.fmt(f),
        }
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{GROUP}{}", hex::encode(self.0))
    }
}

impl From<Phone> for Peer {
    fn from(phone: Phone) -> Self {
        Self::Person(PhoneNumber(phone))
    }
}

/// Both are strings in JSON.
macro_rules! as_string {
    ($type:ty, $name:literal, $about:literal, $pattern:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "description": $about, "pattern": $pattern })
            }
        }
    };
}

as_string!(
    PhoneNumber,
    "PhoneNumber",
    "A phone number with its country; spaces and dashes are ignored.",
    r"^\+[0-9 ().\-/]+$"
);
as_string!(GroupId, "GroupId", "`group:` and the id of a group.", r"^group:[0-9a-f]{32}$");
as_string!(
    Peer,
    "Peer",
    "A person's phone number, or `group:` and the id of a group.",
    r"^(\+[0-9 ().\-/]+|group:[0-9a-f]{32})$"
);

/// What people write between the digits of a phone number.
const SEPARATORS: [char; 7] = [' ', '\u{a0}', '-', '.', '/', '(', ')'];
const GROUP: &str = "group:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phone_numbers_are_read_as_people_write_them() {
        let phone: PhoneNumber = "+4915112345678".parse().unwrap();
        for written in ["+49 151 1234-5678", "+49 (151) 1234.5678", "+49/151\u{a0}12345678"] {
            assert_eq!(written.parse(), Ok(phone), "{written}");
        }
        for bad in ["", "+", "0151 12345678", "+49151x", "group:", "+49\n15112345678"] {
            assert_eq!(bad.parse::<PhoneNumber>(), Err(InvalidPeer::Phone), "{bad}");
        }
    }

    #[test]
    fn groups_are_written_in_hex() {
        let group = Peer::Group(GroupId([0xab; 16]));
        assert_eq!(group.to_string(), format!("group:{}", "ab".repeat(16)));
        assert_eq!(group.to_string().parse(), Ok(group));
        for bad in ["group:", "group:ab", &format!("group:{}", "g".repeat(32))] {
            assert_eq!(bad.parse::<Peer>(), Err(InvalidPeer::Group), "{bad}");
        }
    }
}
