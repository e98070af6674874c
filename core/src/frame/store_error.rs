//! The error of a store operation, for both machines.

/// Why a store operation failed. It has had no effect, unless the error says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another process holds a lock on the database. Passes by itself.
    #[error("database operation failed: locked by another process")]
    Busy,
    /// The engine of a shared store is not reachable, or has no leader. Passes by itself. The
    /// operation may have taken effect.
    #[error("database operation failed: the database is not reachable")]
    Unavailable,
    /// No space is left. Passes once the operator frees some.
    #[error("database operation failed: disk full")]
    DiskFull,
    /// The system could not read or write the file.
    #[error("database operation failed: read or write error")]
    Io,
    /// A stored value does not parse as what was written, or contradicts the request.
    #[error("database operation failed: stored data is damaged")]
    Corrupt,
}
