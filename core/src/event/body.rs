//! The event: what all types have in common, and what each type says.

use super::{
    AnnotatedText, Emoji, EventId, FileAnswer, FileId, FileOffer, FilePiece, GroupId, GroupRequest,
    GroupState, GroupTag, LimitedUint, Reference, References, Target,
};
use crate::keys::Fingerprint;

/// How long an entry lives, in seconds: up to 366 days.
pub type ExpirySecs = LimitedUint<1, 31_622_400>;

/// An event of a type that this version knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Id, unique among the author's events.
    pub id: EventId,
    /// Group that it belongs to; `None` in a conversation of two.
    pub group: Option<GroupTag>,
    /// How long the entry lives once it was shown to its recipient.
    pub expiry: Option<ExpirySecs>,
    /// What the event says.
    pub body: Body,
}

/// An event of a type, or with a code, that this version does not know. It belongs to a newer one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event of type {kind} needs a newer version of this program")]
pub struct UnknownEvent {
    /// Id, unique among the author's events.
    pub id: EventId,
    /// Group that it belongs to; `None` in a conversation of two.
    pub group: Option<GroupTag>,
    /// How long the entry lives once it was shown to its recipient.
    pub expiry: Option<ExpirySecs>,
    /// Number of its type.
    pub kind: u64,
}

/// What an event says. The numbers are those of the types in PROTOCOL 5.4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// 1: a text.
    Text {
        /// The text.
        text: AnnotatedText,
        /// Entry that it replies to.
        reply_to: Option<Reference>,
    },
    /// 2: the author replaces the text of an entry.
    Edit {
        /// Entry that is edited.
        target: Reference,
        /// Its text from now on.
        text: AnnotatedText,
    },
    /// 3: the author takes an entry back.
    Delete {
        /// Entry that is deleted.
        target: Reference,
    },
    /// 4: the author's one reaction to an entry.
    Reaction {
        /// Entry that is reacted to.
        target: Reference,
        /// The reaction; `None` takes it back.
        emoji: Option<Emoji>,
    },
    /// 5: entries that were shown to the author of this event.
    Read {
        /// The entries, in any order.
        entries: References,
    },
    /// 6: how long new entries of the conversation live from now on.
    Expiry {
        /// `None` if they don't expire.
        expiry: Option<ExpirySecs>,
    },
    /// 7: a file is offered.
    FileOffer(FileOffer),
    /// 8: a piece of a file.
    FilePiece(FilePiece),
    /// 9: an answer about a file.
    FileAnswer {
        /// Id of the transfer.
        file: FileId,
        /// The answer.
        answer: FileAnswer,
    },
    /// 10: a state of a group, signed by its administrators.
    GroupState(GroupState),
    /// 11: a request to the administrators of a group.
    GroupRequest {
        /// Id of the group.
        group: GroupId,
        /// The request.
        request: GroupRequest,
    },
}

impl Event {
    /// Whether the signer of an event may say this: only the author edits or deletes an entry, and
    /// the author is a key, not a phone number.
    pub fn may_be_signed_by(&self, signer: &Fingerprint) -> bool {
        match &self.body {
            Body::Edit { target, .. } | Body::Delete { target } => target.author == *signer,
            Body::Text { .. }
            | Body::Reaction { .. }
            | Body::Read { .. }
            | Body::Expiry { .. }
            | Body::FileOffer(_)
            | Body::FilePiece(_)
            | Body::FileAnswer { .. }
            | Body::GroupState(_)
            | Body::GroupRequest { .. } => true,
        }
    }

    /// Reference under which others refer to this event, if its author has this key.
    pub const fn reference(&self, author: Fingerprint) -> Reference {
        Reference { author, target: Target::Event(self.id) }
    }
}
