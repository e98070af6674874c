//! One mailbox in memory.

use std::collections::BTreeMap;
use std::ops::Bound;

use sealpost_core::ids::UserId;
use sealpost_core::server::store::{Page, PageLimit, Seq, StoredItem};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{ItemId, Packet};

use crate::server::usage::Usage;

/// Items in order, and their counters: every append asks for the usage, so it is not recounted.
#[derive(Clone, Debug, Default)]
pub(super) struct Mailbox {
    items: BTreeMap<Seq, Item>,
    usage: Usage,
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

    pub(super) fn items(&self) -> impl Iterator<Item = (Seq, &Item)> {
        self.items.iter().map(|(seq, item)| (*seq, item))
    }

    pub(super) fn has_from(&self, sender: UserId) -> bool {
        self.items.values().any(|item| item.id.origin == sender)
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
        self.usage.add(item.id.kind, packet_len(&item.packet));
        self.items.insert(seq, item);
    }

    pub(super) fn remove(&mut self, seq: Seq) {
        if let Some(item) = self.items.remove(&seq) {
            count_out(&mut self.usage, &item);
        }
    }

    /// Removes every item whose id is `gone`.
    pub(super) fn remove_all(&mut self, gone: impl Fn(&ItemId) -> bool) {
        for (_, item) in self.items.extract_if(.., |_, item| gone(&item.id)) {
            count_out(&mut self.usage, &item);
        }
    }

    /// Whether the counters agree with the items.
    pub(super) fn is_consistent(&self) -> bool {
        let mut usage = Usage::default();
        for item in self.items.values() {
            usage.add(item.id.kind, packet_len(&item.packet));
        }
        self.usage == usage
    }
}

fn count_out(usage: &mut Usage, item: &Item) {
    let counted = usage.remove(item.id.kind, packet_len(&item.packet));
    debug_assert_eq!(counted, Ok(()), "every item was counted in when it was inserted");
}

pub(super) fn packet_len(packet: &Packet) -> u64 {
    packet.bytes().len() as u64
}
