//! What was sent to a reader and is not acknowledged yet.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use crate::ids::UserId;
use crate::store::{ItemKey, ItemKind};
use crate::time::Mono;
use crate::wire::Packet;

/// One item on its way.
#[derive(Debug)]
pub(super) struct Sent {
    /// The item's number, by which its lane is sorted.
    id: u64,
    /// Grows with every item sent.
    order: u64,
    at: Mono,
    pub(super) place: Place,
    pub(super) packet: Packet,
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

/// Items by name. Numbers of one origin grow, and are acknowledged in about that order: in its
/// lane, what comes is put at the back and what goes is taken from the front.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    lanes: BTreeMap<(ItemKind, UserId), VecDeque<Sent>>,
    /// Items in each place, in the order of [`Place`].
    counts: [usize; 4],
    bytes: usize,
    next: u64,
}

impl InFlight {
    pub(super) fn len(&self) -> usize {
        self.counts.iter().sum()
    }

    /// Items in one place.
    pub(super) const fn count(&self, place: Place) -> usize {
        let [memory, appending, stored, settling] = self.counts;
        match place {
            Place::Memory => memory,
            Place::Appending => appending,
            Place::Stored => stored,
            Place::Settling => settling,
        }
    }

    const fn count_mut(&mut self, place: Place) -> &mut usize {
        let [memory, appending, stored, settling] = &mut self.counts;
        match place {
            Place::Memory => memory,
            Place::Appending => appending,
            Place::Stored => stored,
            Place::Settling => settling,
        }
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    pub(super) fn place(&self, key: &ItemKey) -> Option<Place> {
        let lane = self.lanes.get(&(key.kind, key.origin))?;
        lane.get(position(lane, key.id).ok()?).map(|sent| sent.place)
    }

    /// Adds what was just sent. An item that is in flight already keeps its place.
    pub(super) fn add(&mut self, key: ItemKey, packet: Packet, at: Mono, place: Place) {
        let lane = self.lanes.entry((key.kind, key.origin)).or_default();
        let Err(position) = position(lane, key.id) else { return };
        self.bytes = self.bytes.saturating_add(packet.bytes().len());
        lane.insert(position, Sent { id: key.id, order: self.next, at, place, packet });
        self.next = self.next.wrapping_add(1);
        *self.count_mut(place) += 1;
    }

    pub(super) fn remove(&mut self, key: &ItemKey) {
        let Some(lane) = self.lanes.get_mut(&(key.kind, key.origin)) else { return };
        let Ok(position) = position(lane, key.id) else { return };
        let Some(sent) = lane.remove(position) else { return };
        if lane.is_empty() {
            self.lanes.remove(&(key.kind, key.origin));
        }
        *self.count_mut(sent.place) -= 1;
        self.bytes = self.bytes.saturating_sub(sent.packet.bytes().len());
    }

    pub(super) fn set_place(&mut self, key: &ItemKey, place: Place) {
        let Some(lane) = self.lanes.get_mut(&(key.kind, key.origin)) else { return };
        let Ok(position) = position(lane, key.id) else { return };
        let Some(sent) = lane.get_mut(position) else { return };
        let before = core::mem::replace(&mut sent.place, place);
        *self.count_mut(before) -= 1;
        *self.count_mut(place) += 1;
    }

    /// Moves what is kept in memory alone on its way into the store. Returns it in the order of
    /// sending.
    pub(super) fn begin_append(&mut self) -> Vec<Packet> {
        if self.count(Place::Memory) == 0 {
            return Vec::new();
        }
        let items = self.lanes.values_mut().flatten();
        let mut moved: Vec<_> = items
            .filter(|sent| sent.place == Place::Memory)
            .map(|sent| {
                sent.place = Place::Appending;
                (sent.order, sent.packet.clone())
            })
            .collect();
        moved.sort_unstable_by_key(|(order, _)| *order);
        *self.count_mut(Place::Memory) -= moved.len();
        *self.count_mut(Place::Appending) += moved.len();
        moved.into_iter().map(|(_, packet)| packet).collect()
    }

    /// When the oldest item that is kept in memory alone was sent.
    pub(super) fn oldest_in_memory(&self) -> Option<Mono> {
        let items = self.lanes.values().flatten();
        items.filter(|sent| sent.place == Place::Memory).map(|sent| sent.at).min()
    }

    /// Takes everything out, in the order of sending.
    pub(super) fn take(&mut self) -> Vec<Sent> {
        let lanes = core::mem::take(self).lanes;
        let mut items: Vec<_> = lanes.into_values().flatten().collect();
        items.sort_unstable_by_key(|sent| sent.order);
        items
    }
}

/// Where the item with this number stands in its lane, or where it belongs.
fn position(lane: &VecDeque<Sent>, id: u64) -> Result<usize, usize> {
    match (lane.front(), lane.back()) {
        (Some(front), _) if front.id == id => Ok(0),
        (_, Some(back)) if back.id < id => Err(lane.len()),
        (_, None) => Err(0),
        (_, Some(_)) => lane.binary_search_by_key(&id, |sent| sent.id),
    }
}
