//! The history: messages sent and received, in one order.

use sealpost_core::client::store::{Content, InboxItem, Status, Token};
use sealpost_core::ids::{MessageId, Phone, UserId};
use sealpost_core::time::Timestamp;

/// A place in the history. Grows with every message that is sent or received, and is never used
/// twice. For a received message it equals the
/// [`InboxId`](sealpost_core::client::store::InboxId).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(pub u64);

/// A message that was sent or received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryEntry {
    /// A message that we sent.
    Sent(SentMessage),
    /// A message that a peer sent to us.
    Received(InboxItem),
}

impl HistoryEntry {
    /// Returns the entry's place in the history.
    pub const fn place(&self) -> Place {
        match self {
            Self::Sent(sent) => sent.place,
            Self::Received(item) => Place(item.place.0),
        }
    }
}

/// A message that we sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentMessage {
    /// Place in the history.
    pub place: Place,
    /// Message id, unique among the messages that we sent.
    pub id: MessageId,
    /// The application's name for the message.
    pub token: Token,
    /// User id of the recipient.
    pub recipient: UserId,
    /// Phone number of the recipient.
    pub phone: Phone,
    /// When it was sent, according to its packet.
    pub sent_at: Timestamp,
    /// Content in plain text.
    pub content: Content,
    /// How far it has been delivered.
    pub status: Status,
}
