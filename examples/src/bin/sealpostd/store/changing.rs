//! What commands change in a store.

use sealpost_core::ids::{Phone, UserId};
use sealpost_core::time::Timestamp;
use sealpost_programs::Failure;
use sealpost_storage::{NewInvitation, SqliteStorage, Suspension, SuspensionOutcome};

/// Changes that an operator makes. The machines of running servers must be told of those that end
/// sessions.
pub(crate) trait AccountStore {
    /// Suspends or resumes an account.
    fn set_suspension(
        &mut self,
        phone: Phone,
        suspension: Suspension,
    ) -> Result<SuspensionOutcome, Failure>;

    /// Deletes items in the mailbox of a user and messages from that user, `limit` at most. Returns
    /// how many: fewer if no more are left, or if the store deletes all of them with the user.
    fn delete_items_of(&mut self, user: UserId, limit: u32) -> Result<u32, Failure>;

    /// Deletes a user. Returns the id that the user had; `None` if nobody was registered there.
    fn delete_user(&mut self, phone: Phone) -> Result<Option<UserId>, Failure>;

    /// Records an invitation. Returns its id.
    fn create_invitation(&mut self, new: &NewInvitation) -> Result<u64, Failure>;

    /// Deletes an invitation. Returns whether there was one.
    fn revoke_invitation(&mut self, id: u64) -> Result<bool, Failure>;

    /// Records a time that the operator vouches for as the newest one.
    fn trust_clock(&mut self, clock: Timestamp) -> Result<(), Failure>;

    /// Another store on the same accounts, for long work beside the commits of this one. `None` if
    /// there is one writer only.
    fn another(&self) -> Option<Box<dyn AccountStore + Send>> {
        None
    }
}

impl AccountStore for SqliteStorage {
    fn set_suspension(
        &mut self,
        phone: Phone,
        suspension: Suspension,
    ) -> Result<SuspensionOutcome, Failure> {
        Ok(Self::set_suspension(self, phone, suspension)?)
    }

    fn delete_items_of(&mut self, user: UserId, limit: u32) -> Result<u32, Failure> {
        Ok(Self::delete_items_of(self, user, limit)?)
    }

    fn delete_user(&mut self, phone: Phone) -> Result<Option<UserId>, Failure> {
        Ok(Self::delete_user(self, phone)?)
    }

    fn create_invitation(&mut self, new: &NewInvitation) -> Result<u64, Failure> {
        Ok(Self::create_invitation(self, new)?)
    }

    fn revoke_invitation(&mut self, id: u64) -> Result<bool, Failure> {
        Ok(Self::revoke_invitation(self, id)?)
    }

    fn trust_clock(&mut self, clock: Timestamp) -> Result<(), Failure> {
        Ok(Self::trust_clock(self, clock)?)
    }
}
