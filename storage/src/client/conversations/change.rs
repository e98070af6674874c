//! What a received message does to the timeline.

use sealpost_core::client::store::InboxItem;
use sealpost_core::event::{EncodedEvent, EventId};

use super::{Body, ConversationId, EntryId, EntryRef, Peer};

/// A received message, and what it does to a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// The message.
    pub item: InboxItem,
    /// The conversation.
    pub peer: Peer,
    /// The change.
    pub change: Change,
}

/// What a received message does. The application makes it from the message's content; who may do it
/// is decided by the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Adds an entry. If its author has an entry with the same event id, nothing changes.
    Append(NewEntry),
    /// Replaces the text of an entry. Only its author can.
    Edit {
        /// Entry that is edited.
        entry: EntryRef,
        /// Its text from now on.
        text: String,
        /// The event that says so.
        event: Option<EncodedEvent>,
    },
    /// Takes an entry back. Only its author can.
    Delete {
        /// Entry that is taken back.
        entry: EntryRef,
    },
    /// Reacts to an entry, in place of an earlier reaction. Everybody in the conversation can.
    React {
        /// Entry that is reacted to.
        entry: EntryRef,
        /// The reaction, at most 64 bytes; `None` takes it back.
        emoji: Option<String>,
    },
    /// The sender has seen these entries of ours.
    Read {
        /// The entries.
        entries: Vec<EntryRef>,
    },
    /// Lets new entries of the conversation live this long.
    Expire {
        /// Lifetime in seconds; `None` if they don't expire.
        secs: Option<u32>,
        /// Line that says so.
        line: NewEntry,
    },
    /// Lets the event wait for the transfers of files
    /// ([`file_arrivals`](crate::client::SqliteClientStorage::file_arrivals)). An offer adds an entry,
    /// too.
    File(Option<NewEntry>),
    /// Overwrites the content of the message, whose sender is blocked. That it was received is known as
    /// long as it is among the 1,024 latest of its sender.
    Drop,
    /// Nothing, as far as the timeline is concerned.
    Nothing,
}

/// An entry that a message adds, one from a peer or one of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEntry {
    /// What it says.
    pub body: Body,
    /// The author's id for it, if it is an event. Otherwise it goes by the id of its message.
    pub event_id: Option<EventId>,
    /// The event itself.
    pub event: Option<EncodedEvent>,
    /// Entry that it replies to.
    pub reply_to: Option<EntryRef>,
    /// Lifetime in seconds. It begins when the entry is shown to its recipient, and with its author
    /// when every copy is delivered.
    pub expiry_secs: Option<u32>,
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// An entry was added.
    Added(ConversationId, EntryId),
    /// An entry was changed, or the last of several.
    Changed(ConversationId, EntryId),
    /// Nothing changed: the entry is unknown in this conversation, or is there already, or the
    /// sender may not change it.
    Ignored,
    /// It was applied before: the message's place is not behind the one reached.
    Before,
}
