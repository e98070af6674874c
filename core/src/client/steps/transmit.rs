//! Transmitting messages from the outbox, until the server or their recipient acknowledges them.

use alloc::vec;

use crate::client::Client;
use crate::client::alarm::Alarm;
use crate::client::notice::OfflineReason;
use crate::client::state::session::Leaving;
use crate::client::store::Failure;
use crate::wire::StoredAck;

impl Client {
    /// Sends what is ready, as far as the window allows.
    pub(in crate::client) fn send_ready(&mut self) {
        // What is signed again would be overtaken.
        if !self.readdressing.is_idle() {
            return;
        }
        let retention = i64::try_from(self.config.limits.retention.as_secs()).unwrap_or(i64::MAX);
        let oldest = self.server_time().plus_secs(-retention);
        let first = self.outbox.first_to_former_ids(|user| self.contacts.present_id(user));
        while self.link.open_session(Leaving::No).is_some()
            && let Some((id, packet)) = self.outbox.next_ready(&self.config.limits, &first)
        {
            // The server would refuse it for its date.
            if packet.header().timestamp < oldest {
                self.fail(vec![id], Failure::Expired);
                continue;
            }
            let packet = packet.clone();
            self.outbox.launch(id);
            self.send(&packet);
            let at = self.now.mono + self.config.limits.ack_timeout;
            self.alarms.arm_if_idle(Alarm::Acknowledgement, at);
        }
    }

    /// 203 from the server: these messages are durable there.
    pub(in crate::client) fn on_stored_ack(&mut self, ack: StoredAck) {
        let mut items = ack.items;
        items.retain(|(recipient, id)| self.outbox.take(*id, *recipient).is_some());
        self.on_progress();
        self.unrecorded.add_stored(items);
    }

    /// Something was acknowledged: what else is in flight gets its full time from now on.
    pub(in crate::client) fn on_progress(&mut self) {
        self.alarms.cancel(Alarm::Acknowledgement);
        if self.outbox.awaits_acknowledgement() {
            let at = self.now.mono + self.config.limits.ack_timeout;
            self.alarms.arm(Alarm::Acknowledgement, at);
        }
    }

    /// Nothing was acknowledged in time. While other packets arrive, the connection is slow rather
    /// than dead, and the acknowledgement may be behind them.
    pub(in crate::client) fn on_acknowledgement_overdue(&mut self) {
        if !self.outbox.awaits_acknowledgement() {
            return;
        }
        match self.link.silent_until(self.config.limits.ack_timeout, self.now.mono) {
            Some(at) => self.alarms.arm(Alarm::Acknowledgement, at),
            None => self.lose(OfflineReason::TimedOut),
        }
    }
}
