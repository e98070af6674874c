//! The run of all cases.

use super::harness::{Harness, identity};
use super::subject::Subject;
use super::{account, inbox, outbox};
use crate::client::identity::Identity;
use crate::conformance::Reopening;

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
