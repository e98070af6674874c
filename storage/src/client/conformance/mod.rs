//! What every engine of a client's store must do, case by case.
//!
//! An engine's own tests implement [`Subject`] and call [`run_all`]. Each case runs once with the
//! store left open and once with the store closed and opened again after every commit.
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

use super::{ClientStorage, Identity};
use harness::{Harness, Reopening, identity};

/// An engine under test.
pub trait Subject: ClientStorage + Sized {
    /// Closes the store and opens it again, as after a restart of the process.
    #[must_use]
    fn reopen(self) -> Self;
}

/// Runs every case on a store of its own. `open` makes the store of a new account.
///
/// # Panics
/// If a case fails. Its name has been printed.
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

/// Names each case after its function.
macro_rules! cases {
    ($($case:ident),+ $(,)?) => {
        pub(super) fn cases<S: Subject>() -> Vec<Case<S>> {
            vec![$((stringify!($case), $case)),+]
        }
    };
}
use cases;
