//! Names of conversations, entries and authors.

use sealpost_core::event::{GroupId, Target};
use sealpost_core::ids::Phone;
use sealpost_core::keys::Fingerprint;

/// A conversation. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConversationId(pub u64);

/// An entry of the timeline. Grows with every entry of any conversation, and is never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub u64);

/// With whom a conversation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Peer {
    /// The person with this phone number.
    Person(Phone),
    /// The members of this group.
    Group(GroupId),
}

/// Who wrote an entry, or reacted to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Author {
    /// We did.
    Own,
    /// The owner of the key with this fingerprint.
    Peer(Fingerprint),
}

/// Names an entry as its author and others name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryRef {
    /// Author of the entry.
    pub author: Author,
    /// The author's id for the entry.
    pub target: Target,
}
