//! What a failure of SQLite means, and why a database cannot be opened.

use std::path::PathBuf;

use rusqlite::ErrorCode;
use sealpost_core::frame::StoreError;
use sealpost_core::wire::Profile;

use super::column::profile_name;
use crate::private_file::{Exposure, NotPrivate};

/// A database could not be opened or created.
#[derive(Debug, thiserror::Error)]
#[error("cannot open database {}: {reason}", path.display())]
pub struct OpenError {
    /// File that was to be opened.
    pub path: PathBuf,
    /// Why it could not be.
    pub reason: OpenFailure,
}

/// Why a database could not be opened or created.
#[derive(Debug, thiserror::Error)]
pub enum OpenFailure {
    /// The file does not exist, or is what a crash left of creating it.
    #[error("there is no such database")]
    Missing,
    /// The file belongs to another program, or to the other side of this one.
    #[error("the file is not a database of this program; it was left unchanged")]
    Foreign,
    /// A later version of the program has migrated the file.
    #[error(
        "it has schema version {found}, but this program supports {known} at most: \
         upgrade the program"
    )]
    Newer {
        /// Schema version of the file.
        found: u32,
        /// Latest schema version that this program supports.
        known: u32,
    },
    /// The file has an earlier schema, and was opened for reading only.
    #[error(
        "it has schema version {found}, but version {known} is needed: \
         run its server or client once to migrate it"
    )]
    Older {
        /// Schema version of the file.
        found: u32,
        /// Schema version that this program reads.
        known: u32,
    },
    /// The database was to be migrated, and no copy of it could be made before. Nothing was changed.
    #[error(
        "it must be upgraded from schema version {version}, and can't be copied to {} before: \
         {reason}; make room on the disk",
        copy.display()
    )]
    NotKept {
        /// Schema version of the file.
        version: u32,
        /// File that was to become the copy.
        copy: PathBuf,
        /// Why it did not.
        reason: Box<OpenFailure>,
    },
    /// A new database was to be created where there is one already.
    #[error("it exists already")]
    Exists,
    /// The database was created for the profile given here, and was opened for the other one.
    #[error("it was created for {} ids: start with that profile", profile_name(*.0))]
    OtherProfile(Profile),
    /// Other users may read, change or replace the file.
    #[error(transparent)]
    Exposed(#[from] Exposure),
    /// The operating system could not look up or create the file.
    #[error("the file is not accessible: {0}")]
    File(#[from] std::io::Error),
    /// SQLite failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<NotPrivate> for OpenFailure {
    fn from(error: NotPrivate) -> Self {
        match error {
            NotPrivate::Exposed(exposure) => Self::Exposed(exposure),
            NotPrivate::Io(error) => Self::File(error),
        }
    }
}

impl From<rusqlite::Error> for OpenFailure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Engine(error.into())
    }
}

/// A failure of SQLite: what it means for the caller, and SQLite's own message.
#[derive(Debug, thiserror::Error)]
#[error("{kind} ({source})")]
pub struct EngineError {
    kind: StoreError,
    source: rusqlite::Error,
}

impl EngineError {
    /// Meaning of the failure.
    pub const fn kind(&self) -> StoreError {
        self.kind
    }
}

impl From<rusqlite::Error> for EngineError {
    fn from(source: rusqlite::Error) -> Self {
        Self { kind: store_error(&source), source }
    }
}

/// Classifies a failure of SQLite.
///
/// A violated constraint is damage, because no request can violate one in a sound database. So is a
/// value that does not parse as what was written.
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

/// Whether a failure affects only the request that met it, and not the transaction around it.
///
/// Damage is found by reading one row: other rows are still good. A full disk or a failed write
/// would meet the next request too.
pub(super) fn affects_one_request(error: &rusqlite::Error) -> bool {
    match store_error(error) {
        StoreError::Corrupt => true,
        StoreError::Busy | StoreError::Unavailable | StoreError::DiskFull | StoreError::Io => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_failed_where_and_why() {
        let failure = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
        let full = rusqlite::Error::SqliteFailure(failure, Some("database or disk is full".into()));
        let path = PathBuf::from("/data/sealpost.db");
        let error = OpenError { path: path.clone(), reason: full.into() };
        assert_eq!(
            error.to_string(),
            "cannot open database /data/sealpost.db: \
             database operation failed: disk full (database or disk is full)"
        );
        let error = OpenError { path, reason: OpenFailure::OtherProfile(Profile::Wide) };
        assert_eq!(
            error.to_string(),
            "cannot open database /data/sealpost.db: \
             it was created for wide ids: start with that profile"
        );
    }
}
