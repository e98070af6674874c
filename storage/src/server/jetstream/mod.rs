//! The server's store in NATS JetStream, which several servers can share.
//!
//! `docs/ENGINE.md` specifies the layout. Each stream keeps the last message of each subject, so it
//! is a table of records; a batch that the engine stores as a whole, if each record is still the one
//! that was read, is a transaction on it.
//!
//! - `config`, `opening`, `survey`: which engine and which deployment; `layout`: names of streams and subjects.
//! - `connection`: reads and transactions; `slot`: what they read and write; `driver`: the thread that
//!   keeps the connection; `retry`: operations begin again where another server was faster;
//!   `pace`: why others come to their turn; `failure`: what an error means.
//! - `records`, `values`, `mailbox`: what is stored.
//! - `worker`: requests that are begun at once, in order where they have a user in common; `desk`: what
//!   each of them works with.
//! - `servers`: what the servers tell each other; `recent`: what this one has written.
//! - `inspector`: reading for the operator; `server_keys`: which servers a deployment admits.
//! - `moving`: the deployment as one side of a migration.
//! - `accounts`, `invitations`, `mailboxes`, `append`, `expiry`, `deletion`: the operations on each;
//!   `ops`: which request is which, and which run at once; `fill`: how full the store is.

mod accounts;
mod append;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod bed;
#[cfg(test)]
mod cluster_tests;
mod config;
mod connection;
mod deletion;
mod desk;
mod driver;
mod expiry;
mod failure;
mod fill;
mod inspector;
#[cfg(test)]
mod inspector_tests;
mod invitations;
mod layout;
mod mailbox;
mod mailboxes;
mod moving;
mod opening;
#[cfg(test)]
mod opening_tests;
mod ops;
mod pace;
mod recent;
mod records;
mod retry;
mod server_keys;
mod servers;
mod slot;
mod survey;
#[cfg(test)]
mod test_engine;
#[cfg(test)]
mod tests;
mod values;
mod worker;

use std::sync::Arc;

use sealpost_core::ids::{Phone, Ticket, UserId};
use sealpost_core::server::store::{StoreOp, StoreOutcome};
use sealpost_core::server::{AccountChange, Elsewhere};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::Profile;

pub use config::{Config, Credentials, Identity, Missing, Syncing, Tls};
pub use connection::Traffic;
pub use failure::JetStreamError;
pub use inspector::{Census, JetStreamInspector};
pub use moving::{MovingDeployment, MovingState};
pub use opening::OpenJetStreamError;
pub use server_keys::{Admission, ServerKeys};

use super::invitations::{InvitationRecord, NewInvitation};
use super::quota::{Quota, SharedQuota};
use super::suspension::{Suspension, SuspensionOutcome};
use super::usage::Usage;
use crate::storage::{Report, Storage};
use desk::Desk;
use driver::Driver;
use failure::Failure;
use servers::{Listener, Servers};
use worker::{Begun, LastFailure, Worker};

/// A deployment in NATS JetStream, open for reading and writing. Other servers may have it open too.
///
/// It carries out [begun](Storage::begin) requests at once, each for itself, so that a stream that has no
/// leader holds up nobody else's.
#[derive(Debug)]
pub struct JetStreamStorage {
    desk: Desk,
    /// Takes what is begun; started with the first request.
    worker: Option<Worker>,
    failure: LastFailure,
    /// Dropped last: the connection needs it.
    driver: Arc<Driver>,
}

impl JetStreamStorage {
    /// Opens a deployment. If there is none of that name, `config` says what becomes of it. Without a
    /// profile, that of the deployment is used, compact for a new one.
    pub fn open(
        config: &Config,
        profile: impl Into<Option<Profile>>,
        quota: Quota,
    ) -> Result<Self, OpenJetStreamError> {
        let storage = Self::open_to_move(config, profile, quota)?;
        let Desk { connection, layout, .. } = &storage.desk;
        storage.driver.block_on(opening::refuse_migration(connection, layout))?;
        Ok(storage)
    }

    /// Opens a deployment even if it is one side of a migration.
    fn open_to_move(
        config: &Config,
        profile: impl Into<Option<Profile>>,
        quota: Quota,
    ) -> Result<Self, OpenJetStreamError> {
        config.validate()?;
        let (driver, requested) = (Driver::start()?, profile.into());
        let listener = Listener::default();
        let (connection, (layout, profile)) = driver.block_on(async {
            let connection = opening::connect(config, &listener).await?;
            let opened = opening::open(&connection, config, requested).await?;
            Ok::<_, OpenJetStreamError>((connection, opened))
        })?;
        let servers = Arc::new(Servers::new(connection.client(), &layout.deployment, listener));
        let desk = Desk::new(connection, layout, profile, SharedQuota::new(quota), servers);
        Ok(Self::at(desk, Arc::new(driver)))
    }

    /// Returns another store on the same deployment and connection, for work that would hold up the
    /// requests of this one.
    #[must_use]
    pub fn another(&self) -> Self {
        Self::at(self.desk.another(), Arc::clone(&self.driver))
    }

    fn at(desk: Desk, driver: Arc<Driver>) -> Self {
        Self { desk, worker: None, failure: LastFailure::default(), driver }
    }

    /// Tells `listener` from now on what other servers do that concerns this one. It is called on a
    /// thread of the store's, and must not wait. The first listener stays.
    pub fn listen(
        &self,
        listener: impl Fn(Elsewhere) + Send + Sync + 'static,
    ) -> Result<(), JetStreamError> {
        let listening = self.driver.block_on(self.desk.servers.listen(listener))?;
        self.driver.spawn(move || listening);
        Ok(())
    }

    /// Returns what reads the same deployment, over the same connection.
    pub fn inspector(&self) -> JetStreamInspector {
        let Desk { connection, layout, profile, .. } = &self.desk;
        let (connection, layout) = (connection.clone(), layout.clone());
        JetStreamInspector {
            connection,
            layout,
            profile: *profile,
            driver: Arc::clone(&self.driver),
        }
    }

    /// Returns the profile of the deployment: the width of its ids.
    pub const fn profile(&self) -> Profile {
        self.desk.profile
    }

    /// Returns the keys that the deployment's servers have; `None` before the first server.
    pub fn server_keys(&self) -> Result<Option<ServerKeys>, JetStreamError> {
        Ok(self.driver.block_on(self.desk.accounts().server_keys())?)
    }

    /// Decides whether a server with these keys may serve the deployment, and records them if it is
    /// the first server, or the first one that changes the key.
    pub fn admit(&self, keys: ServerKeys) -> Result<Admission, JetStreamError> {
        Ok(self.driver.block_on(self.desk.accounts().admit(keys))?)
    }

    /// Returns the newest time on record.
    pub fn newest_time(&self) -> Result<Option<Timestamp>, JetStreamError> {
        Ok(self.driver.block_on(self.desk.accounts().newest_time())?)
    }

    /// Returns the quota, to change it while the store is in use.
    pub fn quota(&self) -> SharedQuota {
        self.desk.quota.clone()
    }

    /// Takes the operator's word that the clock is right: it is the newest time on record.
    pub fn trust_clock(&self, clock: Timestamp) -> Result<(), JetStreamError> {
        Ok(self.driver.block_on(self.desk.accounts().trust_clock(clock))?)
    }

    /// Suspends an account, or resumes it. The machines of running servers must be told, so that
    /// they end the user's session.
    pub fn set_suspension(
        &self,
        phone: Phone,
        suspension: Suspension,
    ) -> Result<SuspensionOutcome, JetStreamError> {
        Ok(self.driver.block_on(async {
            let outcome = self.desk.accounts().set_suspension(phone, suspension).await?;
            if let (Suspension::Suspended(_), SuspensionOutcome::Changed(user)) =
                (suspension, outcome)
            {
                self.desk.servers.account_changed(user, AccountChange::Suspended).await;
            }
            Ok::<_, Failure>(outcome)
        })?)
    }

    /// Records an invitation. Returns its id.
    pub fn create_invitation(&self, new: &NewInvitation) -> Result<u64, JetStreamError> {
        Ok(self.driver.block_on(self.desk.accounts().invitations().create(new))?)
    }

    /// Deletes an invitation, which is good for nothing from then on. Returns whether there was one.
    pub fn revoke_invitation(&self, id: u64) -> Result<bool, JetStreamError> {
        Ok(self.driver.block_on(self.desk.accounts().invitations().revoke(id))?)
    }

    /// Returns all invitations, in the order of their ids.
    pub fn invitations(&self) -> Result<Vec<InvitationRecord>, JetStreamError> {
        Ok(self.driver.block_on(self.desk.accounts().invitations().list())?)
    }

    /// Returns the usage of all mailboxes together. Reads the record of each.
    pub fn usage(&self) -> Result<Usage, JetStreamError> {
        Ok(self.driver.block_on(fill::usage_of_all(&self.desk.connection, &self.desk.layout))?)
    }

    /// Deletes a user, their mailbox, and the messages from them in other mailboxes, which nobody
    /// could verify any more. Receipts from them stay: their recipients already know the key. The
    /// messages in the mailbox are remembered as undeliverable. Returns the id that the user had;
    /// `None` if nobody was registered there.
    ///
    /// If it fails, the account may be deleted in part: it must be repeated.
    pub fn delete_user(&self, phone: Phone) -> Result<Option<UserId>, JetStreamError> {
        Ok(self.driver.block_on(async {
            let deleted = self.desk.mailboxes().delete_user(phone).await?;
            if let Some(user) = deleted {
                self.desk.servers.account_changed(user, AccountChange::Deleted).await;
            }
            Ok::<_, Failure>(deleted)
        })?)
    }
}

impl Storage for JetStreamStorage {
    type Op = StoreOp;
    type Outcome = StoreOutcome;

    fn commit(&mut self, requests: &[StoreOp], outcomes: &mut Vec<StoreOutcome>) {
        outcomes.clear();
        let answers = self.driver.block_on(ops::run_all(self.desk.mailboxes(), requests));
        outcomes.extend(answers.into_iter().map(|answer| self.failure.outcome(answer)));
    }

    fn begin(
        &mut self,
        ticket: Ticket,
        request: StoreOp,
        report: &Report<StoreOutcome>,
    ) -> Option<StoreOp> {
        let Self { desk, worker, failure, driver } = self;
        let start = || Worker::start(driver, desk.another(), failure.clone());
        let begun = Begun { ticket, request, report: Arc::clone(report) };
        worker.get_or_insert_with(start).begin(begun);
        None
    }

    fn failure(&mut self) -> Option<String> {
        self.failure.take()
    }
}
