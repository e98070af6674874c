//! The time zone in which times are shown.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use sealpost_messenger::api::Time;

/// A time zone.
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

impl Zone {
    /// UTC.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// The time zone of this machine.
    pub fn system() -> Self {
        Self(TimeZone::system())
    }

    /// The time to the second, `2026-11-26 12:03:05+01:00`, or with a Z for UTC.
    pub fn stamp(&self, time: Time) -> String {
        let zoned = instant(time).to_zoned_datetime(self.0.clone());
        let offset = if self.0 == TimeZone::UTC { "Z" } else { "%:z" };
        zoned.strftime(&format!("%Y-%m-%d %H:%M:%S{offset}")).to_string()
    }

    /// Reads a day, or a time of day after it, as `2026-11-26` or `2026-11-26 12:03`. `None` if it is
    /// neither.
    pub fn read(&self, text: &str) -> Option<Time> {
        let day = text.parse::<Date>().map(|day| day.at(0, 0, 0, 0));
        let date_time = if text.contains(':') { text.parse().ok()? } else { day.ok()? };
        let at = self.0.to_timestamp(date_time).ok()?;
        Some(Time(sealpost_core::time::Timestamp::from_unix_secs(at.as_second())))
    }

    /// The time of day, `12:03`.
    pub fn clock(&self, time: Time) -> String {
        self.local(time).strftime("%H:%M").to_string()
    }

    /// The day, `Thursday, 26 November 2026`.
    pub fn day(&self, time: Time) -> String {
        self.local(time).strftime("%A, %-d %B %Y").to_string()
    }

    /// The day in short, `26 Nov 2026`.
    pub(crate) fn short_day(&self, time: Time) -> String {
        self.local(time).strftime("%-d %b %Y").to_string()
    }

    /// Whether both times are on the same day.
    pub fn same_day(&self, a: Time, b: Time) -> bool {
        self.local(a).date() == self.local(b).date()
    }

    fn local(&self, time: Time) -> DateTime {
        self.0.to_datetime(instant(time))
    }
}

fn instant(time: Time) -> Timestamp {
    // Every time of the protocol is in a year of four digits, which jiff knows.
    Timestamp::from_second(time.0.unix_secs()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_change_at_midnight_in_the_zone() {
        let zone = Zone(TimeZone::fixed(jiff::tz::offset(-5)));
        let evening: Time = "2026-11-27T03:00:00Z".parse().unwrap();
        let night: Time = "2026-11-27T05:00:00Z".parse().unwrap();
        assert_eq!(zone.clock(evening), "22:00");
        assert_eq!(zone.day(evening), "Thursday, 26 November 2026");
        assert!(!zone.same_day(evening, night));
        assert!(Zone::UTC.same_day(evening, night));
    }
    #[test]
    fn stamps_say_their_offset_and_are_read_again() {
        let zone = Zone(TimeZone::fixed(jiff::tz::offset(-5)));
        let time: Time = "2026-11-27T03:04:05Z".parse().unwrap();
        assert_eq!(zone.stamp(time), "2026-11-26 22:04:05-05:00");
        assert_eq!(Zone::UTC.stamp(time), "2026-11-27 03:04:05Z");
        assert_eq!(zone.read("2026-11-26 22:04:05"), Some(time));
        assert_eq!(zone.read("2026-11-26"), "2026-11-26T05:00:00Z".parse().ok());
        for bad in ["", "yesterday", "2026-13-01", "2026-11-26 25:00", "22:04"] {
            assert_eq!(zone.read(bad), None, "{bad}");
        }
    }
}
