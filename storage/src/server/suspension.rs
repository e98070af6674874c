//! Accounts that the operator has suspended: they stay, and what is sent to them is stored, but no
//! session begins.

use sealpost_core::ids::UserId;
use sealpost_core::time::Timestamp;

/// Whether an account is suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspension {
    /// Sessions may begin.
    Active,
    /// No session begins, since this time.
    Suspended(Timestamp),
}

/// Result of suspending or resuming an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SuspensionOutcome {
    /// The account of this user was suspended, or resumed.
    Changed(UserId),
    /// It was suspended or active already; the time of a suspension is that of the first.
    Unchanged(UserId),
    /// Nobody is registered under this phone number.
    UnknownUser,
}
