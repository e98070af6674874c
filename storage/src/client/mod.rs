//! The client's store: one account on one server, its contacts and its history.
//!
//! The machine asks through [`Storage::commit`] and is given a [`Snapshot`] at its start. What
//! people want to see is read from the store directly, with the rest of [`ClientStorage`].

mod memory;
mod sqlite;

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;

use sealpost_core::client::store::{ClientOp, ClientOutcome, Content, InboxItem, Snapshot, Status};
use sealpost_core::frame::StoreError;
use sealpost_core::ids::{MessageId, Phone, UserId};
use sealpost_core::keys::Fingerprint;
use sealpost_core::time::Timestamp;
use sealpost_core::wire::Profile;

pub use memory::MemoryClientStorage;
pub use sqlite::SqliteClientStorage;

use crate::Storage;

/// The store of one client.
pub trait ClientStorage: Storage<Op = ClientOp, Outcome = ClientOutcome> {
    /// Whose account it is, and where.
    fn identity(&self) -> Result<Identity, StoreError>;

    /// The server has moved.
    fn set_host_port(&mut self, host_port: &str) -> Result<(), StoreError>;

    /// What a machine is given at its start. Contacts come in the order of their phone numbers.
    fn load(&self) -> Result<Snapshot, StoreError>;

    /// How many messages of ours there are at each stage.
    fn outbox(&self) -> Result<OutboxCounts, StoreError>;

    /// What was written to a person and came from them, under all ids that they have had: the last
    /// `limit` entries before `before`, or before now, oldest first.
    fn history(
        &self,
        peer: Phone,
        before: Option<Place>,
        limit: u32,
    ) -> Result<Vec<HistoryEntry>, StoreError>;
}

/// What a client's store is made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Our phone number.
    pub phone: Phone,
    /// The fingerprint of the server's key.
    pub server: Fingerprint,
    /// The width of the deployment's ids.
    pub profile: Profile,
    /// Where the server is, `HOST:PORT`. The only one of these that may change.
    pub host_port: String,
}

/// How many messages of ours there are at each stage ([`Status`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxCounts {
    /// Not acknowledged by anyone.
    pub queued: u64,
    /// Durable at the server.
    pub stored: u64,
    /// Signed for by the reader.
    pub delivered: u64,
    /// Given up.
    pub failed: u64,
}

/// A place in the history. Grows with whatever is written or arrives; never used twice. For what
/// arrived it is the [`InboxId`](sealpost_core::client::store::InboxId) as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(pub u64);

/// A message of ours, or one that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryEntry {
    /// Ours.
    Sent(SentMessage),
    /// Another's.
    Received(InboxItem),
}

impl HistoryEntry {
    /// Where it stands.
    pub const fn place(&self) -> Place {
        match self {
            Self::Sent(sent) => sent.place,
            Self::Received(item) => Place(item.place.0),
        }
    }
}

/// A message of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentMessage {
    /// Where it stands.
    pub place: Place,
    /// Unique among our messages.
    pub id: MessageId,
    /// To whom.
    pub recipient: UserId,
    /// The recipient's.
    pub phone: Phone,
    /// When it was written, as its packet says.
    pub sent_at: Timestamp,
    /// What it says.
    pub content: Content,
    /// How far it has come.
    pub status: Status,
}

impl OutboxCounts {
    const fn count(&mut self, status: Status, messages: u64) {
        let counter = match status {
            Status::Queued => &mut self.queued,
            Status::Stored => &mut self.stored,
            Status::Delivered => &mut self.delivered,
            Status::Failed(_) => &mut self.failed,
        };
        *counter = counter.saturating_add(messages);
    }
}
