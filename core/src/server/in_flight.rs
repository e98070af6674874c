//! What was sent to a reader and is not acknowledged yet, in the order of sending.

use alloc::collections::BTreeMap;

use crate::store::ItemKey;
use crate::time::Mono;
use crate::wire::Packet;

/// One item on its way.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) packet: Packet,
    pub(super) at: Mono,
    pub(super) place: Place,
}

/// Where an item is kept until its reader acknowledges it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Here alone.
    Memory,
    /// On its way into the store.
    Appending,
    /// In the store.
    Stored,
    /// Acknowledged, and on its way out of the store.
    Settling,
}

/// Items by order of sending and by name.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    by_order: BTreeMap<u64, Sent>,
    by_key: BTreeMap<ItemKey, u64>,
    next: u64,
    bytes: usize,
}

impl InFlight {
    pub(super) fn len(&self) -> usize {
        self.by_order.len()
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_order.is_empty()
    }

    pub(super) fn place(&self, key: &ItemKey) -> Option<Place> {
        self.by_key.get(key).and_then(|order| self.by_order.get(order)).map(|sent| sent.place)
    }

    /// Adds what was just sent. An item that is in flight already keeps its place.
    pub(super) fn add(&mut self, key: ItemKey, packet: Packet, at: Mono, place: Place) {
        if self.by_key.contains_key(&key) {
            return;
        }
        let order = self.next;
        self.next = self.next.wrapping_add(1);
        self.bytes = self.bytes.saturating_add(packet.bytes().len());
        self.by_key.insert(key, order);
        self.by_order.insert(order, Sent { packet, at, place });
    }

    pub(super) fn remove(&mut self, key: &ItemKey) -> Option<Sent> {
        let order = self.by_key.remove(key)?;
        let sent = self.by_order.remove(&order)?;
        self.bytes = self.bytes.saturating_sub(sent.packet.bytes().len());
        Some(sent)
    }

    pub(super) fn set_place(&mut self, key: &ItemKey, place: Place) {
        if let Some(sent) = self.by_key.get(key).and_then(|order| self.by_order.get_mut(order)) {
            sent.place = place;
        }
    }

    /// Oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Sent> {
        self.by_order.values()
    }

    /// Oldest first, to change their places.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Sent> {
        self.by_order.values_mut()
    }

    /// When the oldest item that is kept in memory alone was sent.
    pub(super) fn oldest_in_memory(&self) -> Option<Mono> {
        self.iter().find(|sent| sent.place == Place::Memory).map(|sent| sent.at)
    }

    /// Takes everything out, oldest first.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Sent> + use<> {
        self.by_key.clear();
        self.bytes = 0;
        core::mem::take(&mut self.by_order).into_values()
    }
}
