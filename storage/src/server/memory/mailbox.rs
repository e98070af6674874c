//! One mailbox in memory.

use std::collections::BTreeMap;
use std::ops::Bound;

use sealpost_core::ids::UserId;
use sealpost_core::server::store::{Page, PageLimit, Seq, StoredItem};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{ItemId, ItemKind, Packet};

use crate::server::quota::{Correspondent, MAX_ANSWERED};
use crate::server::usage::Usage;

/// Items in order, and their counters: every append asks for the usage, so it is not recounted.
#[derive(Clone, Debug, Default)]
pub(super) struct Mailbox {
    items: BTreeMap<Seq, Item>,
    usage: Usage,
    /// What each sender has in this mailbox, and whom its owner has answered.
    correspondents: BTreeMap<UserId, Correspondent>,
}

#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) id: ItemId,
    pub(super) packet: Packet,
    pub(super) stored_at: Timestamp,
}

impl Mailbox {
    pub(super) const fn usage(&self) -> Usage {
        self.usage
    }

    pub(super) fn correspondent(&self, sender: UserId) -> Correspondent {
        self.correspondents.get(&sender).copied().unwrap_or_default()
    }

    /// People whom the owner has answered.
    #[cfg(all(test, feature = "jetstream"))]
    pub(super) fn answered(&self) -> std::collections::BTreeSet<UserId> {
        let answered = self.correspondents.iter().filter(|(_, peer)| peer.answered);
        answered.map(|(id, _)| *id).collect()
    }

    /// The owner has written to `peer`. Ignored if too many are remembered.
    pub(super) fn record_answer(&mut self, peer: UserId) {
        let answered = self.correspondents.values().filter(|peer| peer.answered).count();
        if answered < MAX_ANSWERED as usize {
            self.correspondents.entry(peer).or_default().answered = true;
        }
    }

    /// Forgets a deleted user.
    pub(super) fn forget_answer(&mut self, peer: UserId) {
        if let Some(correspondent) = self.correspondents.get_mut(&peer) {
            correspondent.answered = false;
        }
        self.drop_if_forgettable(peer);
    }

    fn drop_if_forgettable(&mut self, peer: UserId) {
        if self.correspondent(peer).is_forgettable() {
            self.correspondents.remove(&peer);
        }
    }

    pub(super) fn items(&self) -> impl Iterator<Item = (Seq, &Item)> {
        self.items.iter().map(|(seq, item)| (*seq, item))
    }

    pub(super) fn has_from(&self, sender: UserId) -> bool {
        self.items
            .values()
            .any(|item| item.id.kind == ItemKind::Message && item.id.origin == sender)
    }

    pub(super) fn page(&self, after: Seq, limit: PageLimit) -> Page {
        let mut page = Page { items: Vec::new(), more: false };
        let mut bytes = 0;
        for (seq, item) in self.items.range((Bound::Excluded(after), Bound::Unbounded)) {
            bytes += packet_len(&item.packet);
            let full = page.items.len() as u64 >= limit.items.into() || bytes > limit.bytes.into();
            // The first item is returned however large it is. Otherwise reading would stop at it.
            if full && !page.items.is_empty() {
                page.more = true;
                break;
            }
            page.items.push(StoredItem { seq: *seq, packet: item.packet.clone() });
        }
        page
    }

    pub(super) fn insert(&mut self, seq: Seq, item: Item) {
        let len = packet_len(&item.packet);
        self.usage.add(item.id.kind, len);
        if item.id.kind == ItemKind::Message {
            self.correspondents.entry(item.id.origin).or_default().add(1, len);
        }
        self.items.insert(seq, item);
    }

    pub(super) fn remove(&mut self, seq: Seq) {
        if let Some(item) = self.items.remove(&seq) {
            self.count_out(&item);
        }
    }

    /// Removes every item whose id is `gone`.
    pub(super) fn remove_all(&mut self, gone: impl Fn(&ItemId) -> bool) {
        let removed: Vec<_> = self.items.extract_if(.., |_, item| gone(&item.id)).collect();
        for (_, item) in removed {
            self.count_out(&item);
        }
    }

    fn count_out(&mut self, item: &Item) {
        let len = packet_len(&item.packet);
        let counted = self.usage.remove(item.id.kind, len);
        debug_assert_eq!(counted, Ok(()), "every item was counted in when it was inserted");
        if item.id.kind == ItemKind::Message
            && let Some(sender) = self.correspondents.get_mut(&item.id.origin)
        {
            sender.messages -= 1;
            sender.bytes -= len;
            self.drop_if_forgettable(item.id.origin);
        }
    }

    /// Whether the counters agree with the items.
    pub(super) fn is_consistent(&self) -> bool {
        let mut counted = Self::default();
        for (peer, correspondent) in &self.correspondents {
            if correspondent.answered {
                counted.correspondents.entry(*peer).or_default().answered = true;
            }
        }
        for (seq, item) in &self.items {
            counted.insert(*seq, item.clone());
        }
        (self.usage, &self.correspondents) == (counted.usage, &counted.correspondents)
    }
}

pub(super) fn packet_len(packet: &Packet) -> u64 {
    packet.bytes().len() as u64
}
