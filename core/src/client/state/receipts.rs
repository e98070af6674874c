//! Receipts, both ways: those that we owe for messages, and those that we have taken
//! (PROTOCOL 6.1).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::ids::{MessageId, ReceiptId, UserId};
use crate::wire::Receipt;

/// The receipts of one session. What is lost with it, the server asks for again: it repeats what
/// was not acknowledged.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    /// Messages that are durable here and for which we have not signed.
    owed: BTreeMap<UserId, Vec<MessageId>>,
    /// Senders for whom a receipt is being signed.
    signing: BTreeSet<UserId>,
    /// Receipts of others that are durable here, and of which the server was not told.
    taken: Vec<(UserId, ReceiptId)>,
    /// A packet that tells of some is being made.
    telling: Telling,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Telling {
    #[default]
    Idle,
    Sealing,
}

/// Numbers for receipts: used once, even if the process dies, because they are reserved durably in
/// blocks.
#[derive(Debug)]
pub(super) struct ReceiptNumbers {
    next: ReceiptId,
    reserved_below: ReceiptId,
    asked_below: ReceiptId,
}

impl Receipts {
    /// A message is durable, or was before: its sender is owed a receipt.
    pub(super) fn owe(&mut self, sender: UserId, id: MessageId) {
        self.owed.entry(sender).or_default().push(id);
    }

    /// The next sender to sign for, if fewer than `signing_limit` are being signed for, with at most
    /// `item_limit` messages.
    pub(super) fn next_to_sign(
        &mut self,
        signing_limit: usize,
        item_limit: usize,
        numbers: &mut ReceiptNumbers,
    ) -> Option<(UserId, Receipt)> {
        if self.signing.len() >= signing_limit {
            return None;
        }
        let sender = *self.owed.keys().find(|sender| !self.signing.contains(sender))?;
        let receipt_id = numbers.take()?;
        let mut message_ids = self.owed.remove(&sender)?;
        let limit = item_limit.clamp(1, Receipt::MAX_ITEMS);
        if message_ids.len() > limit {
            let rest = message_ids.split_off(limit);
            self.owed.insert(sender, rest);
        }
        self.signing.insert(sender);
        Some((sender, Receipt { receipt_id, message_ids }))
    }

    /// A receipt for this sender is signed.
    pub(super) fn signed(&mut self, sender: UserId) {
        self.signing.remove(&sender);
    }

    /// A receipt of somebody else's is dealt with: the server may forget it.
    pub(super) fn take(&mut self, reader: UserId, id: ReceiptId) {
        self.taken.push((reader, id));
    }

    /// How many the server was not told of.
    pub(super) const fn taken(&self) -> usize {
        self.taken.len()
    }

    /// What to tell the server of, unless it is being told of some.
    pub(super) fn tell(&mut self, limit: usize) -> Vec<(UserId, ReceiptId)> {
        if self.telling == Telling::Sealing || self.taken.is_empty() {
            return Vec::new();
        }
        self.telling = Telling::Sealing;
        self.taken.drain(..limit.min(self.taken.len())).collect()
    }

    /// The server was told.
    pub(super) const fn told(&mut self) {
        self.telling = Telling::Idle;
    }

    /// Nothing is owed, and nothing untold.
    pub(super) fn is_idle(&self) -> bool {
        self.owed.is_empty()
            && self.signing.is_empty()
            && self.taken.is_empty()
            && self.telling == Telling::Idle
    }
}

impl ReceiptNumbers {
    pub(super) const fn new(next: ReceiptId) -> Self {
        Self { next, reserved_below: next, asked_below: next }
    }

    /// What the store should be asked to reserve: another block, when half of one is left.
    pub(super) fn reserve(&mut self, block: u64) -> Option<ReceiptId> {
        let left = self.reserved_below.0.saturating_sub(self.next.0);
        if self.asked_below != self.reserved_below || left > block / 2 {
            return None;
        }
        self.asked_below = ReceiptId(self.reserved_below.0.saturating_add(block));
        Some(self.asked_below)
    }

    /// The store has reserved what it was asked for.
    pub(super) const fn reserved(&mut self) {
        self.reserved_below = self.asked_below;
    }

    /// The store has not: ask again.
    pub(super) const fn not_reserved(&mut self) {
        self.asked_below = self.reserved_below;
    }

    /// The next number; `None` until more are reserved.
    fn take(&mut self) -> Option<ReceiptId> {
        if self.next >= self.reserved_below {
            return None;
        }
        let taken = self.next;
        self.next = ReceiptId(taken.0.saturating_add(1));
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn user(id: u64) -> UserId {
        UserId::new(id).unwrap()
    }

    fn numbers() -> ReceiptNumbers {
        let mut numbers = ReceiptNumbers::new(ReceiptId(10));
        assert_eq!(numbers.reserve(4), Some(ReceiptId(14)));
        numbers.reserved();
        numbers
    }

    #[test]
    fn while_one_is_signed_the_next_wait_and_go_together() {
        let (mut receipts, mut numbers) = (Receipts::default(), numbers());
        receipts.owe(user(1), MessageId(1));
        let (sender, first) = receipts.next_to_sign(4, 9, &mut numbers).unwrap();
        assert_eq!((sender, first.message_ids), (user(1), [MessageId(1)].into()));
        receipts.owe(user(1), MessageId(2));
        receipts.owe(user(1), MessageId(3));
        assert_eq!(receipts.next_to_sign(4, 9, &mut numbers), None);
        receipts.signed(user(1));
        let (_, second) = receipts.next_to_sign(4, 9, &mut numbers).unwrap();
        assert_eq!(second.message_ids, [MessageId(2), MessageId(3)]);
        assert_eq!((first.receipt_id, second.receipt_id), (ReceiptId(10), ReceiptId(11)));
    }

    #[test]
    fn a_receipt_for_too_many_is_divided_and_none_is_empty() {
        for (owed, expected) in [(1, vec![1]), (2, vec![2]), (3, vec![2, 1])] {
            let (mut receipts, mut numbers) = (Receipts::default(), numbers());
            (1..=owed).for_each(|id| receipts.owe(user(1), MessageId(id)));
            let mut lens = Vec::new();
            while let Some((sender, receipt)) = receipts.next_to_sign(4, 2, &mut numbers) {
                lens.push(receipt.message_ids.len());
                receipts.signed(sender);
            }
            assert_eq!(lens, expected);
            assert!(receipts.is_idle());
        }
    }

    #[test]
    fn more_numbers_are_reserved_when_half_of_them_are_used() {
        let mut numbers = numbers();
        let mut asked = Vec::new();
        for _ in 0..3 {
            asked.push(numbers.reserve(4));
            numbers.take();
        }
        assert_eq!(asked, [None, None, Some(ReceiptId(18))], "with 4, 3 and 2 left");
    }

    #[test]
    fn no_number_is_used_before_it_is_reserved() {
        let (mut receipts, mut numbers) = (Receipts::default(), ReceiptNumbers::new(ReceiptId(1)));
        receipts.owe(user(1), MessageId(1));
        assert_eq!(receipts.next_to_sign(4, 9, &mut numbers), None);
        assert_eq!(numbers.reserve(2), Some(ReceiptId(3)));
        assert_eq!(numbers.reserve(2), None, "one request at a time");
        numbers.not_reserved();
        assert_eq!(numbers.reserve(2), Some(ReceiptId(3)));
        numbers.reserved();
        let (_, receipt) = receipts.next_to_sign(4, 9, &mut numbers).unwrap();
        assert_eq!(receipt.receipt_id, ReceiptId(1));
    }
}
