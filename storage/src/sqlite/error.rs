//! What SQLite's failures mean.

use std::path::PathBuf;

use rusqlite::ErrorCode;
use sealpost_core::frame::StoreError;
use sealpost_core::wire::Profile;

use super::column::profile_name;

/// A database can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no such file.
    #[error("there is no database {}", .0.display())]
    Missing(PathBuf),
    /// The file is something else.
    #[error("{} is not a database of this program", .0.display())]
    Foreign(PathBuf),
    /// A later version of the program has changed the file.
    #[error("the database has schema {found}, this program knows none after {known}")]
    Newer {
        /// The file's.
        found: u32,
        /// This program's.
        known: u32,
    },
    /// The file has an earlier schema, and was opened for reading only.
    #[error("the database has schema {found}, this program reads {known}: start the server once")]
    Older {
        /// The file's.
        found: u32,
        /// This program's.
        known: u32,
    },
    /// There is a file already where one was to be made.
    #[error("there is a file {} already", .0.display())]
    Exists(PathBuf),
    /// The deployment uses the other width of ids.
    #[error("the database belongs to a deployment with {} ids", profile_name(*.0))]
    OtherProfile(Profile),
    /// The file could not be made.
    #[error("the database could not be made: {0}")]
    File(#[from] std::io::Error),
    /// SQLite refused.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Engine(error.into())
    }
}

/// A failure of SQLite: what it means, and what SQLite says about it.
#[derive(Debug, thiserror::Error)]
#[error("{kind}: {source}")]
pub struct EngineError {
    kind: StoreError,
    source: rusqlite::Error,
}

impl EngineError {
    /// What it means for the caller.
    pub const fn kind(&self) -> StoreError {
        self.kind
    }
}

impl From<rusqlite::Error> for EngineError {
    fn from(source: rusqlite::Error) -> Self {
        Self { kind: store_error(&source), source }
    }
}

/// What a failure means for the server's machine.
///
/// A violated constraint is damage: nothing that is asked of the store can violate one. So is a
/// value that does not read as what was written.
#[expect(clippy::wildcard_enum_match_arm, reason = "SQLite's lists are long, open, and not ours")]
pub(crate) fn store_error(error: &rusqlite::Error) -> StoreError {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => match failure.code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreError::Busy,
            ErrorCode::DiskFull => StoreError::DiskFull,
            ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase
            | ErrorCode::ConstraintViolation
            | ErrorCode::TypeMismatch => StoreError::Corrupt,
            _ => StoreError::Io,
        },
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::QueryReturnedNoRows => StoreError::Corrupt,
        _ => StoreError::Io,
    }
}

/// Whether only the request that met the failure is spoiled, and not the transaction around it.
pub(crate) fn spoils_one_request(error: &rusqlite::Error) -> bool {
    match store_error(error) {
        StoreError::Corrupt => true,
        StoreError::Busy | StoreError::DiskFull | StoreError::Io => false,
    }
}

/// A stored value is not what was put there.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a stored {0} does not read")]
pub(crate) struct Unreadable(pub(crate) &'static str);

impl From<Unreadable> for rusqlite::Error {
    fn from(unreadable: Unreadable) -> Self {
        let kind = rusqlite::types::Type::Null;
        Self::FromSqlConversionFailure(0, kind, Box::new(unreadable))
    }
}
