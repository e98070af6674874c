//! What happened between two moments of the server.

use serde::Serialize;

use super::figures::{Bucket, Live};

/// Rates between two moments, per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Rates {
    pub(super) forwarded: u64,
    pub(super) stored: u64,
    pub(super) commits: u64,
    pub(super) commit_requests: u64,
    pub(super) commit_mean_micros: u64,
    /// Time within which half of the commits were done; `None` if there was none, or the time is
    /// above every bound.
    pub(super) commit_p50_micros: Option<u64>,
    /// Time within which 99 % of the commits were done.
    pub(super) commit_p99_micros: Option<u64>,
}

impl Rates {
    /// The rates between an earlier and a later moment of the same server that are `millis` apart.
    pub(super) fn between(earlier: &Live, later: &Live, millis: u64) -> Self {
        let per_sec = |earlier: u64, later: u64| {
            let count = later.saturating_sub(earlier).saturating_mul(1_000);
            count.saturating_add(millis / 2).checked_div(millis).unwrap_or(0)
        };
        let (before, now) = (&earlier.commits, &later.commits);
        let commits = now.count.saturating_sub(before.count);
        let took = now.total_micros.saturating_sub(before.total_micros);
        let histogram: Vec<_> = now
            .histogram
            .iter()
            .zip(&before.histogram)
            .map(|(now, before)| Bucket { count: now.count.saturating_sub(before.count), ..*now })
            .collect();
        Self {
            forwarded: per_sec(earlier.forwarded, later.forwarded),
            stored: per_sec(earlier.stored, later.stored),
            commits: per_sec(before.count, now.count),
            commit_requests: per_sec(before.requests, now.requests),
            commit_mean_micros: took.checked_div(commits).unwrap_or(0),
            commit_p50_micros: within(&histogram, 50),
            commit_p99_micros: within(&histogram, 99),
        }
    }
}

/// The bound within which `percent` of the commits were done.
fn within(histogram: &[Bucket], percent: u64) -> Option<u64> {
    let all: u64 = histogram.iter().map(|bucket| bucket.count).sum();
    let enough = (all.checked_mul(percent)?).div_ceil(100);
    let mut done = 0;
    let reaches = |bucket: &&Bucket| {
        done += bucket.count;
        done >= enough
    };
    if all == 0 { None } else { histogram.iter().find(reaches)?.at_most_micros }
}

#[cfg(test)]
mod tests {
    use super::super::figures::Commits;
    use super::*;

    fn live(forwarded: u64, count: u64, total_micros: u64, histogram: [u64; 3]) -> Live {
        let bounds = [Some(1_000), Some(5_000), None];
        let bucket = |(at_most_micros, count)| Bucket { at_most_micros, count };
        let histogram = bounds.into_iter().zip(histogram).map(bucket).collect();
        Live {
            version: String::new(),
            since: String::new(),
            uptime_secs: 0,
            connections: 0,
            sessions: 0,
            forwarded,
            stored: 0,
            shed: 0,
            relieved: 0,
            held_bytes: 0,
            commits: Commits { count, requests: 2 * count, total_micros, histogram },
        }
    }

    #[test]
    fn rates_are_differences_per_second() {
        let earlier = live(100, 10, 50_000, [10, 0, 0]);
        let later = live(350, 110, 450_000, [60, 49, 1]);
        let rates = Rates::between(&earlier, &later, 500);
        assert_eq!((rates.forwarded, rates.stored), (500, 0));
        assert_eq!((rates.commits, rates.commit_requests), (200, 400));
        assert_eq!(rates.commit_mean_micros, 4_000);
        assert_eq!(rates.commit_p50_micros, Some(1_000));
        assert_eq!(rates.commit_p99_micros, Some(5_000));
    }

    #[test]
    fn nothing_happened_in_no_time() {
        let now = live(100, 10, 50_000, [10, 0, 0]);
        assert_eq!(Rates::between(&now, &now, 0), Rates::default());
    }

    #[test]
    fn commits_above_every_bound_have_none() {
        let earlier = live(0, 0, 0, [0, 0, 0]);
        let later = live(0, 2, 9, [0, 0, 2]);
        assert_eq!(Rates::between(&earlier, &later, 1_000).commit_p50_micros, None);
    }
}
