//! The account: who we are, what the server's clock shows, and the dates of our 106.

use super::store::Account;
use crate::time::{Now, Timestamp};

impl Account {
    /// What the server's clock shows now, as far as is known.
    pub(super) const fn server_time(&self, now: Now) -> Timestamp {
        now.wall.plus_secs(self.clock_offset_secs)
    }

    /// Takes the server's clock over. Returns the offset if it is another one than before.
    pub(super) fn learn_clock(&mut self, now: Now, server_time: Timestamp) -> Option<i64> {
        let secs = server_time.secs_since(now.wall);
        let changed = secs != self.clock_offset_secs;
        self.clock_offset_secs = secs;
        changed.then_some(secs)
    }

    /// The date for the next 106, which must be strictly newer than the last (PROTOCOL 4.3): the
    /// present, or the second after the last one if that is near. One that is further ahead was
    /// dated by a wrong clock, and the server did not accept it.
    pub(super) fn next_reconnect(&self, now: Now, ahead_secs: i64) -> Timestamp {
        let present = self.server_time(now);
        match self.last_reconnect {
            Some(last) if last >= present && last.secs_since(present) < ahead_secs => {
                last.plus_secs(1)
            }
            Some(_) | None => present,
        }
    }
}
