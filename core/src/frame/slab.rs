//! Values under numbers that are never used twice.

use alloc::vec::Vec;

/// A slab with generations. The low half of a number is the index of a slot, the high half the
/// slot's generation, which grows with every value that the slot takes. Once a value is removed,
/// its number names nothing.
///
/// Continuations are kept here under their tickets, and a host's connections under their ids. Both
/// numbers come back from outside, late or twice, so a stale one must not find a newer value.
#[derive(Clone, Debug)]
pub struct Slab<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    len: usize,
    /// Generation of a new slot's first value: above those of all slots that were freed.
    floor: u32,
}

#[derive(Clone, Debug)]
struct Slot<T> {
    /// Generation of the value in the slot or, in a free slot, of the next value.
    generation: u32,
    value: Option<T>,
}

impl<T> Slab<T> {
    /// An empty slab, which holds no memory yet.
    pub const fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), len: 0, floor: 0 }
    }

    /// Inserts a value and returns its number.
    pub fn insert(&mut self, value: T) -> u64 {
        self.len += 1;
        if let Some(index) = self.free.pop()
            && let Some(slot) = self.slots.get_mut(index as usize)
        {
            slot.value = Some(value);
            return number(slot.generation, index);
        }
        // 2^32 slots don't fit in memory.
        let index = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        self.slots.push(Slot { generation: self.floor, value: Some(value) });
        number(self.floor, index)
    }

    /// The value under a number.
    pub fn get(&self, number: u64) -> Option<&T> {
        let slot = self.slots.get(Self::index_of(number))?;
        slot.value.as_ref().filter(|_| slot.generation == generation_of(number))
    }

    /// The value under a number, mutably.
    pub fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let slot = self.slots.get_mut(Self::index_of(number))?;
        slot.value.as_mut().filter(|_| slot.generation == generation_of(number))
    }

    /// The value in a slot, mutably, with its number.
    pub fn at_mut(&mut self, index: usize) -> Option<(u64, &mut T)> {
        let slot = self.slots.get_mut(index)?;
        let number = number(slot.generation, u32::try_from(index).ok()?);
        Some((number, slot.value.as_mut()?))
    }

    /// Index of the slot in a number, whether the value is still there or not.
    #[expect(clippy::cast_possible_truncation, reason = "the index is the low half")]
    pub const fn index_of(number: u64) -> usize {
        number as u32 as usize
    }

    /// Removes and returns the value under a number.
    pub fn remove(&mut self, number: u64) -> Option<T> {
        let index = Self::index_of(number);
        let slot = self.slots.get_mut(index)?;
        let value = slot.value.take_if(|_| slot.generation == generation_of(number))?;
        // A slot that has used up its generations is not reused, or its numbers would repeat.
        if let Some(next) = slot.generation.checked_add(1) {
            slot.generation = next;
            self.free.extend(u32::try_from(index));
        }
        self.len -= 1;
        self.shrink();
        Some(value)
    }

    /// All values with their numbers, in the order of slots.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        (0..).zip(&self.slots).filter_map(|(index, slot)| {
            Some((number(slot.generation, index), slot.value.as_ref()?))
        })
    }

    /// All values, mutably, in the order of slots.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slots.iter_mut().filter_map(|slot| slot.value.as_mut())
    }

    /// Count of values.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no value.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Frees the memory of a load peak once the slab is empty. New slots start above the
    /// generations of the old ones, so that numbers from the peak stay void.
    fn shrink(&mut self) {
        if self.len > 0 || self.slots.len() <= KEPT {
            return;
        }
        let floor = self.slots.iter().map(|slot| slot.generation).max().unwrap_or(0);
        if floor < u32::MAX {
            *self = Self { floor, ..Self::new() };
        }
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self::new()
    }
}

const fn number(generation: u32, index: u32) -> u64 {
    (generation as u64) << u32::BITS | index as u64
}

const fn generation_of(number: u64) -> u32 {
    (number >> u32::BITS) as u32
}

/// Count of slots that are kept when the slab is empty, so that a steady load reallocates nothing.
const KEPT: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// A step inserts a value (`None`), or removes one of the numbers that were ever issued.
        #[test]
        fn each_number_finds_its_value_until_it_is_removed(
            steps in prop::collection::vec(prop::option::of(any::<prop::sample::Index>()), 0..200),
        ) {
            let (mut slab, mut model) = (Slab::new(), BTreeMap::new());
            let mut numbers = Vec::new();
            for (value, step) in steps.into_iter().enumerate() {
                match step.filter(|_| !numbers.is_empty()) {
                    None => {
                        let number = slab.insert(value);
                        prop_assert!(!numbers.contains(&number));
                        numbers.push(number);
                        model.insert(number, value);
                    }
                    Some(which) => {
                        let number = *which.get(&numbers);
                        prop_assert_eq!(slab.get(number), model.get(&number));
                        prop_assert_eq!(slab.remove(number), model.remove(&number));
                    }
                }
                prop_assert_eq!((slab.len(), slab.is_empty()), (model.len(), model.is_empty()));
                let held = slab.iter().map(|(number, value)| (number, *value));
                let held: BTreeMap<_, _> = held.collect();
                prop_assert_eq!(&held, &model);
            }
            slab.values_mut().for_each(|value| *value += 1);
            for (number, value) in model {
                prop_assert_eq!(slab.remove(number), Some(value + 1));
            }
        }
    }

    #[test]
    fn memory_of_a_load_peak_is_freed_and_its_numbers_stay_void() {
        let mut slab = Slab::new();
        let numbers: Vec<_> = (0..5_000).map(|value| slab.insert(value)).collect();
        for (value, number) in numbers.iter().enumerate() {
            assert_eq!(slab.remove(*number), Some(value));
        }
        assert_eq!((slab.slots.capacity(), slab.free.capacity()), (0, 0));
        slab.insert(7);
        assert!(numbers.iter().all(|number| slab.remove(*number).is_none()));
    }

    #[test]
    fn a_slot_without_generations_left_is_retired() {
        let mut slab = Slab { floor: u32::MAX, ..Slab::new() };
        let last = slab.insert('a');
        assert_eq!(slab.remove(last), Some('a'));
        let next = slab.insert('b');
        assert_ne!(Slab::<char>::index_of(last), Slab::<char>::index_of(next));
        assert_eq!((slab.get(last), slab.get(next)), (None, Some(&'b')));
    }

    #[test]
    fn a_slot_is_found_by_its_index() {
        let mut slab = Slab::new();
        let first = slab.insert('a');
        slab.remove(first);
        let second = slab.insert('b');
        let index = Slab::<char>::index_of(second);
        assert_eq!(slab.at_mut(index).map(|(number, value)| (number, *value)), Some((second, 'b')));
        assert!(slab.get_mut(first).is_none());
        assert!(slab.at_mut(index + 1).is_none());
    }
}
