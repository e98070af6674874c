//! What the client waits for from its host: one value for each ticket, with exactly what the
//! continuation needs.

use alloc::vec::Vec;

use super::inbox::Batch;
use super::peers::PeerMessage;
use super::session::ServerPacket;
use super::store::{
    Arrival, Binding, ClientOp, ClientOutcome, ClientReply, Failure, InboxId, InboxItem,
    QueuedMessage, Trust,
};
use crate::crypto::{EmitError, Grant, OpenedMessage, Outcome};
use crate::frame::{Slot, StoreError};
use crate::ids::{ConnId, MessageId, Phone, ReceiptId, UserId, UserRef};
use crate::keys::{Fingerprint, Plaintext, PublicKey, Rejected};
use crate::time::Timestamp;
use crate::wire::{Packet, Receipt};

/// Awaits a job.
#[derive(Debug)]
pub(super) enum AwaitJob {
    /// The 105 before a session is made.
    ServerKeyRequest,
    /// The 204 before a session is verified with the key that it carries.
    ServerKey(PublicKey),
    /// A 100, 101 or 106 is made.
    Request,
    /// The answer to one is verified and opened.
    Answer(Answer),
    /// A 105 is made.
    Lookup(UserRef),
    /// A packet of the server's in a session is verified and opened.
    FromServer(Slot, ServerPacket),
    /// A message is verified and opened, under a key of the contact with this phone number.
    PeerMessage { message: PeerMessage, phone: Phone, trust: Trust },
    /// A peer's receipt is verified.
    PeerReceipt { slot: Slot, reader: UserId, receipt: Receipt },
    /// A receipt for this sender is made.
    Receipt(UserId),
    /// A 203 to the server is made.
    ReceiptsTaken,
    /// A 222 is made.
    Goodbye,
    /// A message of ours is sealed and signed. It does not depend on a connection.
    Message(MessageId),
}

/// An answer before a session.
#[derive(Debug)]
pub(super) enum Answer {
    /// 200.
    OtpIssued,
    /// 150.
    Rejected,
    /// 201 or 206, for this user.
    Granted(UserId),
    /// 244, sealed.
    Error,
    /// 244 in the clear, which is verified only.
    ClearError(Packet),
}

/// Awaits the store.
#[derive(Debug)]
pub(super) enum AwaitStore {
    /// Something that only matters at the next start, and can be learnt again.
    Kept,
    /// The same, of which everything that is sent depends: it is asked for until it is done.
    Pinned(ClientOp),
    /// The date of a 106 is recorded; the 106 may leave on this connection.
    ReconnectTime(ConnId, Timestamp),
    /// Receipt numbers are reserved.
    ReceiptNumbers,
    /// A key is accepted.
    KeyAccepted { phone: Phone, accepted: Binding },
    /// A contact is marked as verified.
    Verified { phone: Phone, fingerprint: Fingerprint },
    /// The front of what is sealed is in the outbox.
    Enqueued,
    /// These are marked as stored.
    Stored(Vec<(UserId, MessageId)>),
    /// Messages are marked as delivered, for this receipt; these of them are out of the outbox.
    Delivered { reader: UserId, receipt: ReceiptId, done: Vec<QueuedMessage> },
    /// Messages are marked as failed.
    Failed { messages: Vec<MessageId>, failure: Failure },
    /// What has arrived is in the inbox.
    Received(Batch),
    /// A page of the inbox from behind this place.
    Page(InboxId),
}

impl AwaitJob {
    /// It is a step of something that has arrived, rather than of something to be sent.
    pub(super) const fn is_inbound(&self) -> bool {
        match self {
            Self::ServerKey(_)
            | Self::Answer(_)
            | Self::FromServer(..)
            | Self::PeerMessage { .. }
            | Self::PeerReceipt { .. } => true,
            Self::ServerKeyRequest
            | Self::Request
            | Self::Lookup(_)
            | Self::Receipt(_)
            | Self::ReceiptsTaken
            | Self::Goodbye
            | Self::Message(_) => false,
        }
    }

    /// It is of no use once the connection is gone.
    pub(super) const fn needs_connection(&self) -> bool {
        !matches!(self, Self::Message(_))
    }
}

/// The packet that a [`Job::Emit`](crate::crypto::Job::Emit) made. An outcome of another job is the
/// host's mistake, and counts as a failure; so in all of these.
pub(super) fn emitted(outcome: Outcome) -> Result<Packet, EmitError> {
    if let Outcome::Emitted(result) = outcome { result } else { Err(EmitError) }
}

pub(super) fn verified(outcome: &Outcome) -> Result<(), Rejected> {
    if let Outcome::Verified(result) = outcome { *result } else { Err(Rejected) }
}

pub(super) fn opened(outcome: Outcome) -> Result<Plaintext, Rejected> {
    if let Outcome::Opened(result) = outcome { result } else { Err(Rejected) }
}

pub(super) fn granted(outcome: Outcome) -> Result<Grant, Rejected> {
    if let Outcome::GrantOpened(result) = outcome { result } else { Err(Rejected) }
}

pub(super) fn message_opened(outcome: Outcome) -> Result<OpenedMessage, Rejected> {
    if let Outcome::MessageOpened(result) = outcome { result } else { Err(Rejected) }
}

/// The messages whose status the store has changed. An answer to another operation is the host's
/// mistake, and counts as a failure; so in all of these.
pub(super) fn marked(outcome: ClientOutcome) -> Result<Vec<MessageId>, StoreError> {
    if let ClientReply::Marked(ids) = outcome? { Ok(ids) } else { Err(StoreError::Io) }
}

/// What came of each of so many messages.
pub(super) fn received(outcome: ClientOutcome, count: usize) -> Result<Vec<Arrival>, StoreError> {
    if let ClientReply::Received(arrivals) = outcome?
        && arrivals.len() == count
    {
        Ok(arrivals)
    } else {
        Err(StoreError::Io)
    }
}

/// A page, and whether more stands behind it.
pub(super) fn unshown(outcome: ClientOutcome) -> Result<(Vec<InboxItem>, bool), StoreError> {
    let reply = outcome?;
    if let ClientReply::Unshown { items, more } = reply {
        Ok((items, more))
    } else {
        Err(StoreError::Io)
    }
}
