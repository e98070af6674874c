//! The time zone in which times are shown.

use jiff::Timestamp;
use jiff::civil::DateTime;
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

    /// The time of day, `12:03`.
    pub(crate) fn clock(&self, time: Time) -> String {
        self.local(time).strftime("%H:%M").to_string()
    }

    /// The day, `Thursday, 26 November 2026`.
    pub(crate) fn day(&self, time: Time) -> String {
        self.local(time).strftime("%A, %-d %B %Y").to_string()
    }

    /// The day in short, `26 Nov 2026`.
    pub(crate) fn short_day(&self, time: Time) -> String {
        self.local(time).strftime("%-d %b %Y").to_string()
    }

    /// Whether both times are on the same day.
    pub(crate) fn same_day(&self, a: Time, b: Time) -> bool {
        self.local(a).date() == self.local(b).date()
    }

    fn local(&self, time: Time) -> DateTime {
        // Every time of the protocol is in a year of four digits, which jiff knows.
        let time = Timestamp::from_second(time.0.unix_secs()).unwrap_or_default();
        self.0.to_datetime(time)
    }
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
}
