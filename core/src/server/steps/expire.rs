//! Items past retention are deleted, a batch at a time, while the clock is plausible.

use crate::frame::StoreError;
use crate::server::alarm::Alarm;
use crate::server::awaits::AwaitStore;
use crate::server::store::StoreOp;
use crate::server::{Notice, Server};
use crate::time::{Timestamp, whole_secs};

impl Server {
    /// The store judges the clock before anything is deleted by it: a clock that runs ahead, even
    /// for one start, would delete messages that were acknowledged as stored.
    pub(in crate::server) fn on_expire_alarm(&mut self) {
        let (clock, max_step) = (self.now.wall, self.config.limits.clock_step);
        let op = StoreOp::RecordClock { clock, max_step };
        self.out.store(op, AwaitStore::ClockRecorded { clock });
    }

    /// Expires by `clock`, which the store has judged, and not by the present time, which may have
    /// jumped meanwhile.
    pub(in crate::server) fn on_clock_recorded(
        &mut self,
        clock: Timestamp,
        newest: Result<Timestamp, StoreError>,
    ) {
        let limits = &self.config.limits;
        let is_skewed = |newest: Timestamp| {
            let behind_secs = newest.secs_since(clock);
            !(0..=whole_secs(limits.clock_skew)).contains(&behind_secs)
        };
        if let Ok(newest) = newest {
            self.clock_is_implausible = newest != clock && is_skewed(newest);
        }
        match newest {
            Ok(newest) if newest == clock => {
                let before = clock.plus_secs(-whole_secs(limits.retention));
                let op = StoreOp::Expire { before, limit: limits.expire_batch };
                return self.out.store(op, AwaitStore::Expired);
            }
            // A small step back is how clocks are kept right: the time is soon reached again.
            Ok(newest) if is_skewed(newest) => {
                self.out.notify(Notice::ClockImplausible { clock, newest });
            }
            Ok(_) => {}
            Err(_) => self.counters.store_failures += 1,
        }
        self.alarms.arm(Alarm::Expire, self.now.mono + self.config.limits.expire_every);
    }

    /// A full batch means that more is due: the next one follows after a short pause, so that the
    /// store serves others in between.
    pub(in crate::server) fn on_expired(&mut self, expired: Result<u32, StoreError>) {
        if expired.is_err() {
            self.counters.store_failures += 1;
        }
        let limits = &self.config.limits;
        let is_full = expired.is_ok_and(|count| count >= limits.expire_batch);
        let pause = if is_full { limits.store_retry } else { limits.expire_every };
        self.alarms.arm(Alarm::Expire, self.now.mono + pause);
    }
}
