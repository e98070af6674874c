//! The link: at most one connection to the server, dialled again when it is lost.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::time::Duration;

use super::handshake::Exchange;
use super::notice::{Notice, OfflineReason, Suspicion};
use super::registration::Goal;
use super::session::Session;
use super::{Alarm, AwaitJob, Client};
use crate::frame::{Action, Flow};
use crate::ids::ConnId;
use crate::time::Mono;
use crate::wire::{Deframer, Gate, InReplyTo, Packet};

/// Where the connection stands.
#[derive(Debug)]
pub(super) enum Link {
    /// There is none.
    Down,
    /// The host is making it.
    Dialling(ConnId),
    /// It stands.
    Up(Box<Connection>),
}

/// A connection that stands.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnId,
    deframer: Deframer,
    pub(super) phase: Phase,
    /// Packets that have arrived and wait for the phase to take them. Reading pauses while there
    /// are any, so these are what the host had read by then.
    backlog: VecDeque<Packet>,
    /// When something arrived last.
    heard_at: Mono,
    flow: Flow,
    pub(super) outgoing: Outgoing,
    /// How often the server has corrected our clock on this connection.
    pub(super) clock_corrections: u32,
}

/// What the connection is used for.
#[derive(Debug)]
pub(super) enum Phase {
    /// It has just opened.
    Fresh,
    /// The server's key is asked for; with the hash of the request once it was sent.
    ExpectServerKey(Option<InReplyTo>),
    /// The server's key came, and is verified.
    AwaitServerKey,
    /// The date of a 106 is being recorded.
    AwaitReconnectTime,
    /// A request before a session.
    Exchange(Exchange),
    /// In a session.
    Session(Session),
}

/// Whether what is sent goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outgoing {
    /// Yes.
    Flows,
    /// More is queued than the connection takes.
    Congested,
    /// The connection is gone; what has arrived before that still counts.
    Ended,
}

impl Connection {
    fn new(id: ConnId, deframer: Deframer, now: Mono) -> Self {
        Self {
            id,
            deframer,
            phase: Phase::Fresh,
            backlog: VecDeque::new(),
            heard_at: now,
            flow: Flow::Resume,
            outgoing: Outgoing::Flows,
            clock_corrections: 0,
        }
    }

    /// The next packet, if the phase takes one.
    fn next_packet(&mut self, arriving_limit: usize, storing: usize) -> Option<Packet> {
        let takes = match &self.phase {
            Phase::Fresh | Phase::AwaitServerKey | Phase::AwaitReconnectTime => false,
            Phase::ExpectServerKey(asked) => asked.is_some(),
            Phase::Exchange(exchange) => exchange.expects_answer(),
            Phase::Session(session) => session.checking() + storing < arriving_limit,
        };
        if takes { self.backlog.pop_front() } else { None }
    }

    /// Whether to read: not while packets wait, and, once paused, not before half of what may be
    /// under way is done.
    fn wished_flow(&self, arriving_limit: usize, storing: usize) -> Flow {
        let arriving = match &self.phase {
            Phase::Session(session) => session.checking() + storing,
            Phase::Fresh
            | Phase::ExpectServerKey(_)
            | Phase::AwaitServerKey
            | Phase::AwaitReconnectTime
            | Phase::Exchange(_) => 0,
        };
        let limit = match self.flow {
            Flow::Resume => arriving_limit,
            Flow::Pause => arriving_limit / 2,
        };
        if self.backlog.is_empty() && arriving <= limit { Flow::Resume } else { Flow::Pause }
    }
}

impl Client {
    /// Makes a connection now, unless there is one.
    pub(super) fn dial(&mut self) {
        if !matches!(self.link, Link::Down) {
            return;
        }
        self.timers.cancel(Alarm::Redial);
        self.next_conn += 1;
        let conn = ConnId(self.next_conn);
        self.link = Link::Dialling(conn);
        self.expect_progress();
        self.act(Action::Dial { conn });
    }

    pub(super) fn on_opened(&mut self, conn: ConnId) {
        if !matches!(self.link, Link::Dialling(id) if id == conn) {
            return;
        }
        self.link = Link::Up(Box::new(Connection::new(
            conn,
            Deframer::new(self.config.profile),
            self.now.mono,
        )));
        self.greet();
    }

    pub(super) fn on_closed(&mut self, conn: ConnId) {
        match &mut self.link {
            Link::Dialling(id) if *id == conn => {
                self.down(OfflineReason::Unreachable, Duration::ZERO);
            }
            Link::Up(connection) if connection.id == conn => connection.outgoing = Outgoing::Ended,
            Link::Down | Link::Dialling(_) | Link::Up(_) => {}
        }
    }

    pub(super) fn on_congested(&mut self, conn: ConnId, outgoing: Outgoing) {
        if let Link::Up(connection) = &mut self.link
            && connection.id == conn
            && connection.outgoing != Outgoing::Ended
        {
            connection.outgoing = outgoing;
        }
    }

    pub(super) fn on_bytes(&mut self, conn: ConnId, mut data: &[u8]) {
        let violation = loop {
            let Link::Up(connection) = &mut self.link else { return };
            if connection.id != conn {
                return;
            }
            connection.heard_at = self.now.mono;
            match connection.deframer.next(&mut data, Gate::Client) {
                Ok(Some(packet)) => connection.backlog.push_back(packet),
                Ok(None) => return,
                Err(violation) => break violation,
            }
        };
        self.fault(Suspicion::BadPacket(violation));
    }

    /// Works packets off as far as the phase takes them, gives up a connection that has ended once
    /// nothing that arrived on it is under way, and says whether to read on.
    pub(super) fn work_off(&mut self) {
        let (limit, waiting_limit) = (self.config.limits.arriving, self.config.limits.waiting);
        while let Link::Up(connection) = &mut self.link
            && let Some(packet) = connection.next_packet(limit, self.inbox.storing())
        {
            self.on_packet(packet);
        }
        if self.session().is_some_and(|session| session.waiting() > waiting_limit) {
            return self.lose(OfflineReason::Local);
        }
        let Link::Up(connection) = &mut self.link else { return };
        if connection.outgoing == Outgoing::Ended {
            if !self.jobs.values().any(AwaitJob::is_inbound) {
                self.down(OfflineReason::Lost, Duration::ZERO);
            }
            return;
        }
        let flow = connection.wished_flow(limit, self.inbox.storing());
        if flow != connection.flow {
            connection.flow = flow;
            let conn = connection.id;
            self.act(Action::Flow { conn, flow });
        }
    }

    fn on_packet(&mut self, packet: Packet) {
        let Link::Up(connection) = &self.link else { return };
        match &connection.phase {
            Phase::ExpectServerKey(_) => self.on_server_key(packet),
            Phase::Exchange(_) => self.on_answer(packet),
            Phase::Session(_) => self.on_session_packet(packet),
            Phase::Fresh | Phase::AwaitServerKey | Phase::AwaitReconnectTime => {}
        }
    }

    /// Sends a packet, if the connection still stands.
    pub(super) fn send(&mut self, packet: &Packet) {
        if let Link::Up(connection) = &self.link
            && connection.outgoing != Outgoing::Ended
        {
            let conn = connection.id;
            self.act(Action::Send { conn, bytes: packet.bytes().clone() });
        }
    }

    /// When the connection will have been silent for so long; `None` if it has been already.
    pub(super) fn silent_until(&self, timeout: Duration) -> Option<Mono> {
        let Link::Up(connection) = &self.link else { return None };
        let at = connection.heard_at + timeout;
        (at > self.now.mono).then_some(at)
    }

    /// What we wait for must come within the time for a request.
    pub(super) fn expect_progress(&mut self) {
        let at = self.now.mono + self.config.limits.request_timeout;
        self.timers.arm(Alarm::Progress, at);
    }

    pub(super) fn connection(&mut self) -> Option<&mut Connection> {
        match &mut self.link {
            Link::Up(connection) => Some(connection),
            Link::Down | Link::Dialling(_) => None,
        }
    }

    pub(super) fn set_phase(&mut self, phase: Phase) {
        if let Some(connection) = self.connection() {
            connection.phase = phase;
        }
    }

    /// Somebody did what an honest server does not: says so, and leaves.
    pub(super) fn fault(&mut self, suspicion: Suspicion) {
        self.notify(Notice::Suspicious(suspicion));
        self.lose(OfflineReason::Fault);
    }

    /// Leaves for good: nothing is dialled until the application wishes it.
    pub(super) fn leave(&mut self, reason: OfflineReason) {
        self.goal = Goal::Offline;
        self.lose(reason);
    }

    /// Closes the connection, and dials again later if there is something to do.
    pub(super) fn lose(&mut self, reason: OfflineReason) {
        self.lose_for(reason, Duration::ZERO);
    }

    /// The same, but not before `at_least` has passed.
    pub(super) fn lose_for(&mut self, reason: OfflineReason, at_least: Duration) {
        let standing = match &self.link {
            Link::Down => return,
            // It is gone already; what had arrived on it was still being worked off.
            Link::Up(connection) if connection.outgoing == Outgoing::Ended => None,
            Link::Up(connection) => Some(connection.id),
            Link::Dialling(conn) => Some(*conn),
        };
        if let Some(conn) = standing {
            self.act(Action::Close { conn });
        }
        self.down(reason, at_least);
    }

    /// A pause that the server names, as far as we believe it.
    pub(super) fn named_pause(&self, secs: u64) -> Duration {
        Duration::from_secs(secs).min(self.config.limits.named_pause_max)
    }

    /// The connection is gone: forgets what belonged to it.
    fn down(&mut self, reason: OfflineReason, at_least: Duration) {
        self.link = Link::Down;
        self.jobs.retain(|_, job| !job.needs_connection());
        self.timers.cancel(Alarm::Progress);
        self.timers.cancel(Alarm::Stable);
        self.timers.cancel(Alarm::Acknowledgement);
        self.timers.cancel(Alarm::Taken);
        self.timers.cancel(Alarm::Goodbye);
        for who in self.lookups.reset() {
            self.timers.cancel(Alarm::LookupAnswer(who));
        }
        self.outbox.land_all();
        let retry_in = self.goal.needs_link().then(|| {
            let pause = self.redial.next(&mut self.entropy).max(at_least);
            self.timers.arm(Alarm::Redial, self.now.mono + pause);
            pause
        });
        self.notify(Notice::Offline { reason, retry_in });
    }
}
