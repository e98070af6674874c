//! The client's state, one noun per file. Each type owns its invariants and counters, and none
//! knows the machine. What a state type can't do itself, it returns, and a step carries it out.
//!
//! | file | what |
//! |---|---|
//! | `account` | the user's account, the server's clock, and the dates of our 106s |
//! | `goal` | what the client works towards |
//! | `link`, `exchange`, `session` | the connection, a request before a session, the session |
//! | `server_clock` | the server's clock in a session |
//! | `contacts`, `lookups`, `rechecks` | who has which key, who is being asked for, and who is asked for again |
//! | `new_message` | a message without a number |
//! | `token_checks`, `drafts`, `sealing_queue`, `outbox` | messages on their way out: perhaps sent before, not numbered, not sealed, not acknowledged yet |
//! | `readdressing` | messages that are signed again for another user id |
//! | `server_packet`, `peer_packet` | packets of a session that are being verified |
//! | `inbox` | messages on their way in |
//! | `receipts`, `receipt_numbers` | receipts owed to others, and receipts taken |
//! | `suspects` | items that were not authentic |
//! | `unrecorded` | what the store has to record, until it has |
//! | `redial` | which server is dialled next, and after which pause |
//! | `backoff`, `count` | pauses that double, and counters that can't be released twice |

pub(super) mod account;
pub(super) mod backoff;
pub(super) mod contacts;
pub(super) mod count;
pub(super) mod drafts;
pub(super) mod exchange;
pub(super) mod goal;
pub(super) mod inbox;
pub(super) mod link;
pub(super) mod lookups;
pub(super) mod new_message;
pub(super) mod outbox;
pub(super) mod peer_packet;
pub(super) mod readdressing;
pub(super) mod receipt_numbers;
pub(super) mod receipts;
pub(super) mod rechecks;
pub(super) mod redial;
pub(super) mod sealing_queue;
pub(super) mod server_clock;
pub(super) mod server_packet;
pub(super) mod session;
pub(super) mod suspects;
pub(super) mod token_checks;
pub(super) mod unrecorded;
