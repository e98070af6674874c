//! The one error of everything that is not authentic.

/// The signature does not verify, or a part does not open. One error for all of these, so that
/// nobody learns which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not authentic")]
pub struct Rejected;
