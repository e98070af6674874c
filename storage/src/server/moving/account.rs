//! What is moved, as plain values.

use std::collections::{BTreeMap, BTreeSet};

use sealpost_core::ids::UserId;
use sealpost_core::keys::WrappedKey;
use sealpost_core::server::store::User;
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{InReplyTo, InvitationHash, ItemId, Packet, Profile};

use crate::server::daily_use::DailyUse;
use crate::server::invitations::InvitationRecord;
use crate::server::reconnects::ReconnectDates;
use crate::server::suspension::Suspension;

/// What belongs to no account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    pub(in crate::server) profile: Profile,
    /// The last ids that were given out, which are never given again.
    pub(in crate::server) last_user_id: u64,
    pub(in crate::server) last_invitation_id: u64,
    pub(in crate::server) newest_time: Option<Timestamp>,
    pub(in crate::server) invitations: BTreeMap<InvitationHash, InvitationRecord>,
}

/// An account with everything that belongs to it, except the server on which its session is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub(in crate::server) user: User,
    pub(in crate::server) aes_key: WrappedKey,
    pub(in crate::server) created_at: Timestamp,
    pub(in crate::server) reconnects: ReconnectDates,
    pub(in crate::server) suspension: Suspension,
    pub(in crate::server) lookups: DailyUse,
    /// Hashes of undeliverable messages, oldest first.
    pub(in crate::server) undeliverable: Vec<InReplyTo>,
    /// People whom the owner has answered.
    pub(in crate::server) answered: BTreeSet<UserId>,
    /// The mailbox, in its order.
    pub(in crate::server) items: Vec<MovedItem>,
}

/// An item of a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server) struct MovedItem {
    pub(in crate::server) id: ItemId,
    pub(in crate::server) packet: Packet,
    pub(in crate::server) stored_at: Timestamp,
}

impl Account {
    /// Id of the user.
    pub const fn id(&self) -> UserId {
        self.user.id
    }

    /// Number of messages and receipts in the mailbox.
    pub const fn items(&self) -> u64 {
        self.items.len() as u64
    }

    /// The same account without some of its items.
    pub(super) fn without(mut self, items: &[ItemId]) -> Self {
        if !items.is_empty() {
            let gone: BTreeSet<_> = items.iter().collect();
            self.items.retain(|item| !gone.contains(&item.id));
        }
        self
    }

    /// Name of the first field in which another account differs; `None` if none does.
    pub(super) fn difference(&self, other: &Self) -> Option<&'static str> {
        let Self { user, aes_key, created_at, reconnects, suspension, .. } = self;
        let Self { lookups, undeliverable, answered, items, .. } = self;
        let fields = [
            ("id, phone number, public key or last session", *user == other.user),
            ("session key", *aes_key == other.aes_key),
            ("time of registration", *created_at == other.created_at),
            ("dates of session requests", *reconnects == other.reconnects),
            ("suspension", *suspension == other.suspension),
            ("count of look-ups", *lookups == other.lookups),
            ("undeliverable messages", *undeliverable == other.undeliverable),
            ("people who were answered", *answered == other.answered),
            ("mailbox", *items == other.items),
        ];
        fields.into_iter().find(|(_, is_equal)| !is_equal).map(|(name, _)| name)
    }
}
