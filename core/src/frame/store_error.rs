//! What can go wrong in the store of either machine.

/// Why the store did not do it. Nothing of the operation has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another process holds the database.
    #[error("the store is busy")]
    Busy,
    /// No space is left.
    #[error("the store's disk is full")]
    DiskFull,
    /// Reading or writing failed.
    #[error("the store failed to read or write")]
    Io,
    /// What the store holds is not what was put there.
    #[error("the store is damaged")]
    Corrupt,
}
