//! How long commits took, as counts that only grow: a reader takes differences.

use std::time::Duration;

/// Durations of a host's commits since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommitTimes {
    /// Number of commits.
    pub commits: u64,
    /// Number of requests in them.
    pub requests: u64,
    /// Time that all of them took, with waiting for other processes.
    pub total: Duration,
    /// Number of commits that took at most [`CommitTimes::BOUNDS`] at the same index, and longer
    /// than the bound before. The last one counts those that took longer than every bound.
    pub histogram: [u64; Self::BOUNDS.len() + 1],
    /// Number of commits with at most [`CommitTimes::SIZES`] requests at the same index, in the same
    /// way.
    pub sizes: [u64; Self::SIZES.len() + 1],
}

impl CommitTimes {
    /// Upper bounds of the histogram.
    pub const BOUNDS: [Duration; 12] = [
        Duration::from_micros(250),
        Duration::from_micros(500),
        Duration::from_millis(1),
        Duration::from_millis(2),
        Duration::from_millis(5),
        Duration::from_millis(10),
        Duration::from_millis(20),
        Duration::from_millis(50),
        Duration::from_millis(100),
        Duration::from_millis(200),
        Duration::from_millis(500),
        Duration::from_secs(1),
    ];

    /// Upper bounds of the number of requests in a commit.
    pub const SIZES: [u32; 9] = [1, 2, 4, 8, 16, 64, 128, 512, 1_024];

    pub(super) fn add(&mut self, requests: usize, took: Duration) {
        self.commits += 1;
        self.requests += requests as u64;
        self.total = self.total.saturating_add(took);
        let index = Self::BOUNDS.iter().take_while(|bound| took > **bound).count();
        let exceeds = |bound: &&u32| requests as u64 > u64::from(**bound);
        let size = Self::SIZES.iter().take_while(exceeds).count();
        let counts = self.histogram.get_mut(index).into_iter().chain(self.sizes.get_mut(size));
        counts.for_each(|count| *count += 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commit_counts_once_at_the_first_bound_that_holds() {
        let mut times = CommitTimes::default();
        for (requests, micros) in [(1, 100), (2, 250), (3, 251), (4, 2_000_000)] {
            times.add(requests, Duration::from_micros(micros));
        }
        assert_eq!((times.commits, times.requests), (4, 10));
        assert_eq!(times.total, Duration::from_micros(2_000_601));
        assert_eq!(times.histogram, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(times.sizes, [1, 1, 2, 0, 0, 0, 0, 0, 0, 0]);
    }
}
