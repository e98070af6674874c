//! Connections that were closed without an answer.

use core::time::Duration;

use crate::time::Mono;

/// Counts of connections that were closed without an answer, for one reason. A flood is reported from
/// time to time, not for each of them.
#[derive(Debug, Default)]
pub(in crate::server) struct Shedding {
    total: u64,
    unreported: u64,
    report_after: Mono,
}

impl Shedding {
    /// Count since the start.
    pub(in crate::server) const fn total(&self) -> u64 {
        self.total
    }

    /// Counts one. Returns the count since the last report, if another report is due.
    pub(in crate::server) fn add(&mut self, now: Mono) -> Option<u64> {
        self.total += 1;
        self.unreported += 1;
        if now < self.report_after {
            return None;
        }
        self.report_after = now + REPORT_EVERY;
        Some(core::mem::take(&mut self.unreported))
    }
}

/// Shortest time between two reports.
const REPORT_EVERY: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_reported_every_ten_seconds() {
        let mut shedding = Shedding::default();
        let reports = [0, 1, 9_999_999, 10_000_000].map(|at| shedding.add(Mono(at)));
        assert_eq!(reports, [Some(1), None, None, Some(3)]);
        assert_eq!(shedding.total(), 4);
    }
}
