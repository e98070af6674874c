//! The error of a store operation, for both machines.

/// Reason why a store operation failed. No part of the operation has taken effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another process holds the database.
    #[error("store is busy: another process holds the database")]
    Busy,
    /// No space is left on the disk.
    #[error("disk of the store is full")]
    DiskFull,
    /// Reading or writing failed.
    #[error("store failed to read or write")]
    Io,
    /// The store holds something that was never put there.
    #[error("store is damaged: its content is not what was written")]
    Corrupt,
}
