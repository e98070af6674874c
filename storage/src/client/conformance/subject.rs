//! What the suite needs of an implementation.

use crate::client::storage::ClientStorage;

/// An implementation under test.
pub trait Subject: ClientStorage + Sized {
    /// Closes the store and opens it again, as after a restart of the process.
    #[must_use]
    fn reopen(self) -> Self;

    /// Whether the store's own invariants hold.
    fn is_consistent(&mut self) -> bool;
}
