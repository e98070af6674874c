//! The server's store in one SQLite file.
//!
//! Only this connection writes. A `commit` is one `BEGIN IMMEDIATE … COMMIT`, so that requests
//! which arrive while the disk is busy share its next sync.
//!
//! - `tables`: the schema, and `row`: rows of it as values.
//! - `users`, `invitations`, `mailboxes`, `correspondents`, `undeliverable`: the operations on each, as SQL; `ops`:
//!   which request is which; `fill`: how full the store is.
//! - `check` and `inspector`: what the operator reads; `moving`: the database as one side of a migration.

#[cfg(test)]
mod backup_tests;
#[cfg(test)]
pub(super) mod bed;
mod check;
mod correspondents;
mod fill;
mod inspector;
#[cfg(test)]
mod inspector_tests;
mod invitations;
mod mailboxes;
#[cfg(feature = "jetstream")]
mod moving;
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
use sealpost_core::ids::{Phone, UserId};
use sealpost_core::server::store::{StoreOp, StoreOutcome};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{Profile, SIGNATURE_LEN};

pub use check::{CheckReport, Finding};
pub use inspector::{Inspector, Stats, UserRecord};

use super::invitations::NewInvitation;
use super::quota::{Quota, SharedQuota};
use super::suspension::{Suspension, SuspensionOutcome};
use crate::database_mark::DatabaseId;
use crate::engine::{EngineError, OpenError, OpenFailure, Writer};
use crate::storage::Storage;
use correspondents::Correspondents;
use fill::Fill;
use invitations::Invitations;
use mailboxes::Mailboxes;
use ops::Ops;
use undeliverable::Undeliverable;
use users::Users;

/// The server's database, open for writing. There must be only one on the same file; readers
/// ([`Inspector`]) may come and go.
#[derive(Debug)]
pub struct SqliteStorage {
    writer: Writer,
    profile: Profile,
    quota: SharedQuota,
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
        let quota = SharedQuota::new(quota);
        Ok(Self { writer: Writer::new(connection), profile, quota, fill: Fill::new(path) })
    }

    /// Returns the quota, to change it while the store is in use.
    pub fn quota(&self) -> SharedQuota {
        self.quota.clone()
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

    /// Returns the newest time that the clock has plausibly shown; `None` before the first.
    pub fn newest_time(&self) -> Result<Option<Timestamp>, EngineError> {
        Ok(tables::newest_time(&self.writer.connection)?)
    }

    /// Takes the operator's word that the clock is right: it is the newest time on record.
    pub fn trust_clock(&mut self, clock: Timestamp) -> Result<(), EngineError> {
        Ok(tables::set_newest_time(&self.writer.connection, clock)?)
    }

    /// Suspends an account, or resumes it. The machine of a running server must be told, so that it
    /// ends the user's session.
    pub fn set_suspension(
        &mut self,
        phone: Phone,
        suspension: Suspension,
    ) -> Result<SuspensionOutcome, EngineError> {
        let transaction = self.writer.connection.transaction()?;
        let users = Users {
            connection: &transaction,
            profile: self.profile,
            quota: self.quota.current(),
            fill: &self.fill,
        };
        let outcome = users.set_suspension(phone, suspension)?;
        transaction.commit()?;
        Ok(outcome)
    }

    /// Records an invitation. Returns its id.
    pub fn create_invitation(&mut self, new: &NewInvitation) -> Result<u64, EngineError> {
        Ok(Invitations { connection: &self.writer.connection }.create(new)?)
    }

    /// Deletes an invitation, which is good for nothing from then on. Returns whether there was one.
    pub fn revoke_invitation(&mut self, id: u64) -> Result<bool, EngineError> {
        Ok(Invitations { connection: &self.writer.connection }.revoke(id)?)
    }

    /// Deletes some of the items that go with a user's account, at most `limit`, and remembers the
    /// messages as [`SqliteStorage::delete_user`] does. Returns how many were deleted: fewer than
    /// `limit` if nothing is left. So the deletion of an account with many items is cut into pieces,
    /// between which others get their turn.
    pub fn delete_items_of(&mut self, user: UserId, limit: u32) -> Result<u32, EngineError> {
        let transaction = self.writer.connection.transaction()?;
        let connection = &*transaction;
        let mailboxes = Mailboxes {
            connection,
            profile: self.profile,
            quota: self.quota.current(),
            fill: &self.fill,
            correspondents: Correspondents { connection },
        };
        if let Some(last) = mailboxes.place_of(user, limit)? {
            let user = user.value().cast_signed();
            Undeliverable { connection }.remember(self.profile, user, last)?;
        }
        let own = mailboxes.empty(user, limit)?;
        let sent = mailboxes.remove_messages_from(user, limit.saturating_sub(own))?;
        let committed = transaction.commit();
        self.fill.forget_stored_bytes();
        committed?;
        Ok(own.saturating_add(sent))
    }

    /// Deletes a user, their mailbox, and the messages from them in other mailboxes, which nobody
    /// could verify any more. Receipts from them stay: their recipients already know the key. The
    /// messages in the mailbox are remembered as undeliverable. Returns the id that the user had;
    /// `None` if nobody was registered there. The machine of a running server must be told, so that
    /// it ends the user's session.
    pub fn delete_user(&mut self, phone: Phone) -> Result<Option<UserId>, EngineError> {
        let overhead = (self.profile.header_len() + SIGNATURE_LEN) as u64;
        let transaction = self.writer.connection.transaction()?;
        let sql = "SELECT user_id FROM users WHERE phone_number = ?1";
        let user: Option<i64> =
            transaction.query_row(sql, [phone.to_string()], |row| row.get(0)).optional()?;
        if let Some(user) = user {
            Undeliverable { connection: &transaction }.remember(self.profile, user, i64::MAX)?;
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
        Ok(user.and_then(|user| UserId::new(user.cast_unsigned())))
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
        let (profile, quota) = (*profile, quota.current());
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
