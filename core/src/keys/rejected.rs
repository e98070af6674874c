//! The one error of everything that is not authentic.

/// A signature does not verify, or a sealed part does not open. There is one error for all of
/// these, so that an attacker cannot learn which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not authentic")]
pub struct Rejected;
