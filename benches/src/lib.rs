//! What the benchmarks run: the server machine between two users, in one thread, with made-up
//! surroundings.
//!
//! - [`server_bench`]: a sender and a recipient in session, and rounds of messages between them.
//! - [`packets`]: the packets that the two send, renumbered for each round.
//! - [`host`]: the host, which answers every job and store operation at once.

#![expect(
    clippy::panic,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a benchmark that goes wrong must not report a figure"
)]

pub mod host;
pub mod packets;
pub mod server_bench;
