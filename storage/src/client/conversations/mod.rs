//! Conversations: what people see of the messages that came and went.
//!
//! A conversation is with a person or with a group. Its *timeline* is made of *entries*: a text, a
//! file or a notice, received or sent. Edits, deletions, reactions and read receipts change entries.
//! An entry of our own has *copies*, one message for each recipient.
//!
//! [`SqliteClientStorage`](super::SqliteClientStorage) keeps them beside the machine's tables. Each
//! call that writes is one durable transaction; a store that was opened for reading only can be asked
//! for everything.
//!
//! | file | content |
//! |---|---|
//! | `ids` | names of conversations, entries and authors |
//! | `entry` | an entry as it is shown |
//! | `change` | what a received message does to the timeline |
//! | `group` | what one turn of the machine of groups does |
//! | `outgoing` | what we do to it, with the copies that tell the others |
//! | `progress` | how far copies have come |
//! | `conversation` | a conversation and its settings |

mod change;
mod conversation;
mod entry;
mod group;
mod ids;
mod outgoing;
mod progress;

pub use change::{Applied, Change, Effect, NewEntry};
pub use conversation::{Conversation, Mute, Originals, ReadMarks, Visibility};
pub use entry::{Body, Entry, Original, Reaction};
pub use group::{GroupPost, GroupRecord, GroupStep, GroupTurn, Notice, Saying, TurnDone, Written};
pub use ids::{Author, ConversationId, EntryId, EntryRef, Peer};
pub use outgoing::{
    Carries, GroupSending, Idempotency, Made, NewCopy, OwnChange, Sending, UnsentCopy,
};
pub use progress::{Cancelled, Copy, CopyFailure, Progress};
