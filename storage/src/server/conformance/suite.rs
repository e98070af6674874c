//! The run of all cases.

use sealpost_core::wire::Profile;

use super::harness::{Harness, QUOTA, SHARES};
use super::subject::Subject;
use super::{
    clock, deliveries, invitations, mailboxes, shares, transactions, undeliverable, users,
};
use crate::conformance::Reopening;
use crate::server::quota::Quota;

/// Runs every case on a store of its own. `open` creates an empty one.
///
/// # Panics
/// Panics if a case fails, after its name was printed.
pub fn run_all<S: Subject>(open: impl Fn(Profile, Quota) -> S) {
    let whole = users::cases()
        .into_iter()
        .chain(mailboxes::cases())
        .chain(deliveries::cases())
        .chain(transactions::cases())
        .chain(clock::cases())
        .chain(invitations::cases())
        .chain(undeliverable::cases())
        .map(|case| (case, QUOTA));
    let shared = shares::cases().into_iter().map(|case| (case, SHARES));
    for ((name, case), quota) in whole.chain(shared) {
        for profile in [Profile::Compact, Profile::Wide] {
            for reopening in [Reopening::Never, Reopening::AfterEachCommit] {
                println!("{name}, {profile:?}, reopening: {reopening:?}");
                case(&mut Harness::new(open(profile, quota), profile, reopening));
            }
        }
    }
}
