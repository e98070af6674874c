//! Operations on invitations. Each has one record, under its code's hash.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use sealpost_core::ids::Phone;
use sealpost_core::server::store::{InvitationOutcome, PresentedInvitation};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::InvitationHash;

use super::connection::Connection;
use super::failure::Failure;
use super::layout::Layout;
use super::records::{Counters, InvitationFields, Record};
use super::retry::retried;
use super::slot::{Key, Slot, Value, Write};
use crate::server::invitations::{InvitationRecord, NewInvitation};

/// Records of invitations.
pub(super) struct Invitations<'a> {
    pub(super) connection: &'a Connection,
    pub(super) layout: &'a Layout,
}

/// An invitation as it was listed.
struct Listed {
    key: Key,
    revision: u64,
    record: InvitationRecord,
}

impl Invitations<'_> {
    pub(super) async fn judge(
        &self,
        presented: PresentedInvitation,
        phone: Phone,
    ) -> Result<InvitationOutcome, Failure> {
        let found = self.read(&presented.hash).await?.1;
        let judge = |record: InvitationRecord| record.judge(phone, presented.at);
        Ok(found.map_or(InvitationOutcome::Rejected, judge))
    }

    /// The write that takes one use of an invitation; `None` if it is not good for the number.
    pub(super) async fn use_once(
        &self,
        presented: PresentedInvitation,
        phone: Phone,
    ) -> Result<Option<Write>, Failure> {
        let (slot, found) = self.read(&presented.hash).await?;
        let is_good = |record: &InvitationRecord| {
            record.judge(phone, presented.at) == InvitationOutcome::Good
        };
        let Some(mut record) = found.filter(is_good) else { return Ok(None) };
        record.uses_left = record.uses_left.saturating_sub(1);
        let value = InvitationFields::from(record).value()?;
        Ok(Some(self.layout.invitation(&presented.hash).write(slot.revision, value)))
    }

    /// The number and the invitation are written together.
    pub(super) async fn create(&self, new: &NewInvitation) -> Result<u64, Failure> {
        retried(async || {
            let counters_key = self.layout.counters();
            let counters = self.connection.read(&counters_key).await?;
            let last = Counters::of(&counters)?.unwrap_or_default();
            let id = last.invitation.saturating_add(1);
            let NewInvitation { hash, uses, created_at, expires_at, phone, note } = new.clone();
            let uses_left = uses;
            let record =
                InvitationRecord { id, uses, uses_left, created_at, expires_at, phone, note };
            let key = self.layout.invitation(&hash);
            let slot = self.connection.read(&key).await?;
            let counted = Counters { invitation: id, ..last }.value()?;
            let writes = [
                key.write(slot.revision, InvitationFields::from(record).value()?),
                counters_key.write(counters.revision, counted),
            ];
            self.connection.commit(&writes).await?;
            Ok(id)
        })
        .await
    }

    pub(super) async fn revoke(&self, id: u64) -> Result<bool, Failure> {
        retried(async || {
            let found = self.listed().await?.into_iter().find(|listed| listed.record.id == id);
            let Some(listed) = found else { return Ok(false) };
            self.remove(&[listed]).await?;
            Ok(true)
        })
        .await
    }

    /// Lists all, in the order of their ids.
    pub(super) async fn list(&self) -> Result<Vec<InvitationRecord>, Failure> {
        let mut records: Vec<_> =
            self.listed().await?.into_iter().map(|listed| listed.record).collect();
        records.sort_unstable_by_key(|record| record.id);
        Ok(records)
    }

    /// Lists all with the hashes of their codes.
    pub(super) async fn by_hash(
        &self,
    ) -> Result<BTreeMap<InvitationHash, InvitationRecord>, Failure> {
        let hashed = |Listed { key, record, .. }| Ok((hash_of(&key)?, record));
        self.listed().await?.into_iter().map(hashed).collect()
    }

    /// Replaces all.
    pub(super) async fn replace_all(
        &self,
        invitations: &BTreeMap<InvitationHash, InvitationRecord>,
    ) -> Result<(), Failure> {
        let mut gone = self.listed().await?;
        gone.retain(|listed| {
            !hash_of(&listed.key).is_ok_and(|hash| invitations.contains_key(&hash))
        });
        for some in gone.chunks(MAX_REMOVED) {
            self.remove(some).await?;
        }
        let all: Vec<_> = invitations.iter().collect();
        for some in all.chunks(MAX_REMOVED) {
            let writes = some.iter().map(async |(hash, record)| {
                let key = self.layout.invitation(hash);
                let revision = self.connection.read(&key).await?.revision;
                let value = InvitationFields::from((*record).clone()).value()?;
                Ok::<_, Failure>(key.write(revision, value))
            });
            self.connection.commit(&try_join_all(writes).await?).await?;
        }
        Ok(())
    }

    /// Deletes those that expired before this time, the earliest first.
    pub(super) async fn expire(&self, before: Timestamp, limit: u32) -> Result<u32, Failure> {
        if limit == 0 {
            return Ok(0);
        }
        retried(async || {
            let mut expired = self.listed().await?;
            expired.retain(|listed| listed.record.expires_at < before);
            expired.sort_unstable_by_key(|listed| (listed.record.expires_at, listed.record.id));
            expired.truncate((limit as usize).min(MAX_REMOVED));
            self.remove(&expired).await?;
            Ok(u32::try_from(expired.len()).unwrap_or(limit))
        })
        .await
    }

    async fn remove(&self, invitations: &[Listed]) -> Result<(), Failure> {
        let removal = |listed: &Listed| listed.key.write(listed.revision, Value::Removed);
        let writes: Vec<_> = invitations.iter().map(removal).collect();
        self.connection.commit(&writes).await
    }

    async fn read(
        &self,
        hash: &InvitationHash,
    ) -> Result<(Slot, Option<InvitationRecord>), Failure> {
        let slot = self.connection.read(&self.layout.invitation(hash)).await?;
        let record = InvitationFields::of(&slot)?.map(|fields| fields.record()).transpose()?;
        Ok((slot, record))
    }

    /// All invitations. Which there are, any replica says; what they are, only the leader.
    async fn listed(&self) -> Result<Vec<Listed>, Failure> {
        let stream = self.layout.accounts();
        let entries = self.connection.list_all(&stream, &self.layout.every_invitation()).await?;
        let reads = entries.into_iter().map(async |entry| {
            let key = Key { stream: stream.clone(), subject: entry.subject };
            let slot = self.connection.read(&key).await?;
            let revision = slot.revision;
            let fields = InvitationFields::of(&slot)?;
            let record = fields.map(|fields| fields.record()).transpose()?;
            Ok::<_, Failure>(record.map(|record| Listed { key, revision, record }))
        });
        Ok(try_join_all(reads).await?.into_iter().flatten().collect())
    }
}

/// The hash in the subject of an invitation.
fn hash_of(key: &Key) -> Result<InvitationHash, Failure> {
    let mut hash = [0; 32];
    let digits = key.subject.rsplit('.').next().unwrap_or_default();
    match base16ct::lower::decode(digits, &mut hash) {
        Ok(decoded) if decoded.len() == 32 => Ok(InvitationHash(hash)),
        Ok(_) | Err(_) => Err(Failure::Damaged("hash of an invitation")),
    }
}

/// Invitations that one transaction writes or removes at most.
const MAX_REMOVED: usize = 500;
