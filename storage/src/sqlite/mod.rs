//! The server's store in one SQLite file.
//!
//! One writer: this connection. A `commit` is one `BEGIN IMMEDIATE … COMMIT`, so that what gathered
//! while the disk was busy shares its next sync.

mod check;
mod error;
mod file;
mod inspect;
mod ops;
mod row;
mod schema;
#[cfg(test)]
pub(crate) mod tests;

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};
use sealpost_core::ids::Phone;
use sealpost_core::store::{StoreOp, StoreOutcome};
use sealpost_core::wire::Profile;

pub use check::{CheckReport, Finding};
pub use error::{EngineError, OpenError};
pub use inspect::{Inspector, Stats, UserRecord};

use crate::{Quota, Storage};
use error::{spoils_one_request, store_error};
use ops::Ops;

/// The server's database, open for writing. There must be no second one on the same file; readers
/// ([`Inspector`]) may come and go.
#[derive(Debug)]
pub struct SqliteStorage {
    connection: Connection,
    profile: Profile,
    quota: Quota,
    failure: Option<rusqlite::Error>,
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
        Ok(Self { connection, profile, quota, failure: None })
    }

    /// How long a commit waits for another process before it answers `Busy`; 2 s unless set.
    pub fn set_busy_timeout(&self, timeout: Duration) -> Result<(), EngineError> {
        Ok(self.connection.busy_timeout(timeout)?)
    }

    /// Deletes a user and what waits for them; what they sent to others stays. Returns whether
    /// there was one. For when no server runs: a running one would not learn of it.
    pub fn delete_user(&mut self, phone: Phone) -> Result<bool, EngineError> {
        let sql = "DELETE FROM users WHERE phone_number = ?1";
        Ok(self.connection.execute(sql, [phone.to_string()])? > 0)
    }

    /// One transaction over all requests. `Err` if it failed and nothing happened.
    fn transact(
        &mut self,
        requests: &[StoreOp],
        outcomes: &mut Vec<StoreOutcome>,
        isolation: Isolation,
    ) -> rusqlite::Result<()> {
        outcomes.clear();
        self.leave_failed_transaction()?;
        let mut transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for request in requests {
            let ops = |connection| Ops { connection, profile: self.profile, quota: self.quota };
            outcomes.push(match isolation {
                Isolation::Shared => ops(&transaction).run(request)?,
                Isolation::Savepoints => {
                    let savepoint = transaction.savepoint()?;
                    match ops(&savepoint).run(request) {
                        Ok(outcome) => {
                            savepoint.commit()?;
                            outcome
                        }
                        Err(error) if spoils_one_request(&error) => {
                            savepoint.finish()?;
                            Err(store_error(self.failure.insert(error)))
                        }
                        Err(error) => return Err(error),
                    }
                }
            });
        }
        transaction.commit()
    }

    /// A rollback may have failed after an earlier fault; without this every later `BEGIN` would.
    fn leave_failed_transaction(&self) -> rusqlite::Result<()> {
        if self.connection.is_autocommit() {
            return Ok(());
        }
        self.connection.execute_batch("ROLLBACK")
    }
}

/// Whether a request that fails half-way takes the others with it.
///
/// Savepoints cost every request a tenth of its time, and only damage needs them: so the second
/// attempt at a transaction has them, and the first has not.
#[derive(Clone, Copy, Debug)]
enum Isolation {
    Shared,
    Savepoints,
}

impl Storage for SqliteStorage {
    type Op = StoreOp;
    type Outcome = StoreOutcome;

    fn commit(&mut self, requests: &[StoreOp], outcomes: &mut Vec<StoreOutcome>) {
        outcomes.clear();
        if requests.is_empty() {
            return;
        }
        let done = match self.transact(requests, outcomes, Isolation::Shared) {
            Err(error) if spoils_one_request(&error) => {
                self.transact(requests, outcomes, Isolation::Savepoints)
            }
            done => done,
        };
        if let Err(error) = done {
            outcomes.clear();
            outcomes.extend(requests.iter().map(|_| Err(store_error(&error))));
            self.failure = Some(error);
        }
    }

    fn failure(&mut self) -> Option<String> {
        self.failure.take().map(|error| error.to_string())
    }
}
