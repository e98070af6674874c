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

use sealpost_core::ids::Phone;
use sealpost_core::store::{StoreOp, StoreOutcome};
use sealpost_core::wire::Profile;

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

    /// Deletes a user and what waits for them; what they sent to others stays. Returns whether
    /// there was one. For when no server runs: a running one would not learn of it.
    pub fn delete_user(&mut self, phone: Phone) -> Result<bool, EngineError> {
        let sql = "DELETE FROM users WHERE phone_number = ?1";
        Ok(self.engine.connection.execute(sql, [phone.to_string()])? > 0)
    }
}

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
