//! The server's store in one SQLite file.
//!
//! One writer: this connection. A `commit` is one `BEGIN IMMEDIATE … COMMIT`, so that what gathered
//! while the disk was busy shares its next sync.

mod check;
pub(crate) mod column;
pub(crate) mod engine;
pub(crate) mod error;
pub(crate) mod file;
mod inspect;
mod ops;
mod row;
mod schema;
#[cfg(test)]
pub(crate) mod tests;

use std::path::Path;
use std::time::Duration;

use rusqlite::{OptionalExtension, params};
use sealpost_core::ids::Phone;
use sealpost_core::server::store::{StoreOp, StoreOutcome};
use sealpost_core::wire::{Profile, SIGNATURE_LEN};

pub use check::{CheckReport, Finding};
pub use error::{EngineError, OpenError};
pub use inspect::{Inspector, Stats, UserRecord};

use crate::{Quota, Storage};
use engine::Engine;
use ops::Ops;

/// The server's database, open for writing. There must be no second one on the same file; readers
/// ([`Inspector`]) may come and go.
#[derive(Debug)]
pub struct SqliteStorage {
    engine: Engine,
    profile: Profile,
    quota: Quota,
}

impl SqliteStorage {
    /// Opens the database, and makes it (mode 0600) if it is missing.
    pub fn open(path: &Path, profile: Profile, quota: Quota) -> Result<Self, OpenError> {
        let connection =
            schema::SERVER.open(path, |new| schema::record_deployment(new, profile))?;
        let recorded = schema::recorded_profile(&connection)?;
        if recorded != profile {
            return Err(OpenError::OtherProfile(recorded));
        }
        Ok(Self { engine: Engine::new(connection), profile, quota })
    }

    /// How long a commit waits for another process before it answers `Busy`; 2 s unless set.
    pub fn set_busy_timeout(&self, timeout: Duration) -> Result<(), EngineError> {
        Ok(self.engine.connection.busy_timeout(timeout)?)
    }

    /// Deletes a user, what waits for them, and messages of theirs that wait for others: nobody
    /// could verify those any more. Receipts stay, as their readers know the key. Returns whether
    /// there was a user. For when no server runs: a running one would not learn of it.
    pub fn delete_user(&mut self, phone: Phone) -> Result<bool, EngineError> {
        let overhead = (self.profile.header_len() + SIGNATURE_LEN) as u64;
        let transaction = self.engine.connection.transaction()?;
        let sql = "DELETE FROM users WHERE phone_number = ?1 RETURNING user_id";
        let user: Option<i64> =
            transaction.query_row(sql, [phone.to_string()], |row| row.get(0)).optional()?;
        if let Some(user) = user {
            transaction.execute(COUNT_OUT_MESSAGES_OF, params![user, overhead.cast_signed()])?;
            let sql = "DELETE FROM pending_messages WHERE kind = 0 AND sender_id = ?1";
            transaction.execute(sql, [user])?;
        }
        transaction.commit()?;
        Ok(user.is_some())
    }
}

/// Takes the messages of a sender out of the counters of every mailbox. A packet is its payload and
/// `?2` bytes.
const COUNT_OUT_MESSAGES_OF: &str = "
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
        let (profile, quota) = (self.profile, self.quota);
        self.engine.commit(requests, outcomes, |connection, request| {
            Ops { connection, profile, quota }.run(request)
        });
    }

    fn failure(&mut self) -> Option<String> {
        self.engine.failure()
    }
}
