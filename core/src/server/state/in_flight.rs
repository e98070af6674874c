//! Items that were sent to a mailbox's owner and are not acknowledged yet.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use crate::frame::Verified;
use crate::ids::UserId;
use crate::server::limits::packet_memory;
use crate::time::Mono;
use crate::wire::{ItemId, ItemKind, Packet};

/// Items by id. Ids of one origin grow, and are acknowledged in about that order, so items enter
/// their lane at the back and mostly leave it at the front.
#[derive(Debug, Default)]
pub(in crate::server) struct InFlight {
    lanes: BTreeMap<(ItemKind, UserId), VecDeque<Sent>>,
    /// Items in each place, in the order of [`Place`].
    counts: [usize; 4],
    bytes: usize,
    next: u64,
}

/// One item on its way.
#[derive(Debug)]
struct Sent {
    /// Number within its lane.
    id: u64,
    /// Grows with every item sent.
    order: u64,
    at: Mono,
    bytes: usize,
    kept: Kept,
}

/// Where an item is kept until its recipient acknowledges it. What is in memory alone holds its
/// packet, with the proof that it was verified; what is in the store can be read again.
#[derive(Debug)]
enum Kept {
    Memory(Verified<Packet>),
    Appending(Verified<Packet>),
    Stored,
    Settling,
}

/// Names of the places where an item is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Place {
    /// In memory alone.
    Memory,
    /// In memory, and on its way into the store.
    Appending,
    /// In the store.
    Stored,
    /// Acknowledged, and being deleted from the store.
    Settling,
}

impl Kept {
    const fn place(&self) -> Place {
        match self {
            Self::Memory(_) => Place::Memory,
            Self::Appending(_) => Place::Appending,
            Self::Stored => Place::Stored,
            Self::Settling => Place::Settling,
        }
    }
}

impl InFlight {
    pub(in crate::server) fn len(&self) -> usize {
        self.counts.iter().sum()
    }

    /// Count of items in one place.
    pub(in crate::server) const fn count(&self, place: Place) -> usize {
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

    /// Bytes of all items' packets, wherever they are kept: they fill the recipient's window.
    pub(in crate::server) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Memory of all items.
    pub(in crate::server) fn memory(&self) -> usize {
        self.bytes + self.len() * packet_memory(0)
    }

    pub(in crate::server) fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    pub(in crate::server) fn place(&self, item: &ItemId) -> Option<Place> {
        let lane = self.lanes.get(&(item.kind, item.origin))?;
        lane.get(position(lane, item.id).ok()?).map(|sent| sent.kept.place())
    }

    /// Whether something of this origin is in flight.
    pub(in crate::server) fn has_from(&self, origin: UserId) -> bool {
        self.lanes.contains_key(&(ItemKind::Message, origin))
    }

    /// Adds an item that was just forwarded and is kept in memory alone.
    pub(super) fn forward(&mut self, item: ItemId, packet: Verified<Packet>, at: Mono) {
        let bytes = packet.get().bytes().len();
        self.add(item, bytes, at, Kept::Memory(packet));
    }

    /// Adds an item that was just sent and is in the store.
    pub(super) fn send_stored(&mut self, item: ItemId, bytes: usize, at: Mono) {
        self.add(item, bytes, at, Kept::Stored);
    }

    /// An item that is in flight already keeps its place.
    fn add(&mut self, item: ItemId, bytes: usize, at: Mono, kept: Kept) {
        let lane = self.lanes.entry((item.kind, item.origin)).or_default();
        let Err(position) = position(lane, item.id) else { return };
        let place = kept.place();
        lane.insert(position, Sent { id: item.id, order: self.next, at, bytes, kept });
        self.next += 1;
        self.bytes += bytes;
        *self.count_mut(place) += 1;
    }

    pub(super) fn remove(&mut self, item: &ItemId) {
        let Some(lane) = self.lanes.get_mut(&(item.kind, item.origin)) else { return };
        let Ok(position) = position(lane, item.id) else { return };
        let Some(sent) = lane.remove(position) else { return };
        if lane.is_empty() {
            self.lanes.remove(&(item.kind, item.origin));
        }
        *self.count_mut(sent.kept.place()) -= 1;
        self.bytes -= sent.bytes;
    }

    /// The item is in the store.
    pub(super) fn stored(&mut self, item: &ItemId) {
        self.change(item, |_| Kept::Stored);
    }

    /// The item was acknowledged, and is being deleted from the store.
    pub(super) fn settling(&mut self, item: &ItemId) {
        self.change(item, |_| Kept::Settling);
    }

    /// The store did not take the item: it is in memory alone again.
    pub(super) fn not_stored(&mut self, item: &ItemId) {
        self.change(item, |kept| match kept {
            Kept::Appending(packet) | Kept::Memory(packet) => Kept::Memory(packet),
            kept @ (Kept::Stored | Kept::Settling) => kept,
        });
    }

    fn change(&mut self, item: &ItemId, change: impl FnOnce(Kept) -> Kept) {
        let Some(lane) = self.lanes.get_mut(&(item.kind, item.origin)) else { return };
        let Ok(position) = position(lane, item.id) else { return };
        let Some(sent) = lane.get_mut(position) else { return };
        let before = sent.kept.place();
        // A placeholder while the packet moves; it never stays.
        sent.kept = change(core::mem::replace(&mut sent.kept, Kept::Settling));
        let after = sent.kept.place();
        *self.count_mut(before) -= 1;
        *self.count_mut(after) += 1;
    }

    /// Begins to append what is kept in memory alone. Returns it in the order of sending.
    pub(super) fn begin_append(&mut self) -> Vec<Verified<Packet>> {
        if self.count(Place::Memory) == 0 {
            return Vec::new();
        }
        let mut moved = Vec::with_capacity(self.count(Place::Memory));
        for sent in self.lanes.values_mut().flatten() {
            if let Kept::Memory(packet) = &sent.kept {
                let packet = packet.clone();
                moved.push((sent.order, packet.clone()));
                sent.kept = Kept::Appending(packet);
            }
        }
        moved.sort_unstable_by_key(|(order, _)| *order);
        *self.count_mut(Place::Memory) -= moved.len();
        *self.count_mut(Place::Appending) += moved.len();
        moved.into_iter().map(|(_, packet)| packet).collect()
    }

    /// Time at which the oldest item that is kept in memory alone was sent.
    pub(super) fn oldest_in_memory(&self) -> Option<Mono> {
        let items = self.lanes.values().flatten();
        items.filter(|sent| sent.kept.place() == Place::Memory).map(|sent| sent.at).min()
    }

    /// Empties the flight. Returns what was kept in memory alone, in the order of sending.
    pub(super) fn take(&mut self) -> Vec<Verified<Packet>> {
        let lanes = core::mem::take(self).lanes;
        let mut items: Vec<_> = lanes
            .into_values()
            .flatten()
            .filter_map(|sent| match sent.kept {
                Kept::Memory(packet) => Some((sent.order, packet)),
                Kept::Appending(_) | Kept::Stored | Kept::Settling => None,
            })
            .collect();
        items.sort_unstable_by_key(|(order, _)| *order);
        items.into_iter().map(|(_, packet)| packet).collect()
    }

    pub(super) fn is_consistent(&self) -> Result<(), &'static str> {
        let mut counted = Self::default();
        for sent in self.lanes.values().flatten() {
            *counted.count_mut(sent.kept.place()) += 1;
            counted.bytes += sent.bytes;
        }
        if (counted.counts, counted.bytes) != (self.counts, self.bytes) {
            return Err("the counts of items in flight are not those of the items");
        }
        if self.lanes.values().any(VecDeque::is_empty) {
            return Err("a lane without items is kept");
        }
        let is_sorted = |lane: &VecDeque<Sent>| lane.iter().is_sorted_by_key(|sent| sent.id);
        if !self.lanes.values().all(is_sorted) {
            return Err("a lane is not sorted by id");
        }
        Ok(())
    }
}

/// Where the item with this number is in its lane, or where it belongs.
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

    use super::super::mailbox_model::{item, packet};

    const PLACES: [Place; 4] = [Place::Memory, Place::Appending, Place::Stored, Place::Settling];

    #[derive(Clone, Debug)]
    enum Step {
        Forward(u64, u64),
        SendStored(u64, u64),
        Stored(u64, u64),
        Settling(u64, u64),
        NotStored(u64, u64),
        Remove(u64, u64),
        BeginAppend,
        Take,
    }

    fn step() -> impl Strategy<Value = Step> {
        let name = || (1..3_u64, 0..8_u64);
        prop_oneof![
            6 => name().prop_map(|(origin, id)| Step::Forward(origin, id)),
            2 => name().prop_map(|(origin, id)| Step::SendStored(origin, id)),
            1 => name().prop_map(|(origin, id)| Step::Stored(origin, id)),
            1 => name().prop_map(|(origin, id)| Step::Settling(origin, id)),
            1 => name().prop_map(|(origin, id)| Step::NotStored(origin, id)),
            4 => name().prop_map(|(origin, id)| Step::Remove(origin, id)),
            1 => Just(Step::BeginAppend),
            1 => Just(Step::Take),
        ]
    }

    /// The model: a list in the order of sending.
    #[derive(Default)]
    struct List(Vec<(ItemId, Place)>);

    impl List {
        fn add(&mut self, item: ItemId, place: Place) {
            if self.0.iter().all(|(other, _)| *other != item) {
                self.0.push((item, place));
            }
        }

        fn set(&mut self, item: ItemId, from: &[Place], to: Place) {
            for (other, place) in &mut self.0 {
                if *other == item && from.contains(place) {
                    *place = to;
                }
            }
        }

        fn in_memory(&self) -> Vec<ItemId> {
            let items = self.0.iter().filter(|(_, place)| *place == Place::Memory);
            items.map(|(item, _)| *item).collect()
        }
    }

    fn items(packets: &[Verified<Packet>]) -> Vec<ItemId> {
        packets.iter().filter_map(|packet| ItemId::of(packet.get())).collect()
    }

    fn apply(step: &Step, in_flight: &mut InFlight, list: &mut List) {
        match *step {
            Step::Forward(origin, id) => {
                in_flight.forward(item(origin, id), packet(origin, id), Mono(id));
                list.add(item(origin, id), Place::Memory);
            }
            Step::SendStored(origin, id) => {
                let bytes = packet(origin, id).get().bytes().len();
                in_flight.send_stored(item(origin, id), bytes, Mono(id));
                list.add(item(origin, id), Place::Stored);
            }
            Step::Stored(origin, id) => {
                in_flight.stored(&item(origin, id));
                list.set(item(origin, id), &PLACES, Place::Stored);
            }
            Step::Settling(origin, id) => {
                in_flight.settling(&item(origin, id));
                list.set(item(origin, id), &PLACES, Place::Settling);
            }
            Step::NotStored(origin, id) => {
                in_flight.not_stored(&item(origin, id));
                list.set(item(origin, id), &[Place::Appending], Place::Memory);
            }
            Step::Remove(origin, id) => {
                in_flight.remove(&item(origin, id));
                list.0.retain(|(other, _)| *other != item(origin, id));
            }
            Step::BeginAppend => {
                assert_eq!(items(&in_flight.begin_append()), list.in_memory());
                for item in list.in_memory() {
                    list.set(item, &[Place::Memory], Place::Appending);
                }
            }
            Step::Take => {
                assert_eq!(items(&in_flight.take()), list.in_memory());
                list.0 = vec![];
            }
        }
    }

    proptest! {
        #[test]
        fn it_is_like_a_list_in_the_order_of_sending(steps in prop::collection::vec(step(), 0..60)) {
            let (mut in_flight, mut list) = (InFlight::default(), List::default());
            for step in steps {
                apply(&step, &mut in_flight, &mut list);
                prop_assert_eq!(in_flight.is_consistent(), Ok(()));
                let list = &list.0;
                prop_assert_eq!((in_flight.len(), in_flight.is_empty()), (list.len(), list.is_empty()));
                for place in PLACES {
                    let count = list.iter().filter(|(_, other)| *other == place).count();
                    prop_assert_eq!(in_flight.count(place), count);
                }
                let packet_len = packet(1, 0).get().bytes().len();
                prop_assert_eq!(in_flight.bytes(), list.len() * packet_len);
                for (item, place) in list {
                    prop_assert_eq!(in_flight.place(item), Some(*place));
                }
                let oldest = list.iter().filter(|(_, place)| *place == Place::Memory);
                prop_assert_eq!(
                    in_flight.oldest_in_memory(),
                    oldest.map(|(item, _)| Mono(item.id)).min()
                );
            }
        }
    }
}
