//! Deployments in an engine of its own, for tests.

use std::thread;

use sealpost_core::ids::{Phone, UserId};
use sealpost_core::keys::WrappedKey;
use sealpost_core::server::store::{StoreOp, StoreOutcome};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::Profile;

use super::test_engine::TestEngine;
use super::{Config, JetStreamStorage};
use crate::server::conformance::Subject;
use crate::server::invitations::{InvitationRecord, NewInvitation};
use crate::server::quota::Quota;
use crate::server::suspension::{Suspension, SuspensionOutcome};
use crate::storage::Storage;

/// A deployment, deleted at the end.
pub(super) struct JetStreamBed {
    config: Config,
    profile: Profile,
    quota: Quota,
    storage: Option<JetStreamStorage>,
}

impl JetStreamBed {
    pub(super) fn new(engine: &TestEngine, profile: Profile, quota: Quota) -> Self {
        Self::over(engine.deployment(), profile, quota)
    }

    /// The deployment of a configuration, which has been filled.
    pub(super) fn over(config: Config, profile: Profile, quota: Quota) -> Self {
        Self { config, profile, quota, storage: None }.opened()
    }

    fn opened(mut self) -> Self {
        self.storage = None;
        self.storage = Some(self.another());
        self
    }

    /// The same deployment, as another server has it open.
    pub(super) fn another(&self) -> JetStreamStorage {
        JetStreamStorage::open(&self.config, self.profile, self.quota).unwrap()
    }

    pub(super) const fn config(&self) -> &Config {
        &self.config
    }

    /// Deletes nothing at the end, for a deployment that is gone already.
    pub(super) fn abandon(mut self) {
        self.storage = None;
    }

    pub(super) fn storage(&mut self) -> &mut JetStreamStorage {
        self.storage.as_mut().unwrap()
    }
}

impl Drop for JetStreamBed {
    fn drop(&mut self) {
        // After a panic, the engine is killed with everything in it.
        let Some(storage) = self.storage.take().filter(|_| !thread::panicking()) else { return };
        let shards =
            (0..storage.desk.layout.shards).map(|shard| storage.desk.layout.mailboxes(shard));
        for stream in shards.chain([storage.desk.layout.accounts()]) {
            // A test may have deleted it.
            let _ =
                storage.driver.block_on(storage.desk.connection.context().delete_stream(stream));
        }
    }
}

impl Storage for JetStreamBed {
    type Op = StoreOp;
    type Outcome = StoreOutcome;

    fn commit(&mut self, requests: &[StoreOp], outcomes: &mut Vec<StoreOutcome>) {
        self.storage().commit(requests, outcomes);
    }

    fn failure(&mut self) -> Option<String> {
        self.storage().failure()
    }
}

impl Subject for JetStreamBed {
    fn reopen(self) -> Self {
        self.opened()
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn delete_user(&mut self, phone: Phone) -> Option<UserId> {
        self.storage().delete_user(phone).unwrap()
    }

    fn set_suspension(&mut self, phone: Phone, suspension: Suspension) -> SuspensionOutcome {
        self.storage().set_suspension(phone, suspension).unwrap()
    }

    fn create_invitation(&mut self, new: NewInvitation) -> u64 {
        self.storage().create_invitation(&new).unwrap()
    }

    fn revoke_invitation(&mut self, id: u64) -> bool {
        self.storage().revoke_invitation(id).unwrap()
    }

    fn invitations(&mut self) -> Vec<InvitationRecord> {
        self.storage().invitations().unwrap()
    }

    fn trust_clock(&mut self, clock: Timestamp) {
        self.storage().trust_clock(clock).unwrap();
    }

    fn aes_key(&mut self, user: UserId) -> Option<WrappedKey> {
        self.storage().aes_key(user)
    }

    fn is_consistent(&mut self) -> bool {
        self.storage().audit();
        true
    }
}
