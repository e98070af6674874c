//! What the client waits for from its host: one continuation for each job and store operation under
//! way. It holds exactly what the client needs to go on.

use alloc::vec::Vec;

use super::state::account::{KeyQuestion, ReconnectDate, ServerKeyOffer, ServerKeys};
use super::state::contacts::{Acceptance, Comparison};
use super::state::exchange::GrantPacket;
use super::state::inbox::Batch;
use super::state::outbox::Withdrawn;
use super::state::peer_packet::{PeerMessage, PeerReceipt, TakenReceipt};
use super::state::server_packet::SealedPacket;
use super::store::{ClientOp, DraftId, Failure, InboxId, IncomingMessage, QueuedMessage, Trust};
use crate::frame::{Pending, Slot, Unverified};
use crate::ids::{ConnId, MessageId, Phone, ReceiptId, UserId, UserRef};
use crate::keys::Fingerprint;
use crate::wire::{InReplyTo, Packet};

/// A job under way.
#[derive(Debug)]
pub(super) enum AwaitJob {
    /// The 105 before a session is being made.
    ServerKeyRequest(KeyQuestion),
    /// The 204 before a session is being verified with the key that it offers.
    ServerKey(Unverified<ServerKeyOffer>),
    /// A 100, 101 or 106 is being made.
    Request,
    /// The sealed answer to one of them (200, 150, 244) is being verified and opened.
    Answer(Unverified<Packet>, SealedAnswer),
    /// A 244 in the clear, which answers one of them, is being verified.
    ClearError(Unverified<Packet>),
    /// A 201 or 206 is being verified and opened.
    Grant(Unverified<GrantPacket>),
    /// A 105 in a session is being made.
    Lookup(UserRef),
    /// A sealed packet of the server in a session is being verified and opened.
    ServerPacket(Slot, Unverified<SealedPacket>),
    /// The server's 222 is being verified.
    ServerGoodbye(Slot, Unverified<Packet>),
    /// A message is being verified and opened, under a key of the contact with this phone number.
    PeerMessage { message: Unverified<PeerMessage>, phone: Phone, key: Fingerprint, trust: Trust },
    /// A peer's receipt is being verified.
    PeerReceipt(Unverified<PeerReceipt>),
    /// A receipt for this sender is being made.
    Receipt(UserId),
    /// A 203 to the server is being made.
    ReceiptsTaken,
    /// Our 222 is being made.
    Goodbye,
    /// A message of ours is being sealed and signed.
    Message(MessageId),
    /// A message of ours is being signed again, for another user id.
    Readdressed(MessageId),
}

/// Content of a sealed answer before a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SealedAnswer {
    /// 200.
    OtpIssued,
    /// 150.
    RegistrationRejected,
    /// 244.
    Error,
}

/// A store operation under way.
#[derive(Debug)]
pub(super) enum AwaitStore {
    /// The result matters only at the next start, and can be learnt again.
    Kept,
    /// An id or a key on which everything that is sent depends is being recorded, or a refused draft
    /// dropped. The operation is repeated until it succeeds.
    Pinned(ClientOp),
    /// The date of a 106 is being recorded; the 106 may then leave on this connection.
    ReconnectDate(ConnId, Pending<ReconnectDate>),
    /// Another key of the server, or a successor, is being kept.
    ServerKeyChanged(Pending<ServerKeys>),
    /// All receipt numbers below this one are being reserved.
    ReceiptNumbers(Pending<ReceiptId>),
    /// A key is being accepted.
    KeyAccepted(Pending<Acceptance>),
    /// A contact is being forgotten.
    ContactForgotten(Pending<Phone>),
    /// A contact is being marked as verified.
    ContactVerified(Pending<Comparison>),
    /// This many tokens of the application are being looked for.
    TokensFound { tokens: usize },
    /// Messages that can't be sealed yet are being kept.
    DraftsKept(Pending<Vec<DraftId>>),
    /// Messages that were given up are being forgotten.
    DraftsDropped(Pending<Vec<DraftId>>),
    /// The messages at the front of the sealing queue are being put into the outbox.
    Enqueued(Pending<Vec<QueuedMessage>>),
    /// Messages that were signed again are being put in place of their former packets.
    Readdressed(Pending<Vec<QueuedMessage>>),
    /// These messages are being marked as stored.
    MarkedStored(Vec<(UserId, MessageId)>),
    /// The messages named in a receipt are being marked as delivered. Those in `withdrawn` were
    /// taken out of the outbox.
    MarkedDelivered { receipt: Pending<TakenReceipt>, withdrawn: Vec<Withdrawn> },
    /// These messages are being marked as failed.
    MarkedFailed { messages: Vec<MessageId>, failure: Failure },
    /// The messages with these packets are being marked as undeliverable.
    MarkedUndeliverable(Vec<InReplyTo>),
    /// Messages that have arrived are being put into the inbox.
    Received(Batch, Pending<Vec<IncomingMessage>>),
    /// A page of the inbox from behind this place is being read.
    Page(InboxId),
}

impl AwaitJob {
    /// Whether the operation belongs to something that has arrived, rather than to something to be
    /// sent.
    pub(super) const fn is_inbound(&self) -> bool {
        match self {
            Self::ServerKey(_)
            | Self::Answer(..)
            | Self::ClearError(_)
            | Self::Grant(_)
            | Self::ServerPacket(..)
            | Self::ServerGoodbye(..)
            | Self::PeerMessage { .. }
            | Self::PeerReceipt(_) => true,
            Self::ServerKeyRequest(_)
            | Self::Request
            | Self::Lookup(_)
            | Self::Receipt(_)
            | Self::ReceiptsTaken
            | Self::Goodbye
            | Self::Message(_)
            | Self::Readdressed(_) => false,
        }
    }

    /// Whether the job verifies a packet of a session.
    pub(super) const fn verifies_in_session(&self) -> bool {
        match self {
            Self::ServerPacket(..)
            | Self::ServerGoodbye(..)
            | Self::PeerMessage { .. }
            | Self::PeerReceipt(_) => true,
            Self::ServerKeyRequest(_)
            | Self::ServerKey(_)
            | Self::Request
            | Self::Answer(..)
            | Self::ClearError(_)
            | Self::Grant(_)
            | Self::Lookup(_)
            | Self::Receipt(_)
            | Self::ReceiptsTaken
            | Self::Goodbye
            | Self::Message(_)
            | Self::Readdressed(_) => false,
        }
    }

    /// Whether the job is still of use once the connection is gone: a message of ours is sealed for
    /// its recipient, whichever connection it will leave on.
    pub(super) const fn outlives_connection(&self) -> bool {
        matches!(self, Self::Message(_) | Self::Readdressed(_))
    }
}
