//! The error of a store operation, for both machines.

/// Why a store operation failed. It has had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another process holds a lock on the database. Passes by itself.
    #[error("database operation failed: locked by another process")]
    Busy,
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
