//! Time as an argument. A machine is told what time it is; it never asks.
//!
//! Two clocks: [`Mono`] only moves forward and times everything inside the machine; wall time
//! ([`Timestamp`]) goes into packets and into the store, and may jump.

mod timestamp;

use core::ops::Add;
use core::time::Duration;

pub use timestamp::Timestamp;

/// What the host's clocks showed when an input happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// A clock that never goes back.
    pub mono: Mono,
    /// UTC, to the second.
    pub wall: Timestamp,
}

/// A moment on a clock that never goes back: microseconds since a start that the host chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mono(pub u64);

impl Mono {
    /// The time from `earlier` until this moment; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Mono {
    type Output = Self;

    /// Saturates at the end of time.
    fn add(self, duration: Duration) -> Self {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(micros))
    }
}
