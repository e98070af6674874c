//! Connections open, close, become congested and recover.

use core::net::IpAddr;

use crate::frame::Misuse;
use crate::ids::ConnId;
use crate::server::alarm::Alarm;
use crate::server::state::conn::{Conn, Phase};
use crate::server::state::connections::Room;
use crate::server::state::session::Session;
use crate::server::{Lifecycle, Notice, Server};

impl Server {
    pub(in crate::server) fn on_opened(&mut self, conn: ConnId, peer: IpAddr) {
        if self.connections.contains(conn) {
            return self.out.notify(Notice::Misuse { misuse: Misuse::ReusedConn });
        }
        if self.lifecycle >= Lifecycle::Stopping {
            return self.out.close(conn);
        }
        match self.connections.room(&self.config.limits, peer) {
            Room::Free => {}
            Room::Instead(older) => self.shed(older),
            Room::None => {
                self.count_shed();
                return self.out.close(conn);
            }
        }
        self.connections.insert(conn, Conn::new(conn, peer, self.config.profile));
        let limits = &self.config.limits;
        self.alarms.arm(Alarm::Handshake(conn), self.now.mono + limits.time_to_session);
    }

    /// Disconnects a stranger without an answer, which would cost a signature.
    pub(in crate::server) fn shed(&mut self, conn: ConnId) {
        self.close(conn);
        self.count_shed();
    }

    fn count_shed(&mut self) {
        if let Some(count) = self.shedding.add(self.now.mono) {
            self.out.notify(Notice::StrangersShed { count });
        }
    }

    /// Whether another job for strangers may begin. If not, the stranger who needs it is
    /// disconnected.
    pub(in crate::server) fn admit_stranger_job(&mut self, conn: ConnId) -> bool {
        let admitted = self.out.stranger_jobs() < self.config.limits.stranger_jobs;
        if !admitted {
            self.shed(conn);
        }
        admitted
    }

    /// The connection is congested: nothing more is sent to its user from the mailbox, and nothing
    /// is read whose answer would have to be queued.
    pub(in crate::server) fn on_congested(&mut self, conn_id: ConnId) {
        let Some(conn) = self.connections.get_mut(conn_id) else { return };
        conn.set_congested(true);
        self.touched.conn(conn_id);
        if let Some(user) = conn.session().map(Session::user) {
            self.mailbox(user).0.stall();
            self.touched.mailbox(user);
        }
    }

    pub(in crate::server) fn on_writable(&mut self, conn_id: ConnId) {
        let Some(conn) = self.connections.get_mut(conn_id) else { return };
        conn.set_congested(false);
        self.touched.conn(conn_id);
        if let Some(user) = conn.session().map(Session::user)
            && let Some((mailbox, _)) = self.mailboxes.get_mut(user)
        {
            mailbox.unstall();
            self.touched.mailbox(user);
        }
    }

    /// A client may have taken nothing of what waits for it for too long: neither acknowledged an
    /// item, nor read from a congested socket.
    pub(in crate::server) fn on_unresponsive_alarm(&mut self, conn: ConnId) {
        let Some((who, _)) = self.connections.session_mut(conn) else { return };
        let user = who.user();
        let Some((mailbox, _)) = self.mailboxes.get_mut(user) else { return };
        let Some(since) = mailbox.owing_since(self.now.mono) else { return };
        let due = since + self.config.limits.unresponsive;
        if due > self.now.mono {
            return self.alarms.arm(Alarm::Unresponsive(conn), due);
        }
        self.counters.unresponsive += 1;
        self.out.notify(Notice::Unresponsive { user, conn });
        self.close(conn);
    }

    /// No session has begun in time.
    pub(in crate::server) fn on_handshake_alarm(&mut self, conn: ConnId) {
        self.counters.too_slow += 1;
        self.close(conn);
    }

    /// The peer is gone.
    pub(in crate::server) fn on_closed(&mut self, conn: ConnId) {
        self.forget(conn);
    }

    /// Closes a connection once what was sent has gone out.
    pub(in crate::server) fn close(&mut self, conn: ConnId) {
        if self.forget(conn) {
            self.out.close(conn);
        }
    }

    /// Takes nothing more from a connection; an answer that is being made is its last.
    pub(in crate::server) fn begin_closing(&mut self, conn_id: ConnId) {
        self.end_session(conn_id);
        if let Some(conn) = self.connections.get_mut(conn_id) {
            conn.phase = Phase::Closing;
        }
    }

    fn forget(&mut self, conn: ConnId) -> bool {
        self.end_session(conn);
        self.alarms.cancel(Alarm::Handshake(conn));
        self.alarms.cancel(Alarm::Flow(conn));
        self.alarms.cancel(Alarm::Unresponsive(conn));
        self.connections.remove(conn)
    }
}
