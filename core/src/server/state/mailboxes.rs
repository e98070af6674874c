//! All mailboxes in which there is something to remember.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;

use super::mailbox::Mailbox;
use super::unstored::Unstored;
use crate::ids::{ConnId, UserId};

/// Mailboxes by owner, and the count of packets in them that are not stored yet, by sender. Users
/// who are away with nothing to be stored, or live with nothing in flight, take no memory.
#[derive(Debug, Default)]
pub(in crate::server) struct Mailboxes {
    // Boxed, because the nodes of the map are half empty.
    by_owner: BTreeMap<UserId, Box<Mailbox>>,
    pub(in crate::server) unstored: Unstored,
}

impl Mailboxes {
    pub(in crate::server) fn get(&self, owner: UserId) -> Option<&Mailbox> {
        self.by_owner.get(&owner).map(|mailbox| &**mailbox)
    }

    /// An owner's mailbox, if there is something to remember in it.
    pub(in crate::server) fn get_mut(
        &mut self,
        owner: UserId,
    ) -> Option<(&mut Mailbox, &mut Unstored)> {
        Some((self.by_owner.get_mut(&owner)?, &mut self.unstored))
    }

    /// An owner's mailbox. One that was dropped while idle is recreated: live on the connection
    /// that `live_on` finds, otherwise away.
    pub(in crate::server) fn of(
        &mut self,
        owner: UserId,
        live_on: impl FnOnce() -> Option<ConnId>,
    ) -> (&mut Mailbox, &mut Unstored) {
        let recreate = || Box::new(live_on().map_or_else(Mailbox::away, Mailbox::live));
        (self.by_owner.entry(owner).or_insert_with(recreate), &mut self.unstored)
    }

    /// Drops a mailbox in which there is nothing to remember.
    pub(in crate::server) fn drop_if_idle(&mut self, owner: UserId) {
        if self.by_owner.get(&owner).is_some_and(|mailbox| mailbox.is_idle()) {
            self.by_owner.remove(&owner);
        }
    }

    pub(in crate::server) fn iter(&self) -> impl Iterator<Item = (UserId, &Mailbox)> {
        self.by_owner.iter().map(|(owner, mailbox)| (*owner, &**mailbox))
    }

    pub(in crate::server) fn len(&self) -> usize {
        self.by_owner.len()
    }

    /// Whether nothing waits for the store.
    pub(in crate::server) fn are_settled(&self) -> bool {
        self.by_owner.values().all(|mailbox| mailbox.is_settled())
    }
}
