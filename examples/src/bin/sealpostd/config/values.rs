//! Values as operators write them, beside sizes: rates and durations.

use std::fmt::Display;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use sealpost_core::server::Rate;
use serde::Deserialize;
use serde::de::{Deserializer, Error};

/// A rate: `2000, then 400/s`, `50, then 1/min`, `500/day`, or `unlimited`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RateText(pub(crate) Rate);

/// A duration: `10s`, `5m`, `30d`, `1h 30m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

/// A text is not a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "write how many may come at once and how many after that, such as `20, then 10/min` (s, min, h \
     or day), how many in any 24 hours, such as `500/day`, or `unlimited`"
)]
pub(crate) struct NotARate;

impl FromStr for RateText {
    type Err = NotARate;

    fn from_str(text: &str) -> Result<Self, NotARate> {
        if text.trim() == "unlimited" {
            return Ok(Self(Rate::UNLIMITED));
        }
        if let Some(events) = text.trim().strip_suffix("/day").filter(|_| !text.contains(',')) {
            let events: NonZeroU32 = events.parse().map_err(|_| NotARate)?;
            return Ok(Self(Rate::per_day(events.get())));
        }
        let (burst, rest) = text.split_once(',').ok_or(NotARate)?;
        let (count, unit) = rest
            .trim_start()
            .strip_prefix("then ")
            .and_then(|rest| rest.split_once('/'))
            .ok_or(NotARate)?;
        let burst: NonZeroU32 = burst.trim().parse().map_err(|_| NotARate)?;
        let count: NonZeroU32 = count.trim().parse().map_err(|_| NotARate)?;
        let unit = UNITS.iter().find(|(name, _)| *name == unit.trim()).ok_or(NotARate)?.1;
        let every = unit / count.get();
        // The machine counts microseconds: a shorter interval would lift the limit.
        if every < Duration::from_micros(1) {
            return Err(NotARate);
        }
        Ok(Self(Rate { burst: burst.get(), every }))
    }
}

impl FromStr for Span {
    type Err = humantime::DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        humantime::parse_duration(text).map(Self)
    }
}

impl<'de> Deserialize<'de> for RateText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        text(from)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        text(from)
    }
}

/// Reads a value that is written as a text.
pub(crate) fn text<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    String::deserialize(from)?.parse().map_err(D::Error::custom)
}

/// As [`text`], for an option that may have no value.
pub(crate) fn optional_text<'de, T, D>(from: D) -> Result<Option<T>, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    text(from).map(Some)
}

/// Reads a list of values, each written as a text.
pub(crate) fn texts<'de, T, D>(from: D) -> Result<Vec<T>, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    let each = Vec::<String>::deserialize(from)?;
    each.iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
}

/// Reads a text, or a list of them. There must be one at least.
pub(crate) fn one_or_more<'de, T, D>(from: D) -> Result<Vec<T>, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "write a text, or a list of texts")]
    enum Texts {
        One(String),
        Many(Vec<String>),
    }
    let texts = match Texts::deserialize(from)? {
        Texts::One(text) => vec![text],
        Texts::Many(texts) => texts,
    };
    if texts.is_empty() {
        return Err(D::Error::custom("write at least one"));
    }
    texts.iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
}

const UNITS: [(&str, Duration); 4] = [
    ("s", Duration::from_secs(1)),
    ("min", Duration::from_mins(1)),
    ("h", Duration::from_hours(1)),
    ("day", Duration::from_hours(24)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_people_say_them() {
        let rate = |burst, every| Ok(RateText(Rate { burst, every }));
        for (text, expected) in [
            ("2000, then 400/s", rate(2_000, Duration::from_micros(2_500))),
            ("20,then 10/min", rate(20, Duration::from_secs(6))),
            ("1, then 24/day", rate(1, Duration::from_hours(1))),
            ("500/day", Ok(RateText(Rate::per_day(500)))),
            ("unlimited", Ok(RateText(Rate::UNLIMITED))),
        ] {
            assert_eq!(text.parse(), expected, "{text}");
        }
        for text in [
            "",
            "20",
            "20/s",
            "0/day",
            "20, 10/min",
            "0, then 1/s",
            "1, then 0/s",
            "1, then 1/week",
            "-1, then 1/s",
            "1, then 1000001/s",
        ] {
            assert_eq!(text.parse::<RateText>(), Err(NotARate), "{text}");
        }
    }

    #[test]
    fn durations_have_a_unit() {
        assert_eq!("30d".parse(), Ok(Span(Duration::from_hours(720))));
        assert_eq!("1h 30m".parse(), Ok(Span(Duration::from_mins(90))));
        assert!("30".parse::<Span>().is_err() && "".parse::<Span>().is_err());
    }
}
