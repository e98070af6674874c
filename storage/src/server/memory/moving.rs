//! The memory store as the source of a migration, for tests. It does not remember when accounts were
//! created, which is the same time in all tests.

use std::ops::Bound;

use sealpost_core::ids::UserId;

use super::MemoryStorage;
use crate::conformance::at;
use crate::database_mark::DatabaseId;
use crate::server::moving::{Account, Deployment, MigrationError, MovedItem, Source};

impl Source for MemoryStorage {
    fn leave(&mut self) -> Result<DatabaseId, MigrationError> {
        Ok(DatabaseId([7; 16]))
    }

    fn deployment(&mut self) -> Result<Deployment, MigrationError> {
        Ok(Deployment {
            profile: self.profile,
            last_user_id: self.last_user_id,
            last_invitation_id: self.invitations.last_id(),
            newest_time: self.newest_time,
            invitations: self.invitations.by_hash().clone(),
        })
    }

    fn count_accounts(&mut self) -> Result<u64, MigrationError> {
        Ok(self.accounts.len() as u64)
    }

    fn next_account(&mut self, after: Option<UserId>) -> Result<Option<Account>, MigrationError> {
        let behind = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let next = self.accounts.range(behind).next();
        Ok(next.map(|(id, account)| Account {
            user: account.user.clone(),
            aes_key: account.aes_key,
            created_at: at(0),
            reconnects: account.reconnects.clone(),
            suspension: account.suspension,
            lookups: account.lookups,
            undeliverable: self.undeliverable.get(id).cloned().unwrap_or_default(),
            answered: account.mailbox.answered(),
            items: account
                .mailbox
                .items()
                .map(|(_, item)| MovedItem {
                    id: item.id,
                    packet: item.packet.clone(),
                    stored_at: item.stored_at,
                })
                .collect(),
        }))
    }
}
