//! Timestamps of 19 bytes: `YYYY-MM-DD HH:MM:SS`, UTC, a second that exists in the calendar
//! (PROTOCOL 3).

use core::fmt;
use core::time::Duration;

/// A second of the calendar, from year 0000 to year 9999, counted from 1970.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Length in bytes on the wire.
    pub const LEN: usize = 19;
    /// Earliest timestamp: 0000-01-01 00:00:00.
    pub const MIN: Self = Self(-62_167_219_200);
    /// Latest timestamp: 9999-12-31 23:59:59.
    pub const MAX: Self = Self(253_402_300_799);

    /// The second `secs` seconds after 1970 (before, if negative), clamped to years 0000 to 9999.
    pub const fn from_unix_secs(secs: i64) -> Self {
        if secs < Self::MIN.0 {
            Self::MIN
        } else if secs > Self::MAX.0 {
            Self::MAX
        } else {
            Self(secs)
        }
    }

    /// Seconds since 1970; negative before.
    pub const fn unix_secs(self) -> i64 {
        self.0
    }

    /// This second moved by `secs` seconds, clamped to years 0000 to 9999.
    #[must_use]
    pub const fn plus_secs(self, secs: i64) -> Self {
        Self::from_unix_secs(self.0.saturating_add(secs))
    }

    /// Count of whole days (UTC) since 1970.
    pub const fn days_since_1970(self) -> i64 {
        self.0.div_euclid(SECS_PER_DAY)
    }

    /// Time until the next day (UTC) begins.
    pub const fn until_next_day(self) -> Duration {
        Duration::from_secs((SECS_PER_DAY - self.0.rem_euclid(SECS_PER_DAY)).unsigned_abs())
    }

    /// Seconds since `earlier`; negative if `earlier` is later.
    pub const fn secs_since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }

    /// Parses 19 bytes; `None` unless they are exactly a second of the calendar. There are no leap
    /// seconds.
    pub fn parse(text: &[u8; Self::LEN]) -> Option<Self> {
        let &[
            y0,
            y1,
            y2,
            y3,
            b'-',
            mo0,
            mo1,
            b'-',
            d0,
            d1,
            b' ',
            h0,
            h1,
            b':',
            mi0,
            mi1,
            b':',
            s0,
            s1,
        ] = text
        else {
            return None;
        };
        let year = number(&[y0, y1, y2, y3])?;
        let month = number(&[mo0, mo1])?;
        let day = number(&[d0, d1])?;
        let (hour, minute, second) = (number(&[h0, h1])?, number(&[mi0, mi1])?, number(&[s0, s1])?);
        let real = (1..=12).contains(&month)
            && (1..=days_in_month(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60;
        real.then(|| {
            Self(
                days_from_civil(year, month, day) * SECS_PER_DAY
                    + hour * 3_600
                    + minute * 60
                    + second,
            )
        })
    }

    /// Returns the 19 bytes of this second.
    pub fn emit(self) -> [u8; Self::LEN] {
        let (days, rest) = (self.days_since_1970(), self.0.rem_euclid(SECS_PER_DAY));
        let (year, month, day) = civil_from_days(days);
        let mut out = *b"0000-00-00 00:00:00";
        let fields = [
            (year, 0, 4),
            (month, 5, 2),
            (day, 8, 2),
            (rest / 3_600, 11, 2),
            (rest / 60 % 60, 14, 2),
            (rest % 60, 17, 2),
        ];
        for (value, at, width) in fields {
            let mut value = value;
            for slot in out.iter_mut().skip(at).take(width).rev() {
                *slot = b'0' + u8::try_from(value % 10).unwrap_or_default();
                value /= 10;
            }
        }
        out
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(core::str::from_utf8(&self.emit()).unwrap_or_default())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timestamp({self})")
    }
}

fn number(digits: &[u8]) -> Option<i64> {
    digits
        .iter()
        .try_fold(0, |n, digit| digit.is_ascii_digit().then(|| n * 10 + i64::from(digit - b'0')))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar. Years begin in March here, so that
/// the leap day is the last day of its year.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

const SECS_PER_DAY: i64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    #[test]
    fn known_seconds() {
        for (text, secs) in [
            (b"1970-01-01 00:00:00", 0),
            (b"2000-02-29 23:59:59", 951_868_799),
            (b"2026-11-23 12:34:56", 1_795_437_296),
            (b"0000-01-01 00:00:00", Timestamp::MIN.0),
            (b"9999-12-31 23:59:59", Timestamp::MAX.0),
        ] {
            assert_eq!(Timestamp::parse(text), Some(Timestamp(secs)));
            assert_eq!(&Timestamp(secs).emit(), text);
        }
    }

    #[test]
    fn seconds_outside_the_calendar_are_clamped() {
        let (first, last) = (Timestamp::MIN.unix_secs(), Timestamp::MAX.unix_secs());
        assert_eq!(Timestamp::from_unix_secs(first), Timestamp(first));
        assert_eq!(Timestamp::from_unix_secs(last), Timestamp(last));
        for outside in [first - 1, i64::MIN] {
            assert_eq!(Timestamp::from_unix_secs(outside), Timestamp::MIN);
        }
        for outside in [last + 1, i64::MAX] {
            assert_eq!(Timestamp::from_unix_secs(outside), Timestamp::MAX);
        }
        assert_eq!(Timestamp::MIN.plus_secs(-1), Timestamp::MIN);
        assert_eq!(Timestamp::MAX.plus_secs(i64::MAX), Timestamp::MAX);
    }

    #[test]
    fn added_seconds_lie_between() {
        let moment = Timestamp::from_unix_secs(1_795_437_296);
        for secs in [0, 1, 86_400, -5] {
            assert_eq!(moment.plus_secs(secs).secs_since(moment), secs);
            assert_eq!(moment.secs_since(moment.plus_secs(secs)), -secs);
        }
    }

    #[test]
    fn a_day_ends_at_midnight() {
        let day = |secs| Timestamp::from_unix_secs(secs).days_since_1970();
        assert_eq!([-1, 0, 86_399, 86_400].map(day), [-1, 0, 0, 1]);
        for secs in [-1, 86_399] {
            let left = Timestamp::from_unix_secs(secs).until_next_day();
            assert_eq!(left, Duration::from_secs(1));
        }
        assert_eq!(Timestamp::from_unix_secs(0).until_next_day(), Duration::from_hours(24));
    }

    #[test]
    fn display_is_the_text_on_the_wire() {
        let moment = Timestamp::from_unix_secs(1_795_437_296);
        assert_eq!(moment.to_string(), "2026-11-23 12:34:56");
    }

    #[test]
    fn text_that_is_not_a_calendar_second_does_not_parse() {
        for text in [
            b"2026-02-29 00:00:00",
            b"1900-02-29 00:00:00",
            b"2026-04-31 00:00:00",
            b"2026-00-10 00:00:00",
            b"2026-13-10 00:00:00",
            b"2026-01-00 00:00:00",
            b"2026-01-01 24:00:00",
            b"2026-01-01 00:60:00",
            b"2026-12-31 23:59:60",
            b"2026-01-01T00:00:00",
            b"2026-01-01 00:00:0 ",
            b"+026-01-01 00:00:00",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{}", core::str::from_utf8(text).unwrap());
        }
    }

    proptest! {
        #[test]
        fn every_second_round_trips(secs in Timestamp::MIN.0..=Timestamp::MAX.0) {
            let moment = Timestamp(secs);
            prop_assert_eq!(Timestamp::parse(&moment.emit()), Some(moment));
        }
    }
}
