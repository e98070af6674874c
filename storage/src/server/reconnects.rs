//! The dates of a user's 106s, none of which may be accepted twice.

use sealpost_core::time::Timestamp;

/// Dates that were accepted, as disjoint spans in ascending order. Between two spans lie dates that
/// were never accepted.
///
/// While the clock is right there is one span, with gaps of the last day in it. A clock that ran
/// ahead leaves a span in the future. Once the clock is right, the dates before that span can be
/// accepted, and those in it still cannot: a 106 that was recorded while the clock was wrong
/// can't be replayed when its time comes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ReconnectDates(Vec<Span>);

/// A span of dates, from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    first: Timestamp,
    last: Timestamp,
}

/// The date was accepted before, or is older than one that binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotNewer;

impl ReconnectDates {
    /// Accepts a date. It must be newer than every accepted one up to `horizon`, the latest date
    /// that the clock allows now. `newest` is the newest time that the store has on record.
    pub(super) fn accept(
        &mut self,
        at: Timestamp,
        horizon: Timestamp,
        newest: Option<Timestamp>,
    ) -> Result<(), NotNewer> {
        let binds = |span: &Span| span.first <= horizon.max(at) && span.last >= at;
        if self.0.iter().any(binds) {
            return Err(NotNewer);
        }
        let place = self.0.partition_point(|span| span.last < at);
        self.0.insert(place, Span { first: at, last: at });
        if let Some(newest) = newest {
            self.close_gaps_before(newest.min(horizon).plus_secs(-GAPS_KEPT_SECS));
        }
        while self.0.len() > MAX_SPANS {
            self.close_shortest_gap();
        }
        Ok(())
    }

    /// Closes the gaps that end by `past`: no clock will allow their dates again.
    fn close_gaps_before(&mut self, past: Timestamp) {
        while self.0.get(1).is_some_and(|span| span.first <= past) {
            self.close_gap_after(0);
        }
    }

    /// Closes the gap that is least likely to contain the right time.
    fn close_shortest_gap(&mut self) {
        let gaps =
            self.0.array_windows().map(|[before, after]| after.first.secs_since(before.last));
        if let Some((index, _)) = gaps.enumerate().min_by_key(|(_, secs)| *secs) {
            self.close_gap_after(index);
        }
    }

    fn close_gap_after(&mut self, index: usize) {
        let closed = self.0.remove(index + 1);
        if let Some(span) = self.0.get_mut(index) {
            span.last = closed.last;
        }
    }

    /// Encodes the spans for a column: the seconds since 1970 of each first and last date.
    pub(super) fn encode(&self) -> Vec<u8> {
        let dates = self.0.iter().flat_map(|span| [span.first, span.last]);
        dates.flat_map(|date| date.unix_secs().to_be_bytes()).collect()
    }

    /// Decodes a column. Returns `None` unless it holds what [`encode`](Self::encode) writes.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (numbers, []) = bytes.as_chunks::<8>() else { return None };
        let dates: Vec<_> = numbers
            .iter()
            .map(|bytes| Timestamp::from_unix_secs(i64::from_be_bytes(*bytes)))
            .collect();
        let (pairs, []) = dates.as_chunks::<2>() else { return None };
        let dates = Self(pairs.iter().map(|&[first, last]| Span { first, last }).collect());
        // `from_unix_secs` clamps to the calendar: a value that it changes was never written by us.
        (dates.is_consistent() && dates.encode() == bytes).then_some(dates)
    }

    /// Whether the spans are few, disjoint and in order.
    pub(super) fn is_consistent(&self) -> bool {
        self.0.len() <= MAX_SPANS
            && self.0.iter().all(|span| span.first <= span.last)
            && self.0.array_windows().all(|[before, after]| before.last < after.first)
    }
}

/// Gaps kept. They lie within a day, or in a future that the clock once showed, so a clock that ran
/// ahead by more than 3.4 hours (a seventh of a day) leaves a gap that is not the shortest.
const MAX_SPANS: usize = 8;

/// Gaps that end this long before the newest time on record are closed. The newest time may be
/// ahead of the right one by a day: a step of that length counts as plausible.
const GAPS_KEPT_SECS: i64 = 24 * 60 * 60;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::conformance::at;

    const DAY: i64 = 24 * 60 * 60;
    const YEAR: i64 = 365 * DAY;

    /// Accepts a date under a clock that shows the same time.
    fn accept(dates: &mut ReconnectDates, secs: i64, newest: i64) -> bool {
        dates.accept(at(secs), at(secs + 300), Some(at(newest))).is_ok()
    }

    #[test]
    fn clock_that_ran_ahead_locks_nobody_out_and_lets_nothing_be_replayed() {
        for ahead in [YEAR, 31 * DAY, 20 * 3_600] {
            let mut dates = ReconnectDates::default();
            let mut now = 0;
            for _ in 0..50 {
                now += 2 * DAY;
                assert!(accept(&mut dates, now, now));
            }
            let wrong: Vec<_> = (0..20).map(|n| now + ahead + n * 3_600).collect();
            assert!(wrong.iter().all(|secs| accept(&mut dates, *secs, now)));

            assert!(!accept(&mut dates, now, now), "replayed at once, {ahead}");
            now += 60;
            assert!(accept(&mut dates, now, now), "the clock is right again, {ahead}");
            assert!(!accept(&mut dates, now, now));
            for secs in &wrong {
                assert!(!accept(&mut dates, *secs, *secs), "replayed when its time comes, {ahead}");
            }
            assert!(accept(&mut dates, wrong[19] + 1, now + ahead), "{ahead}");
        }
    }

    #[test]
    fn two_wrong_clocks_leave_two_gaps() {
        let mut dates = ReconnectDates::default();
        for secs in [0, YEAR, 3 * YEAR, 100, 2 * YEAR] {
            assert!(accept(&mut dates, secs, 0));
        }
        assert!(accept(&mut dates, 200, 200));
    }

    #[test]
    fn past_is_one_span() {
        let mut dates = ReconnectDates::default();
        for day in 0..100 {
            assert!(accept(&mut dates, day * DAY, day * DAY));
            assert!(dates.0.len() <= 2, "{dates:?}");
        }
        assert!(!accept(&mut dates, 50 * DAY + 1, 99 * DAY), "between two of them");
    }

    #[test]
    fn unreadable_columns_are_not_decoded() {
        assert_eq!(ReconnectDates::decode(&[]), Some(ReconnectDates::default()));
        let column = |numbers: &[i64]| {
            let bytes: Vec<_> = numbers.iter().flat_map(|n| n.to_be_bytes()).collect();
            ReconnectDates::decode(&bytes)
        };
        assert!(column(&[1, 1, 2, 5]).is_some());
        for bad in [&[1][..], &[2, 1], &[1, 3, 3, 4], &[1, i64::MAX], &[1; 18]] {
            assert_eq!(column(bad), None, "{bad:?}");
        }
        assert_eq!(ReconnectDates::decode(&[0; 15]), None);
    }

    proptest! {
        /// Whatever the clock does, no date is accepted twice, and what is stored reads back.
        #[test]
        fn no_date_is_accepted_twice(
            steps in prop::collection::vec((0..200_i64, 0..10_i64, 0..200_i64), 0..60)
        ) {
            let mut dates = ReconnectDates::default();
            let mut accepted = BTreeSet::new();
            for (clock, ahead, newest) in steps {
                let scale = DAY / 10;
                let (secs, horizon) = (clock * scale, (clock + ahead) * scale);
                let newest = Some(at(newest * scale));
                if dates.accept(at(secs), at(horizon), newest).is_ok() {
                    prop_assert!(accepted.insert(secs));
                }
                prop_assert!(dates.is_consistent());
                prop_assert_eq!(ReconnectDates::decode(&dates.encode()), Some(dates.clone()));
            }
        }
    }
}
