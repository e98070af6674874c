//! Connections: from bytes to packets, one phase after the other, and the flow of reading.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::net::IpAddr;

use super::awaits::Request;
use super::proof::Authenticated;
use super::reply::Refusal;
use super::session::Session;
use super::{Misuse, Notice, Server, Timer};
use crate::frame::Flow;
use crate::ids::ConnId;
use crate::time::{Mono, Now};
use crate::wire::{Deframer, ErrorCode, FromClient, Gate, MalformedPacket, Packet};

#[derive(Debug)]
pub(super) struct Conn {
    pub(super) peer: IpAddr,
    pub(super) phase: Phase,
    deframer: Deframer,
    /// Answers that are being looked up or made.
    pub(super) replies: u32,
    /// The peer takes nothing at the moment.
    congested: bool,
    /// The peer asks too often; nothing is read before this.
    pub(super) slowed_until: Option<Mono>,
    paused: bool,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// No session, and no request under way.
    ExpectRequest,
    /// No session; one request is under way, further ones wait.
    AwaitReply { waiting: VecDeque<FromClient> },
    /// A session.
    Session(Box<Session>),
    /// A last answer is being made; nothing more is read.
    Closing,
}

impl Conn {
    fn gate(&self) -> Option<Gate> {
        match &self.phase {
            Phase::ExpectRequest | Phase::AwaitReply { .. } => Some(Gate::BeforeSession),
            Phase::Session(session) if session.farewell.is_none() => Some(Gate::InSession),
            Phase::Session(_) | Phase::Closing => None,
        }
    }

    pub(super) const fn incomplete_bytes(&self) -> usize {
        self.deframer.buffered_len()
    }

    pub(super) fn session(&self) -> Option<&Session> {
        match &self.phase {
            Phase::Session(session) => Some(session),
            Phase::ExpectRequest | Phase::AwaitReply { .. } | Phase::Closing => None,
        }
    }

    pub(super) fn session_mut(&mut self) -> Option<&mut Session> {
        match &mut self.phase {
            Phase::Session(session) => Some(session),
            Phase::ExpectRequest | Phase::AwaitReply { .. } | Phase::Closing => None,
        }
    }
}

impl Server {
    pub(super) fn opened(&mut self, now: Now, conn: ConnId, peer: IpAddr) {
        if self.conns.contains_key(&conn) {
            return self.out.notify(Notice::Misuse(Misuse::ReusedConn));
        }
        if self.stopping || self.conns.len() >= self.config.limits.connections {
            return self.out.close(conn);
        }
        let fresh = Conn {
            peer,
            phase: Phase::ExpectRequest,
            deframer: Deframer::new(self.config.profile),
            replies: 0,
            congested: false,
            slowed_until: None,
            paused: false,
        };
        self.conns.insert(conn, Box::new(fresh));
        self.timers.arm(Timer::Handshake(conn), now.mono + self.config.limits.time_to_session);
    }

    pub(super) fn bytes(&mut self, now: Now, conn_id: ConnId, mut data: &[u8]) {
        while let Some(conn) = self.conns.get_mut(&conn_id) {
            let Some(gate) = conn.gate() else { return };
            match conn.deframer.next(&mut data, gate) {
                Ok(None) => return self.update_flow(now, conn_id),
                Ok(Some(packet)) if gate == Gate::InSession => {
                    self.in_session(now, conn_id, packet);
                }
                Ok(Some(packet)) => self.before_session(now, conn_id, packet),
                Err(violation) => {
                    return self.refuse(now, conn_id, Refusal::new(violation.into()), None);
                }
            }
        }
    }

    fn before_session(&mut self, now: Now, conn_id: ConnId, packet: Packet) {
        let inbound = match FromClient::parse(packet) {
            Ok(inbound) => inbound,
            Err(MalformedPacket(packet)) => {
                let refusal = Refusal::new(ErrorCode::Malformed).answering(&packet);
                return self.refuse(now, conn_id, refusal, None);
            }
        };
        let most = self.config.limits.waiting_requests;
        let Some(conn) = self.conns.get_mut(&conn_id) else { return };
        match &mut conn.phase {
            Phase::ExpectRequest => {
                conn.phase = Phase::AwaitReply { waiting: VecDeque::new() };
                self.request(now, conn_id, inbound);
            }
            Phase::AwaitReply { waiting } if waiting.len() < most => waiting.push_back(inbound),
            Phase::AwaitReply { .. } => {
                self.refuse_and_close(now, conn_id, Refusal::new(ErrorCode::RateLimited), None);
            }
            Phase::Session(_) | Phase::Closing => {}
        }
    }

    /// Begins a request before a session. The connection awaits its reply.
    fn request(&mut self, now: Now, conn: ConnId, inbound: FromClient) {
        match inbound {
            FromClient::Register(packet) => self.register(now, Request { conn, packet }),
            FromClient::Confirm { packet, public_key_der } => {
                self.confirm(now, Request { conn, packet }, &public_key_der);
            }
            FromClient::Reconnect(packet) => self.reconnect(now, Request { conn, packet }),
            FromClient::ServerKey(packet) => {
                self.server_key_request(now, &Request { conn, packet });
            }
            FromClient::Lookup(_)
            | FromClient::Message { .. }
            | FromClient::Receipt { .. }
            | FromClient::ReceiptsTaken(_)
            | FromClient::Disconnect(_) => {
                self.refuse(now, conn, Refusal::new(ErrorCode::NotAuthenticated), None);
            }
        }
    }

    /// The request under way was answered: the next one that waits begins.
    pub(super) fn next_request(&mut self, now: Now, conn_id: ConnId) {
        let Some(conn) = self.conns.get_mut(&conn_id) else { return };
        let Phase::AwaitReply { waiting } = &mut conn.phase else { return };
        match waiting.pop_front() {
            Some(inbound) => self.request(now, conn_id, inbound),
            None => conn.phase = Phase::ExpectRequest,
        }
    }

    /// The connection's session, with the proof that there is one.
    pub(super) fn session_mut(&mut self, conn: ConnId) -> Option<(Authenticated, &mut Session)> {
        let session = self.conns.get_mut(&conn)?.session_mut()?;
        Some((Authenticated::mint(conn, session), session))
    }

    pub(super) fn congested(&mut self, now: Now, conn_id: ConnId) {
        let Some(conn) = self.conns.get_mut(&conn_id) else { return };
        conn.congested = true;
        let user = conn.session().map(Session::user);
        if let Some(user) = user {
            self.mailbox(now, user).0.stall();
        }
        self.update_flow(now, conn_id);
        self.advance(now, user);
    }

    pub(super) fn writable(&mut self, now: Now, conn_id: ConnId) {
        let Some(conn) = self.conns.get_mut(&conn_id) else { return };
        conn.congested = false;
        let user = conn.session().map(Session::user);
        if let Some(mailbox) = user.and_then(|user| self.mailboxes.get_mut(&user)) {
            mailbox.unstall();
        }
        self.update_flow(now, conn_id);
        self.advance(now, user);
    }

    /// Pauses or resumes reading, by what is under way for the connection. It resumes only once
    /// half of every limit is free, so that it does not flutter.
    pub(super) fn update_flow(&mut self, now: Now, conn_id: ConnId) {
        let Some(conn) = self.conns.get_mut(&conn_id) else { return };
        let limits = &self.config.limits;
        let divisor = if conn.paused { 2 } else { 1 };
        let over = |count: usize, limit: usize| count > limit / divisor;
        conn.slowed_until = conn.slowed_until.filter(|until| *until > now.mono);
        if let Some(until) = conn.slowed_until {
            self.timers.arm(Timer::Flow(conn_id), until);
        }
        let busy = conn.session().is_some_and(|session| {
            over(session.arrivals.len(), limits.checks_per_conn)
                || over(self.backlog.of(session.user()), limits.unstored_per_user)
        });
        let pause = busy
            || conn.congested
            || conn.slowed_until.is_some()
            || over(conn.replies as usize, limits.replies_per_conn);
        if pause != conn.paused {
            conn.paused = pause;
            self.out.flow(conn_id, if pause { Flow::Pause } else { Flow::Resume });
        }
    }

    /// The peer is gone.
    pub(super) fn closed(&mut self, now: Now, conn: ConnId) {
        self.forget(now, conn);
        self.stop_when_done();
    }

    /// Closes a connection once what was sent has gone out.
    pub(super) fn close(&mut self, now: Now, conn: ConnId) {
        if self.forget(now, conn) {
            self.out.close(conn);
        }
        self.stop_when_done();
    }

    /// Takes nothing more from a connection; an answer that is being made is its last.
    pub(super) fn begin_closing(&mut self, now: Now, conn_id: ConnId) {
        self.end_session(now, conn_id);
        if let Some(conn) = self.conns.get_mut(&conn_id) {
            conn.phase = Phase::Closing;
        }
    }

    fn forget(&mut self, now: Now, conn: ConnId) -> bool {
        self.end_session(now, conn);
        self.timers.cancel(Timer::Handshake(conn));
        self.timers.cancel(Timer::Flow(conn));
        self.conns.remove(&conn).is_some()
    }
}
