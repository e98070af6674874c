//! Reading the server's database alongside a running server, for the operator.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row};
use sealpost_core::ids::{UserId, UserRef};
use sealpost_core::server::store::User;
use sealpost_core::time::Timestamp;
use sealpost_core::wire::Profile;

use super::check::{self, CheckReport};
use super::invitations::Invitations;
use super::{row, tables};
use crate::database_mark::DatabaseId;
use crate::engine::column::{count, optional, timestamp};
use crate::engine::{EngineError, OpenError, Progress, copy};
use crate::server::invitations::InvitationRecord;
use crate::server::suspension::Suspension;
use crate::server::usage::Usage;

/// The server's database, open for reading only. Every answer is of one point in time. It neither
/// waits for the writer nor blocks it.
#[derive(Debug)]
pub struct Inspector {
    connection: Connection,
    profile: Profile,
}

/// A registered user and their mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRecord {
    /// The user.
    pub user: User,
    /// When the account was created.
    pub created_at: Timestamp,
    /// Whether the account is suspended.
    pub suspension: Suspension,
    /// Usage of the user's mailbox.
    pub mailbox: Usage,
    /// When the oldest item in the mailbox was stored.
    pub oldest: Option<Timestamp>,
}

/// Figures about the whole store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Number of registered users.
    pub users: u64,
    /// The last id that was given out, even if that user has been deleted; 0 before the first.
    pub last_user_id: u64,
    /// Usage of all mailboxes together.
    pub pending: Usage,
    /// When the oldest item in any mailbox was stored.
    pub oldest: Option<Timestamp>,
}

impl Inspector {
    /// Opens the database, whether or not a server is running.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let connection = tables::SERVER.open_read_only(path)?;
        let profile = tables::recorded_profile(&connection)
            .map_err(|error| OpenError { path: path.into(), reason: error.into() })?;
        Ok(Self { connection, profile })
    }

    /// Returns the profile of the deployment: the width of its ids.
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// Returns the next `limit` users after `after` in the order of their ids, or the first ones if
    /// `None`.
    pub fn users(&self, after: Option<UserId>, limit: u32) -> Result<Vec<UserRecord>, EngineError> {
        let sql = format!("{RECORDS} WHERE user_id > ?1 ORDER BY user_id LIMIT ?2");
        let after = after.map_or(0, |id| id.value().cast_signed());
        let mut statement = self.connection.prepare_cached(&sql)?;
        let users = statement.query_map((after, limit), record)?;
        Ok(users.collect::<rusqlite::Result<_>>()?)
    }

    /// Returns one user; `None` if nobody is registered there.
    pub fn user(&self, who: UserRef) -> Result<Option<UserRecord>, EngineError> {
        let found = match who {
            UserRef::Id(id) => self
                .connection
                .prepare_cached(&format!("{RECORDS} WHERE user_id = ?1"))?
                .query_row([id.value().cast_signed()], record),
            UserRef::Phone(phone) => self
                .connection
                .prepare_cached(&format!("{RECORDS} WHERE phone_number = ?1"))?
                .query_row([phone.to_string()], record),
        };
        Ok(found.optional()?)
    }

    /// Returns the next `limit` invitations with ids above `after`, in the order of their ids.
    pub fn invitations(
        &self,
        after: u64,
        limit: u32,
    ) -> Result<Vec<InvitationRecord>, EngineError> {
        Ok(Invitations { connection: &self.connection }.list(after, limit)?)
    }

    /// Returns figures about the whole store.
    pub fn stats(&self) -> Result<Stats, EngineError> {
        let sql = "SELECT (SELECT count(*) FROM users),
                          (SELECT last_user_id FROM deployment),
                          (SELECT min(stored_at) FROM pending_messages),
                          coalesce(sum(messages), 0), coalesce(sum(receipts), 0),
                          coalesce(sum(bytes), 0), coalesce(sum(receipt_bytes), 0)
                   FROM mailboxes";
        Ok(self.connection.query_row(sql, (), |row| {
            Ok(Stats {
                users: count(row, 0)?,
                last_user_id: count(row, 1)?,
                pending: row::usage(row, 3)?,
                oldest: optional(row, 2, timestamp)?,
            })
        })?)
    }

    /// Returns the id of the database, which its copies share.
    pub fn id(&self) -> Result<DatabaseId, EngineError> {
        Ok(tables::database_id(&self.connection)?)
    }

    /// Returns the version of the database's schema.
    pub fn schema_version(&self) -> u32 {
        tables::SERVER.version()
    }

    /// Copies the database, as of one point in time, to a file that does not exist. A running server
    /// goes on, and its write-ahead log grows meanwhile. The copy is private, is one file, and is on
    /// disk when this returns. `progress` is called after each few megabytes.
    pub fn copy(&self, to: &Path, progress: impl FnMut(Progress)) -> Result<(), OpenError> {
        copy(&self.connection, to, progress).map_err(|reason| OpenError { path: to.into(), reason })
    }

    /// Returns the usage of the largest mailboxes, largest first, without empty ones.
    pub fn largest_mailboxes(&self, limit: u32) -> Result<Vec<Usage>, EngineError> {
        let sql = format!(
            "SELECT {} FROM mailboxes WHERE bytes + receipt_bytes > 0
             ORDER BY bytes + receipt_bytes DESC LIMIT ?1",
            row::USAGE_COLUMNS
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mailboxes = statement.query_map([limit], |row| row::usage(row, 0))?;
        Ok(mailboxes.collect::<rusqlite::Result<_>>()?)
    }

    /// Reads the whole database and reports its faults. This takes as long as reading the file, and
    /// the write-ahead log of a busy server grows meanwhile.
    pub fn check(&self) -> Result<CheckReport, EngineError> {
        check::check(&self.connection, self.profile)
    }
}

/// The query that [`record`] reads rows of. [`row::user`] reads the first four columns.
const RECORDS: &str = "
    SELECT user_id, phone_number, rsa_public_key, last_seen, created_at,
           messages, receipts, bytes, receipt_bytes,
           (SELECT min(stored_at) FROM pending_messages WHERE recipient_id = user_id), suspended_at
    FROM users JOIN mailboxes USING (user_id)";

fn record(row: &Row<'_>) -> rusqlite::Result<UserRecord> {
    Ok(UserRecord {
        user: row::user(row)?,
        created_at: timestamp(row, 4)?,
        suspension: optional(row, 10, timestamp)?.map_or(Suspension::Active, Suspension::Suspended),
        mailbox: row::usage(row, 5)?,
        oldest: optional(row, 9, timestamp)?,
    })
}
