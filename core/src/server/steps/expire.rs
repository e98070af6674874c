//! Items past retention are deleted, a batch at a time.

use crate::frame::StoreError;
use crate::server::Server;
use crate::server::alarm::Alarm;
use crate::server::awaits::AwaitStore;
use crate::server::store::StoreOp;

impl Server {
    pub(in crate::server) fn on_expire_alarm(&mut self) {
        let limits = &self.config.limits;
        let secs = i64::try_from(limits.retention.as_secs()).unwrap_or(i64::MAX);
        let before = self.now.wall.plus_secs(-secs);
        let op = StoreOp::Expire { before, limit: limits.expire_batch };
        self.out.store(op, AwaitStore::Expired);
    }

    /// A full batch means that more is due: the next one follows after a short pause, so that the
    /// store serves others in between.
    pub(in crate::server) fn on_expired(&mut self, expired: Result<u32, StoreError>) {
        let limits = &self.config.limits;
        let is_full = expired.is_ok_and(|count| count >= limits.expire_batch);
        let pause = if is_full { limits.store_retry } else { limits.expire_every };
        self.alarms.arm(Alarm::Expire, self.now.mono + pause);
    }
}
