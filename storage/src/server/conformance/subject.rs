//! What the suite needs of an implementation.

use sealpost_core::ids::{Phone, UserId};
use sealpost_core::keys::WrappedKey;
use sealpost_core::server::store::{StoreOp, StoreOutcome};
use sealpost_core::time::Timestamp;

use crate::server::invitations::{InvitationRecord, NewInvitation};
use crate::server::suspension::{Suspension, SuspensionOutcome};
use crate::storage::Storage;

/// An implementation under test.
pub trait Subject: Storage<Op = StoreOp, Outcome = StoreOutcome> + Sized {
    /// Whether several servers can share the store, which promises less then:
    ///
    /// - The id of an item is unique in its mailbox only, because mailboxes are apart.
    /// - Expiry deletes any of the items that are old enough, not the oldest first.
    fn is_shared(&self) -> bool {
        false
    }

    /// Closes the store and opens it again, as after a restart of the process.
    #[must_use]
    fn reopen(self) -> Self;

    /// Deletes a user, as the operator's command does. Returns the id that the user had.
    fn delete_user(&mut self, phone: Phone) -> Option<UserId>;

    /// Suspends or resumes an account, as the operator's command does.
    fn set_suspension(&mut self, phone: Phone, suspension: Suspension) -> SuspensionOutcome;

    /// Records an invitation, as the operator's command does. Returns its id.
    fn create_invitation(&mut self, new: NewInvitation) -> u64;

    /// Deletes an invitation, as the operator's command does. Returns whether there was one.
    fn revoke_invitation(&mut self, id: u64) -> bool;

    /// Returns all invitations, in the order of their ids.
    fn invitations(&mut self) -> Vec<InvitationRecord>;

    /// Records the time of a clock that the operator trusts, as the operator's command does.
    fn trust_clock(&mut self, clock: Timestamp);

    /// Returns the wrapped session key on record.
    fn aes_key(&mut self, user: UserId) -> Option<WrappedKey>;

    /// Whether the store's own invariants hold, such as those of its counters.
    fn is_consistent(&mut self) -> bool;
}
