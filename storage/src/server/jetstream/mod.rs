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
//! - `servers`: what the servers tell each other; `recent`: what this one has written.
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
mod invitations;
mod layout;
mod mailbox;
mod mailboxes;
mod opening;
#[cfg(test)]
mod opening_tests;
mod ops;
mod pace;
mod recent;
mod records;
mod retry;
mod servers;
mod slot;
mod survey;
#[cfg(test)]
mod test_engine;
#[cfg(test)]
mod tests;
mod values;

use sealpost_core::ids::{Phone, UserId};
use sealpost_core::server::AccountChange;
use sealpost_core::server::store::{Elsewhere, StoreOp, StoreOutcome};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::Profile;

pub use config::{Config, Credentials, Syncing, Tls};
pub use failure::JetStreamError;
pub use opening::OpenJetStreamError;

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
use recent::Recent;
use servers::{Listener, Servers};

/// A deployment in NATS JetStream, open for reading and writing. Other servers may have it open too.
#[derive(Debug)]
pub struct JetStreamStorage {
    connection: Connection,
    layout: Layout,
    profile: Profile,
    quota: SharedQuota,
    fill: Fill,
    pace: Pace,
    recent: Recent,
    servers: Servers,
    failure: Option<String>,
    /// Dropped last: the connection needs it.
    driver: Driver,
}

impl JetStreamStorage {
    /// Opens a deployment. Creates it if there is none of that name.
    pub fn open(
        config: &Config,
        profile: Profile,
        quota: Quota,
    ) -> Result<Self, OpenJetStreamError> {
        config.validate()?;
        let driver = Driver::start()?;
        let listener = Listener::default();
        let (connection, layout) = driver.block_on(async {
            let connection = opening::connect(config, &listener).await?;
            let layout = opening::open(&connection, config, profile).await?;
            Ok::<_, OpenJetStreamError>((connection, layout))
        })?;
        let quota = SharedQuota::new(quota);
        let servers = Servers::new(connection.client(), &layout.deployment, listener);
        let (fill, pace, recent) = (Fill::default(), Pace::default(), Recent::default());
        let failure = None;
        Ok(Self {
            connection,
            layout,
            profile,
            quota,
            fill,
            pace,
            recent,
            servers,
            failure,
            driver,
        })
    }

    /// Tells `listener` from now on what other servers do that concerns this one. It is called on a
    /// thread of the store's, and must not wait. The first listener stays.
    pub fn listen(
        &self,
        listener: impl Fn(Elsewhere) + Send + Sync + 'static,
    ) -> Result<(), JetStreamError> {
        let listening = self.driver.block_on(self.servers.listen(listener))?;
        self.driver.spawn(listening);
        Ok(())
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
        Ok(self.driver.block_on(async {
            let outcome = self.accounts().set_suspension(phone, suspension).await?;
            if let (Suspension::Suspended(_), SuspensionOutcome::Changed(user)) =
                (suspension, outcome)
            {
                self.servers.account_changed(user, AccountChange::Suspended).await;
            }
            Ok::<_, Failure>(outcome)
        })?)
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
        Ok(self.driver.block_on(async {
            let deleted = self.mailboxes().delete_user(phone).await?;
            if let Some(user) = deleted {
                self.servers.account_changed(user, AccountChange::Deleted).await;
            }
            Ok::<_, Failure>(deleted)
        })?)
    }

    fn accounts(&self) -> Accounts<'_> {
        Accounts { connection: &self.connection, layout: &self.layout, profile: self.profile }
    }

    fn mailboxes(&self) -> Mailboxes<'_> {
        let Self { connection, layout, profile, quota, fill, pace, recent, servers, .. } = self;
        let (profile, quota) = (*profile, quota.current());
        Mailboxes { connection, layout, profile, quota, fill, pace, recent, servers }
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
