//! What one turn of the machine of groups does, as one transaction.

use sealpost_core::client::store::{InboxId, InboxItem, Token};
use sealpost_core::event::{EncodedEvent, GroupId};
use sealpost_core::ids::Phone;
use sealpost_core::keys::Fingerprint;
use sealpost_core::time::Timestamp;

use super::{Applied, Change, EntryId, Idempotency, NewCopy, NewEntry, OwnChange, Peer};
use crate::client::transfers::NewTransfer;

/// Everything that follows from one input of the machine of groups.
#[derive(Clone, Debug)]
pub struct GroupTurn {
    /// Message that was the input. It counts as applied.
    pub message: Option<InboxItem>,
    /// Time of the turn, for notices and for what we do.
    pub at: Timestamp,
    /// What follows, in order.
    pub steps: Vec<GroupStep>,
}

/// One consequence of an input.
#[derive(Clone, Debug)]
pub enum GroupStep {
    /// Keeps the record of a group, and shows its name and its expiry in its conversation.
    Keep(GroupRecord),
    /// Deletes the record of a group. Its conversation stays.
    Forget(GroupId),
    /// Keeps a state or a request until the client machine has it.
    Post(GroupPost),
    /// Applies a message that the group shows.
    Show {
        /// The message.
        item: Box<InboxItem>,
        /// Its group.
        group: GroupId,
        /// What it does to the timeline.
        change: Change,
        /// State in which it was written.
        written: Written,
    },
    /// Shows nothing of the message at this place, for now or for ever.
    Hide(InboxId),
    /// Overwrites the content of a message, whose sender is blocked.
    Drop(Box<InboxItem>),
    /// Adds a notice to a conversation.
    Note {
        /// Conversation.
        with: Peer,
        /// The notice.
        notice: Notice,
    },
    /// Removes the notice of a cause from a conversation.
    Settle {
        /// Conversation.
        with: Peer,
        /// Name of the cause.
        cause: String,
    },
    /// Adds the invitation that came with a message.
    Invite {
        /// The message.
        item: Box<InboxItem>,
        /// Its group.
        group: GroupId,
        /// Text of the invitation.
        text: String,
    },
    /// Adds an entry of our own with its copies.
    Say(Box<Saying>),
    /// Changes an entry, with the copies that tell the others.
    Alter {
        /// The entry.
        entry: EntryId,
        /// The change.
        change: OwnChange,
        /// The copies.
        copies: Vec<NewCopy>,
    },
}

/// Something that happened in a conversation, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The words.
    pub text: String,
    /// Name of its cause: notices of one cause are one entry, which counts them, and goes away with the
    /// cause.
    pub cause: Option<String>,
}

/// An entry of our own in a group.
#[derive(Clone, Debug)]
pub struct Saying {
    /// Group.
    pub group: GroupId,
    /// The entry.
    pub new: NewEntry,
    /// Its copies.
    pub copies: Vec<NewCopy>,
    /// Transfers of the file that it offers, each to the owner of the key that a copy is for.
    pub transfers: Vec<NewTransfer>,
    /// The caller's name for the request.
    pub idempotency: Option<Idempotency>,
}

/// What is kept of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRecord {
    /// The group.
    pub group: GroupId,
    /// Bytes of its record.
    pub record: Vec<u8>,
    /// Its name.
    pub name: String,
    /// Lifetime of new entries in seconds; `None` if they don't expire.
    pub expiry_secs: Option<u32>,
}

/// A state or a request for one peer, which no entry shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupPost {
    /// Name under which the client machine is to send it.
    pub token: Token,
    /// The group.
    pub group: GroupId,
    /// Phone number of the recipient.
    pub phone: Phone,
    /// Fingerprint of the recipient's key.
    pub key: Fingerprint,
    /// The event.
    pub event: EncodedEvent,
}

/// What became of a turn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TurnDone {
    /// Entries that were added or changed, in order.
    pub applied: Vec<Applied>,
    /// Entries that were removed.
    pub removed: Vec<(Peer, EntryId)>,
    /// Last place of the inbox that a message got which is shown only now.
    pub released: Option<InboxId>,
    /// A request was repeated, and made this entry the first time; nothing was done.
    pub made_before: Option<EntryId>,
    /// A request had the name of another one; nothing was done.
    pub is_other_request: bool,
}

/// The state of a group in which a text was written, as far as that must be shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Written {
    /// The newest one, or none.
    #[default]
    Current,
    /// An older one, which its author did not know to be old.
    Older,
    /// One before its author was removed, as its author says.
    BeforeRemoval,
    /// Another one than ours, or one too old to be known.
    OtherState,
}
