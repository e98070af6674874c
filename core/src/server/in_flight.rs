//! What was sent to a reader and is not acknowledged yet.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use crate::ids::UserId;
use crate::time::Mono;
use crate::wire::{ItemId, ItemKind, Packet};

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

    pub(super) fn place(&self, key: &ItemId) -> Option<Place> {
        let lane = self.lanes.get(&(key.kind, key.origin))?;
        lane.get(position(lane, key.id).ok()?).map(|sent| sent.place)
    }

    /// Adds what was just sent. An item that is in flight already keeps its place.
    pub(super) fn add(&mut self, key: ItemId, packet: Packet, at: Mono, place: Place) {
        let lane = self.lanes.entry((key.kind, key.origin)).or_default();
        let Err(position) = position(lane, key.id) else { return };
        self.bytes = self.bytes.saturating_add(packet.bytes().len());
        lane.insert(position, Sent { id: key.id, order: self.next, at, place, packet });
        self.next = self.next.wrapping_add(1);
        *self.count_mut(place) += 1;
    }

    pub(super) fn remove(&mut self, key: &ItemId) {
        let Some(lane) = self.lanes.get_mut(&(key.kind, key.origin)) else { return };
        let Ok(position) = position(lane, key.id) else { return };
        let Some(sent) = lane.remove(position) else { return };
        if lane.is_empty() {
            self.lanes.remove(&(key.kind, key.origin));
        }
        *self.count_mut(sent.place) -= 1;
        self.bytes = self.bytes.saturating_sub(sent.packet.bytes().len());
    }

    pub(super) fn set_place(&mut self, key: &ItemId, place: Place) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    use super::super::mailbox_model::{key, packet};

    const PLACES: [Place; 4] = [Place::Memory, Place::Appending, Place::Stored, Place::Settling];

    #[derive(Clone, Debug)]
    enum Step {
        Add(u64, u64, Place),
        SetPlace(u64, u64, Place),
        Remove(u64, u64),
        BeginAppend,
        Take,
    }

    fn step() -> impl Strategy<Value = Step> {
        let (origin, id, place) = (1..3_u64, 0..8_u64, prop::sample::select(&PLACES[..]));
        prop_oneof![
            8 => (origin.clone(), id.clone(), place.clone())
                .prop_map(|(origin, id, place)| Step::Add(origin, id, place)),
            3 => (origin.clone(), id.clone(), place)
                .prop_map(|(origin, id, place)| Step::SetPlace(origin, id, place)),
            4 => (origin, id).prop_map(|(origin, id)| Step::Remove(origin, id)),
            1 => Just(Step::BeginAppend),
            1 => Just(Step::Take),
        ]
    }

    fn keys(packets: &[Packet]) -> Vec<ItemId> {
        packets.iter().filter_map(ItemId::of).collect()
    }

    proptest! {
        #[test]
        fn it_is_like_a_list_in_the_order_of_sending(steps in prop::collection::vec(step(), 0..60)) {
            let mut in_flight = InFlight::default();
            let mut list: Vec<(ItemId, Place)> = vec![];
            for step in steps {
                match step {
                    Step::Add(origin, id, place) => {
                        let key = key(origin, id);
                        in_flight.add(key, packet(origin, id), Mono(id), place);
                        if list.iter().all(|(other, _)| *other != key) {
                            list.push((key, place));
                        }
                    }
                    Step::SetPlace(origin, id, place) => {
                        in_flight.set_place(&key(origin, id), place);
                        let found = list.iter_mut().find(|(other, _)| *other == key(origin, id));
                        if let Some((_, before)) = found {
                            *before = place;
                        }
                    }
                    Step::Remove(origin, id) => {
                        in_flight.remove(&key(origin, id));
                        list.retain(|(other, _)| *other != key(origin, id));
                    }
                    Step::BeginAppend => {
                        let mut moved = vec![];
                        for (key, place) in &mut list {
                            if *place == Place::Memory {
                                *place = Place::Appending;
                                moved.push(*key);
                            }
                        }
                        prop_assert_eq!(keys(&in_flight.begin_append()), moved);
                    }
                    Step::Take => {
                        let taken: Vec<_> =
                            in_flight.take().into_iter().map(|sent| sent.packet).collect();
                        let expected: Vec<_> = list.drain(..).map(|(key, _)| key).collect();
                        prop_assert_eq!(keys(&taken), expected);
                    }
                }
                prop_assert_eq!((in_flight.len(), in_flight.is_empty()), (list.len(), list.is_empty()));
                for place in PLACES {
                    let count = list.iter().filter(|(_, other)| *other == place).count();
                    prop_assert_eq!(in_flight.count(place), count);
                }
                let packet_len = packet(1, 0).bytes().len();
                prop_assert_eq!(in_flight.bytes(), list.len() * packet_len);
                for (key, place) in &list {
                    prop_assert_eq!(in_flight.place(key), Some(*place));
                }
                let oldest = list.iter().filter(|(_, place)| *place == Place::Memory);
                prop_assert_eq!(
                    in_flight.oldest_in_memory(),
                    oldest.map(|(key, _)| Mono(key.id)).min()
                );
            }
        }
    }
}
