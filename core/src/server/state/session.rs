//! A session: an authenticated user on a connection, and what is under way for them.

use alloc::boxed::Box;

use super::entry::Entry;
use super::sent_messages::SentMessages;
use super::user_meters::SessionMeters;
use crate::frame::{InOrder, Signed, Slot, Verified};
use crate::ids::{ConnId, MessageId, UserId};
use crate::keys::{Plaintext, PublicKey, SymmetricKey};
use crate::wire::{Packet, Receipt};

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
    /// The session is ending: nothing more is taken from it, and this is sent last.
    farewell: Option<Farewell>,
    pub(in crate::server) meters: SessionMeters,
    /// Most sessions have nothing to remember of the messages that their users sent.
    sent: Option<Box<SentMessages>>,
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
        let sent = SentMessages::with_receipts(entry.waiting().receipt_bytes);
        Self {
            user: entry.user(),
            public_key: entry.public_key().clone(),
            key: entry.session_key().clone(),
            arrivals: InOrder::new(),
            arriving_bytes: 0,
            farewell: None,
            meters,
            sent: (!sent.is_idle()).then(|| Box::new(sent)),
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

    /// What is remembered of the messages that the user has sent.
    pub(in crate::server) fn sent(&self) -> &SentMessages {
        self.sent.as_deref().unwrap_or(&NOTHING_SENT)
    }

    pub(in crate::server) fn sent_mut(&mut self) -> &mut SentMessages {
        self.sent.get_or_insert_default()
    }

    /// The user has taken everything that was stored.
    pub(in crate::server) fn all_taken(&mut self) {
        if let Some(sent) = &mut self.sent {
            sent.all_receipts_taken();
        }
        self.free_sent();
    }

    /// Frees the memory for what is remembered of sent messages, if that is nothing.
    pub(super) fn free_sent(&mut self) {
        self.sent.take_if(|sent| sent.is_idle());
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

static NOTHING_SENT: SentMessages = SentMessages::new();
