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
}

impl Add<Duration> for Mono {
    type Output = Self;

    /// Adds a duration. Saturates at the largest time.
    fn add(self, duration: Duration) -> Self {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(micros))
    }
}
