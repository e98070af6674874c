//! The two clocks whose time a machine is given.

use std::time::{Duration, Instant, SystemTime};

use sealpost_core::time::{Mono, Now, Timestamp};

/// Reads [`Instant`] and [`SystemTime`]. Its [`Mono`] time counts from [`Clock::start`].
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    /// Starts a clock whose monotonic time is zero now.
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// The current time of both clocks.
    pub(crate) fn now(&self) -> Now {
        Now { mono: self.mono(), wall: wall(SystemTime::now()) }
    }

    /// The current monotonic time, which never goes back.
    pub(crate) fn mono(&self) -> Mono {
        Mono::default() + self.start.elapsed()
    }
}

/// Converts a system time to whole seconds. A clock set before 1970 is wrong anyway and reads as
/// 1970.
fn wall(time: SystemTime) -> Timestamp {
    let since_1970 = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Timestamp::from_unix_secs(i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_counts_seconds_since_1970_and_not_before() {
        let moment = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_437_296_900);
        assert_eq!(wall(moment).unix_secs(), 1_795_437_296);
        assert_eq!(wall(SystemTime::UNIX_EPOCH - Duration::from_secs(1)).unix_secs(), 0);
    }

    #[test]
    fn mono_never_goes_back() {
        let clock = Clock::start();
        let (first, second) = (clock.mono(), clock.mono());
        assert!(first <= second);
    }
}
