//! Messages on their way out and in.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::arrival::{Arrival, Continuity};
use crate::event::EncodedEvent;
use crate::ids::{MessageId, Phone, UserId, UserRef};
use crate::keys::Fingerprint;
use crate::time::Timestamp;
use crate::wire::{Packet, RequestHash};

/// The application's name for a message of ours, for ever. No two messages of an account have the
/// same one: draw it at random, or count in a store that is never restored from a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// What a token names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenUse {
    /// A message that can't be sealed yet.
    Draft,
    /// A message in the outbox, whatever its status.
    Message(MessageId),
}

/// A message of ours, sealed and signed, before it is queued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingMessage {
    /// Number of the message, larger than that of every one before.
    pub id: MessageId,
    /// Recipient's user id.
    pub recipient: UserId,
    /// Recipient's phone number.
    pub phone: Phone,
    /// The application's name for the message.
    pub token: Token,
    /// Draft that it was, which is one no longer.
    pub draft: Option<DraftId>,
    /// Content of the message, for the history.
    pub content: Content,
    /// What goes over the wire, byte for byte, until the message is acknowledged.
    pub packet: Packet,
}

/// A message of ours that can't be sealed yet: the server's clock is not known, or its recipient has
/// to be looked up. It has no number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Place among the drafts.
    pub id: DraftId,
    /// The application's name for the message.
    pub token: Token,
    /// Recipient, as the application named them.
    pub to: UserRef,
    /// The key that the recipient must have, if the application named one.
    pub key: Option<Fingerprint>,
    /// Content of the message.
    pub content: Content,
}

/// A place among the drafts: later ones have larger numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DraftId(pub u64);

/// A message of ours that is not acknowledged yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedMessage {
    /// Number of the message, unique among ours.
    pub id: MessageId,
    /// Recipient's user id.
    pub recipient: UserId,
    /// What goes over the wire.
    pub packet: Packet,
}

/// Why a message of ours will not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Failure {
    /// The recipient is not registered, or is no longer.
    #[error("the recipient is not registered")]
    UnknownUser,
    /// The server refused it as malformed or badly signed.
    #[error("the server refused the message")]
    Refused,
    /// It was not acknowledged within the retention time.
    #[error("not acknowledged within 30 days")]
    Expired,
    /// It is sealed for a key that was replaced before the message was acknowledged.
    #[error("sealed for a key that was replaced")]
    KeyReplaced,
}

/// How far a message has come. The store keeps it for each message in the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Durable here, and not acknowledged yet.
    Queued,
    /// Durable at the server.
    Stored,
    /// Durable with the recipient, whose signature says so.
    Delivered,
    /// Given up.
    Failed(Failure),
}

/// What a user wrote, or what an application sends.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// Text in UTF-8.
    Text(String),
    /// Bytes in the application's own format.
    Bytes(Vec<u8>),
    /// An event: a text with more to it, an edit, a reaction, a file, and so on.
    Event(EncodedEvent),
}

impl Content {
    /// The bytes as they are in the message.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
            Self::Event(event) => event.as_bytes(),
        }
    }
}

impl fmt::Debug for Content {
    /// The length only: contents don't belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
            Self::Event(event) => event.fmt(f),
        }
    }
}

/// A message from a peer whose signature was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncomingMessage {
    /// Sender's user id.
    pub sender: UserId,
    /// Sender's phone number.
    pub phone: Phone,
    /// Fingerprint of the key that signed the message: its author, whatever ids and phone numbers the
    /// key's owner has or had.
    pub signed_by: Fingerprint,
    /// Number of the message, unique among the sender's unless the sender was restored from a backup.
    pub id: MessageId,
    /// Hash of the whole packet, which tells a repeat from another message with the same number.
    pub packet_hash: RequestHash,
    /// The sender's message to us before this one, if this one opened and names one.
    pub previous: Option<MessageId>,
    /// Time of writing, according to the sender.
    pub sent_at: Timestamp,
    /// Time of arrival, by our clock.
    pub received_at: Timestamp,
    /// Content of the message.
    pub content: ReceivedContent,
    /// How far the key that signed it was trusted at its arrival.
    pub trust: Trust,
}

/// The content of a message from a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceivedContent {
    /// The message opened.
    Opened(Content),
    /// The message was signed by its sender, but does not open, or is of a suite or kind that is
    /// not known here.
    Undecryptable,
}

/// How far the key that signed a message was trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// It was the pinned key, trusted on first use.
    FirstUse,
    /// It was the pinned key, and the users have compared safety numbers.
    Verified,
    /// It was another key than the pinned one, offered by the server and not accepted.
    Changed,
}

/// A place in the inbox. It grows with every message appended, and is never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InboxId(pub u64);

impl InboxId {
    /// The place before the first message.
    pub const START: Self = Self(0);
}

/// A message in the inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxItem {
    /// Place in the inbox.
    pub place: InboxId,
    /// The message.
    pub message: IncomingMessage,
    /// Whether something was missing before it at its arrival.
    pub continuity: Continuity,
    /// Its place among the messages of its sender, at its arrival.
    pub arrival: Arrival,
}
