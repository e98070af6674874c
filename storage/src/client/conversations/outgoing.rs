//! What we do to the timeline, and the copies that tell the others.

use sealpost_core::client::store::{Content, Token};
use sealpost_core::event::{EncodedEvent, GroupId};
use sealpost_core::ids::Phone;
use sealpost_core::keys::Fingerprint;

use super::{ConversationId, Copy, EntryId};

/// A change that we make to an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnChange {
    /// Replaces the text of an entry of our own.
    Edit {
        /// Its text from now on.
        text: String,
        /// The event that says so.
        event: Option<EncodedEvent>,
    },
    /// Takes an entry of our own back.
    Delete,
    /// Reacts to any entry, in place of an earlier reaction. `None` takes it back.
    React(Option<String>),
    /// Tells the author of an entry that we have seen it.
    Read,
}

/// A message to one recipient that carries an entry of ours, or a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCopy {
    /// Name under which the machine is to send it.
    pub token: Token,
    /// Phone number of the recipient.
    pub phone: Phone,
    /// Fingerprint of the key that the recipient must have; `None` if any will do that the client
    /// trusts.
    pub key: Option<Fingerprint>,
    /// Content of the message.
    pub content: Content,
}

/// A copy that the machine does not have yet: it was not told of it, or not in time before a crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsentCopy {
    /// Entry that it carries or changes.
    pub entry: EntryId,
    /// The copy.
    pub copy: NewCopy,
}

/// A copy of ours that was not acknowledged, for a list of what waits and what failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sending {
    /// Entry that it carries or changes.
    pub entry: EntryId,
    /// Conversation of the entry.
    pub conversation: ConversationId,
    /// The copy.
    pub copy: Copy,
    /// What it carries.
    pub carries: Carries,
}

/// What a copy carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carries {
    /// The entry.
    Entry,
    /// A change of the entry; `None` if the event is gone.
    Change(Option<EncodedEvent>),
}

/// A state or a request of a group, as a message to a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSending {
    /// The group.
    pub group: GroupId,
    /// Phone number of the recipient.
    pub phone: Phone,
}

/// A name that a caller gives to its request, so that a repeated one is carried out once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// The caller's name for the request.
    pub key: String,
    /// Hash of the request, by which another request under the same key is noticed.
    pub request_hash: [u8; 32],
}

/// What became of a request for an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// The entry was made.
    New(EntryId),
    /// The request was repeated. This is the entry that it made the first time.
    Before(EntryId),
    /// The key belongs to another request. Nothing was made.
    OtherRequest,
}
