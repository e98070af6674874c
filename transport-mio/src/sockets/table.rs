//! The connections of a host, by id and by the index that the poll reports.

use sealpost_core::frame::Slab;
use sealpost_core::ids::ConnId;

/// Entries by [`ConnId`], and by the index of their slot in a slab.
///
/// An accepted connection has its number in the slab as its id, so an id is never used twice. A
/// machine that dials chooses ids itself. It has few connections, so a short list maps its ids to
/// the slab, and is searched first.
#[derive(Debug)]
pub(super) struct ConnectionTable<T> {
    /// Each entry with its id: an id that the machine chose must not find an entry whose number in
    /// the slab happens to be the same.
    slab: Slab<(ConnId, T)>,
    /// Ids that the machine chose, with their numbers in the slab.
    chosen: Vec<(ConnId, u64)>,
}

impl<T> ConnectionTable<T> {
    pub(super) const fn new() -> Self {
        Self { slab: Slab::new(), chosen: Vec::new() }
    }

    /// The number of entries.
    pub(super) const fn len(&self) -> usize {
        self.slab.len()
    }

    /// Adds an entry under a new id. Returns the id, and the index of the entry's slot.
    pub(super) fn insert(&mut self, entry: T) -> (ConnId, usize) {
        let number = self.slab.insert((ConnId(0), entry));
        let id = ConnId(number);
        if let Some((entry_id, _)) = self.slab.get_mut(number) {
            *entry_id = id;
        }
        (id, Slab::<T>::index_of(number))
    }

    /// Adds an entry under an id that the machine chose. Returns the index of the entry's slot.
    pub(super) fn insert_as(&mut self, id: ConnId, entry: T) -> usize {
        let number = self.slab.insert((id, entry));
        self.chosen.push((id, number));
        Slab::<T>::index_of(number)
    }

    /// The entry with this id.
    pub(super) fn get_mut(&mut self, id: ConnId) -> Option<&mut T> {
        let (found, entry) = self.slab.get_mut(self.number_of(id))?;
        (*found == id).then_some(entry)
    }

    /// The entry in a slot, with its id.
    pub(super) fn at_mut(&mut self, index: usize) -> Option<(ConnId, &mut T)> {
        let (_, (id, entry)) = self.slab.at_mut(index)?;
        Some((*id, entry))
    }

    /// Removes and returns the entry with this id.
    pub(super) fn remove(&mut self, id: ConnId) -> Option<T> {
        let number = self.number_of(id);
        self.slab.get(number).filter(|(found, _)| *found == id)?;
        self.chosen.retain(|(chosen, _)| *chosen != id);
        self.slab.remove(number).map(|(_, entry)| entry)
    }

    /// The ids of all entries, in no particular order.
    pub(super) fn ids(&self) -> impl Iterator<Item = ConnId> {
        self.slab.iter().map(|(_, (id, _))| *id)
    }

    /// All entries with their ids, in no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ConnId, &T)> {
        self.slab.iter().map(|(_, (id, entry))| (*id, entry))
    }

    /// The number in the slab that belongs to an id, if there is an entry with this id.
    fn number_of(&self, id: ConnId) -> u64 {
        let chosen = self.chosen.iter().find(|(chosen, _)| *chosen == id);
        chosen.map_or(id.0, |(_, number)| *number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slot_is_reused_and_its_id_is_not() {
        let mut table = ConnectionTable::new();
        let (first, first_index) = table.insert('a');
        assert_eq!(table.remove(first), Some('a'));
        let (second, second_index) = table.insert('b');
        assert_eq!(first_index, second_index);
        assert_ne!(first, second);
        assert_eq!(table.get_mut(first), None);
        assert_eq!(table.remove(first), None);
        assert_eq!(table.get_mut(second), Some(&mut 'b'));
        assert_eq!(table.at_mut(second_index), Some((second, &mut 'b')));
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn machine_may_choose_the_id() {
        let mut table = ConnectionTable::new();
        for id in [ConnId(7), ConnId(8)] {
            let index = table.insert_as(id, id.0);
            assert_eq!(table.at_mut(index), Some((id, &mut id.0.clone())));
        }
        assert_eq!(table.remove(ConnId(7)), Some(7));
        assert_eq!(table.get_mut(ConnId(7)), None);
        assert_eq!(table.get_mut(ConnId(8)), Some(&mut 8));
        assert_eq!(table.ids().collect::<Vec<_>>(), [ConnId(8)]);
        assert_eq!(table.remove(ConnId(8)), Some(8));
        assert_eq!(table.len(), 0);
    }

    /// The first numbers of a slab are small, as ids that machines choose may be.
    #[test]
    fn chosen_id_finds_no_other_entry_with_the_same_number() {
        let mut table = ConnectionTable::new();
        table.insert_as(ConnId(100), 'a');
        table.insert_as(ConnId(101), 'b');
        for id in [ConnId(0), ConnId(1)] {
            assert_eq!(table.get_mut(id), None);
            assert_eq!(table.remove(id), None);
        }
        assert_eq!(table.len(), 2);
    }
}
