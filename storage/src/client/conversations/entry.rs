//! An entry of the timeline, as it is shown.

use sealpost_core::client::store::{Arrival, Continuity, InboxId, Trust};
use sealpost_core::event::EncodedEvent;
use sealpost_core::ids::Phone;
use sealpost_core::time::Timestamp;

use super::{Author, ConversationId, Copy, EntryId, EntryRef, Progress, Written};

/// An entry, with everything that has happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the timeline.
    pub id: EntryId,
    /// Conversation that it belongs to.
    pub conversation: ConversationId,
    /// Who wrote it, or did what a notice tells of.
    pub author: Author,
    /// The author's phone number when it arrived; `None` for an entry of our own.
    pub phone: Option<Phone>,
    /// How its author and others name it; `None` if nobody else has it.
    pub name: Option<EntryRef>,
    /// Place in the inbox; `None` for an entry of our own.
    pub place: Option<InboxId>,
    /// Time of writing, according to the author.
    pub sent_at: Timestamp,
    /// Time of arrival; `None` for an entry of our own.
    pub received_at: Option<Timestamp>,
    /// What it says.
    pub body: Body,
    /// The event from which it was made, or by which it was last edited. A newer version may read
    /// more in it than this one.
    pub event: Option<EncodedEvent>,
    /// Entry that it replies to, which may be unknown here.
    pub reply_to: Option<EntryRef>,
    /// When it was last edited.
    pub edited_at: Option<Timestamp>,
    /// When its author took it back.
    pub deleted_at: Option<Timestamp>,
    /// How far the key was trusted that signed it; `None` for an entry of our own.
    pub trust: Option<Trust>,
    /// Its place among the messages of its author; `None` for an entry of our own.
    pub arrival: Option<Arrival>,
    /// Whether something is missing before it.
    pub continuity: Continuity,
    /// State of its group in which it was written, as far as that must be shown.
    pub written: Written,
    /// How often what a notice tells of has happened.
    pub repeats: u32,
    /// Lifetime in seconds, once it was shown or delivered.
    pub expiry_secs: Option<u32>,
    /// End of its lifetime, once that has begun.
    pub expires_at: Option<Timestamp>,
    /// Reactions, at most one of each author, in the order of authors.
    pub reactions: Vec<Reaction>,
    /// Copies of an entry of our own, in the order of their tokens.
    pub copies: Vec<Copy>,
}

impl Entry {
    /// How far an entry of our own has come: as far as the copy that came least far among those that
    /// have not failed. It has failed only if every copy has.
    pub fn progress(&self) -> Option<Progress> {
        let all = self.copies.iter().map(|copy| copy.progress);
        all.clone().filter(|progress| !progress.has_failed()).min().or_else(|| all.min())
    }
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A text.
    Text(String),
    /// Bytes in an application's own format.
    Bytes(Vec<u8>),
    /// A file, with the text to it. The offer is in the event.
    File(String),
    /// Something that happened in the conversation.
    Notice(String),
    /// An invitation to the group that the conversation is with.
    Invitation(String),
    /// The message was signed by its author, but does not open.
    Undecryptable,
    /// An event of a type that this version does not know.
    NeedsNewerVersion,
    /// The author took the entry back.
    Deleted,
    /// The entry's lifetime is over.
    Expired,
}

/// What an author feels about an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaction {
    /// Who reacted.
    pub author: Author,
    /// The author's phone number; `None` if it is ours.
    pub phone: Option<Phone>,
    /// Usually one emoji, at most 64 bytes.
    pub emoji: String,
    /// When it arrived, or was sent.
    pub at: Timestamp,
}

/// A text that was edited or taken back, and that this conversation keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Original {
    /// When it was replaced.
    pub until: Timestamp,
    /// The text until then.
    pub text: String,
}
