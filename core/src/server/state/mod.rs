//! The server's state, one noun per file. Each type owns its invariants and its counters, and none
//! knows the machine. A state type returns what it can't do itself, and a step does it.
//!
//! | file | what |
//! |---|---|
//! | `connections`, `conn` | connections: their phases, and what is under way for each |
//! | `session` | an authenticated user on a connection |
//! | `sent_messages` | what a session remembers of the messages that its user has sent |
//! | `acks`, `refused` | acknowledgements to be sent, refused messages to be repeated |
//! | `acknowledgement` | a recipient's statement that it has taken items |
//! | `entry` | the right to a session, with its proofs |
//! | `mailboxes`, `mailbox`, `in_flight`, `drain` | items on their way to their recipients |
//! | `settling` | acknowledged items on their way out of the store |
//! | `checking`, `unstored` | packets that are being verified, or wait to be stored by sender |
//! | `daily_bytes` | bytes that each user has had stored lately |
//! | `answers` | people to whom a session's user has written |
//! | `otps`, `server_key` | one-time passwords, the signed answer to a 105 before a session |
//! | `admission`, `user_meters` | rate limits: of strangers, and of users |
//! | `strangers` | connections without a session, by address |
//! | `sharing` | sessions of a server that shares its store |
//! | `shedding` | strangers who were disconnected without an answer |
//! | `refusal` | the content of a 244 |
//! | `touched` | mailboxes and connections that `settle` looks at |

pub(super) mod acknowledgement;
pub(super) mod acks;
pub(super) mod admission;
mod answers;
pub(super) mod checking;
pub(super) mod conn;
pub(super) mod connections;
pub(super) mod daily_bytes;
pub(super) mod drain;
pub(super) mod entry;
pub(super) mod in_flight;
pub(super) mod mailbox;
#[cfg(test)]
mod mailbox_model;
pub(super) mod mailboxes;
pub(super) mod otps;
pub(super) mod refusal;
pub(super) mod refused;
pub(super) mod sent_messages;
pub(super) mod server_key;
pub(super) mod session;
pub(super) mod settling;
pub(super) mod sharing;
pub(super) mod shedding;
pub(super) mod strangers;
pub(super) mod touched;
pub(super) mod unstored;
pub(super) mod user_meters;
