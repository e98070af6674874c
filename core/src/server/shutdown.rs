//! Orderly ends: of one session (222), and of the server.

use alloc::vec::Vec;

use super::awaits::AfterReply;
use super::reply::Refusal;
use super::session::Farewell;
use super::{Notice, Server, Timer};
use crate::ids::ConnId;
use crate::time::Now;
use crate::wire::{ErrorCode, Op};

impl Server {
    /// Takes nothing more from a session. What it sent before is stored and acknowledged first,
    /// then the farewell is said.
    pub(super) fn begin_farewell(&mut self, now: Now, conn: ConnId, farewell: Farewell) {
        let Some((who, session)) = self.session_mut(conn) else { return };
        if session.farewell.replace(farewell).is_some() {
            return;
        }
        self.detach(now, who.user(), conn);
        self.say_farewell_when_done(now, conn);
    }

    pub(super) fn say_farewell_when_done(&mut self, now: Now, conn_id: ConnId) {
        let Some(conn) = self.conns.get(&conn_id) else { return };
        let Some((session, farewell)) = conn.session().and_then(|s| Some((s, s.farewell?))) else {
            return;
        };
        let unsaid = conn.replies > 0 || !session.acks.is_idle();
        if unsaid || self.backlog.of(session.user()) > 0 {
            return;
        }
        let user = session.user();
        match farewell {
            Farewell::Disconnect => {
                let draft = self.draft(now, Some(user), Op::Disconnect, Vec::new());
                self.reply(now, conn_id, draft, AfterReply::Close);
                self.begin_closing(now, conn_id);
            }
            Farewell::ShuttingDown => {
                self.refuse(now, conn_id, Refusal::new(ErrorCode::ShuttingDown), None);
            }
        }
    }

    /// The server is to stop: what is in flight is stored and acknowledged, everyone is told.
    pub(super) fn shutdown(&mut self, now: Now) {
        if self.stopping {
            return;
        }
        self.stopping = true;
        self.timers.arm(Timer::Shutdown, now.mono + self.config.limits.shutdown);
        let (sessions, others): (Vec<_>, Vec<_>) = self
            .conns
            .iter()
            .map(|(id, conn)| (*id, conn.session().is_some()))
            .partition(|(_, session)| *session);
        // First all mailboxes go to the store, so that every sender waits for what it has in any.
        for (conn, _) in &sessions {
            if let Some((who, _)) = self.session_mut(*conn) {
                self.detach(now, who.user(), *conn);
            }
        }
        for (conn, _) in sessions {
            self.begin_farewell(now, conn, Farewell::ShuttingDown);
        }
        for (conn, _) in others {
            self.refuse(now, conn, Refusal::new(ErrorCode::ShuttingDown), None);
        }
        self.stop_when_done();
    }

    /// Says that the stop is complete, once nobody is left and nothing waits for the store.
    pub(super) fn stop_when_done(&mut self) {
        if !self.stopping || self.stopped || !self.conns.is_empty() {
            return;
        }
        let settled =
            self.retries.is_empty() && self.mailboxes.values().all(|mailbox| mailbox.is_settled());
        if settled {
            self.stopped = true;
            self.out.notify(Notice::Stopped);
        }
    }

    /// The orderly stop has taken too long: whoever is left is cut off. Nothing acknowledged is
    /// lost by that.
    pub(super) fn give_up_waiting(&mut self, now: Now) {
        for conn in self.conns.keys().copied().collect::<Vec<_>>() {
            self.close(now, conn);
        }
        if !self.stopped {
            self.stopped = true;
            self.out.notify(Notice::Stopped);
        }
    }
}
