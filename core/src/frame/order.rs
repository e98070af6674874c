//! Results that finish in any order and leave in the order in which their work began.

use alloc::collections::VecDeque;

/// Place in an [`InOrder`], reserved by [`InOrder::push`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(u64);

/// A queue whose places are reserved first and filled later. The front leaves only once it is
/// filled.
///
/// Packets of one connection must take effect as they arrived, but their signatures are verified in
/// parallel and finish in any order.
#[derive(Debug)]
pub(crate) struct InOrder<T> {
    entries: VecDeque<Option<T>>,
    /// The slot of the front entry.
    front: u64,
}

impl<T> InOrder<T> {
    pub(crate) const fn new() -> Self {
        Self { entries: VecDeque::new(), front: 0 }
    }

    /// Reserves the next place.
    pub(crate) fn push(&mut self) -> Slot {
        self.entries.push_back(None);
        Slot(self.front.wrapping_add(self.entries.len() as u64).wrapping_sub(1))
    }

    /// Fills a place. A place that is filled already, or has left, stays as it is.
    pub(crate) fn complete(&mut self, slot: Slot, value: T) {
        let index = usize::try_from(slot.0.wrapping_sub(self.front)).unwrap_or(usize::MAX);
        if let Some(entry @ None) = self.entries.get_mut(index) {
            *entry = Some(value);
        }
    }

    /// Takes the front if it is filled. A queue that becomes empty frees its memory, because a
    /// server holds one for each connection.
    pub(crate) fn pop_ready(&mut self) -> Option<T> {
        let value = self.entries.front_mut()?.take()?;
        self.entries.pop_front();
        self.front = self.front.wrapping_add(1);
        if self.entries.is_empty() {
            self.entries = VecDeque::new();
        }
        Some(value)
    }

    /// Values in the places that are filled and have not left.
    pub(crate) fn filled(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().flatten()
    }

    /// Count of places that were reserved and have not left.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    proptest! {
        /// A step reserves a new place (`None`), or fills one of those that were ever reserved.
        #[test]
        fn everything_leaves_once_and_in_order(
            steps in prop::collection::vec(prop::option::of(0..40_usize), 0..80),
        ) {
            let (mut queue, mut slots, mut filled) = (InOrder::new(), Vec::new(), Vec::new());
            let mut left = 0;
            for step in steps {
                match step {
                    None => {
                        slots.push(queue.push());
                        filled.push(false);
                    }
                    Some(nth) if nth < slots.len() => {
                        queue.complete(slots[nth], nth);
                        filled[nth] = true;
                    }
                    Some(_) => {}
                }
                while let Some(value) = queue.pop_ready() {
                    prop_assert_eq!(value, left);
                    left += 1;
                }
                prop_assert_eq!(left, filled.iter().take_while(|filled| **filled).count());
                prop_assert_eq!(queue.len(), slots.len() - left);
            }
        }
    }

    #[test]
    fn results_leave_in_the_order_of_their_slots() {
        let mut queue = InOrder::new();
        let (a, b, c) = (queue.push(), queue.push(), queue.push());
        queue.complete(c, 'c');
        assert_eq!(queue.pop_ready(), None);
        queue.complete(a, 'a');
        assert_eq!((queue.pop_ready(), queue.pop_ready()), (Some('a'), None));
        queue.complete(b, 'b');
        assert_eq!((queue.pop_ready(), queue.pop_ready()), (Some('b'), Some('c')));
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn a_slot_is_filled_once() {
        let mut queue = InOrder::new();
        let a = queue.push();
        queue.complete(a, 1);
        queue.complete(a, 2);
        assert_eq!(queue.pop_ready(), Some(1));
        queue.complete(a, 3);
        assert_eq!(queue.pop_ready(), None);
    }
}
