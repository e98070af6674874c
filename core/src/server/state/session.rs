//! A session: an authenticated user on a connection, and what is under way for them.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::acks::Acks;
use super::answers::Answers;
use super::entry::Entry;
use super::refused::{NoRoom, RefusedMessages};
use super::user_meters::SessionMeters;
use crate::frame::{InOrder, Signed, Slot, Verified};
use crate::ids::{ConnId, MessageId, UserId};
use crate::keys::{Plaintext, PublicKey, SymmetricKey};
use crate::server::limits::{ACK, Limits, REFUSED};
use crate::wire::{ErrorCode, InReplyTo, Packet, Receipt};

#[derive(Debug)]
pub(in crate::server) struct Session {
    user: UserId,
    public_key: PublicKey,
    key: SymmetricKey,
    /// Packets that are being verified, in order of arrival: they take effect in that order,
    /// however the jobs finish.
    arrivals: InOrder<(usize, Arrival)>,
    /// Bytes of those packets.
    arriving_bytes: usize,
    pub(in crate::server) acks: Acks,
    /// The session is ending: nothing more is taken from it, and this is sent last.
    farewell: Option<Farewell>,
    /// Most sessions have none.
    refused: Option<Box<RefusedMessages>>,
    pub(in crate::server) meters: SessionMeters,
    /// Bytes of the receipts that are stored for the user, who has not taken them.
    receipt_bytes: u64,
    answers: Answers,
    /// Undeliverable messages that the user is being told of, and how many errors about them are
    /// not sent yet. Most sessions have none.
    telling: Option<Box<(Vec<InReplyTo>, usize)>>,
}

/// A connection with a session, and its user. Every step of a session demands one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) struct Authenticated {
    conn: ConnId,
    user: UserId,
}

/// A packet of a session that only has to be verified.
#[derive(Debug)]
pub(in crate::server) enum SignedPacket {
    Message { packet: Packet, recipient: UserId, id: MessageId },
    Receipt { packet: Packet, sender: UserId, receipt: Receipt },
    Disconnect(Packet),
}

/// A packet of a session that has to be verified, and then opened with the session's key.
#[derive(Debug)]
pub(in crate::server) enum SealedPacket {
    Lookup(Packet),
    ReceiptsTaken(Packet),
}

/// A packet whose job is done, waiting for its turn.
#[derive(Debug)]
pub(in crate::server) enum Arrival {
    Signed(Verified<SignedPacket>),
    Sealed(Verified<SealedPacket>, Plaintext),
    /// Authentic, but it was refused already, for its date.
    Refused,
    /// Not signed by the session's user.
    Forged(Packet),
}

/// Whether packets wait behind the one whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Others {
    None,
    Wait,
}

/// What a packet may still do once it is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Standing {
    /// It takes effect.
    Open,
    /// It was answered with a refusal. A false signature ends the session all the same.
    Refused,
}

/// How a session ends in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Farewell {
    /// The client asked for it: 222.
    Disconnect,
    /// The server stops: 244 `ShuttingDown`.
    ShuttingDown,
}

impl Session {
    /// Begins a session. Takes the right to a session, so that none begins without it.
    pub(in crate::server) fn begin(entry: &Entry, meters: SessionMeters) -> Self {
        Self {
            user: entry.user(),
            public_key: entry.public_key().clone(),
            key: entry.session_key().clone(),
            arrivals: InOrder::new(),
            arriving_bytes: 0,
            acks: Acks::new(),
            farewell: None,
            refused: None,
            meters,
            receipt_bytes: entry.waiting().receipt_bytes,
            answers: Answers::default(),
            telling: None,
        }
    }

    /// The proof that this session is on this connection.
    pub(super) const fn authenticated(&self, conn: ConnId) -> Authenticated {
        Authenticated { conn, user: self.user }
    }

    pub(in crate::server) const fn user(&self) -> UserId {
        self.user
    }

    pub(in crate::server) const fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    pub(in crate::server) const fn key(&self) -> &SymmetricKey {
        &self.key
    }

    pub(in crate::server) const fn farewell(&self) -> Option<Farewell> {
        self.farewell
    }

    /// Begins to end the session. Returns whether it was not ending yet: the first farewell counts.
    pub(in crate::server) fn begin_farewell(&mut self, farewell: Farewell) -> bool {
        let first = self.farewell.is_none();
        self.farewell.get_or_insert(farewell);
        first
    }

    /// A packet begins to be verified, which takes this many bytes until it is done. Returns its place
    /// among those of the session.
    pub(in crate::server) fn begin_arrival(&mut self, bytes: usize) -> Slot {
        self.arriving_bytes += bytes;
        self.arrivals.push()
    }

    /// The job of a packet with this many bytes is done.
    pub(in crate::server) fn complete_arrival(
        &mut self,
        slot: Slot,
        bytes: usize,
        arrival: Arrival,
    ) {
        self.arrivals.complete(slot, (bytes, arrival));
    }

    /// The packet whose turn it is, if its job is done, with its bytes, and whether others wait
    /// behind it. Packets behind a farewell are not taken: their sender repeats them in the next
    /// session.
    pub(in crate::server) fn next_arrival(&mut self) -> Option<(usize, Arrival, Others)> {
        if self.farewell.is_some() {
            return None;
        }
        let (bytes, arrival) = self.arrivals.pop_ready()?;
        self.arriving_bytes -= bytes;
        let others = if self.arrivals.len() == 0 { Others::None } else { Others::Wait };
        Some((bytes, arrival, others))
    }

    /// Count of packets that are being verified, or wait for their turn.
    pub(in crate::server) fn arriving(&self) -> usize {
        self.arrivals.len()
    }

    /// Bytes of those packets.
    pub(in crate::server) const fn arriving_bytes(&self) -> usize {
        self.arriving_bytes
    }

    /// Bytes of each packet that only waits for its turn.
    pub(in crate::server) fn verified(&self) -> impl Iterator<Item = usize> {
        self.arrivals.filled().map(|(bytes, _)| *bytes)
    }

    /// Bytes of memory of the lists that grow with what the user sends.
    pub(super) fn list_bytes(&self) -> usize {
        self.refused_len() * REFUSED + self.acks.len() * ACK
    }

    /// Count of refused messages whose repetition is awaited.
    pub(in crate::server) fn refused_len(&self) -> usize {
        self.refused.as_ref().map_or(0, |refused| refused.len())
    }

    /// A message was refused that its sender will repeat: until then no other message to the same
    /// recipient is accepted.
    pub(in crate::server) fn hold_back(
        &mut self,
        limits: &Limits,
        recipient: UserId,
        id: MessageId,
        code: ErrorCode,
    ) -> Result<(), NoRoom> {
        let refused = self.refused.get_or_insert_default();
        refused.add(limits.refused_messages, recipient, id, code)
    }

    /// The code of the refused message that this one has to wait for; `None` if it is accepted.
    pub(in crate::server) fn out_of_turn(
        &mut self,
        recipient: UserId,
        id: MessageId,
    ) -> Option<ErrorCode> {
        self.refused.as_mut()?.out_of_turn(recipient, id)
    }

    /// A receipt was stored for the user.
    pub(in crate::server) const fn receipt_stored(&mut self, bytes: usize) {
        self.receipt_bytes = self.receipt_bytes.saturating_add(bytes as u64);
    }

    /// The user has taken receipts of this many bytes. Saturates: a receipt that was stored twice
    /// counted twice, and one that expired still counts.
    pub(in crate::server) const fn receipts_taken(&mut self, bytes: usize) {
        self.receipt_bytes = self.receipt_bytes.saturating_sub(bytes as u64);
    }

    /// The user has taken everything that was stored.
    pub(in crate::server) const fn all_taken(&mut self) {
        self.receipt_bytes = 0;
    }

    /// Whether the user must take receipts before sending more messages, each of which leads to
    /// another receipt.
    pub(in crate::server) const fn owes_receipts(&self, limits: &Limits) -> bool {
        self.receipt_bytes > limits.receipt_bytes
    }

    /// The user has written to someone. Returns whom to record as answered, once enough gathered.
    pub(in crate::server) fn answered(&mut self, peer: UserId) -> Option<Vec<UserId>> {
        self.answers.add(peer)
    }

    /// Those to whom the user has written and who are not recorded yet.
    pub(in crate::server) fn take_answers(&mut self) -> Vec<UserId> {
        self.answers.take()
    }

    /// An error is being made about each of these undeliverable messages.
    pub(in crate::server) fn begin_telling(&mut self, messages: Vec<InReplyTo>) {
        if !messages.is_empty() {
            let unsent = messages.len();
            self.telling = Some(Box::new((messages, unsent)));
        }
    }

    /// One of the errors was sent. Returns the messages after the last one.
    pub(in crate::server) fn told(&mut self) -> Option<Vec<InReplyTo>> {
        let (_, unsent) = &mut **self.telling.as_mut()?;
        *unsent = unsent.saturating_sub(1);
        let (messages, _) = *self.telling.take_if(|telling| telling.1 == 0)?;
        Some(messages)
    }
}

impl Arrival {
    /// A packet that its session's user did not sign.
    pub(in crate::server) fn forged(packet: impl Signed) -> Self {
        Self::Forged(packet.into_packet())
    }
}

impl Authenticated {
    pub(in crate::server) const fn conn(self) -> ConnId {
        self.conn
    }

    pub(in crate::server) const fn user(self) -> UserId {
        self.user
    }
}

impl Signed for SignedPacket {
    fn packet(&self) -> &Packet {
        match self {
            Self::Message { packet, .. }
            | Self::Receipt { packet, .. }
            | Self::Disconnect(packet) => packet,
        }
    }

    fn into_packet(self) -> Packet {
        match self {
            Self::Message { packet, .. }
            | Self::Receipt { packet, .. }
            | Self::Disconnect(packet) => packet,
        }
    }
}

impl Signed for SealedPacket {
    fn packet(&self) -> &Packet {
        match self {
            Self::Lookup(packet) | Self::ReceiptsTaken(packet) => packet,
        }
    }

    fn into_packet(self) -> Packet {
        match self {
            Self::Lookup(packet) | Self::ReceiptsTaken(packet) => packet,
        }
    }
}
