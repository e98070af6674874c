//! All mailboxes in which there is something to remember.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use core::ops::Bound;

use super::mailbox::Mailbox;
use super::unstored::Unstored;
use crate::ids::{ConnId, UserId};
use crate::server::limits::{Limits, packet_memory};

/// Mailboxes by owner, with what they hold together. Users who are away with nothing to be stored,
/// or live with nothing in flight, take no memory.
#[derive(Debug, Default)]
pub(in crate::server) struct Mailboxes {
    // Boxed, because the nodes of the map are half empty.
    by_owner: BTreeMap<UserId, Box<Mailbox>>,
    pub(in crate::server) unstored: Unstored,
    pub(in crate::server) in_flight: InFlightTotal,
}

/// Memory of what is in flight to all recipients together, pages that are being read among it.
#[derive(Debug, Default)]
pub(in crate::server) struct InFlightTotal {
    mailboxes: usize,
    pages: usize,
    /// Owners whose drain goes on once less is in flight to all.
    waiting: BTreeSet<UserId>,
    /// The last one of them whose turn it was.
    last: Option<UserId>,
}

impl InFlightTotal {
    pub(in crate::server) const fn memory(&self) -> usize {
        self.mailboxes + self.pages
    }

    /// Memory of pages that are being read.
    pub(in crate::server) const fn pages(&self) -> usize {
        self.pages
    }

    /// The most memory that what is in flight to one recipient may take: as much as fits in its
    /// window, or a fair share while too much is in flight to all. At twice the total it is one item,
    /// because those who had a share of the total while fewer were connected still hold it.
    pub(in crate::server) fn share(&self, limits: &Limits, sessions: usize) -> usize {
        let total = limits.in_flight_bytes_in_all;
        if self.memory() < total {
            usize::MAX
        } else if self.memory() < total.saturating_mul(IN_FLIGHT_AT_MOST) {
            total / sessions.max(1)
        } else {
            ONE_ITEM
        }
    }

    /// An owner's drain has no room left in its share, but some in its window.
    pub(in crate::server) fn await_room(&mut self, owner: UserId) {
        self.waiting.insert(owner);
    }

    /// An owner's drain no longer waits, or is looked at again.
    pub(in crate::server) fn forget_waiting(&mut self, owner: UserId) {
        self.waiting.remove(&owner);
    }

    /// The next owner whose drain waits for room, if there is some. They take turns.
    pub(in crate::server) fn next_with_room(&mut self, limits: &Limits) -> Option<UserId> {
        if self.waiting.is_empty() || self.memory() >= limits.in_flight_bytes_in_all {
            return None;
        }
        let behind = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let mut owners = self.waiting.range((behind, Bound::Unbounded));
        let next = *owners.next().or_else(|| self.waiting.first())?;
        self.last = Some(next);
        Some(next)
    }

    /// An item was forwarded, and its mailbox has counted it.
    pub(in crate::server) const fn forwarded(&mut self, bytes: usize) {
        self.mailboxes += packet_memory(bytes);
    }

    /// Adds what has changed in a mailbox.
    pub(in crate::server) fn recount(&mut self, mailbox: &mut Mailbox) {
        let (grown, shrunk) = mailbox.recount();
        self.mailboxes = self.mailboxes + grown - shrunk;
    }

    /// A page that takes at most this much memory is being read.
    pub(in crate::server) const fn begin_page(&mut self, memory: usize) {
        self.pages += memory;
    }

    /// The page was read, or could not be.
    pub(in crate::server) const fn end_page(&mut self, memory: usize) {
        self.pages -= memory;
    }
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

    /// Brings the total of what is in flight up to date with a mailbox.
    pub(in crate::server) fn recount(&mut self, owner: UserId) {
        if let Some(mailbox) = self.by_owner.get_mut(&owner) {
            self.in_flight.recount(mailbox);
        }
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

    pub(in crate::server) fn is_consistent(&self) -> Result<(), &'static str> {
        let is_counted = |mailbox: &Mailbox| mailbox.counted() == mailbox.in_flight().memory();
        if !self.by_owner.values().all(|mailbox| is_counted(mailbox)) {
            return Err("the total does not contain what is in flight from a mailbox");
        }
        let total: usize = self.by_owner.values().map(|mailbox| mailbox.counted()).sum();
        if total != self.in_flight.mailboxes {
            return Err("the total of what is in flight is not that of the mailboxes");
        }
        if !self.unstored.is_consistent() {
            return Err("the total of what waits for the store is not that of the senders");
        }
        Ok(())
    }

    pub(in crate::server) fn len(&self) -> usize {
        self.by_owner.len()
    }

    /// Whether nothing waits for the store.
    pub(in crate::server) fn are_settled(&self) -> bool {
        self.by_owner.values().all(|mailbox| mailbox.is_settled())
    }
}

/// Multiple of the total in flight at which a recipient is sent one item at a time.
const IN_FLIGHT_AT_MOST: usize = 2;
/// Share that only an empty window has room in.
const ONE_ITEM: usize = 1;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn drains_that_wait_for_room_take_turns() {
        let limits = Limits::default();
        let owners = [1, 2, 3].map(|id| UserId::new(id).unwrap());
        let mut total = InFlightTotal::default();
        let whole = limits.in_flight_bytes_in_all;
        total.begin_page(whole);
        for owner in owners {
            total.await_room(owner);
        }
        assert_eq!(total.next_with_room(&limits), None, "there is no room");
        for owner in owners.into_iter().cycle().take(6) {
            total.end_page(whole);
            assert_eq!(total.next_with_room(&limits), Some(owner));
            total.forget_waiting(owner);
            total.begin_page(whole);
            total.await_room(owner);
        }
        for owner in owners {
            total.forget_waiting(owner);
        }
        total.end_page(whole);
        assert_eq!(total.next_with_room(&limits), None, "nobody waits");
    }
}
