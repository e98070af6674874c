//! The invitations of the store in memory.

use std::collections::BTreeMap;

use sealpost_core::ids::Phone;
use sealpost_core::server::store::{InvitationOutcome, PresentedInvitation};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::InvitationHash;

use crate::server::invitations::{InvitationRecord, NewInvitation};

/// Invitations by their codes' hashes.
#[derive(Clone, Debug, Default)]
pub(super) struct Invitations {
    last_id: u64,
    by_hash: BTreeMap<InvitationHash, InvitationRecord>,
}

impl Invitations {
    pub(super) const fn new() -> Self {
        Self { last_id: 0, by_hash: BTreeMap::new() }
    }

    #[cfg(all(test, feature = "jetstream"))]
    pub(super) const fn last_id(&self) -> u64 {
        self.last_id
    }

    #[cfg(all(test, feature = "jetstream"))]
    pub(super) const fn by_hash(&self) -> &BTreeMap<InvitationHash, InvitationRecord> {
        &self.by_hash
    }

    pub(super) fn create(&mut self, new: NewInvitation) -> u64 {
        let NewInvitation { hash, uses, created_at, expires_at, phone, note } = new;
        self.last_id += 1;
        let id = self.last_id;
        let uses_left = uses;
        let record = InvitationRecord { id, uses, uses_left, created_at, expires_at, phone, note };
        self.by_hash.insert(hash, record);
        id
    }

    pub(super) fn revoke(&mut self, id: u64) -> bool {
        let before = self.by_hash.len();
        self.by_hash.retain(|_, record| record.id != id);
        self.by_hash.len() < before
    }

    /// Lists all, in the order of their ids.
    pub(super) fn list(&self) -> Vec<InvitationRecord> {
        let mut records: Vec<_> = self.by_hash.values().cloned().collect();
        records.sort_unstable_by_key(|record| record.id);
        records
    }

    pub(super) fn judge(&self, invitation: PresentedInvitation, phone: Phone) -> InvitationOutcome {
        let record = self.by_hash.get(&invitation.hash);
        record.map_or(InvitationOutcome::Rejected, |record| record.judge(phone, invitation.at))
    }

    pub(super) fn use_once(&mut self, hash: &InvitationHash) {
        if let Some(record) = self.by_hash.get_mut(hash) {
            record.uses_left = record.uses_left.saturating_sub(1);
        }
    }

    /// Deletes those that expired before this time, the earliest first.
    pub(super) fn expire(&mut self, before: Timestamp, limit: u32) -> u32 {
        let mut expired: Vec<_> = self
            .by_hash
            .iter()
            .filter(|(_, record)| record.expires_at < before)
            .map(|(hash, record)| (record.expires_at, record.id, *hash))
            .collect();
        expired.sort_unstable();
        expired.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        for (_, _, hash) in &expired {
            self.by_hash.remove(hash);
        }
        u32::try_from(expired.len()).unwrap_or(limit)
    }

    pub(super) fn is_consistent(&self) -> bool {
        self.by_hash
            .values()
            .all(|record| record.is_consistent() && (1..=self.last_id).contains(&record.id))
    }
}
