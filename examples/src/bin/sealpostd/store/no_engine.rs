//! Takes the place of `engine` in a build without the feature `jetstream`. None of these types has a
//! value.

use std::convert::Infallible;
use std::time::Duration;

use sealpost_core::ids::{Phone, UserId, UserRef};
use sealpost_core::server::Elsewhere;
use sealpost_core::server::store::{StoreOp, StoreOutcome};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::Profile;
use sealpost_programs::Failure;
use sealpost_storage::{
    InvitationRecord, NewInvitation, Quota, SharedQuota, Storage, Suspension, SuspensionOutcome,
    UserRecord,
};

use super::changing::AccountStore;
use super::reading::{Contents, Link, StoreReader};
use crate::config::{Config, Nats, StoreAddress};
use crate::data::PublicKeys;

/// A deployment that is not open.
#[derive(Debug)]
pub(crate) struct Engine(Infallible);

/// The store of a server in a deployment.
#[derive(Debug)]
pub(crate) struct EngineStore(Infallible);

/// Reads the deployment.
#[derive(Clone, Debug)]
pub(crate) struct EngineReader(Infallible);

impl Engine {
    /// Refuses every deployment.
    pub(crate) fn check(address: &StoreAddress, _: &Nats) -> Result<(), Failure> {
        Err(Failure::usage(format_args!(
            "store: this sealpostd was built without NATS JetStream, so it can't use {address}: \
             build it with its default features, or with --features jetstream"
        )))
    }

    pub(crate) fn of(config: &Config) -> Result<Option<Self>, Failure> {
        match &config.store {
            Some(address) => Self::check(address, &config.nats).map(|()| None),
            None => Ok(None),
        }
    }

    pub(crate) const fn deployment(&self) -> &str {
        match self.0 {}
    }

    pub(crate) const fn open_existing(self) -> Result<EngineStore, Failure> {
        match self.0 {}
    }

    pub(crate) const fn inspect(&self) -> Result<EngineReader, Failure> {
        match self.0 {}
    }

    pub(crate) const fn existing(self) -> Self {
        match self.0 {}
    }

    pub(crate) const fn open(&self, _: Option<Profile>, _: Quota) -> Result<EngineStore, Failure> {
        match self.0 {}
    }
}

pub(super) const fn refuse_new_key(store: &EngineStore) -> Result<(), Failure> {
    match store.0 {}
}

pub(super) const fn admit(store: &EngineStore, _: &PublicKeys) -> Result<(), Failure> {
    match store.0 {}
}

pub(super) const fn watch(reader: &EngineReader) -> Result<(), Failure> {
    match reader.0 {}
}

impl EngineStore {
    pub(crate) const fn profile(&self) -> Profile {
        match self.0 {}
    }

    pub(crate) const fn quota(&self) -> SharedQuota {
        match self.0 {}
    }

    pub(crate) const fn newest_time(&self) -> Result<Option<Timestamp>, Failure> {
        match self.0 {}
    }

    pub(crate) fn listen(&self, _: impl Fn(Elsewhere)) -> Result<(), Failure> {
        match self.0 {}
    }
}

impl EngineReader {
    pub(super) const fn new(store: &EngineStore) -> Self {
        match store.0 {}
    }

    pub(crate) const fn count_users(&self) -> Result<u64, Failure> {
        match self.0 {}
    }

    pub(crate) const fn probe(&self, _: Duration) -> Result<(), Failure> {
        match self.0 {}
    }

    pub(crate) const fn link(&self) -> Link {
        match self.0 {}
    }
}

impl Storage for EngineStore {
    type Op = StoreOp;
    type Outcome = StoreOutcome;

    fn commit(&mut self, _: &[StoreOp], _: &mut Vec<StoreOutcome>) {
        match self.0 {}
    }
}

impl StoreReader for EngineReader {
    fn users(&self, _: Option<UserId>, _: u32) -> Result<Vec<UserRecord>, Failure> {
        match self.0 {}
    }

    fn user(&self, _: UserRef) -> Result<Option<UserRecord>, Failure> {
        match self.0 {}
    }

    fn invitations(&self, _: u64, _: u32) -> Result<Vec<InvitationRecord>, Failure> {
        match self.0 {}
    }

    fn contents(&self, _: u32) -> Result<Contents, Failure> {
        match self.0 {}
    }
}

impl AccountStore for EngineStore {
    fn set_suspension(&mut self, _: Phone, _: Suspension) -> Result<SuspensionOutcome, Failure> {
        match self.0 {}
    }

    fn delete_items_of(&mut self, _: UserId, _: u32) -> Result<u32, Failure> {
        match self.0 {}
    }

    fn delete_user(&mut self, _: Phone) -> Result<Option<UserId>, Failure> {
        match self.0 {}
    }

    fn create_invitation(&mut self, _: &NewInvitation) -> Result<u64, Failure> {
        match self.0 {}
    }

    fn revoke_invitation(&mut self, _: u64) -> Result<bool, Failure> {
        match self.0 {}
    }

    fn trust_clock(&mut self, _: Timestamp) -> Result<(), Failure> {
        match self.0 {}
    }
}
