//! The server's clock, as a session knows it.

use crate::time::{Mono, Timestamp};

/// A time that the server has signed, counted on by the host's monotonic clock: whatever happens to
/// the wall clock during the session, what is dated in it is dated right.
#[derive(Clone, Copy, Debug)]
pub(in crate::client) struct ServerClock {
    told: Timestamp,
    at: Mono,
}

/// Whether the server's clock is one that we sign by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::client) enum ClockTrust {
    Adopted,
    /// It is too far from ours. The connection is given up.
    Refused,
}

impl ServerClock {
    /// The clock of a server that has told this time now.
    pub(in crate::client) const fn told(told: Timestamp, now: Mono) -> Self {
        Self { told, at: now }
    }

    pub(in crate::client) fn time(self, now: Mono) -> Timestamp {
        let elapsed = now.since(self.at).as_secs();
        self.told.plus_secs(i64::try_from(elapsed).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_with_the_monotonic_clock() {
        let clock = ServerClock::told(Timestamp::from_unix_secs(1_000), Mono(5_000_000));
        assert_eq!(clock.time(Mono(5_900_000)), Timestamp::from_unix_secs(1_000));
        assert_eq!(clock.time(Mono(65_000_000)), Timestamp::from_unix_secs(1_060));
    }
}
