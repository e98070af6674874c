//! The tables of conversations in SQLite.
//!
//! | file | content |
//! |---|---|
//! | `schema` | the tables; `keys`: the keys of messages from before there were tables |
//! | `row` | rows as values |
//! | `timeline` | entries: found, added, edited, taken back |
//! | `apply`, `append` | what others do to the timeline, and what we do |
//! | `dropping` | messages of blocked people |
//! | `lookups` | entries and messages by other names, pages of all conversations |
//! | `pages`, `list` | what is shown: entries, and conversations with their settings |
//! | `copies`, `sendings` | copies: which are to be sent, what can be done about them; what waits and what failed |
//! | `consumers`, `idempotency` | who reads the inbox, and which requests were carried out |
//! | `groups`, `group_lookups`, `group_schema` | turns of the machine of groups, what is kept of them, its tables |
//! | `notices` | what happened in a conversation, in words, and for how long that holds |
//! | `expiry`, `search` | entries whose lifetime is over, and entries with a word |
//! | `removal` | conversations that the user removes |

mod append;
mod apply;
mod consumers;
mod copies;
mod dropping;
mod expiry;
mod group_lookups;
pub(super) mod group_schema;
mod groups;
mod idempotency;
pub(super) mod keys;
mod list;
mod lookups;
pub(super) mod notices;
mod pages;
mod removal;
mod row;
pub(super) mod schema;
mod search;
mod sendings;
#[cfg(test)]
mod tests;
mod timeline;

pub(super) use timeline::Timeline;
