//! The suite that every implementation of a client's store passes.
//!
//! The tests of an implementation implement [`Subject`] for it and call [`run_all`]. Each case runs
//! once with the store left open, and once with the store closed and opened again after every
//! commit.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "a suite of tests, compiled for the tests of other crates too"
)]

mod account;
#[cfg(test)]
mod differential;
pub(in crate::client) mod harness;
mod inbox;
mod outbox;
#[cfg(test)]
mod stores;
mod subject;
mod suite;

pub use subject::Subject;
pub use suite::run_all;
