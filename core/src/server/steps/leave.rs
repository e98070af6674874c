//! Orderly ends: of a session, and of the server.

use alloc::vec::Vec;

use crate::ids::{ConnId, UserId};
use crate::server::alarm::Alarm;
use crate::server::awaits::AfterReply;
use crate::server::state::conn::Phase;
use crate::server::state::refusal::Refusal;
use crate::server::state::session::{Farewell, Session};
use crate::server::{Lifecycle, Notice, Server};
use crate::wire::{ErrorCode, Op};

impl Server {
    /// Takes nothing more from a session. What it sent before is stored and acknowledged first,
    /// then the farewell is sent.
    pub(in crate::server) fn begin_farewell(&mut self, conn: ConnId, farewell: Farewell) {
        let Some((who, session)) = self.connections.session_mut(conn) else { return };
        if session.begin_farewell(farewell) {
            self.detach(who.user(), conn);
            self.touched.conn(conn);
        }
    }

    /// Sends the farewell once everything that the session sent is stored and acknowledged.
    pub(in crate::server) fn finish_farewell(&mut self, conn_id: ConnId) {
        let Some(conn) = self.connections.get(conn_id) else { return };
        let Some((session, farewell)) = conn.session().and_then(|s| Some((s, s.farewell()?)))
        else {
            return;
        };
        let user = session.user();
        let unsent = conn.replies() > 0 || !session.sent().acks.is_idle();
        if unsent || self.mailboxes.unstored.of(user).packets > 0 {
            return;
        }
        match farewell {
            Farewell::Disconnect => {
                let draft = self.draft(conn_id, Some(user), Op::Disconnect, Vec::new());
                self.reply(conn_id, draft, AfterReply::Close);
                self.begin_closing(conn_id);
            }
            Farewell::ShuttingDown => {
                self.refuse(conn_id, Refusal::new(ErrorCode::ShuttingDown));
            }
        }
    }

    /// Ends the user's session on another connection, if there is one.
    pub(in crate::server) fn displace(&mut self, user: UserId) {
        if let Some(old) = self.connections.of_user(user) {
            self.refuse_and_close(old, Refusal::new(ErrorCode::Displaced));
        }
    }

    /// Takes a connection's session away. The mailbox goes on without it.
    pub(in crate::server) fn end_session(&mut self, conn_id: ConnId) {
        let Some(conn) = self.connections.get_mut(conn_id) else { return };
        let Some((who, session)) = conn.session_mut() else { return };
        let (user, meters, answers) =
            (who.user(), session.meters, session.sent_mut().take_answers());
        session.verified().for_each(|bytes| self.checking.leave(bytes));
        conn.phase = Phase::Closing;
        self.touched.conn(conn_id);
        self.user_meters.end_session(user, meters, self.now.mono);
        self.record_answers(user, answers);
        self.connections.session_ended(user, conn_id);
        self.end_sharing(user);
        self.detach(user, conn_id);
        self.out.notify(Notice::SessionClosed { user, conn: conn_id });
    }

    /// The server is to stop: what is in flight is stored and acknowledged, and everyone is told.
    pub(in crate::server) fn on_shutdown(&mut self) {
        if self.lifecycle >= Lifecycle::Stopping {
            return;
        }
        self.lifecycle = Lifecycle::Stopping;
        self.alarms.arm(Alarm::Shutdown, self.now.mono + self.config.limits.shutdown);
        let (sessions, others): (Vec<_>, Vec<_>) = self
            .connections
            .iter()
            .map(|(id, conn)| (id, conn.session().map(Session::user)))
            .partition(|(_, user)| user.is_some());
        // First all mailboxes go to the store, so that every sender waits for what it has in any.
        for (conn, user) in &sessions {
            if let Some(user) = user {
                self.detach(*user, *conn);
            }
        }
        for (conn, _) in sessions {
            self.begin_farewell(conn, Farewell::ShuttingDown);
        }
        for (conn, _) in others {
            self.refuse(conn, Refusal::new(ErrorCode::ShuttingDown));
        }
    }

    /// The orderly stop is complete once nobody is left and nothing waits for the store.
    pub(in crate::server) fn stop_when_done(&mut self) {
        let done = self.lifecycle == Lifecycle::Stopping
            && self.connections.is_empty()
            && self.unfinished.is_empty()
            && self.mailboxes.are_settled();
        if done {
            self.stop();
        }
    }

    /// The orderly stop has taken too long: whoever is left is cut off. Nothing acknowledged is
    /// lost by that.
    pub(in crate::server) fn on_shutdown_alarm(&mut self) {
        for conn in self.connections.ids() {
            self.close(conn);
        }
        self.stop();
    }

    fn stop(&mut self) {
        if self.lifecycle < Lifecycle::Stopped {
            self.lifecycle = Lifecycle::Stopped;
            self.out.notify(Notice::Stopped);
        }
    }
}
