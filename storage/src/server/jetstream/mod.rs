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
//! - `inspector`: reading for the operator; `server_keys`: which servers a deployment admits.
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
mod opening;
#[cfg(test)]
mod opening_tests;
mod ops;
mod pace;
mod records;
mod retry;
mod server_keys;
mod slot;
mod survey;
#[cfg(test)]
mod test_engine;
#[cfg(test)]
mod tests;
mod values;

use std::sync::Arc;

use sealpost_core::ids::{Phone, UserId};
use sealpost_core::server::store::{StoreOp, StoreOutcome};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::Profile;

pub use config::{Config, Credentials, Identity, Missing, Syncing, Tls};
pub use connection::Traffic;
pub use failure::JetStreamError;
pub use inspector::{Census, JetStreamInspector};
pub use opening::OpenJetStreamError;
pub use server_keys::{Admission, ServerKeys};

use super::invitations::{InvitationRecord, NewInvitation};
use super::quota::{Quota, SharedQuota};
use super::suspension::{Suspension, SuspensionOutcome};
use super::usage::Usage;
use crate::storage::Storage;
use accounts::Accounts;
use connection::Connection;
use driver::Driver;
use failure::Failure;
use fill::Fill;
use layout::Layout;
use mailboxes::Mailboxes;
use pace::Pace;

/// A deployment in NATS JetStream, open for reading and writing. Other servers may have it open too.
#[derive(Debug)]
pub struct JetStreamStorage {
    connection: Connection,
    layout: Layout,
    profile: Profile,
    quota: SharedQuota,
    fill: Fill,
    pace: Pace,
    failure: Option<String>,
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
        config.validate()?;
        let (driver, requested) = (Driver::start()?, profile.into());
        let (connection, (layout, profile)) = driver.block_on(async {
            let connection = opening::connect(config).await?;
            let opened = opening::open(&connection, config, requested).await?;
            Ok::<_, OpenJetStreamError>((connection, opened))
        })?;
        let inspector =
            JetStreamInspector { connection, layout, profile, driver: Arc::new(driver) };
        Ok(Self::over(inspector, SharedQuota::new(quota)))
    }

    /// Returns another store on the same deployment and connection, for work that would hold up the
    /// requests of this one.
    #[must_use]
    pub fn another(&self) -> Self {
        Self::over(self.inspector(), self.quota())
    }

    fn over(deployment: JetStreamInspector, quota: SharedQuota) -> Self {
        let JetStreamInspector { connection, layout, profile, driver } = deployment;
        let (fill, pace, failure) = (Fill::default(), Pace::default(), None);
        Self { connection, layout, profile, quota, fill, pace, failure, driver }
    }

    /// Returns what reads the same deployment, over the same connection.
    pub fn inspector(&self) -> JetStreamInspector {
        let Self { connection, layout, profile, driver, .. } = self;
        let (connection, layout, driver) = (connection.clone(), layout.clone(), Arc::clone(driver));
        JetStreamInspector { connection, layout, profile: *profile, driver }
    }

    /// Returns the profile of the deployment: the width of its ids.
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// Returns the keys that the deployment's servers have; `None` before the first server.
    pub fn server_keys(&self) -> Result<Option<ServerKeys>, JetStreamError> {
        Ok(self.driver.block_on(self.accounts().server_keys())?)
    }

    /// Decides whether a server with these keys may serve the deployment, and records them if it is
    /// the first server, or the first one that changes the key.
    pub fn admit(&self, keys: ServerKeys) -> Result<Admission, JetStreamError> {
        Ok(self.driver.block_on(self.accounts().admit(keys))?)
    }

    /// Returns the newest time on record.
    pub fn newest_time(&self) -> Result<Option<Timestamp>, JetStreamError> {
        Ok(self.driver.block_on(self.accounts().newest_time())?)
    }

    /// Returns the quota, to change it while the store is in use.
    pub fn quota(&self) -> SharedQuota {
        self.quota.clone()
    }

    /// Takes the operator's word that the clock is right: it is the newest time on record.
    pub fn trust_clock(&self, clock: Timestamp) -> Result<(), JetStreamError> {
        Ok(self.driver.block_on(self.accounts().trust_clock(clock))?)
    }

    /// Suspends an account, or resumes it. The machines of running servers must be told, so that
    /// they end the user's session.
    pub fn set_suspension(
        &self,
        phone: Phone,
        suspension: Suspension,
    ) -> Result<SuspensionOutcome, JetStreamError> {
        Ok(self.driver.block_on(self.accounts().set_suspension(phone, suspension))?)
    }

    /// Records an invitation. Returns its id.
    pub fn create_invitation(&self, new: &NewInvitation) -> Result<u64, JetStreamError> {
        Ok(self.driver.block_on(self.accounts().invitations().create(new))?)
    }

    /// Deletes an invitation, which is good for nothing from then on. Returns whether there was one.
    pub fn revoke_invitation(&self, id: u64) -> Result<bool, JetStreamError> {
        Ok(self.driver.block_on(self.accounts().invitations().revoke(id))?)
    }

    /// Returns all invitations, in the order of their ids.
    pub fn invitations(&self) -> Result<Vec<InvitationRecord>, JetStreamError> {
        Ok(self.driver.block_on(self.accounts().invitations().list())?)
    }

    /// Returns the usage of all mailboxes together. Reads the record of each.
    pub fn usage(&self) -> Result<Usage, JetStreamError> {
        Ok(self.driver.block_on(fill::usage_of_all(&self.connection, &self.layout))?)
    }

    /// Deletes a user, their mailbox, and the messages from them in other mailboxes, which nobody
    /// could verify any more. Receipts from them stay: their recipients already know the key. The
    /// messages in the mailbox are remembered as undeliverable. Returns the id that the user had;
    /// `None` if nobody was registered there.
    ///
    /// If it fails, the account may be deleted in part: it must be repeated.
    pub fn delete_user(&self, phone: Phone) -> Result<Option<UserId>, JetStreamError> {
        Ok(self.driver.block_on(self.mailboxes().delete_user(phone))?)
    }

    fn accounts(&self) -> Accounts<'_> {
        Accounts { connection: &self.connection, layout: &self.layout, profile: self.profile }
    }

    fn mailboxes(&self) -> Mailboxes<'_> {
        let Self { connection, layout, profile, quota, fill, pace, .. } = self;
        Mailboxes { connection, layout, profile: *profile, quota: quota.current(), fill, pace }
    }
}

impl Storage for JetStreamStorage {
    type Op = StoreOp;
    type Outcome = StoreOutcome;

    fn commit(&mut self, requests: &[StoreOp], outcomes: &mut Vec<StoreOutcome>) {
        outcomes.clear();
        let answers = self.driver.block_on(ops::run_all(self.mailboxes(), requests));
        // A request that must not be made is no failure of the store.
        let mut failed = answers.iter().filter_map(|answer| answer.as_ref().err());
        let failure = failed.find(|failure| !matches!(failure, Failure::Misuse));
        self.failure = failure.map(ToString::to_string);
        let outcome = |answer: Result<_, Failure>| answer.map_err(|failure| failure.store_error());
        outcomes.extend(answers.into_iter().map(outcome));
    }

    fn failure(&mut self) -> Option<String> {
        self.failure.take()
    }
}
