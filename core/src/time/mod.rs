//! Time as an argument: a machine is told the time with every input and never reads a clock.
//!
//! There are two clocks. [`Mono`] only moves forward and times everything inside the machine. Wall
//! time ([`Timestamp`]) goes into packets and into the store, and may jump.

mod timestamp;

use core::ops::Add;
use core::time::Duration;

pub use timestamp::Timestamp;

/// Whole seconds of a duration, for differences of timestamps.
pub(crate) fn whole_secs(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// Times of the host's clocks when an input happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Time of a clock that never goes back.
    pub mono: Mono,
    /// Wall time: UTC, to the second.
    pub wall: Timestamp,
}

/// Time of a clock that never goes back: microseconds since a start that the host chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mono(pub u64);

impl Mono {
    /// Duration since `earlier`; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// Subtracts a duration. Saturates at zero.
    pub(crate) fn earlier_by(self, duration: Duration) -> Self {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(micros))
    }
}

/// Clock that goes on from where it was if the host's clock is set back against its contract.
/// Otherwise every wait would grow by the step, and who is over a rate would be locked out for as
/// long.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SteadyClock {
    last: Mono,
    /// Microseconds by which the host's clock was set back so far.
    set_back: u64,
}

impl SteadyClock {
    /// Time of this clock, when the host's clock shows `host`.
    pub(crate) fn advance(&mut self, host: Mono) -> Mono {
        self.set_back = self.set_back.max(self.last.0.saturating_sub(host.0));
        self.last = self.last.max(Mono(host.0.saturating_add(self.set_back)));
        self.last
    }

    /// Time of the host's clock, when this clock shows `at`.
    pub(crate) const fn on_host(&self, at: Mono) -> Mono {
        Mono(at.0.saturating_sub(self.set_back))
    }
}

impl Add<Duration> for Mono {
    type Output = Self;

    /// Adds a duration. Saturates at the largest time.
    fn add(self, duration: Duration) -> Self {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_goes_on() {
        let mut clock = SteadyClock::default();
        let shown = [10, 20, 5, 6, 30, 2].map(|host| clock.advance(Mono(host)).0);
        assert_eq!(shown, [10, 20, 20, 21, 45, 45]);
        assert_eq!(clock.on_host(Mono(50)), Mono(7));
    }
}
