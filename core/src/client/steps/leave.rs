//! Leaving the server: in an orderly way, or because something went wrong.

use alloc::vec::Vec;
use core::time::Duration;

use crate::client::alarm::Alarm;
use crate::client::awaits::{AwaitJob, AwaitStore};
use crate::client::notice::{Notice, OfflineReason, Suspicion};
use crate::client::state::goal::Goal;
use crate::client::state::session::Leaving;
use crate::client::{Client, Lifecycle};
use crate::crypto::EmitError;
use crate::wire::{Op, Packet};

impl Client {
    /// [`Command::Disconnect`](crate::client::Command::Disconnect): in an orderly way from a
    /// session, otherwise at once.
    pub(in crate::client) fn disconnect(&mut self) {
        self.goal = Goal::Offline;
        self.alarms.cancel(Alarm::Redial);
        if let Some(session) = self.link.session_mut() {
            session.begin_leaving();
            let at = self.now.mono + self.config.limits.goodbye;
            self.alarms.arm_if_idle(Alarm::Goodbye, at);
        } else if self.link.is_down() {
            let reason = OfflineReason::Requested;
            self.out.notify(Notice::Offline { reason, retry_in: None });
        } else {
            self.lose(OfflineReason::Requested);
        }
    }

    /// The process is to end: leaves the server; `settle` says when nothing is left to be done.
    pub(in crate::client) fn on_shutdown(&mut self) {
        self.lifecycle = Lifecycle::Stopping;
        self.disconnect();
    }

    /// Says goodbye once everything under way has been dealt with: what has arrived is durable and
    /// signed for, and the server knows of the receipts that we have. Anything left would be sent
    /// again in the next session.
    pub(in crate::client) fn say_goodbye(&mut self) {
        let Some(session) = self.link.open_session(Leaving::Flushing) else { return };
        if !session.is_flushing() || !session.is_idle() {
            return;
        }
        if self.inbox.undurable() > 0 || self.records_delivery() {
            return;
        }
        if let Some(session) = self.link.session_mut() {
            session.goodbye_said();
        }
        let header = self.header_to_server(Op::Disconnect, self.account.user());
        self.emit(header, Vec::new(), AwaitJob::Goodbye);
    }

    pub(in crate::client) fn on_goodbye_signed(&mut self, made: Result<Packet, EmitError>) {
        match made {
            Ok(packet) => self.send(&packet),
            Err(EmitError) => self.lose(OfflineReason::Local),
        }
    }

    /// Whether deliveries are being recorded, whose receipts the server is to be told of.
    fn records_delivery(&self) -> bool {
        let mut operations = self.out.stores();
        operations.any(|operation| matches!(operation, AwaitStore::MarkedDelivered { .. }))
    }

    /// Tells the application that somebody did what an honest server does not do, and leaves.
    pub(in crate::client) fn fault(&mut self, suspicion: Suspicion) {
        if suspicion == Suspicion::BadServerSignature {
            self.account.doubt_key(true);
        }
        self.out.notify(Notice::Suspicious { suspicion });
        self.lose(OfflineReason::Fault);
    }

    /// Leaves for good: nothing is dialled until the application asks for it.
    pub(in crate::client) fn leave(&mut self, reason: OfflineReason) {
        self.goal = Goal::Offline;
        self.lose(reason);
    }

    /// Closes the connection, and dials again later if the goal needs one.
    pub(in crate::client) fn lose(&mut self, reason: OfflineReason) {
        self.lose_for(reason, Duration::ZERO);
    }

    /// Closes the connection, and dials again no earlier than after `at_least`.
    pub(in crate::client) fn lose_for(&mut self, reason: OfflineReason, at_least: Duration) {
        if self.link.is_down() {
            return;
        }
        // A connection that has ended is not closed: the host does not know it any more.
        if let Some(conn) = self.link.held_by_host() {
            self.out.close(conn);
        }
        self.down(reason, at_least);
    }

    /// The pause that the server names, limited to the longest one that we accept.
    pub(in crate::client) fn named_pause(&self, secs: u64) -> Duration {
        Duration::from_secs(secs).min(self.config.limits.named_pause_max)
    }

    /// The connection is gone: forgets what belonged to it.
    pub(in crate::client) fn down(&mut self, reason: OfflineReason, at_least: Duration) {
        self.link.take_down();
        self.out.retain_jobs(AwaitJob::outlives_connection);
        self.alarms.cancel(Alarm::Progress);
        self.alarms.cancel(Alarm::Stable);
        self.alarms.cancel(Alarm::Acknowledgement);
        self.alarms.cancel(Alarm::ReceiptsTaken);
        self.alarms.cancel(Alarm::Goodbye);
        for who in self.lookups.connection_lost() {
            self.alarms.cancel(Alarm::LookupAnswer(who));
        }
        self.outbox.land_all();
        let retry_in = self.goal.needs_link().then(|| {
            let pause = self.redial.pause(&mut self.entropy).max(at_least);
            self.alarms.arm(Alarm::Redial, self.now.mono + pause);
            pause
        });
        self.out.notify(Notice::Offline { reason, retry_in });
    }
}
