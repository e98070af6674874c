//! Reading the server's database beside a running server, for the operator.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row};
use sealpost_core::ids::{UserId, UserRef};
use sealpost_core::server::store::User;
use sealpost_core::time::Timestamp;
use sealpost_core::wire::Profile;

use super::check::{self, CheckReport};
use super::column::{count, optional, timestamp};
use super::error::{EngineError, OpenError};
use super::row;
use super::schema;
use crate::Usage;

/// The server's database, open for reading only. Every answer is of one moment; a writer is neither
/// waited for nor held up.
#[derive(Debug)]
pub struct Inspector {
    connection: Connection,
    profile: Profile,
}

/// A registered user and their mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRecord {
    /// Who.
    pub user: User,
    /// When the account was made.
    pub created_at: Timestamp,
    /// What waits for them.
    pub mailbox: Usage,
    /// Since when the oldest of it waits.
    pub oldest: Option<Timestamp>,
}

/// The whole store in figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Registered users.
    pub users: u64,
    /// The id that was given last, maybe to a user who is deleted now; 0 before the first.
    pub last_user_id: u64,
    /// What waits in all mailboxes.
    pub pending: Usage,
    /// Since when the oldest of it waits.
    pub oldest: Option<Timestamp>,
}

impl Inspector {
    /// Opens the database of a server that runs or does not.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let connection = schema::SERVER.open_read_only(path)?;
        let profile = schema::recorded_profile(&connection)?;
        Ok(Self { connection, profile })
    }

    /// The width of the deployment's ids.
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// The next `limit` users behind `after`, by id; from the first one if `None`.
    pub fn users(&self, after: Option<UserId>, limit: u32) -> Result<Vec<UserRecord>, EngineError> {
        let sql = format!("{RECORDS} WHERE user_id > ?1 ORDER BY user_id LIMIT ?2");
        let after = after.map_or(0, |id| id.value().cast_signed());
        let mut statement = self.connection.prepare_cached(&sql)?;
        let users = statement.query_map((after, limit), record)?;
        Ok(users.collect::<rusqlite::Result<_>>()?)
    }

    /// One user; `None` if nobody is registered there.
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

    /// The store in figures.
    pub fn stats(&self) -> Result<Stats, EngineError> {
        let sql = "SELECT (SELECT count(*) FROM users),
                          (SELECT last_user_id FROM deployment),
                          (SELECT min(stored_at) FROM pending_messages),
                          coalesce(sum(messages), 0), coalesce(sum(receipts), 0),
                          coalesce(sum(bytes), 0)
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

    /// Reads everything and reports what is not as it must be. Takes as long as reading the file;
    /// the log of a busy server grows meanwhile.
    pub fn check(&self) -> Result<CheckReport, EngineError> {
        check::check(&self.connection, self.profile)
    }
}

/// What [`record`] reads. [`row::user`] reads the first four.
const RECORDS: &str = "
    SELECT user_id, phone_number, rsa_public_key, last_seen, created_at,
           messages, receipts, bytes,
           (SELECT min(stored_at) FROM pending_messages WHERE recipient_id = user_id)
    FROM users JOIN mailboxes USING (user_id)";

fn record(row: &Row<'_>) -> rusqlite::Result<UserRecord> {
    Ok(UserRecord {
        user: row::user(row)?,
        created_at: timestamp(row, 4)?,
        mailbox: row::usage(row, 5)?,
        oldest: optional(row, 8, timestamp)?,
    })
}
