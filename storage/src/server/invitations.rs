//! Invitations: what a store remembers of each, and for whom one is good.

use sealpost_core::ids::Phone;
use sealpost_core::server::store::InvitationOutcome;
use sealpost_core::time::Timestamp;
use sealpost_core::wire::InvitationHash;

/// An invitation that an operator makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewInvitation {
    /// Hash of its code, which nobody else knows.
    pub hash: InvitationHash,
    /// How many accounts it is good for; at least 1.
    pub uses: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops being good.
    pub expires_at: Timestamp,
    /// The only phone number that it is good for, if there is one.
    pub phone: Option<Phone>,
    /// The operator's own words. No client sees them.
    pub note: String,
}

/// An invitation on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvitationRecord {
    /// Number by which the operator names it. It is never given again.
    pub id: u64,
    /// How many accounts it was good for at first.
    pub uses: u32,
    /// How many accounts it is still good for.
    pub uses_left: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops being good.
    pub expires_at: Timestamp,
    /// The only phone number that it is good for, if there is one.
    pub phone: Option<Phone>,
    /// The operator's own words.
    pub note: String,
}

impl InvitationRecord {
    /// Whether an account for this phone number may be made with it at this time.
    pub fn judge(&self, phone: Phone, at: Timestamp) -> InvitationOutcome {
        let is_good = self.uses_left > 0
            && at < self.expires_at
            && self.phone.is_none_or(|only| only == phone);
        if is_good { InvitationOutcome::Good } else { InvitationOutcome::Rejected }
    }

    /// Whether its numbers can be true.
    pub(super) const fn is_consistent(&self) -> bool {
        self.uses >= 1 && self.uses_left <= self.uses
    }
}
