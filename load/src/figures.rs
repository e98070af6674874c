//! Figures of a run: latencies, rates, medians.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use sealpost_programs::Failure;
use serde::Serialize;

/// A histogram of latencies up to a minute, with three significant digits.
pub(crate) struct Latencies(Histogram<u64>);

/// Summary of many latencies, in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Latency {
    /// Number of measured latencies.
    pub(crate) count: u64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p99_9_us: f64,
    pub(crate) max_us: f64,
}

impl Latencies {
    pub(crate) fn new() -> Result<Self, Failure> {
        Ok(Self(Histogram::new_with_bounds(1, MINUTE_NANOS, 3)?))
    }

    /// Adds a latency. One longer than a minute counts as a minute.
    pub(crate) fn record(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(crate) fn summary(&self) -> Latency {
        let at = |quantile| float(self.0.value_at_quantile(quantile)) / 1_000.0;
        Latency {
            count: self.0.len(),
            p50_us: at(0.5),
            p99_us: at(0.99),
            p99_9_us: at(0.999),
            max_us: float(self.0.max()) / 1_000.0,
        }
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count: _, p50_us, p99_us, p99_9_us, max_us } = self;
        write!(f, "p50 {p50_us:.0} µs, p99 {p99_us:.0} µs, p99.9 {p99_9_us:.0} µs, ")?;
        write!(f, "max {max_us:.0} µs")
    }
}

/// The rate per second.
pub(crate) fn per_second(count: u64, time: Duration) -> f64 {
    float(count) / time.as_secs_f64().max(f64::MIN_POSITIVE)
}

/// The microseconds that each of `count` took.
pub(crate) fn micros_each(time: Duration, count: u64) -> f64 {
    time.as_secs_f64() * 1e6 / float(count.max(1))
}

#[expect(clippy::cast_precision_loss, reason = "figures of a measurement, far below 2^53")]
pub(crate) const fn float(count: u64) -> f64 {
    count as f64
}

/// The median; for an even number of values, the mean of the two in the middle. `None` without
/// values.
pub(crate) fn median(measured: &[f64]) -> Option<f64> {
    let mut sorted = measured.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get((sorted.len() - 1) / 2)?;
    Some(f64::midpoint(lower, upper))
}

const MINUTE_NANOS: u64 = 60_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_in_the_middle_whatever_the_order() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 9.0, 2.0]), Some(3.0));
    }

    #[test]
    fn quantiles_are_in_microseconds_and_one_stall_shows() {
        let mut latencies = Latencies::new().unwrap();
        for _ in 0..995 {
            latencies.record(Duration::from_micros(100));
        }
        for _ in 0..5 {
            latencies.record(Duration::from_secs(100));
        }
        let Latency { count, p50_us, p99_us, p99_9_us, max_us } = latencies.summary();
        assert_eq!(count, 1_000);
        assert!((99.0..=101.0).contains(&p50_us) && (99.0..=101.0).contains(&p99_us));
        assert!(p99_9_us > 59e6 && (59e6..61e6).contains(&max_us));
    }

    #[test]
    fn rates_and_shares() {
        assert!((per_second(500, Duration::from_millis(250)) - 2_000.0).abs() < 1e-6);
        assert!((micros_each(Duration::from_millis(1), 10) - 100.0).abs() < 1e-6);
    }
}
