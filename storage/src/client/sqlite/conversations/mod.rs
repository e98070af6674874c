//! The tables of conversations in SQLite.
//!
//! | file | content |
//! |---|---|
//! | `schema` | the tables; `keys`: the keys of messages from before there were tables |
//! | `row` | rows as values |
//! | `timeline` | entries: found, added, edited, taken back |
//! | `apply`, `append` | what others do to the timeline, and what we do |
//! | `lookups` | entries and messages by other names, pages of all conversations |
//! | `pages`, `list` | what is shown: entries, and conversations with their settings |
//! | `copies` | copies: which are to be sent, how far they have come |
//! | `consumers`, `idempotency` | who reads the inbox, and which requests were carried out |
//! | `groups`, `group_lookups`, `group_schema` | turns of the machine of groups, what is kept of them, its tables |
//! | `expiry`, `search` | entries whose lifetime is over, and entries with a word |
//! | `removal` | conversations that the user removes |

mod append;
mod apply;
mod consumers;
mod copies;
mod expiry;
mod group_lookups;
pub(super) mod group_schema;
mod groups;
mod idempotency;
pub(super) mod keys;
mod list;
mod lookups;
mod pages;
mod removal;
mod row;
pub(super) mod schema;
mod search;
#[cfg(test)]
mod tests;
mod timeline;

pub(super) use timeline::Timeline;
