//! A session: packets are verified and opened in any order, and take effect in the order of
//! arrival, for each party that sent them.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::count::Count;
use super::exchange::Granted;
use super::peer_packet::{PeerMessage, PeerPacket};
use super::receipts::Receipts;
use super::server_clock::ServerClock;
use super::server_packet::Said;
use crate::frame::{InOrder, Slot};
use crate::ids::UserId;
use crate::keys::SymmetricKey;

/// What lives as long as the session.
#[derive(Debug)]
pub(in crate::client) struct Session {
    key: SymmetricKey,
    clock: ServerClock,
    /// Packets of the server.
    server: InOrder<Said>,
    /// Packets of each peer. A peer without packets has no entry.
    peers: BTreeMap<UserId, InOrder<PeerPacket>>,
    /// Packets in all of these.
    arriving: Count,
    /// Those of them that are being verified or opened.
    verifying: Count,
    /// Messages whose sender's key is being asked for. Each has its place in `peers`.
    parked: BTreeMap<UserId, Vec<PeerMessage>>,
    receipts: Receipts,
    leaving: Leaving,
}

/// How far leaving the session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::client) enum Leaving {
    /// It has not begun.
    No,
    /// What we owe to others goes out first.
    Flushing,
    /// Our 222 is being made, or was sent: nothing goes out after it.
    Said,
}

impl Session {
    /// Begins a session with the key that the server has granted for our request.
    pub(in crate::client) fn begin(granted: Granted, clock: ServerClock) -> Self {
        Self {
            key: granted.into_session_key(),
            clock,
            server: InOrder::new(),
            peers: BTreeMap::new(),
            arriving: Count::ZERO,
            verifying: Count::ZERO,
            parked: BTreeMap::new(),
            receipts: Receipts::default(),
            leaving: Leaving::No,
        }
    }

    pub(in crate::client) const fn key(&self) -> &SymmetricKey {
        &self.key
    }

    pub(in crate::client) const fn clock(&self) -> ServerClock {
        self.clock
    }

    /// The server has told its time again.
    pub(in crate::client) const fn set_clock(&mut self, clock: ServerClock) {
        self.clock = clock;
    }

    pub(in crate::client) const fn leaving(&self) -> Leaving {
        self.leaving
    }

    pub(in crate::client) fn begin_leaving(&mut self) {
        self.leaving = self.leaving.max(Leaving::Flushing);
    }

    /// Our 222 is being made.
    pub(in crate::client) const fn goodbye_said(&mut self) {
        self.leaving = Leaving::Said;
    }

    /// Whether nothing new is begun, and what we owe to others goes out at once.
    pub(in crate::client) fn is_flushing(&self) -> bool {
        self.leaving == Leaving::Flushing
    }

    /// Whether everything that arrived has taken effect, and no receipt is owed.
    pub(in crate::client) fn is_idle(&self) -> bool {
        self.arriving.get() == 0 && self.receipts.is_idle()
    }

    pub(in crate::client) const fn receipts_mut(&mut self) -> &mut Receipts {
        &mut self.receipts
    }

    pub(in crate::client) const fn receipts(&self) -> &Receipts {
        &self.receipts
    }

    /// Count of packets that are being verified or opened.
    pub(in crate::client) const fn verifying(&self) -> usize {
        self.verifying.get()
    }

    /// Count of packets that wait for an earlier packet of their sender, or for its key.
    pub(in crate::client) const fn waiting(&self) -> usize {
        self.arriving.get() - self.verifying.get()
    }

    /// A packet of the server has arrived and is given to a job.
    pub(in crate::client) fn begin_server_packet(&mut self) -> Slot {
        self.arriving.take(1);
        self.verifying.take(1);
        self.server.push()
    }

    /// A packet of the server was verified.
    pub(in crate::client) fn server_packet_verified(&mut self, slot: Slot, said: Said) {
        self.verifying.release(1);
        self.server.complete(slot, said);
    }

    /// What the server has said next, once every packet before it is verified.
    pub(in crate::client) fn next_said(&mut self) -> Option<Said> {
        let said = self.server.pop_ready()?;
        self.arriving.release(1);
        Some(said)
    }

    /// A packet of a peer has arrived. Takes the next place in the order of that peer's packets.
    pub(in crate::client) fn push_peer(&mut self, peer: UserId) -> Slot {
        self.arriving.take(1);
        self.peers.entry(peer).or_insert_with(InOrder::new).push()
    }

    /// A packet of a peer is given to a job. A message may be given to several, one after the
    /// other.
    pub(in crate::client) const fn begin_verifying(&mut self) {
        self.verifying.take(1);
    }

    /// The job has ended.
    pub(in crate::client) const fn end_verifying(&mut self) {
        self.verifying.release(1);
    }

    /// A packet of a peer turned out to be verified or forged.
    pub(in crate::client) fn complete_peer(
        &mut self,
        peer: UserId,
        slot: Slot,
        packet: PeerPacket,
    ) {
        if let Some(lane) = self.peers.get_mut(&peer) {
            lane.complete(slot, packet);
        }
    }

    /// The next packet of a peer, once every packet before it is known.
    pub(in crate::client) fn next_from(&mut self, peer: UserId) -> Option<PeerPacket> {
        let lane = self.peers.get_mut(&peer)?;
        let packet = lane.pop_ready()?;
        if lane.len() == 0 {
            self.peers.remove(&peer);
        }
        self.arriving.release(1);
        Some(packet)
    }

    /// Keeps a message until the server has said what it knows of the sender.
    pub(in crate::client) fn park(&mut self, message: PeerMessage) {
        self.parked.entry(message.sender()).or_default().push(message);
    }

    /// Takes the messages that waited for a sender's key, in order of arrival.
    pub(in crate::client) fn unpark(&mut self, sender: UserId) -> Vec<PeerMessage> {
        self.parked.remove(&sender).unwrap_or_default()
    }

    pub(in crate::client) fn is_consistent(&self) -> Result<(), &'static str> {
        let lanes = self.peers.values();
        if lanes.clone().any(|lane| lane.len() == 0) {
            return Err("a peer without packets has a lane");
        }
        if self.arriving.get() != self.server.len() + lanes.map(InOrder::len).sum::<usize>() {
            return Err("packets arriving are not those with a place in the order");
        }
        let parked: usize = self.parked.values().map(Vec::len).sum();
        if self.verifying.get() + parked > self.arriving.get() {
            return Err("packets are verified or parked without a place in the order");
        }
        self.receipts.is_consistent()
    }
}
