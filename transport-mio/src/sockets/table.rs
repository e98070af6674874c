//! A slab of connections under numbers that are never used twice.

use sealpost_core::ids::ConnId;

/// Entries by [`ConnId`], and by the index of their slot, which the poll reports.
///
/// A number that this hands out is the index in its low half and, in its high half, how many
/// entries the slot has held. A slot whose count is used up is not used again. Connections that
/// the machine dials have numbers of its choosing; there are few, and they are looked up first.
#[derive(Debug)]
pub(super) struct ConnectionTable<T> {
    all: Vec<Slot<T>>,
    free: Vec<u32>,
    chosen: Vec<(ConnId, u32)>,
    len: usize,
}

#[derive(Debug)]
struct Slot<T> {
    held: u32,
    entry: Option<(ConnId, T)>,
}

impl<T> ConnectionTable<T> {
    pub(super) const fn new() -> Self {
        Self { all: Vec::new(), free: Vec::new(), chosen: Vec::new(), len: 0 }
    }

    /// How many entries there are.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Puts an entry under a new number. Gives it back if every number is used up.
    pub(super) fn insert(&mut self, entry: T) -> Result<ConnId, T> {
        self.place(None, entry)
    }

    /// Puts an entry under a number that the machine chose.
    pub(super) fn insert_as(&mut self, id: ConnId, entry: T) -> Result<ConnId, T> {
        self.place(Some(id), entry)
    }

    /// The entry under `id`.
    pub(super) fn get_mut(&mut self, id: ConnId) -> Option<&mut T> {
        let index = self.index_of(id)?;
        let (found, entry) = self.slot_mut(index)?.entry.as_mut()?;
        (*found == id).then_some(entry)
    }

    /// The entry in a slot, with its number.
    pub(super) fn at_mut(&mut self, index: usize) -> Option<(ConnId, &mut T)> {
        let (id, entry) = self.all.get_mut(index)?.entry.as_mut()?;
        Some((*id, entry))
    }

    /// The index of the slot that holds `id`, or once held it.
    pub(super) fn index_of(&self, id: ConnId) -> Option<usize> {
        let chosen = self.chosen.iter().find(|(chosen, _)| *chosen == id);
        let index = chosen.map_or(id.0 & u64::from(u32::MAX), |(_, index)| u64::from(*index));
        usize::try_from(index).ok()
    }

    /// Takes an entry out.
    pub(super) fn remove(&mut self, id: ConnId) -> Option<T> {
        let index = self.index_of(id)?;
        let slot = self.slot_mut(index)?;
        let (_, entry) = slot.entry.take_if(|(found, _)| *found == id)?;
        let reusable = slot.held < u32::MAX;
        self.len -= 1;
        self.chosen.retain(|(chosen, _)| *chosen != id);
        if let Ok(index) = u32::try_from(index)
            && reusable
        {
            self.free.push(index);
        }
        Some(entry)
    }

    /// The numbers of all entries, in no particular order.
    pub(super) fn ids(&self) -> impl Iterator<Item = ConnId> {
        self.all.iter().filter_map(|slot| slot.entry.as_ref().map(|(id, _)| *id))
    }

    fn place(&mut self, chosen: Option<ConnId>, entry: T) -> Result<ConnId, T> {
        let Some(index) = self.free.pop().or_else(|| self.grow()) else {
            return Err(entry);
        };
        let Some(slot) = self.slot_mut(index as usize) else {
            return Err(entry);
        };
        slot.held = slot.held.saturating_add(1);
        let id = chosen.unwrap_or(ConnId(u64::from(slot.held) << 32 | u64::from(index)));
        slot.entry = Some((id, entry));
        if chosen.is_some() {
            self.chosen.push((id, index));
        }
        self.len += 1;
        Ok(id)
    }

    fn grow(&mut self) -> Option<u32> {
        let index = u32::try_from(self.all.len()).ok()?;
        self.all.push(Slot { held: 0, entry: None });
        Some(index)
    }

    fn slot_mut(&mut self, index: usize) -> Option<&mut Slot<T>> {
        self.all.get_mut(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slot_is_reused_and_its_number_is_not() {
        let mut slots = ConnectionTable::new();
        let first = slots.insert('a').unwrap();
        assert_eq!(slots.remove(first), Some('a'));
        let second = slots.insert('b').unwrap();
        assert_eq!(slots.index_of(first), slots.index_of(second));
        assert_ne!(first, second);
        assert_eq!(slots.get_mut(first), None);
        assert_eq!(slots.remove(first), None);
        assert_eq!(slots.get_mut(second), Some(&mut 'b'));
        assert_eq!(slots.len(), 1);
    }

    #[test]
    fn slot_that_has_used_its_numbers_up_is_left_alone() {
        let mut slots = ConnectionTable::new();
        let first = slots.insert('a').unwrap();
        slots.all[0].held = u32::MAX;
        slots.remove(first).unwrap();
        let second = slots.insert('b').unwrap();
        assert_eq!(slots.index_of(second), Some(1));
    }

    #[test]
    fn machine_may_choose_the_number() {
        let mut slots = ConnectionTable::new();
        for id in [ConnId(7), ConnId(8)] {
            assert_eq!(slots.insert_as(id, id.0), Ok(id));
        }
        assert_eq!(slots.remove(ConnId(7)), Some(7));
        assert_eq!(slots.get_mut(ConnId(7)), None);
        assert_eq!(slots.get_mut(ConnId(8)), Some(&mut 8));
        assert_eq!(slots.ids().collect::<Vec<_>>(), [ConnId(8)]);
        assert_eq!(slots.remove(ConnId(8)), Some(8));
        assert_eq!(slots.len(), 0);
    }
}
