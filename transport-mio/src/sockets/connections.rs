//! All connections of a host: which can be read from, which have bytes to write, and which are
//! waiting to close.

use std::collections::VecDeque;
use std::net::{IpAddr, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use mio::{Interest, Registry, Token};
use sealpost_core::frame::Flow;
use sealpost_core::ids::ConnId;
use sealpost_core::time::Mono;

use super::arrivals::Arrival;
use super::connection::{
    Congestion, Connection, PeerDirection, Received, Sent, State, set_options,
};
use super::listening_socket::Encryption;
use super::table::ConnectionTable;
use crate::tls::{TlsServer, TlsSession};

/// The connections, and what happened to them since the machine was last told.
#[derive(Debug)]
pub(crate) struct Connections {
    registry: Registry,
    table: ConnectionTable<Connection>,
    /// Connections to read from, each once: `Connection::in_ready` marks its members.
    ready: Vec<ConnId>,
    /// Connections to write to, each once: `Connection::in_dirty` marks its members.
    dirty: Vec<ConnId>,
    /// Closed connections and when they are given up, soonest first.
    lingering: VecDeque<(Mono, ConnId)>,
    events: VecDeque<SocketEvent>,
    /// Memory of all queues.
    queued: usize,
    limits: QueueLimits,
    linger: Duration,
    /// Accepted connections begin with a handshake if it is set.
    tls: Option<TlsServer>,
    /// Reads of connections in a handshake that this turn has left.
    handshake_reads: usize,
}

/// Bounds on what waits to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueLimits {
    /// Bytes queued for one connection above which it is congested.
    pub(crate) high_water_bytes: usize,
    /// Memory of the queues of all connections.
    pub(crate) in_all: usize,
}

/// An event of which the machine must be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SocketEvent {
    Opened(ConnId, IpAddr),
    Closed(ConnId),
    Congested(ConnId),
    Writable(ConnId),
}

impl SocketEvent {
    const fn conn(self) -> ConnId {
        match self {
            Self::Opened(conn, _)
            | Self::Closed(conn)
            | Self::Congested(conn)
            | Self::Writable(conn) => conn,
        }
    }
}

/// The first poll token of a connection. Tokens below it belong to the reactor.
pub(crate) const FIRST_CONNECTION: usize = 2;

impl Connections {
    pub(crate) const fn new(registry: Registry, limits: QueueLimits, linger: Duration) -> Self {
        Self {
            registry,
            table: ConnectionTable::new(),
            ready: Vec::new(),
            dirty: Vec::new(),
            lingering: VecDeque::new(),
            events: VecDeque::new(),
            queued: 0,
            limits,
            linger,
            tls: None,
            handshake_reads: HANDSHAKE_READS,
        }
    }

    /// Has connections that are accepted from now on speak TLS.
    pub(crate) fn accept_tls(&mut self, tls: TlsServer) {
        self.tls = Some(tls);
    }

    /// The number of connections, including closed ones that are still flushing or lingering.
    pub(crate) const fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether reading or writing can go on without another report of the poll.
    pub(crate) fn is_busy(&self) -> bool {
        !self.ready.is_empty() || !self.dirty.is_empty()
    }

    /// Whether there are events for the machine.
    pub(crate) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// When [`Connections::expire`] must be called.
    pub(crate) fn deadline(&self) -> Option<Mono> {
        self.lingering.front().map(|(at, _)| *at)
    }

    /// The next event for the machine.
    pub(crate) fn next_event(&mut self) -> Option<SocketEvent> {
        self.events.pop_front()
    }

    /// Adds an accepted connection, whose options are set. The machine learns of it before its TLS
    /// handshake: its limits on strangers and their time hold for those who never finish it.
    pub(super) fn add_accepted(&mut self, arrival: Arrival) {
        let Arrival { socket, peer, encryption } = arrival;
        let tls = match encryption {
            Encryption::OfHost => self.tls.as_ref(),
            Encryption::Plain => None,
        };
        let tls = match tls.map(TlsServer::accept).transpose() {
            Ok(tls) => tls.map(Box::new),
            Err(error) => {
                tracing::error!(%error, "can't begin a TLS connection: closing it");
                return;
            }
        };
        let (id, index) = self.table.insert(Connection::new(socket, tls));
        if self.register(id, index) {
            self.events.push_back(SocketEvent::Opened(id, peer));
        }
    }

    /// Adds a dialled connection under the number that the machine chose for it.
    pub(crate) fn add_dialled(
        &mut self,
        id: ConnId,
        stream: TcpStream,
        peer: IpAddr,
        tls: Option<Box<TlsSession>>,
    ) {
        set_options(&stream);
        let index = self.table.insert_as(id, Connection::new(stream.into(), tls));
        let is_open = self.register(id, index);
        let event = if is_open { SocketEvent::Opened(id, peer) } else { SocketEvent::Closed(id) };
        self.events.push_back(event);
    }

    /// Reports a connection that could not be established.
    pub(crate) fn fail_dialled(&mut self, id: ConnId) {
        self.events.push_back(SocketEvent::Closed(id));
    }

    /// Remembers what the poll reported about a connection.
    pub(crate) fn note_readiness(&mut self, event: &mio::event::Event) {
        let Some(index) = event.token().0.checked_sub(FIRST_CONNECTION) else { return };
        if let Some((id, connection)) = self.table.at_mut(index) {
            connection.note_readiness(event);
            list_ready(&mut self.ready, id, connection);
            if connection.wants_write() {
                list_dirty(&mut self.dirty, id, connection);
            }
        }
    }

    /// Begins a turn: moves the list of connections to read from into `turn`, which must be empty.
    pub(crate) const fn take_ready(&mut self, turn: &mut Vec<ConnId>) {
        self.handshake_reads = HANDSHAKE_READS;
        std::mem::swap(&mut self.ready, turn);
    }

    /// Reads from a connection once. Returns how many bytes at the front of `buffer` are for the
    /// machine. A connection that may have more is listed for the next turn.
    pub(crate) fn read(&mut self, id: ConnId, buffer: &mut [u8], now: Mono) -> Option<usize> {
        let connection = self.table.get_mut(id)?;
        connection.in_ready = false;
        if !connection.wants_read() {
            return None;
        }
        if connection.is_shaking_hands() {
            let Some(left) = self.handshake_reads.checked_sub(1) else {
                list_ready(&mut self.ready, id, connection);
                return None;
            };
            self.handshake_reads = left;
        }
        let before = connection.tls_memory();
        let received = connection.read(buffer);
        self.queued = self.queued - before + connection.tls_memory();
        if connection.wants_write() {
            // TLS has an answer, or its handshake is complete.
            list_dirty(&mut self.dirty, id, connection);
        }
        let len = self.take_in(id, received, now);
        // Incomplete records take memory.
        if self.queued > self.limits.in_all {
            self.make_room();
        }
        len
    }

    /// Handles the result of a read. Returns how many bytes are for the machine.
    fn take_in(&mut self, id: ConnId, received: Received, now: Mono) -> Option<usize> {
        let connection = self.table.get_mut(id)?;
        match (received, connection.state) {
            (Received::Bytes(len), state) => {
                list_ready(&mut self.ready, id, connection);
                (len > 0 && matches!(state, State::Open | State::Broken)).then_some(len)
            }
            (Received::Nothing, State::Open | State::Flushing(_) | State::Lingering) => None,
            (Received::End, State::Open) => {
                self.peer_ended(id, now);
                None
            }
            (Received::End, State::Flushing(_)) => {
                connection.state = State::Flushing(PeerDirection::Ended);
                connection.flow = Flow::Pause;
                None
            }
            (Received::Nothing | Received::End, State::Broken)
            | (Received::Failed, State::Open | State::Broken) => {
                self.lose(id);
                None
            }
            (Received::End, State::Lingering)
            | (Received::Failed, State::Flushing(_) | State::Lingering) => {
                self.remove(id);
                None
            }
        }
    }

    /// Queues bytes. They go out with the next [`Connections::flush`], or at once if more than the
    /// high-water mark is queued.
    pub(crate) fn send(&mut self, id: ConnId, bytes: Bytes) {
        let high_water = self.high_water();
        let Some(connection) =
            self.table.get_mut(id).filter(|connection| connection.state == State::Open)
        else {
            return;
        };
        let before = connection.queued_memory();
        connection.push(bytes);
        self.queued += connection.queued_memory() - before;
        list_dirty(&mut self.dirty, id, connection);
        if connection.queued() > high_water {
            self.write(id);
        }
        if self.queued > self.limits.in_all {
            self.make_room();
        }
    }

    /// Pauses or resumes reading. Readiness that the poll reports during a pause is remembered.
    pub(crate) fn flow(&mut self, id: ConnId, flow: Flow) {
        let Some(connection) = self.table.get_mut(id) else { return };
        match connection.state {
            State::Open => {
                connection.flow = flow;
                list_ready(&mut self.ready, id, connection);
            }
            // A broken connection is kept only for the bytes that can still be read from it.
            // Paused, it would never be read to its end, and no other event would remove it.
            State::Broken if flow == Flow::Pause => self.lose(id),
            State::Broken | State::Flushing(_) | State::Lingering => {}
        }
    }

    /// Closes a connection once its queue has gone out; at once if nothing was ever sent on it, as
    /// with most strangers of a flood.
    pub(crate) fn close(&mut self, id: ConnId, now: Mono) {
        // No event may follow a close, not even one that happened before it.
        self.events.retain(|event| event.conn() != id);
        let Some(connection) = self.table.get_mut(id) else { return };
        match connection.state {
            // Nothing is on its way that a reset could make the peer lose.
            State::Open if !connection.has_sent() => self.remove(id),
            State::Open => {
                // A paused connection is read again, to discard what arrives until the peer ends.
                connection.flow = Flow::Resume;
                list_ready(&mut self.ready, id, connection);
                self.begin_flushing(id, PeerDirection::Open, now);
            }
            State::Broken => self.remove(id),
            State::Flushing(_) | State::Lingering => {}
        }
    }

    /// Closes every connection.
    pub(crate) fn close_all(&mut self, now: Mono) {
        let ids: Vec<_> = self.table.ids().collect();
        for id in ids {
            self.close(id, now);
        }
    }

    /// Writes all queues as far as their sockets accept bytes.
    pub(crate) fn flush(&mut self) {
        while let Some(id) = self.dirty.pop() {
            if let Some(connection) = self.table.get_mut(id) {
                connection.in_dirty = false;
                self.write(id);
            }
        }
    }

    /// Gives up closed connections whose peer has taken too long.
    pub(crate) fn expire(&mut self, now: Mono) {
        while let Some((_, id)) = self.lingering.pop_front_if(|(at, _)| *at <= now) {
            self.remove(id);
        }
    }

    /// Makes room for a new connection: gives up one of the closed connections that have waited
    /// longest for their peer, if everything was sent on it. Returns whether there was one.
    pub(crate) fn give_up_lingering(&mut self) -> bool {
        let table = &mut self.table;
        let waits = |(_, id): &(Mono, ConnId)| {
            table.get_mut(*id).is_some_and(|connection| connection.state == State::Lingering)
        };
        let longest = self.lingering.iter().take(LONGEST_LINGERING).position(waits);
        let given_up = longest.and_then(|index| self.lingering.remove(index));
        if let Some((_, id)) = given_up {
            self.remove(id);
        }
        given_up.is_some()
    }

    /// Memory of everything that is queued, in bytes.
    pub(crate) const fn queued_memory(&self) -> usize {
        self.queued
    }

    /// Bytes queued for one connection above which it is congested. A fair share, while the queues
    /// take more than half of what they may: so the machine learns of every peer that reads too
    /// slowly before memory runs short.
    fn high_water(&self) -> usize {
        let half = self.limits.in_all / 2;
        let share = if self.queued > half { half / self.table.len().max(1) } else { usize::MAX };
        self.limits.high_water_bytes.min(share)
    }

    /// The queues take too much memory. Writes what the sockets accept; if that does not help, gives
    /// up the connections whose peers have left most unread, until an eighth is free. Looking at all
    /// connections pays off: that eighth must be filled again before the next look.
    fn make_room(&mut self) {
        self.flush();
        if self.queued <= self.limits.in_all {
            return;
        }
        let queues = self.table.iter().map(|(id, connection)| (connection.queued_memory(), id));
        let mut queues: Vec<_> = queues.filter(|(memory, _)| *memory > 0).collect();
        queues.sort_unstable_by(|a, b| b.cmp(a));
        let enough = self.limits.in_all - self.limits.in_all / FREED_SHARE;
        for (memory, id) in queues {
            if self.queued <= enough {
                break;
            }
            tracing::debug!(memory, "giving up a connection whose peer reads too slowly");
            match self.table.get_mut(id).map(|connection| connection.state) {
                Some(State::Open | State::Broken) => self.lose(id),
                Some(State::Flushing(_) | State::Lingering) | None => self.remove(id),
            }
        }
    }

    fn write(&mut self, id: ConnId) {
        let high_water = self.high_water();
        let Some(connection) = self.table.get_mut(id) else { return };
        let before = connection.queued_memory();
        let sent = connection.write();
        // TLS may hold a record of a packet that is not written as a whole.
        self.queued = self.queued - before + connection.queued_memory();
        match (sent, connection.state) {
            (Sent::All, State::Open) => {
                if connection.congestion == Congestion::Reported {
                    connection.congestion = Congestion::Clear;
                    self.events.push_back(SocketEvent::Writable(id));
                }
            }
            (Sent::All, State::Flushing(PeerDirection::Open))
                if connection.end_writing().is_ok() =>
            {
                connection.state = State::Lingering;
            }
            (Sent::Part, State::Open) => {
                if connection.queued() > high_water && connection.congestion == Congestion::Clear {
                    connection.congestion = Congestion::Reported;
                    self.events.push_back(SocketEvent::Congested(id));
                }
            }
            (Sent::Failed, State::Open) => self.break_off(id),
            (Sent::All | Sent::Failed, State::Flushing(_)) => self.remove(id),
            (Sent::Part, State::Flushing(_)) | (_, State::Broken | State::Lingering) => {}
        }
    }

    /// Handles a failed write. What the peer sent before is still read, unless the machine has
    /// paused the connection: then there is nothing to wait for.
    fn break_off(&mut self, id: ConnId) {
        let Some(connection) = self.table.get_mut(id) else { return };
        connection.state = State::Broken;
        self.queued -= connection.queued_memory();
        connection.discard_queue();
        self.queued += connection.tls_memory();
        match connection.flow {
            Flow::Pause => self.lose(id),
            Flow::Resume => {
                connection.assume_readable();
                list_ready(&mut self.ready, id, connection);
            }
        }
    }

    /// Handles the end of the peer's direction. To the machine the connection is closed; the peer
    /// may still read what is queued for it.
    fn peer_ended(&mut self, id: ConnId, now: Mono) {
        self.events.push_back(SocketEvent::Closed(id));
        if let Some(connection) = self.table.get_mut(id) {
            connection.flow = Flow::Pause;
            self.begin_flushing(id, PeerDirection::Ended, now);
        }
    }

    fn begin_flushing(&mut self, id: ConnId, peer: PeerDirection, now: Mono) {
        if let Some(connection) = self.table.get_mut(id) {
            connection.state = State::Flushing(peer);
            connection.end_queue();
            // Listed even if nothing is queued: writing an empty queue moves it to the next state.
            list_dirty(&mut self.dirty, id, connection);
            self.lingering.push_back((now + self.linger, id));
        }
    }

    /// Removes a connection and tells the machine, which does not know yet that it is gone.
    fn lose(&mut self, id: ConnId) {
        self.remove(id);
        self.events.push_back(SocketEvent::Closed(id));
    }

    fn remove(&mut self, id: ConnId) {
        if let Some(mut connection) = self.table.remove(id) {
            self.queued -= connection.queued_memory();
            // Closing the socket takes it out of the poll even if this fails.
            let _ = self.registry.deregister(connection.socket_mut());
        }
    }

    /// Has the poll watch a connection under the index of its slot. Removes the connection and
    /// returns false if that fails.
    fn register(&mut self, id: ConnId, index: usize) -> bool {
        let Some(connection) = self.table.get_mut(id) else { return false };
        let both = Interest::READABLE | Interest::WRITABLE;
        let token = Token(FIRST_CONNECTION + index);
        let watched = self.registry.register(connection.socket_mut(), token, both);
        if let Err(error) = &watched {
            tracing::warn!(%error, "can't watch a new connection: closing it");
            self.table.remove(id);
        }
        watched.is_ok()
    }
}

/// Reads in one turn of connections whose handshake is under way. A handshake takes many times as
/// long as another read, and those who have a session must get their turn.
pub(super) const HANDSHAKE_READS: usize = 4;
/// Fraction of the memory of all queues that is made free at once.
const FREED_SHARE: usize = 8;
/// Closed connections among which one is sought that can be given up. Each accepted connection may
/// cause a search; those with bytes that their peer does not take are few.
const LONGEST_LINGERING: usize = 64;

fn list_ready(ready: &mut Vec<ConnId>, id: ConnId, connection: &mut Connection) {
    if connection.wants_read() && !connection.in_ready {
        connection.in_ready = true;
        ready.push(id);
    }
}

fn list_dirty(dirty: &mut Vec<ConnId>, id: ConnId, connection: &mut Connection) {
    if !connection.in_dirty {
        connection.in_dirty = true;
        dirty.push(id);
    }
}
