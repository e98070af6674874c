//! A connection: its phase, and whether it is read from.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::session::{Authenticated, Session};
use super::unstored::Waiting;
use crate::crypto::OwnKey;
use crate::frame::Flow;
use crate::ids::ConnId;
use crate::server::limits::{Limits, REQUEST, packet_memory};
use crate::time::Mono;
use crate::wire::{Deframer, FromClient, Gate, Packet, Profile, Violation};

#[derive(Debug)]
pub(in crate::server) struct Conn {
    id: ConnId,
    peer: IpAddr,
    pub(in crate::server) phase: Phase,
    deframer: Deframer,
    /// Answers that are being looked up or made.
    replies: u32,
    /// The connection is congested: the peer reads too slowly.
    congested: bool,
    paused: bool,
    /// Key of the server's with which everything on this connection is opened and signed.
    key: OwnKey,
    /// Boxed, because few peers ever send too often.
    slowdown: Option<Box<Slowdown>>,
    /// Bytes held that the total of all connections contains.
    counted: usize,
}

/// The peer sends too often.
#[derive(Debug, Default)]
struct Slowdown {
    /// Nothing is read before this time.
    until: Mono,
    /// Bytes that arrived together with the packet over the rate. They wait until it is paid off.
    unread: Vec<u8>,
}

/// What is to be done about the reading from a connection.
#[derive(Debug)]
pub(in crate::server) enum FlowStep {
    Change(Flow),
    /// The pause is over, and these bytes arrived before it.
    Take(Vec<u8>),
}

/// More bytes arrived on a connection than may wait: its host goes on reading during a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) struct Overrun;

#[derive(Debug)]
pub(in crate::server) enum Phase {
    /// No session, and no request under way.
    ExpectRequest,
    /// No session. One request is under way, the few others that may wait are here.
    AwaitReply { waiting: Vec<FromClient> },
    /// A session.
    Session(Box<Session>),
    /// A last answer is being made. Nothing more is read.
    Closing,
}

impl Conn {
    pub(in crate::server) fn new(id: ConnId, peer: IpAddr, profile: Profile) -> Self {
        Self {
            id,
            peer,
            phase: Phase::ExpectRequest,
            deframer: Deframer::new(profile),
            replies: 0,
            congested: false,
            paused: false,
            key: OwnKey::First,
            slowdown: None,
            counted: 0,
        }
    }

    /// The other end's address.
    pub(in crate::server) const fn peer(&self) -> IpAddr {
        self.peer
    }

    /// The server's key on this connection.
    pub(in crate::server) const fn key(&self) -> OwnKey {
        self.key
    }

    /// The client has named a key that the server has. Before a session only: what follows is sealed
    /// for it.
    pub(in crate::server) fn use_key(&mut self, key: OwnKey) {
        debug_assert!(self.session().is_none());
        self.key = key;
    }

    /// Takes the next whole packet from the bytes that arrived, with the gate that it passed.
    /// `None` if no packet is complete, or if the connection takes none any more.
    pub(in crate::server) fn next_packet(
        &mut self,
        data: &mut &[u8],
    ) -> Result<Option<(Gate, Packet)>, Violation> {
        let gate = match &self.phase {
            Phase::ExpectRequest | Phase::AwaitReply { .. } => Gate::BeforeSession,
            Phase::Session(session) if session.farewell().is_none() => Gate::InSession,
            Phase::Session(_) | Phase::Closing => return Ok(None),
        };
        Ok(self.deframer.next(data, gate)?.map(|packet| (gate, packet)))
    }

    /// The request under way was answered: takes the next one that waits.
    pub(in crate::server) fn next_request(&mut self) -> Option<FromClient> {
        let Phase::AwaitReply { waiting } = &mut self.phase else { return None };
        if waiting.is_empty() {
            self.phase = Phase::ExpectRequest;
            return None;
        }
        Some(waiting.remove(0))
    }

    pub(in crate::server) fn session(&self) -> Option<&Session> {
        match &self.phase {
            Phase::Session(session) => Some(session),
            Phase::ExpectRequest | Phase::AwaitReply { .. } | Phase::Closing => None,
        }
    }

    /// The session, with the proof that there is one.
    pub(in crate::server) fn session_mut(&mut self) -> Option<(Authenticated, &mut Session)> {
        match &mut self.phase {
            Phase::Session(session) => Some((session.authenticated(self.id), session)),
            Phase::ExpectRequest | Phase::AwaitReply { .. } | Phase::Closing => None,
        }
    }

    /// An answer is being looked up or made.
    pub(in crate::server) const fn begin_reply(&mut self) {
        self.replies += 1;
    }

    /// The answer was made, or will not be.
    pub(in crate::server) const fn end_reply(&mut self) {
        self.replies -= 1;
    }

    /// Count of answers that are being looked up or made.
    pub(in crate::server) const fn replies(&self) -> usize {
        self.replies as usize
    }

    /// Whether reading is paused.
    pub(in crate::server) const fn is_paused(&self) -> bool {
        self.paused
    }

    pub(in crate::server) const fn set_congested(&mut self, congested: bool) {
        self.congested = congested;
    }

    /// Nothing is read before `until`, or before a later time that was set earlier.
    pub(in crate::server) fn slow_until(&mut self, until: Mono) {
        let slowdown = self.slowdown.get_or_insert_default();
        slowdown.until = slowdown.until.max(until);
    }

    /// Time until which the connection is slowed down; `None` if it no longer is.
    pub(in crate::server) fn slowed_until(&self, now: Mono) -> Option<Mono> {
        self.slowdown.as_ref().map(|slowdown| slowdown.until).filter(|until| *until > now)
    }

    /// Charges a packet of the session that has arrived. Over the rate, nothing more is read.
    pub(in crate::server) fn charge_packet(&mut self, limits: &Limits, now: Mono) {
        let session = self.session_mut();
        if let Some(until) =
            session.and_then(|(_, session)| session.meters.charge_packet(limits, now))
        {
            self.slow_until(until);
        }
    }

    /// Charges a signature that the user of the session has caused. A stranger's is charged to the
    /// address.
    pub(in crate::server) fn charge_signature(&mut self, limits: &Limits, now: Mono) {
        let session = self.session_mut();
        if let Some(until) =
            session.and_then(|(_, session)| session.meters.charge_signature(limits, now))
        {
            self.slow_until(until);
        }
    }

    /// Charges a message of this session's user that was stored.
    pub(in crate::server) fn charge_stored(&mut self, limits: &Limits, bytes: usize, now: Mono) {
        let session = self.session_mut();
        if let Some(until) =
            session.and_then(|(_, session)| session.meters.charge_stored(limits, bytes, now))
        {
            self.slow_until(until);
        }
    }

    /// Whether what arrives has to wait: the session's user is over the rate, or other bytes wait.
    pub(in crate::server) fn takes_no_packet(&self, now: Mono) -> bool {
        (self.slowed_until(now).is_some() || self.unread_bytes() > 0) && self.session().is_some()
    }

    /// Keeps bytes that can't be taken yet.
    pub(in crate::server) fn keep_unread(
        &mut self,
        limits: &Limits,
        data: &[u8],
    ) -> Result<(), Overrun> {
        if self.unread_bytes() + data.len() > limits.unread_bytes {
            return Err(Overrun);
        }
        self.slowdown.get_or_insert_default().unread.extend_from_slice(data);
        Ok(())
    }

    /// Count of the bytes that wait.
    pub(in crate::server) fn unread_bytes(&self) -> usize {
        self.slowdown.as_ref().map_or(0, |slowdown| slowdown.unread.len())
    }

    /// Pauses or resumes reading, depending on how much is under way for the connection, on what of
    /// its user is not stored yet, and on the share of memory that one user may take. Returns what
    /// is to be done, if anything. Reading resumes only once half of every limit is free, so that it is
    /// not switched for every packet.
    pub(in crate::server) fn update_flow(
        &mut self,
        limits: &Limits,
        unstored: Waiting,
        share: usize,
        now: Mono,
    ) -> Option<FlowStep> {
        let divisor = if self.paused { 2 } else { 1 };
        let over = |count: usize, limit: usize| count > limit / divisor;
        let (arriving, arriving_bytes) =
            self.session().map_or((0, 0), |session| (session.arriving(), session.arriving_bytes()));
        let bytes = arriving_bytes + unstored.bytes;
        let pause = over(arriving, limits.checks_per_conn)
            || over(unstored.packets, limits.unstored_per_user)
            || over(bytes, limits.held_bytes)
            || over(bytes + packet_memory(0) * (arriving + unstored.packets), share)
            || over(self.replies(), limits.replies_per_conn)
            || self.congested
            || self.slowed_until(now).is_some();
        if !pause
            && let Some(slowdown) = self.slowdown.take()
            && !slowdown.unread.is_empty()
        {
            return Some(FlowStep::Take(slowdown.unread));
        }
        let changed = pause != self.paused;
        self.paused = pause;
        changed.then_some(FlowStep::Change(if pause { Flow::Pause } else { Flow::Resume }))
    }

    /// Bytes of memory that the connection holds for what has arrived incomplete or has to wait, and
    /// its session for lists. Packets that are being verified have a total of their own.
    pub(in crate::server) fn held_bytes(&self) -> usize {
        let lists = self.session().map_or(0, |session| session.sent().list_bytes());
        let requests = self.waiting_requests() * REQUEST;
        let unread = self.slowdown.as_ref().map_or(0, |slowdown| slowdown.unread.capacity());
        self.deframer.capacity() + unread + requests + lists
    }

    /// Bytes by which what is held has grown and shrunk since the last call. Frees what is empty.
    pub(super) fn recount(&mut self) -> (usize, usize) {
        if let Phase::Session(session) = &mut self.phase {
            session.free_sent();
        }
        let held = self.held_bytes();
        let before = core::mem::replace(&mut self.counted, held);
        (self.counted.saturating_sub(before), before.saturating_sub(self.counted))
    }

    /// Bytes held as of the last [`recount`](Self::recount).
    pub(in crate::server) const fn counted(&self) -> usize {
        self.counted
    }

    /// Bytes of the incomplete packet that is buffered.
    pub(in crate::server) const fn incomplete_bytes(&self) -> usize {
        self.deframer.buffered_len()
    }

    /// Count of requests that wait while one is answered.
    pub(in crate::server) fn waiting_requests(&self) -> usize {
        match &self.phase {
            Phase::AwaitReply { waiting } => waiting.len(),
            Phase::ExpectRequest | Phase::Session(_) | Phase::Closing => 0,
        }
    }
}
