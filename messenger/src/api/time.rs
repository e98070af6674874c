//! Times in JSON.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use sealpost_core::time::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A time in UTC to the second, written as in RFC 3339: `2026-01-31T12:00:00Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub Timestamp);

/// A text that is not a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a time: it is written as 2026-01-31T12:00:00Z")]
pub struct InvalidTime;

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}Z", self.0.to_string().replace(' ', "T"))
    }
}

impl FromStr for Time {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        let (day, clock) =
            text.strip_suffix('Z').and_then(|t| t.split_once('T')).ok_or(InvalidTime)?;
        let bytes = format!("{day} {clock}").into_bytes().try_into().map_err(|_| InvalidTime)?;
        Timestamp::parse(&bytes).map(Self).ok_or(InvalidTime)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time", "description": "A time in UTC." })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_in_rfc_3339() {
        let time = Time(Timestamp::from_unix_secs(1_769_860_800));
        assert_eq!(serde_json::to_string(&time).unwrap(), r#""2026-01-31T12:00:00Z""#);
        assert_eq!(serde_json::from_str::<Time>(r#""2026-01-31T12:00:00Z""#).unwrap(), time);
        assert!(serde_json::from_str::<Time>(r#""yesterday""#).is_err());
    }
}
