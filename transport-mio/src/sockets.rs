//! All connections of a host: who may be read from, who has something to write, who lingers.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use sealpost_core::frame::Flow;
use sealpost_core::ids::ConnId;
use sealpost_core::time::Mono;

use crate::conn::{Congestion, Conn, Peer, Received, Sent, State};
use crate::slots::Slots;

/// The sockets, and what became known about them since the machine was last told.
#[derive(Debug)]
pub(crate) struct Sockets {
    registry: Registry,
    slots: Slots<Conn>,
    /// To read from, each once; `Conn::in_ready` says who.
    ready: Vec<ConnId>,
    /// To write to, each once; `Conn::in_dirty` says who.
    dirty: Vec<ConnId>,
    /// When closed connections are given up, soonest first.
    lingering: VecDeque<(Mono, ConnId)>,
    facts: VecDeque<Fact>,
    high_water: usize,
    linger: Duration,
}

/// What the machine is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    Opened(ConnId, IpAddr),
    Closed(ConnId),
    Congested(ConnId),
    Writable(ConnId),
}

impl Fact {
    const fn conn(self) -> ConnId {
        match self {
            Self::Opened(conn, _)
            | Self::Closed(conn)
            | Self::Congested(conn)
            | Self::Writable(conn) => conn,
        }
    }
}

/// The tokens from here on are connections; those below it are the reactor's own.
pub(crate) const FIRST_CONN: usize = 3;

impl Sockets {
    pub(crate) const fn new(registry: Registry, high_water: usize, linger: Duration) -> Self {
        Self {
            registry,
            slots: Slots::new(),
            ready: Vec::new(),
            dirty: Vec::new(),
            lingering: VecDeque::new(),
            facts: VecDeque::new(),
            high_water,
            linger,
        }
    }

    /// Connections there are, closed ones that linger included.
    pub(crate) const fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether reading or writing can go on without the poll's saying so.
    pub(crate) fn is_busy(&self) -> bool {
        !self.ready.is_empty() || !self.dirty.is_empty()
    }

    /// Whether there is something to tell the machine.
    pub(crate) fn has_facts(&self) -> bool {
        !self.facts.is_empty()
    }

    /// When [`Sockets::expire`] wants to be called.
    pub(crate) fn deadline(&self) -> Option<Mono> {
        self.lingering.front().map(|(at, _)| *at)
    }

    /// The next thing to tell the machine.
    pub(crate) fn next_fact(&mut self) -> Option<Fact> {
        self.facts.pop_front()
    }

    /// Takes a connection that was accepted.
    pub(crate) fn accepted(&mut self, stream: TcpStream, peer: IpAddr) {
        if let Ok(id) = self.slots.insert(Conn::new(stream))
            && self.register(id)
        {
            self.facts.push_back(Fact::Opened(id, peer));
        }
    }

    /// Takes a connection that was dialled, under the machine's number; or the news that there is
    /// none.
    pub(crate) fn dialled(&mut self, id: ConnId, stream: Option<(TcpStream, IpAddr)>) {
        let opened = stream.and_then(|(stream, peer)| {
            let id = self.slots.insert_as(id, Conn::new(stream)).ok()?;
            self.register(id).then_some(Fact::Opened(id, peer))
        });
        self.facts.push_back(opened.unwrap_or(Fact::Closed(id)));
    }

    /// Notes what the poll said of a connection.
    pub(crate) fn note(&mut self, event: &mio::event::Event) {
        let Some(index) = event.token().0.checked_sub(FIRST_CONN) else { return };
        if let Some((id, conn)) = self.slots.at_mut(index) {
            conn.note(event);
            list_ready(&mut self.ready, id, conn);
            if conn.wants_write() {
                list_dirty(&mut self.dirty, id, conn);
            }
        }
    }

    /// Moves the connections to read from into `turn`, which must be empty.
    pub(crate) const fn take_ready(&mut self, turn: &mut Vec<ConnId>) {
        std::mem::swap(&mut self.ready, turn);
    }

    /// Reads from a connection once. What is there for the machine stands in the front of
    /// `buffer`; a connection that may have more is read from again in the next turn.
    pub(crate) fn read(&mut self, id: ConnId, buffer: &mut [u8], now: Mono) -> Option<usize> {
        let conn = self.slots.get_mut(id)?;
        conn.in_ready = false;
        if !conn.wants_read() {
            return None;
        }
        match (conn.read(buffer), conn.state) {
            (Received::Bytes(len), state) => {
                list_ready(&mut self.ready, id, conn);
                matches!(state, State::Open | State::Broken).then_some(len)
            }
            (Received::Nothing, State::Open | State::Flushing(_) | State::Lingering) => None,
            (Received::End, State::Open) => {
                self.ended(id, now);
                None
            }
            (Received::End, State::Flushing(_)) => {
                conn.state = State::Flushing(Peer::HasEnded);
                conn.flow = Flow::Pause;
                None
            }
            (Received::Nothing | Received::End, State::Broken)
            | (Received::Failed, State::Open | State::Broken) => {
                self.lost(id);
                None
            }
            (Received::End, State::Lingering)
            | (Received::Failed, State::Flushing(_) | State::Lingering) => {
                self.remove(id);
                None
            }
        }
    }

    /// Queues bytes. They go out with the next [`Sockets::flush`], or at once when there are many.
    pub(crate) fn send(&mut self, id: ConnId, bytes: Bytes) {
        let Some(conn) = self.slots.get_mut(id).filter(|conn| conn.state == State::Open) else {
            return;
        };
        conn.push(bytes);
        list_dirty(&mut self.dirty, id, conn);
        if conn.queued() > self.high_water {
            self.write(id);
        }
    }

    /// Stops or goes on reading. What the poll says meanwhile is remembered.
    pub(crate) fn flow(&mut self, id: ConnId, flow: Flow) {
        let Some(conn) = self.slots.get_mut(id) else { return };
        match conn.state {
            State::Open => {
                conn.flow = flow;
                list_ready(&mut self.ready, id, conn);
            }
            // Nobody would read to the end of it, and nothing else will be heard from it.
            State::Broken if flow == Flow::Pause => self.lost(id),
            State::Broken | State::Flushing(_) | State::Lingering => {}
        }
    }

    /// Closes a connection once what is queued for it has gone out.
    pub(crate) fn close(&mut self, id: ConnId, now: Mono) {
        // The machine hears no more of what it closed.
        self.facts.retain(|fact| fact.conn() != id);
        let Some(conn) = self.slots.get_mut(id) else { return };
        match conn.state {
            State::Open => {
                conn.flow = Flow::Resume;
                list_ready(&mut self.ready, id, conn);
                self.begin_flushing(id, Peer::MaySend, now);
            }
            State::Broken => self.remove(id),
            State::Flushing(_) | State::Lingering => {}
        }
    }

    /// Closes every connection.
    pub(crate) fn close_all(&mut self, now: Mono) {
        let ids: Vec<_> = self.slots.ids().collect();
        for id in ids {
            self.close(id, now);
        }
    }

    /// Writes what is queued.
    pub(crate) fn flush(&mut self) {
        while let Some(id) = self.dirty.pop() {
            if let Some(conn) = self.slots.get_mut(id) {
                conn.in_dirty = false;
                self.write(id);
            }
        }
    }

    /// Gives up closed connections whose peer took too long.
    pub(crate) fn expire(&mut self, now: Mono) {
        while let Some((_, id)) = self.lingering.pop_front_if(|(at, _)| *at <= now) {
            self.remove(id);
        }
    }

    fn write(&mut self, id: ConnId) {
        let Some(conn) = self.slots.get_mut(id) else { return };
        let sent = conn.write();
        match (sent, conn.state) {
            (Sent::All, State::Open) => {
                if conn.congestion == Congestion::Told {
                    conn.congestion = Congestion::Clear;
                    self.facts.push_back(Fact::Writable(id));
                }
            }
            (Sent::All, State::Flushing(Peer::MaySend)) if conn.end_writing().is_ok() => {
                conn.state = State::Lingering;
            }
            (Sent::Some, State::Open) => {
                if conn.queued() > self.high_water && conn.congestion == Congestion::Clear {
                    conn.congestion = Congestion::Told;
                    self.facts.push_back(Fact::Congested(id));
                }
            }
            (Sent::Failed, State::Open) => self.broke(id),
            (Sent::All | Sent::Failed, State::Flushing(_)) => self.remove(id),
            (Sent::Some, State::Flushing(_)) | (_, State::Broken | State::Lingering) => {}
        }
    }

    /// Writing failed. What the peer sent before it went is still read, unless the machine does
    /// not want to read: then there is nothing to wait for.
    fn broke(&mut self, id: ConnId) {
        let Some(conn) = self.slots.get_mut(id) else { return };
        conn.state = State::Broken;
        conn.discard_queue();
        match conn.flow {
            Flow::Pause => self.lost(id),
            Flow::Resume => {
                conn.assume_readable();
                list_ready(&mut self.ready, id, conn);
            }
        }
    }

    /// The peer has ended its direction: the connection is gone for the machine, and the peer may
    /// still read what is queued for it.
    fn ended(&mut self, id: ConnId, now: Mono) {
        self.facts.push_back(Fact::Closed(id));
        if let Some(conn) = self.slots.get_mut(id) {
            conn.flow = Flow::Pause;
            self.begin_flushing(id, Peer::HasEnded, now);
        }
    }

    fn begin_flushing(&mut self, id: ConnId, peer: Peer, now: Mono) {
        if let Some(conn) = self.slots.get_mut(id) {
            conn.state = State::Flushing(peer);
            list_dirty(&mut self.dirty, id, conn);
            self.lingering.push_back((now + self.linger, id));
        }
    }

    /// The connection is gone, and the machine doesn't know yet.
    fn lost(&mut self, id: ConnId) {
        self.remove(id);
        self.facts.push_back(Fact::Closed(id));
    }

    fn remove(&mut self, id: ConnId) {
        if let Some(mut conn) = self.slots.remove(id) {
            // Closing the socket takes it out of the poll in any case.
            let _ = self.registry.deregister(conn.stream_mut());
        }
    }

    /// Whether the poll watches the connection now; if not, it is removed.
    fn register(&mut self, id: ConnId) -> bool {
        let index = self.slots.index_of(id).unwrap_or_default();
        let Some(conn) = self.slots.get_mut(id) else { return false };
        let both = Interest::READABLE | Interest::WRITABLE;
        let watched = self.registry.register(conn.stream_mut(), Token(FIRST_CONN + index), both);
        if let Err(error) = &watched {
            tracing::warn!(%error, "a connection can't be watched, and is closed");
            self.slots.remove(id);
        }
        watched.is_ok()
    }
}

fn list_ready(ready: &mut Vec<ConnId>, id: ConnId, conn: &mut Conn) {
    if conn.wants_read() && !conn.in_ready {
        conn.in_ready = true;
        ready.push(id);
    }
}

fn list_dirty(dirty: &mut Vec<ConnId>, id: ConnId, conn: &mut Conn) {
    if !conn.in_dirty {
        conn.in_dirty = true;
        dirty.push(id);
    }
}
