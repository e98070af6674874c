//! The stores of this crate as subjects of the suite.

use rusqlite::{Connection, OptionalExtension};
use sealpost_core::ids::{Phone, UserId};
use sealpost_core::keys::WrappedKey;
use sealpost_core::server::store::{StoreOp, StoreOutcome};
use sealpost_core::time::Timestamp;

use super::subject::Subject;
use super::suite::run_all;
use crate::server::invitations::{InvitationRecord, NewInvitation};
use crate::server::memory::MemoryStorage;
use crate::server::sqlite::Inspector;
use crate::server::sqlite::bed::SqliteBed;
use crate::server::suspension::{Suspension, SuspensionOutcome};
use crate::storage::Storage;

impl Subject for MemoryStorage {
    /// A clone is what a disk would hold after a restart.
    fn reopen(self) -> Self {
        self.clone()
    }

    fn delete_user(&mut self, phone: Phone) -> Option<UserId> {
        Self::delete_user(self, phone)
    }

    fn set_suspension(&mut self, phone: Phone, suspension: Suspension) -> SuspensionOutcome {
        Self::set_suspension(self, phone, suspension)
    }

    fn create_invitation(&mut self, new: NewInvitation) -> u64 {
        Self::create_invitation(self, new)
    }

    fn revoke_invitation(&mut self, id: u64) -> bool {
        Self::revoke_invitation(self, id)
    }

    fn invitations(&mut self) -> Vec<InvitationRecord> {
        Self::invitations(self)
    }

    fn trust_clock(&mut self, clock: Timestamp) {
        Self::trust_clock(self, clock);
    }

    fn aes_key(&mut self, user: UserId) -> Option<WrappedKey> {
        Self::aes_key(self, user)
    }

    fn is_consistent(&mut self) -> bool {
        Self::is_consistent(self)
    }
}

impl Storage for SqliteBed {
    type Op = StoreOp;
    type Outcome = StoreOutcome;

    fn commit(&mut self, requests: &[StoreOp], outcomes: &mut Vec<StoreOutcome>) {
        self.storage().commit(requests, outcomes);
    }
}

impl Subject for SqliteBed {
    fn reopen(self) -> Self {
        self.reopened()
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
        let inspector = Inspector::open(&self.path()).unwrap();
        let mut all = inspector.invitations(0, 1).unwrap();
        while let Some(last) = all.last() {
            let page = inspector.invitations(last.id, 1).unwrap();
            if page.is_empty() {
                break;
            }
            all.extend(page);
        }
        all
    }

    fn trust_clock(&mut self, clock: Timestamp) {
        self.storage().trust_clock(clock).unwrap();
    }

    fn aes_key(&mut self, user: UserId) -> Option<WrappedKey> {
        let connection = Connection::open(self.path()).unwrap();
        let sql = "SELECT aes_key FROM users WHERE user_id = ?1";
        let key = connection.query_row(sql, [user.value().cast_signed()], |row| row.get(0));
        key.optional().unwrap().map(WrappedKey)
    }

    fn is_consistent(&mut self) -> bool {
        self.is_sound()
    }
}

#[test]
fn memory_conforms() {
    run_all(MemoryStorage::new);
}

#[test]
fn sqlite_conforms() {
    run_all(SqliteBed::new);
}
