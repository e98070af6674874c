//! A conversation and its settings.

use sealpost_core::time::Timestamp;

use super::{ConversationId, Entry, EntryId, Peer};

/// A conversation, as a list of them shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// The store's name for it.
    pub id: ConversationId,
    /// With whom it is.
    pub peer: Peer,
    /// The user's own name for it.
    pub name: Option<String>,
    /// Whether the peer's messages are shown.
    pub visibility: Visibility,
    /// Whether new messages make themselves heard.
    pub mute: Mute,
    /// Lifetime of new entries in seconds; `None` if they don't expire.
    pub expiry_secs: Option<u32>,
    /// Whether texts are kept that were edited or taken back.
    pub originals: Originals,
    /// Whether the two tell each other what they have seen.
    pub read_marks: ReadMarks,
    /// Bytes of files on their way from the peer up to which an offer is accepted without asking.
    pub accepted_files: u64,
    /// Text that the user has begun to write.
    pub draft: String,
    /// The last entry that the user has seen.
    pub read_up_to: Option<EntryId>,
    /// Count of received entries behind it.
    pub unread: u64,
    /// The last entry.
    pub last: Option<Entry>,
}

/// Whether the messages of a peer are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// They are.
    Shown,
    /// The user has blocked the peer.
    Blocked,
}

/// Whether new messages make themselves heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mute {
    /// They do.
    Off,
    /// Not before this time.
    Until(Timestamp),
    /// They don't.
    Always,
}

/// Whether the user tells a peer what they have seen, and is shown what the peer has. Only those who
/// tell are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadMarks {
    /// Not unless the user asks for it.
    Withheld,
    /// They are.
    Exchanged,
}

/// Whether a conversation keeps texts that their author has edited or taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Originals {
    /// They are overwritten.
    Forgotten,
    /// They are kept beside the entry.
    Kept,
}
