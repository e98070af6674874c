//! The suite that every implementation of the server's store passes.
//!
//! The tests of an implementation implement [`Subject`] for it and call [`run_all`]. Each case runs
//! in both profiles, once with the store left open and once with the store closed and opened again
//! after every commit.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "a suite of tests, compiled for the tests of other crates too"
)]

mod clock;
mod deliveries;
#[cfg(test)]
pub(super) mod differential;
mod harness;
mod invitations;
mod mailboxes;
mod shares;
#[cfg(test)]
mod stores;
mod subject;
mod suite;
mod transactions;
mod undeliverable;
mod users;

#[cfg(all(test, feature = "jetstream"))]
pub(super) use harness::SHARES;
#[cfg(test)]
pub(super) use harness::counted;
pub use subject::Subject;
pub use suite::run_all;
