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

mod deliveries;
mod harness;
mod mailboxes;
mod transactions;
mod users;

#[cfg(test)]
mod differential;
#[cfg(test)]
mod subjects;

use sealpost_core::ids::{Phone, UserId};
use sealpost_core::keys::WrappedKey;
use sealpost_core::server::store::{StoreOp, StoreOutcome};
use sealpost_core::wire::Profile;

use super::quota::Quota;
use crate::Storage;
use crate::conformance::Reopening;
use harness::Harness;

/// An implementation under test.
pub trait Subject: Storage<Op = StoreOp, Outcome = StoreOutcome> + Sized {
    /// Closes the store and opens it again, as after a restart of the process.
    #[must_use]
    fn reopen(self) -> Self;

    /// Deletes a user, as the operator's command does. Returns whether the user existed.
    fn delete_user(&mut self, phone: Phone) -> bool;

    /// Returns the wrapped session key on record.
    fn aes_key(&mut self, user: UserId) -> Option<WrappedKey>;

    /// Whether the store's own invariants hold, such as those of its counters.
    fn is_consistent(&mut self) -> bool;
}

/// Runs every case on a store of its own. `open` creates an empty one.
///
/// # Panics
/// Panics if a case fails, after its name was printed.
pub fn run_all<S: Subject>(open: impl Fn(Profile, Quota) -> S) {
    let cases = users::cases()
        .into_iter()
        .chain(mailboxes::cases())
        .chain(deliveries::cases())
        .chain(transactions::cases());
    for (name, case) in cases {
        for profile in [Profile::Compact, Profile::Wide] {
            for reopening in [Reopening::Never, Reopening::AfterEachCommit] {
                println!("{name}, {profile:?}, reopening: {reopening:?}");
                case(&mut Harness::new(open(profile, QUOTA), profile, reopening));
            }
        }
    }
}

/// A case and its name.
type Case<S> = (&'static str, fn(&mut Harness<S>));

/// Small, so that cases can fill a mailbox.
const QUOTA: Quota = Quota { messages: 4, bytes: 2_000 };
