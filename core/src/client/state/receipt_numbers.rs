//! Numbers for the receipts that we sign.

use crate::frame::{Durable, Pending};
use crate::ids::ReceiptId;

/// Receipt numbers. Each is used once, even if the process dies, because they are reserved durably
/// in blocks: the next process starts above everything that was reserved.
#[derive(Debug)]
pub(in crate::client) struct ReceiptNumbers {
    next: ReceiptId,
    /// Numbers below this one are reserved.
    reserved_below: ReceiptId,
    reservation: Reservation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reservation {
    Idle,
    /// The store is at work on a block.
    Asked,
}

impl ReceiptNumbers {
    pub(in crate::client) const fn new(next: ReceiptId) -> Self {
        Self { next, reserved_below: next, reservation: Reservation::Idle }
    }

    /// What the store is to reserve now: another block once half of one is left, so that signing
    /// need not wait for the store.
    pub(in crate::client) fn reserve(&mut self, block: u64) -> Option<Pending<ReceiptId>> {
        if self.reservation == Reservation::Asked || self.left() > block / 2 {
            return None;
        }
        self.reservation = Reservation::Asked;
        // Saturates because numbers come from the store, which anybody may have written.
        Some(Pending::new(ReceiptId(self.reserved_below.0.saturating_add(block))))
    }

    /// The store has reserved all numbers below this one.
    pub(in crate::client) fn reserved(&mut self, below: &Durable<ReceiptId>) {
        self.reserved_below = self.reserved_below.max(*below.get());
        self.reservation = Reservation::Idle;
    }

    /// The store has failed to reserve a block.
    pub(in crate::client) const fn not_reserved(&mut self) {
        self.reservation = Reservation::Idle;
    }

    /// The next number; `None` until more are reserved.
    pub(in crate::client) fn take(&mut self) -> Option<ReceiptId> {
        if self.next >= self.reserved_below {
            return None;
        }
        let taken = self.next;
        self.next = ReceiptId(taken.0 + 1);
        Some(taken)
    }

    /// Whether the store is at work on a block.
    pub(in crate::client) fn is_reserving(&self) -> bool {
        self.reservation == Reservation::Asked
    }

    pub(in crate::client) fn is_consistent(&self) -> Result<(), &'static str> {
        if self.next > self.reserved_below {
            return Err("a receipt number was used that is not reserved");
        }
        Ok(())
    }

    const fn left(&self) -> u64 {
        self.reserved_below.0 - self.next.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks for a block, and has it reserved.
    fn reserve(numbers: &mut ReceiptNumbers, block: u64) -> Option<ReceiptId> {
        let below = *numbers.reserve(block)?.get();
        numbers.reserved(&Durable::assumed(below));
        Some(below)
    }

    #[test]
    fn more_numbers_are_reserved_when_half_of_them_are_used() {
        let mut numbers = ReceiptNumbers::new(ReceiptId(10));
        assert_eq!(reserve(&mut numbers, 4), Some(ReceiptId(14)));
        let mut asked = [None; 3];
        for asked in &mut asked {
            *asked = numbers.reserve(4).map(|below| *below.get());
            numbers.take();
        }
        assert_eq!(asked, [None, None, Some(ReceiptId(18))], "with 4, 3 and 2 left");
    }

    #[test]
    fn no_number_is_used_before_it_is_reserved() {
        let mut numbers = ReceiptNumbers::new(ReceiptId(1));
        assert_eq!(numbers.take(), None);
        assert_eq!(numbers.reserve(2).map(|below| *below.get()), Some(ReceiptId(3)));
        assert!(numbers.reserve(2).is_none(), "one request at a time");
        assert_eq!(numbers.take(), None, "asked for, and not durable");
        numbers.not_reserved();
        assert_eq!(reserve(&mut numbers, 2), Some(ReceiptId(3)));
        assert_eq!(numbers.take(), Some(ReceiptId(1)));
        assert_eq!(numbers.is_consistent(), Ok(()));
    }
}
