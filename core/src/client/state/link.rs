//! The link: at most one connection to the server.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::time::Duration;

use super::account::KeyQuestion;
use super::exchange::Exchange;
use super::session::{Leaving, Session};
use crate::frame::Flow;
use crate::ids::ConnId;
use crate::time::Mono;
use crate::wire::{Deframer, Gate, InReplyTo, Packet, Profile, Violation};

/// The one connection, and the numbers of those before it.
#[derive(Debug)]
pub(in crate::client) struct Link {
    stage: Stage,
    /// Number of the last connection. Numbers are never used twice, so that a late event of an old
    /// connection is not mistaken for one of the present connection.
    last_conn: u64,
}

#[derive(Debug)]
enum Stage {
    Down,
    /// The host is making the connection.
    Dialling(ConnId),
    Up(Box<Connection>),
}

/// A connection that was established.
#[derive(Debug)]
pub(in crate::client) struct Connection {
    id: ConnId,
    deframer: Deframer,
    phase: Phase,
    /// Packets that have arrived and wait for the phase to take them. Reading pauses while there
    /// are any, so it holds no more than the host had read by then.
    backlog: VecDeque<Packet>,
    /// Time at which something last arrived.
    heard_at: Mono,
    flow: Flow,
    sending: Sending,
    /// Count of corrections of our clock by the server on this connection.
    clock_corrections: u32,
}

/// What the connection is used for.
#[derive(Debug)]
pub(in crate::client) enum Phase {
    /// It has just opened.
    Fresh,
    /// The request for the server's key is being made.
    AwaitServerKeyRequest,
    /// The server's key was asked for.
    ExpectServerKey(InReplyTo, KeyQuestion),
    /// The server's key is being verified.
    AwaitServerKey,
    /// The date of a 106 is being recorded.
    AwaitReconnectDate,
    /// A request before a session is under way.
    Exchange(Exchange),
    /// A session.
    Session(Session),
}

/// Whether packets that are sent go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::client) enum Sending {
    Flows,
    /// The connection is congested: packets are queued, and nothing more is sent.
    Congested,
    /// The connection is gone. What arrived before that still counts, so it is worked off first.
    Ended,
}

/// What the end of a connection means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::client) enum Gone {
    /// It could not be made.
    Unreachable,
    /// It has ended; packets that had arrived may still be under way.
    Ended,
    /// The connection was not ours, or no longer is.
    Unknown,
}

impl Link {
    pub(in crate::client) const fn new() -> Self {
        Self { stage: Stage::Down, last_conn: 0 }
    }

    /// Begins a connection, unless there is one.
    pub(in crate::client) fn dial(&mut self) -> Option<ConnId> {
        if !self.is_down() {
            return None;
        }
        self.last_conn += 1;
        let conn = ConnId(self.last_conn);
        self.stage = Stage::Dialling(conn);
        Some(conn)
    }

    /// The connection that was dialled is established. `None` if this is another one.
    pub(in crate::client) fn open(
        &mut self,
        conn: ConnId,
        profile: Profile,
        now: Mono,
    ) -> Option<&mut Connection> {
        if !matches!(self.stage, Stage::Dialling(id) if id == conn) {
            return None;
        }
        self.stage = Stage::Up(Box::new(Connection::new(conn, Deframer::new(profile), now)));
        self.connection_mut()
    }

    /// The host says that a connection is gone.
    pub(in crate::client) fn gone(&mut self, conn: ConnId) -> Gone {
        match &mut self.stage {
            Stage::Dialling(id) if *id == conn => Gone::Unreachable,
            Stage::Up(connection) if connection.id == conn => {
                connection.sending = Sending::Ended;
                Gone::Ended
            }
            Stage::Down | Stage::Dialling(_) | Stage::Up(_) => Gone::Unknown,
        }
    }

    /// Forgets the connection and everything on it.
    pub(in crate::client) fn take_down(&mut self) {
        self.stage = Stage::Down;
    }

    pub(in crate::client) const fn is_down(&self) -> bool {
        matches!(self.stage, Stage::Down)
    }

    /// The connection that the host still holds, being made or established: to be closed by us.
    pub(in crate::client) fn held_by_host(&self) -> Option<ConnId> {
        match &self.stage {
            Stage::Dialling(conn) => Some(*conn),
            Stage::Up(connection) => connection.sends_to(),
            Stage::Down => None,
        }
    }

    pub(in crate::client) fn connection(&self) -> Option<&Connection> {
        match &self.stage {
            Stage::Up(connection) => Some(connection),
            Stage::Down | Stage::Dialling(_) => None,
        }
    }

    pub(in crate::client) fn connection_mut(&mut self) -> Option<&mut Connection> {
        match &mut self.stage {
            Stage::Up(connection) => Some(connection),
            Stage::Down | Stage::Dialling(_) => None,
        }
    }

    pub(in crate::client) fn exchange_mut(&mut self) -> Option<&mut Exchange> {
        match &mut self.connection_mut()?.phase {
            Phase::Exchange(exchange) => Some(exchange),
            Phase::Fresh
            | Phase::AwaitServerKeyRequest
            | Phase::ExpectServerKey(..)
            | Phase::AwaitServerKey
            | Phase::AwaitReconnectDate
            | Phase::Session(_) => None,
        }
    }

    pub(in crate::client) fn session(&self) -> Option<&Session> {
        self.connection()?.phase.session()
    }

    pub(in crate::client) fn session_mut(&mut self) -> Option<&mut Session> {
        match &mut self.connection_mut()?.phase {
            Phase::Session(session) => Some(session),
            Phase::Fresh
            | Phase::AwaitServerKeyRequest
            | Phase::ExpectServerKey(..)
            | Phase::AwaitServerKey
            | Phase::AwaitReconnectDate
            | Phase::Exchange(_) => None,
        }
    }

    /// The session, if packets can be sent in it now, and leaving it has come no further than
    /// `at_most`.
    pub(in crate::client) fn open_session(&mut self, at_most: Leaving) -> Option<&mut Session> {
        if self.connection()?.sending != Sending::Flows {
            return None;
        }
        self.session_mut().filter(|session| session.leaving() <= at_most)
    }

    /// When the connection will have been silent for this long; `None` if it has been already.
    pub(in crate::client) fn silent_until(&self, timeout: Duration, now: Mono) -> Option<Mono> {
        let at = self.connection()?.heard_at + timeout;
        (at > now).then_some(at)
    }

    pub(in crate::client) const fn name(&self) -> &'static str {
        match &self.stage {
            Stage::Down => "down",
            Stage::Dialling(_) => "dialling",
            Stage::Up(_) => "up",
        }
    }
}

impl Connection {
    const fn new(id: ConnId, deframer: Deframer, now: Mono) -> Self {
        Self {
            id,
            deframer,
            phase: Phase::Fresh,
            backlog: VecDeque::new(),
            heard_at: now,
            flow: Flow::Resume,
            sending: Sending::Flows,
            clock_corrections: 0,
        }
    }

    pub(in crate::client) const fn id(&self) -> ConnId {
        self.id
    }

    pub(in crate::client) const fn phase(&self) -> &Phase {
        &self.phase
    }

    pub(in crate::client) fn set_phase(&mut self, phase: Phase) {
        self.phase = phase;
    }

    /// The number to send to; `None` once the connection has ended.
    pub(in crate::client) fn sends_to(&self) -> Option<ConnId> {
        (self.sending != Sending::Ended).then_some(self.id)
    }

    /// The host takes more, or no more, for now. An end is final.
    pub(in crate::client) fn set_sending(&mut self, sending: Sending) {
        if self.sending != Sending::Ended {
            self.sending = sending;
        }
    }

    /// Cuts bytes into packets, which wait for the phase to take them.
    pub(in crate::client) fn read(&mut self, now: Mono, mut data: &[u8]) -> Result<(), Violation> {
        self.heard_at = now;
        while let Some(packet) = self.deframer.next(&mut data, Gate::Client)? {
            self.backlog.push_back(packet);
        }
        Ok(())
    }

    /// The next packet, if the phase takes one. Before a session one is taken at a time; in a
    /// session as many as `limit` may be under way, those that wait for the store (`storing`)
    /// included.
    pub(in crate::client) fn next_packet(
        &mut self,
        limit: usize,
        storing: usize,
    ) -> Option<Packet> {
        let takes = match &self.phase {
            Phase::Fresh
            | Phase::AwaitServerKeyRequest
            | Phase::AwaitServerKey
            | Phase::AwaitReconnectDate => false,
            Phase::ExpectServerKey(..) => true,
            Phase::Exchange(exchange) => exchange.expects_answer(),
            Phase::Session(session) => session.verifying() + storing < limit,
        };
        if takes { self.backlog.pop_front() } else { None }
    }

    /// Whether the host is to change its reading: it does not read while packets wait and, once
    /// paused, not before half of what may be under way is done. Without that gap, reading would be
    /// paused and resumed for every packet.
    pub(in crate::client) fn flow_change(&mut self, limit: usize, storing: usize) -> Option<Flow> {
        let arriving = self.phase.session().map_or(0, |session| session.verifying() + storing);
        let most = match self.flow {
            Flow::Resume => limit,
            Flow::Pause => limit / 2,
        };
        let flow =
            if self.backlog.is_empty() && arriving <= most { Flow::Resume } else { Flow::Pause };
        let changed = flow != self.flow;
        self.flow = flow;
        changed.then_some(flow)
    }

    /// The server says that our clock is wrong. Returns whether it may be corrected once more. The
    /// count is limited, because a server that always says so would keep us asking for ever.
    pub(in crate::client) const fn correct_clock(&mut self, limit: u32) -> ClockCorrection {
        if self.clock_corrections >= limit {
            return ClockCorrection::OneTooMany;
        }
        self.clock_corrections += 1;
        ClockCorrection::Granted
    }
}

/// Whether our clock may be corrected once more on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::client) enum ClockCorrection {
    Granted,
    OneTooMany,
}

impl Phase {
    const fn session(&self) -> Option<&Session> {
        match self {
            Self::Session(session) => Some(session),
            Self::Fresh
            | Self::AwaitServerKeyRequest
            | Self::ExpectServerKey(..)
            | Self::AwaitServerKey
            | Self::AwaitReconnectDate
            | Self::Exchange(_) => None,
        }
    }
}
