//! The server's store in one SQLite file.
//!
//! Only this connection writes. A `commit` is one `BEGIN IMMEDIATE … COMMIT`, so that requests
//! which arrive while the disk is busy share its next sync.
//!
//! - `tables`: the schema, and `row`: rows of it as values.
//! - `users`, `mailboxes`, `correspondents`, `undeliverable`: the operations on each, as SQL; `ops`:
//!   which request is which; `fill`: how full the store is.
//! - `check` and `inspector`: what the operator reads.

#[cfg(test)]
mod backup_tests;
#[cfg(test)]
pub(super) mod bed;
mod check;
mod correspondents;
mod fill;
mod inspector;
mod mailboxes;
mod ops;
mod row;
mod tables;
#[cfg(test)]
mod tests;
mod undeliverable;
mod users;

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use sealpost_core::ids::Phone;
use sealpost_core::server::store::{StoreOp, StoreOutcome};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{Profile, SIGNATURE_LEN};

pub use check::{CheckReport, Finding};
pub use inspector::{Inspector, Stats, UserRecord};

use super::quota::Quota;
use crate::database_mark::DatabaseId;
use crate::engine::{EngineError, OpenError, OpenFailure, Writer};
use crate::storage::Storage;
use fill::Fill;
use ops::Ops;
use undeliverable::Undeliverable;

/// The server's database, open for writing. There must be only one on the same file; readers
/// ([`Inspector`]) may come and go.
#[derive(Debug)]
pub struct SqliteStorage {
    writer: Writer,
    profile: Profile,
    quota: Quota,
    fill: Fill,
}

impl SqliteStorage {
    /// Opens the database. Creates it with mode 0600 if it is missing.
    pub fn open(path: &Path, profile: Profile, quota: Quota) -> Result<Self, OpenError> {
        let connection =
            tables::SERVER.open(path, |new| tables::record_deployment(new, profile))?;
        Self::opened(path, connection, profile, quota)
    }

    /// Creates the database, with mode 0600.
    ///
    /// # Errors
    /// [`OpenFailure::Exists`] if there is one.
    pub fn create(path: &Path, profile: Profile, quota: Quota) -> Result<Self, OpenError> {
        let connection =
            tables::SERVER.create(path, |new| tables::record_deployment(new, profile))?;
        Self::opened(path, connection, profile, quota)
    }

    /// Opens the database, which must have been created.
    ///
    /// # Errors
    /// [`OpenFailure::Missing`] if there is none, or an empty file.
    pub fn open_existing(path: &Path, profile: Profile, quota: Quota) -> Result<Self, OpenError> {
        let connection = tables::SERVER.open_existing(path)?;
        Self::opened(path, connection, profile, quota)
    }

    fn opened(
        path: &Path,
        connection: Connection,
        profile: Profile,
        quota: Quota,
    ) -> Result<Self, OpenError> {
        let failed = |reason| OpenError { path: path.into(), reason };
        let recorded =
            tables::recorded_profile(&connection).map_err(|error| failed(error.into()))?;
        if recorded != profile {
            return Err(failed(OpenFailure::OtherProfile(recorded)));
        }
        Ok(Self { writer: Writer::new(connection), profile, quota, fill: Fill::new(path) })
    }

    /// Returns the id of the database, which its copies share.
    pub fn id(&self) -> Result<DatabaseId, EngineError> {
        Ok(tables::database_id(&self.writer.connection)?)
    }

    /// Returns the profile that the database was created for.
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// Returns the last user id that was handed out, even if that user has been deleted; 0 before the
    /// first.
    pub fn last_user_id(&self) -> Result<u64, EngineError> {
        Ok(tables::last_user_id(&self.writer.connection)?)
    }

    /// Never hands out the user ids up to `last` again, nor a place in a mailbox that any later copy
    /// of this database may have given out. For a database that takes the place of a later one.
    pub fn skip_ids(&mut self, last: u64) -> Result<(), EngineError> {
        Ok(tables::skip_ids(&mut self.writer.connection, self.profile, last)?)
    }

    /// Sets how long a commit waits for another process before it fails with `Busy`. 2 s by
    /// default.
    pub fn set_busy_timeout(&self, timeout: Duration) -> Result<(), EngineError> {
        Ok(self.writer.connection.busy_timeout(timeout)?)
    }

    /// Takes the operator's word that the clock is right: it is the newest time on record.
    pub fn trust_clock(&mut self, clock: Timestamp) -> Result<(), EngineError> {
        Ok(tables::set_newest_time(&self.writer.connection, clock)?)
    }

    /// Deletes a user, their mailbox, and the messages from them in other mailboxes, which nobody
    /// could verify any more. Receipts from them stay: their recipients already know the key. The
    /// messages in the mailbox are remembered as undeliverable. Returns whether the user existed.
    ///
    /// Must not be called while a server runs, which would not learn of it.
    pub fn delete_user(&mut self, phone: Phone) -> Result<bool, EngineError> {
        let overhead = (self.profile.header_len() + SIGNATURE_LEN) as u64;
        let transaction = self.writer.connection.transaction()?;
        let sql = "SELECT user_id FROM users WHERE phone_number = ?1";
        let user: Option<i64> =
            transaction.query_row(sql, [phone.to_string()], |row| row.get(0)).optional()?;
        if let Some(user) = user {
            Undeliverable { connection: &transaction }.remember(self.profile, user)?;
            transaction.execute("DELETE FROM users WHERE user_id = ?1", [user])?;
            // The user's own mailbox has gone with the row, by `ON DELETE CASCADE`. Messages in
            // other mailboxes are counted out before they are deleted: afterwards nothing says how
            // many there were.
            transaction.execute(COUNT_OUT_MESSAGES_FROM, params![user, overhead.cast_signed()])?;
            let sql = "DELETE FROM pending_messages WHERE kind = 0 AND sender_id = ?1";
            transaction.execute(sql, [user])?;
            transaction.execute("DELETE FROM correspondents WHERE peer_id = ?1", [user])?;
        }
        transaction.commit()?;
        self.fill.forget_stored_bytes();
        Ok(user.is_some())
    }
}

/// Subtracts the messages from one sender (`?1`) from the counters of every mailbox. A packet is
/// its payload and `?2` more bytes.
const COUNT_OUT_MESSAGES_FROM: &str = "
    UPDATE mailboxes SET messages = messages - gone_messages, bytes = bytes - gone_bytes
    FROM (
        SELECT recipient_id, COUNT(*) AS gone_messages,
               SUM(LENGTH(encrypted_payload) + ?2) AS gone_bytes
        FROM pending_messages WHERE kind = 0 AND sender_id = ?1 GROUP BY recipient_id
    )
    WHERE user_id = recipient_id
";

impl Storage for SqliteStorage {
    type Op = StoreOp;
    type Outcome = StoreOutcome;

    fn commit(&mut self, requests: &[StoreOp], outcomes: &mut Vec<StoreOutcome>) {
        let Self { writer, profile, quota, fill } = self;
        let (profile, quota) = (*profile, *quota);
        writer.commit(requests, outcomes, |connection, request| {
            Ops { connection, profile, quota, fill }.run(request)
        });
        // A request was rolled back, or several were before the one that failed was found.
        if outcomes.iter().any(Result::is_err) {
            fill.forget_stored_bytes();
        }
    }

    fn failure(&mut self) -> Option<String> {
        self.writer.failure()
    }
}
