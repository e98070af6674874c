//! Events: what a message can be beyond plain text (PROTOCOL 5.4).
//!
//! An event is the content of a message of kind 2: one map in deterministic CBOR (RFC 8949, section
//! 4.2.1). Messages from peers are parsed once, at the edge, into an [`EncodedEvent`], which keeps
//! the bytes beside the value: a newer client can read later what this one ignored. Nothing here
//! has a state, and the server never sees any of it.
//!
//! Whoever holds a pinned key can send any bytes. Before a field is read, `cbor::profile` checks the
//! whole input without allocating: its depth, its lengths, its order. After that, every list is
//! counted before memory is taken for it.
//!
//! | file | content |
//! |---|---|
//! | `encoded` | bytes that are an event: made from an [`Event`], or parsed |
//! | `body` | the event, and one variant for each type |
//! | `kinds` | which fields each type has |
//! | `text` | text and the users whom it mentions |
//! | `reference` | names an entry of a conversation |
//! | `file` | offers, pieces and answers |
//! | `group` | the group that an event belongs to, and requests to its administrators |
//! | `ids` | random ids of 16 bytes |
//! | `limited` | text, bytes, numbers and lists with bounds |
//! | `cbor/` | the profile of CBOR, and fields of a map |

mod body;
mod cbor;
mod encoded;
mod file;
mod group;
mod ids;
mod kinds;
mod limited;
mod reference;
mod text;

pub use body::{Body, Event, ExpirySecs, UnknownEvent};
pub use cbor::NotAnEvent;
pub use encoded::EncodedEvent;
pub use file::{
    Caption, FileAnswer, FileName, FileOffer, FilePiece, FileSize, MediaType, PieceData,
    PieceIndex, PieceLen,
};
pub use group::{GroupRequest, GroupState, GroupTag, StateHash};
pub use ids::{EventId, FileId, GroupId};
pub use limited::{LimitedBytes, LimitedList, LimitedText, LimitedUint, OutOfBounds};
pub use reference::{Reference, References, Target};
pub use text::{AnnotatedText, Emoji, InvalidMentions, Mention, Mentions, MessageText};
