//! What the benchmarks drive: the server machine between two users, in one thread, with everything
//! around it made up.
//!
//! - [`pair`]: a sender and a reader in session, and rounds of messages between them.
//! - [`mail`]: the packets that the two send, numbered anew for each round.
//! - [`desk`]: the host, which answers every job and store request at once.

#![expect(
    clippy::panic,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a benchmark that does not do what it says must not give a figure"
)]

pub mod desk;
pub mod mail;
pub mod pair;
