//! The network: links whose bytes are delayed, cut into pieces, stalled and lost.
//!
//! Each direction of a link is a pipe: a queue at the sender, and a limited number of bytes in
//! flight. Bytes that are not read stay in flight, so a slow receiver slows the sender down.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use sealpost_core::frame::Flow;
use sealpost_core::ids::ConnId;
use sealpost_core::time::Mono;

use super::process::ProcessId;
use super::step::{End, Misbehaviour, Tampering};

/// Id of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LinkId(pub(super) u64);

/// A connection between a process and a server.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) dialler: ProcessId,
    /// Index of the server.
    pub(super) at: usize,
    pub(super) up: Pipe,
    pub(super) down: Pipe,
    pub(super) client: Socket,
    pub(super) server: Socket,
}

/// One end of a link.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) conn: ConnId,
    /// Whether the machine knows of the connection and has not closed it.
    pub(super) open: bool,
    pub(super) flow: Flow,
    /// Time of the last change of `flow`.
    pub(super) flow_since: Mono,
}

/// One direction of a link.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not states")]
pub(super) struct Pipe {
    /// Sent, but not in flight yet.
    queue: VecDeque<Bytes>,
    pub(super) queued: usize,
    /// In flight or arrived, but not read, with the time of arrival.
    flight: VecDeque<(Mono, Bytes)>,
    in_flight: usize,
    /// Arrival time of the last byte in flight. No byte overtakes another.
    pub(super) last_due: Mono,
    /// Nothing arrives before this time.
    pub(super) stalled_until: Mono,
    /// Whether the sender was told that too much is queued.
    pub(super) congested: bool,
    /// Whether the sender closed its end: the end of the stream follows the last byte.
    pub(super) ended: bool,
    /// Whether the link broke: what is sent is lost.
    pub(super) broken: bool,
    /// Whether an event for the next arrival is scheduled.
    pub(super) arrival_scheduled: bool,
    pub(super) tampering: Option<Tampering>,
    pub(super) misbehaviour: Option<Misbehaviour>,
    /// Packet that [`Misbehaviour::Swap`] holds back until the next one is sent.
    pub(super) held: Option<Bytes>,
}

/// What arrives at the end of a pipe.
#[derive(Debug)]
pub(super) enum Arrival {
    Bytes(Bytes),
    /// End of the stream.
    End,
    /// Nothing has arrived yet.
    Nothing,
}

impl Pipe {
    /// Queues a packet.
    pub(super) fn send(&mut self, bytes: Bytes) {
        if self.broken || self.ended {
            return;
        }
        self.queued += bytes.len();
        self.queue.push_back(bytes);
    }

    /// Moves queued bytes into flight, up to `window` bytes, to arrive after `latency`.
    pub(super) fn transmit(&mut self, now: Mono, latency: u64, window: usize) {
        while self.in_flight < window
            && let Some(mut bytes) = self.queue.pop_front()
        {
            let room = window - self.in_flight;
            if bytes.len() > room {
                self.queue.push_front(bytes.split_off(room));
            }
            self.queued -= bytes.len();
            self.in_flight += bytes.len();
            self.last_due = self.last_due.max(Mono(now.0 + latency));
            self.flight.push_back((self.last_due, bytes));
        }
    }

    /// Time of the next arrival; `None` if nothing is in flight.
    pub(super) fn next_arrival(&self) -> Option<Mono> {
        let due = match self.flight.front() {
            Some((due, _)) => *due,
            None if self.ended && self.queue.is_empty() && !self.broken => self.last_due,
            None => return None,
        };
        Some(due.max(self.stalled_until))
    }

    /// Takes what has arrived: one packet as it was sent, or up to `piece` bytes.
    pub(super) fn arrive(&mut self, now: Mono, piece: Option<usize>) -> Arrival {
        if self.next_arrival().is_none_or(|at| at > now) {
            return Arrival::Nothing;
        }
        let bytes = self.take(now, piece);
        self.in_flight -= bytes.len();
        if bytes.is_empty() { Arrival::End } else { Arrival::Bytes(bytes) }
    }

    /// Closes the sender's end.
    pub(super) fn end(&mut self, now: Mono, latency: u64) {
        self.ended = true;
        self.last_due = self.last_due.max(Mono(now.0 + latency));
    }

    fn take(&mut self, now: Mono, piece: Option<usize>) -> Bytes {
        let Some((due, mut first)) = self.flight.pop_front() else { return Bytes::new() };
        let Some(piece) = piece else { return first };
        if first.len() > piece {
            self.flight.push_front((due, first.split_off(piece)));
            return first;
        }
        let mut joined = first.to_vec();
        while joined.len() < piece
            && let Some((due, mut next)) = self.flight.pop_front_if(|(due, _)| *due <= now)
        {
            let room = piece - joined.len();
            if next.len() > room {
                self.flight.push_front((due, next.split_off(room)));
            }
            joined.extend_from_slice(&next);
        }
        joined.into()
    }

    /// Breaks the pipe: nothing more arrives.
    pub(super) fn lose(&mut self) {
        self.queue.clear();
        self.flight.clear();
        (self.queued, self.in_flight, self.broken) = (0, 0, true);
    }
}

impl Link {
    /// The pipe that starts at an end.
    pub(super) const fn pipe(&mut self, from: End) -> &mut Pipe {
        match from {
            End::Client => &mut self.up,
            End::Server => &mut self.down,
        }
    }

    pub(super) const fn socket(&mut self, end: End) -> &mut Socket {
        match end {
            End::Client => &mut self.client,
            End::Server => &mut self.server,
        }
    }

    /// Process at an end.
    pub(super) const fn who(&self, end: End) -> ProcessId {
        match end {
            End::Client => self.dialler,
            End::Server => ProcessId::Server(self.at),
        }
    }
}

impl End {
    /// The opposite end.
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// All links.
#[derive(Debug, Default)]
pub(super) struct Network {
    pub(super) links: BTreeMap<LinkId, Link>,
    by_conn: BTreeMap<(ProcessId, ConnId), LinkId>,
    made: u64,
}

impl Network {
    /// Adds a link that is being established: neither end knows of it yet.
    pub(super) fn add(&mut self, dialler: ProcessId, conn: ConnId, at: usize) -> LinkId {
        self.made += 1;
        let id = LinkId(self.made);
        let at_server = ConnId(self.made);
        let socket = |conn| Socket { conn, open: false, flow: Flow::Resume, flow_since: Mono(0) };
        let link = Link {
            dialler,
            at,
            up: Pipe::default(),
            down: Pipe::default(),
            client: socket(conn),
            server: socket(at_server),
        };
        self.by_conn.insert((dialler, conn), id);
        self.by_conn.insert((ProcessId::Server(at), at_server), id);
        self.links.insert(id, link);
        id
    }

    /// The link of a process's connection, and the end at which the process is.
    pub(super) fn find(
        &mut self,
        who: ProcessId,
        conn: ConnId,
    ) -> Option<(LinkId, End, &mut Link)> {
        let id = *self.by_conn.get(&(who, conn))?;
        let end = if who.is_server() { End::Server } else { End::Client };
        Some((id, end, self.links.get_mut(&id)?))
    }

    /// Forgets a link.
    pub(super) fn remove(&mut self, id: LinkId) {
        let Some(link) = self.links.remove(&id) else { return };
        self.by_conn.remove(&(ProcessId::Server(link.at), link.server.conn));
        // A restarted process numbers its connections from the start, so the number may belong to
        // another link by now.
        let name = (link.dialler, link.client.conn);
        if self.by_conn.get(&name) == Some(&id) {
            self.by_conn.remove(&name);
        }
    }

    /// Links of a process, oldest first.
    pub(super) fn of(&self, who: ProcessId) -> Vec<LinkId> {
        let theirs = |link: &Link| who == ProcessId::Server(link.at) || link.dialler == who;
        self.links.iter().filter(|(_, link)| theirs(link)).map(|(id, _)| *id).collect()
    }
}
