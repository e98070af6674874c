//! What waits for outcomes, by ticket.

use alloc::vec::Vec;

use crate::ids::Ticket;

/// A slab of continuations. A ticket is the index of its slot in the low half and a running number
/// in the high half: once it is answered it names nothing any more.
#[derive(Debug)]
pub(crate) struct Awaiting<T> {
    slots: Vec<Option<(u32, T)>>,
    free: Vec<u32>,
    last: u32,
}

impl<T> Awaiting<T> {
    pub(crate) const fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), last: 0 }
    }

    /// Keeps a continuation under a new ticket.
    pub(crate) fn insert(&mut self, awaited: T) -> Ticket {
        self.last = self.last.wrapping_add(1);
        let entry = Some((self.last, awaited));
        let free = self.free.pop();
        let index = free.unwrap_or(u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
        match self.slots.get_mut(index as usize) {
            Some(slot) => *slot = entry,
            None => self.slots.push(entry),
        }
        Ticket(u64::from(self.last) << u32::BITS | u64::from(index))
    }

    /// Takes back what waits for a ticket.
    pub(crate) fn take(&mut self, ticket: Ticket) -> Option<T> {
        let number = ticket.0 >> u32::BITS;
        let index = u32::try_from(ticket.0 & u64::from(u32::MAX)).ok()?;
        let slot = self.slots.get_mut(index as usize)?;
        let (_, awaited) = slot.take_if(|(taken, _)| u64::from(*taken) == number)?;
        self.free.push(index);
        if self.free.len() == self.slots.len() && self.slots.len() > KEPT {
            // After a storm.
            (self.slots, self.free) = (Vec::new(), Vec::new());
        }
        Some(awaited)
    }

    /// How many wait.
    pub(crate) const fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

/// Slots that are kept when nothing waits.
const KEPT: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// A step begins to wait, or takes one of the tickets there ever were.
        #[test]
        fn each_ticket_is_answered_once(
            steps in prop::collection::vec(prop::option::of(any::<prop::sample::Index>()), 0..200),
        ) {
            let (mut awaiting, mut model) = (Awaiting::new(), BTreeMap::new());
            let mut tickets = Vec::new();
            for (number, step) in steps.into_iter().enumerate() {
                match step.filter(|_| !tickets.is_empty()) {
                    None => {
                        let ticket = awaiting.insert(number);
                        prop_assert!(!tickets.contains(&ticket));
                        tickets.push(ticket);
                        model.insert(ticket, number);
                    }
                    Some(which) => {
                        let ticket = *which.get(&tickets);
                        prop_assert_eq!(awaiting.take(ticket), model.remove(&ticket));
                    }
                }
                prop_assert_eq!(awaiting.len(), model.len());
            }
        }
    }

    #[test]
    fn what_a_storm_took_is_given_back_and_its_tickets_stay_void() {
        let mut awaiting = Awaiting::new();
        let tickets: Vec<_> = (0..5_000).map(|number| awaiting.insert(number)).collect();
        for (number, ticket) in tickets.iter().enumerate() {
            assert_eq!(awaiting.take(*ticket), Some(number));
        }
        assert_eq!((awaiting.slots.capacity(), awaiting.free.capacity()), (0, 0));
        awaiting.insert(7);
        assert!(tickets.iter().all(|ticket| awaiting.take(*ticket).is_none()));
    }
}
