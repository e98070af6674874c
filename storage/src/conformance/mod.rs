//! What every engine of the server's store must do, case by case.
//!
//! An engine's own tests implement [`Subject`] and call [`run_all`]. Each case runs in both
//! profiles, once with the store left open and once with the store closed and opened again after
//! every commit.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    clippy::missing_panics_doc,
    reason = "a suite of tests, compiled for the tests of other crates too"
)]

mod deliveries;
mod fixtures;
mod harness;
mod mailboxes;
mod transactions;
mod users;

#[cfg(test)]
mod differential;

use sealpost_core::ids::{Phone, UserId};
use sealpost_core::keys::WrappedKey;
use sealpost_core::server::store::{StoreOp, StoreOutcome};
use sealpost_core::wire::Profile;

use crate::{Quota, Storage};
pub use fixtures::{at, message, phone, public_key, receipt, wrapped_key};
use harness::{Harness, Reopening};

/// An engine under test.
pub trait Subject: Storage<Op = StoreOp, Outcome = StoreOutcome> + Sized {
    /// Closes the store and opens it again, as after a restart of the process.
    #[must_use]
    fn reopen(self) -> Self;

    /// What the operator's command does. Whether there was such a user.
    fn delete_user(&mut self, phone: Phone) -> bool;

    /// The wrapped session key on record.
    fn aes_key(&mut self, user: UserId) -> Option<WrappedKey>;
}

/// Runs every case on a store of its own. `open` makes an empty one.
///
/// # Panics
/// If a case fails. Its name has been printed.
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

/// Small, so that cases can fill a mailbox: 4 messages, 2,000 bytes.
const QUOTA: Quota = Quota { messages: 4, bytes: 2_000 };

/// Names each case after its function.
macro_rules! cases {
    ($($case:ident),+ $(,)?) => {
        pub(super) fn cases<S: Subject>() -> Vec<Case<S>> {
            vec![$((stringify!($case), $case)),+]
        }
    };
}
use cases;
