//! The suite that every implementation of a client's store passes.
//!
//! The tests of an implementation implement [`Subject`] for it and call [`run_all`]. Each case runs
//! once with the store left open and once with the store closed and opened again after every commit.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "a suite of tests, compiled for the tests of other crates too"
)]

mod account;
mod harness;
mod inbox;
mod outbox;

#[cfg(test)]
mod differential;
#[cfg(test)]
mod subjects;

use super::identity::Identity;
use super::storage::ClientStorage;
use crate::conformance::Reopening;
use harness::{Harness, identity};

/// An implementation under test.
pub trait Subject: ClientStorage + Sized {
    /// Closes the store and opens it again, as after a restart of the process.
    #[must_use]
    fn reopen(self) -> Self;

    /// Whether the store's own invariants hold.
    fn is_consistent(&mut self) -> bool;
}

/// Runs every case on a store of its own. `open` creates the store of a new account.
///
/// # Panics
/// Panics if a case fails, after its name was printed.
pub fn run_all<S: Subject>(open: impl Fn(&Identity) -> S) {
    let cases = account::cases().into_iter().chain(outbox::cases()).chain(inbox::cases());
    for (name, case) in cases {
        for reopening in [Reopening::Never, Reopening::AfterEachCommit] {
            println!("{name}, reopening: {reopening:?}");
            case(&mut Harness::new(open(&identity()), reopening));
        }
    }
}

/// A case and its name.
type Case<S> = (&'static str, fn(&mut Harness<S>));
