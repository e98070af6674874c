//! Values in records, validated as they are read.

use sealpost_core::ids::UserId;
use sealpost_core::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A time, in seconds since 1970. One outside the calendar is unreadable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub(super) struct Seconds(Timestamp);

impl TryFrom<i64> for Seconds {
    type Error = &'static str;

    fn try_from(secs: i64) -> Result<Self, &'static str> {
        let time = Timestamp::from_unix_secs(secs);
        if time.unix_secs() == secs { Ok(Self(time)) } else { Err("a time outside the calendar") }
    }
}

impl From<Seconds> for i64 {
    fn from(seconds: Seconds) -> Self {
        seconds.0.unix_secs()
    }
}

impl From<Timestamp> for Seconds {
    fn from(time: Timestamp) -> Self {
        Self(time)
    }
}

impl From<Seconds> for Timestamp {
    fn from(seconds: Seconds) -> Self {
        seconds.0
    }
}

/// Id of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub(super) struct UserNumber(pub(super) UserId);

impl TryFrom<u64> for UserNumber {
    type Error = &'static str;

    fn try_from(id: u64) -> Result<Self, &'static str> {
        UserId::new(id).map(Self).ok_or("user id 0")
    }
}

impl From<UserNumber> for u64 {
    fn from(number: UserNumber) -> Self {
        number.0.value()
    }
}

/// Bytes as lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Hex(pub(super) Vec<u8>);

impl TryFrom<String> for Hex {
    type Error = base16ct::Error;

    fn try_from(digits: String) -> Result<Self, base16ct::Error> {
        base16ct::lower::decode_vec(digits).map(Self)
    }
}

impl From<Hex> for String {
    fn from(hex: Hex) -> Self {
        base16ct::lower::encode_string(&hex.0)
    }
}
