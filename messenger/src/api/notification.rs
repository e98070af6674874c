//! What a client tells without being asked.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Contact, Entry, GroupId, Peer, PhoneNumber, Time};

/// The first line of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hello {
    /// Version of the interface.
    pub api_version: u32,
    /// Version of the program.
    pub version: String,
    /// Phone number of the account.
    pub account: PhoneNumber,
}

/// A notification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "method", content = "params", rename_all = "camelCase")]
pub enum Notification {
    /// The first line of a connection.
    Hello(Hello),
    /// Something arrived, for a subscription by `subscribeReceive`.
    Receive(Receive),
    /// A subscription by `subscribeReceive` has ended, and not by its own connection: nothing more
    /// comes for the consumer until it subscribes again.
    ReceiveEnded(ReceiveEnded),
    /// Something changed, for a subscription by `subscribeChanges`. Nothing is sent again after a
    /// loss of the connection.
    Changed(Changed),
}

/// Something that arrived, for a consumer. It comes again, after a crash of either side, until the
/// consumer has acknowledged its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Receive {
    /// Name of the consumer.
    pub consumer: String,
    /// Its place: the number to acknowledge. Later ones are larger.
    pub place: u64,
    /// What arrived.
    pub event: ReceivedEvent,
}

/// The end of a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReceiveEnded {
    /// Name of the consumer.
    pub consumer: String,
    /// Why it has ended.
    pub reason: EndReason,
}

/// Why a subscription has ended.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error,
)]
#[serde(rename_all = "camelCase")]
pub enum EndReason {
    /// Another connection has subscribed the same consumer.
    #[error("another program receives under this name now")]
    TakenOver,
    /// Another connection has unsubscribed the consumer, or removed it.
    #[error("another program has unsubscribed it")]
    Unsubscribed,
    /// What arrived can't be read. The log says more.
    #[error("what arrived can't be read; the log says more")]
    Failed,
}

/// What arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ReceivedEvent {
    /// A message, as it was when it arrived.
    Message {
        /// The message.
        message: Box<Entry>,
    },
    /// The author of a message changed its text.
    Edited {
        /// Number of the message's entry.
        entry: u64,
        /// Phone number of the author.
        from: PhoneNumber,
        /// The new text.
        text: String,
    },
    /// The author of a message took it back.
    Deleted {
        /// Number of the message's entry.
        entry: u64,
        /// Phone number of the author.
        from: PhoneNumber,
    },
    /// Somebody reacted to a message.
    Reaction {
        /// Number of the message's entry.
        entry: u64,
        /// Phone number of whoever reacted.
        from: PhoneNumber,
        /// The emoji; empty if the reaction was taken back.
        emoji: String,
    },
    /// Somebody invites the user to a group. `joinGroup` accepts it, `declineGroup` does not.
    Invitation {
        /// Number of its entry.
        entry: u64,
        /// Phone number of whoever invites.
        from: PhoneNumber,
        /// Id of the group.
        group: GroupId,
        /// Name of the group, as its owner says.
        name: String,
    },
    #[serde(other)]
    /// A later version of the interface says more.
    Unknown,
}

/// Something that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Changed {
    /// An entry is new, or is not as it was.
    Entry {
        /// The entry.
        entry: Box<Entry>,
    },
    /// An entry is gone, because what it told of is over.
    EntryRemoved {
        /// The conversation that it was in.
        conversation: Peer,
        /// Number of the entry.
        entry: u64,
    },
    /// A conversation is not as it was: its name, its count of unread entries, its settings.
    Conversation {
        /// Whom it is with.
        with: Peer,
    },
    /// A contact is new, or is not as it was: its key, the trust in it, its name.
    Contact {
        /// The contact.
        contact: Box<Contact>,
    },
    /// The connection to the server is not as it was.
    Connection {
        /// How it is now.
        connection: Connection,
    },
    /// The server did something that an honest server does not do, or something else that the user
    /// should know, and that belongs to no conversation.
    Warning {
        /// What happened.
        text: String,
    },
    #[serde(other)]
    /// A later version of the interface says more.
    Unknown,
}

/// The connection to the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Connection {
    /// Connecting.
    Connecting {
        /// Since when.
        since: Time,
    },
    /// There is a session with the server.
    Online {
        /// Since when.
        since: Time,
        /// Count of messages and receipts that the server held when the session began, until all of
        /// them have arrived.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        waiting: Option<u32>,
    },
    /// There is no connection.
    Offline {
        /// Since when.
        since: Time,
        /// Why not.
        reason: String,
        /// When it is tried again; absent if it is not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next_attempt: Option<Time>,
    },
}
