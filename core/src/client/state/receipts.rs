//! Receipts of one session, both ways: those that we owe for messages, and those that we have taken
//! (PROTOCOL 6.1).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::peer_packet::{ForgedReceipt, TakenReceipt};
use super::receipt_numbers::ReceiptNumbers;
use crate::client::store::IncomingMessage;
use crate::frame::Durable;
use crate::ids::{MessageId, ReceiptId, UserId};
use crate::wire::{Receipt, ReceiptsTaken};

/// What is lost with the session, the server asks for again: it repeats what was not acknowledged.
#[derive(Debug, Default)]
pub(in crate::client) struct Receipts {
    /// Messages that are durable here and not signed for yet, by sender, once each: the server drops
    /// a receipt that names more ids than it awaits. No entry is empty.
    owed: BTreeMap<UserId, BTreeSet<MessageId>>,
    /// Senders for whom a receipt is being signed.
    signing: BTreeSet<UserId>,
    /// Receipts of others that the server may forget, and was not told of yet.
    taken: Vec<(UserId, ReceiptId)>,
    telling: Telling,
}

/// Whether a packet that tells the server of receipts taken is being made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Telling {
    #[default]
    Idle,
    Sealing,
}

impl Receipts {
    /// A message is durable here, now or since an earlier time: its sender is owed a receipt. A
    /// repeat is signed for again, because the sender repeats it only if the receipt was lost.
    pub(in crate::client) fn owe(&mut self, message: &Durable<IncomingMessage>) {
        let message = message.get();
        self.owed.entry(message.sender).or_default().insert(message.id);
    }

    /// The next sender to sign for, with at most `item_limit` messages, if fewer than
    /// `signing_limit` are being signed for.
    pub(in crate::client) fn next_to_sign(
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
        let owed = self.owed.get_mut(&sender)?;
        let message_ids = core::iter::from_fn(|| owed.pop_first()).take(item_limit).collect();
        if owed.is_empty() {
            self.owed.remove(&sender);
        }
        self.signing.insert(sender);
        Some((sender, Receipt { receipt_id, message_ids }))
    }

    /// A receipt for this sender is signed.
    pub(in crate::client) fn signed(&mut self, sender: UserId) {
        self.signing.remove(&sender);
    }

    /// What a receipt says is durable here, so the server may forget the receipt. If the server
    /// were told earlier, a crash could lose the receipt for good.
    pub(in crate::client) fn take(&mut self, receipt: &Durable<TakenReceipt>) {
        let receipt = receipt.get();
        self.taken.push((receipt.recipient(), receipt.id()));
    }

    /// A receipt is forged and was brought again. It records nothing; the server is to forget it
    /// all the same, or it would bring it in every session.
    pub(in crate::client) fn dismiss(&mut self, receipt: ForgedReceipt) {
        self.taken.push((receipt.recipient, receipt.id));
    }

    /// Count of receipts that the server was not told of.
    pub(in crate::client) const fn untold(&self) -> usize {
        self.taken.len()
    }

    /// What to tell the server, unless it is being told of others or there is nothing. One packet
    /// at a time, so that what is taken meanwhile shares the next one.
    pub(in crate::client) fn next_to_tell(&mut self) -> Option<ReceiptsTaken> {
        if self.telling == Telling::Sealing || self.taken.is_empty() {
            return None;
        }
        self.telling = Telling::Sealing;
        let count = self.taken.len().min(ReceiptsTaken::MAX_ITEMS);
        Some(ReceiptsTaken { items: self.taken.drain(..count).collect() })
    }

    /// The server was told.
    pub(in crate::client) const fn told(&mut self) {
        self.telling = Telling::Idle;
    }

    /// Whether no receipt is owed, and the server knows of all that were taken.
    pub(in crate::client) fn is_idle(&self) -> bool {
        self.owed.is_empty()
            && self.signing.is_empty()
            && self.taken.is_empty()
            && self.telling == Telling::Idle
    }

    pub(in crate::client) fn is_consistent(&self) -> Result<(), &'static str> {
        if self.owed.values().any(BTreeSet::is_empty) {
            return Err("a sender is owed a receipt for no message");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::store::{ReceivedContent, Trust};
    use crate::keys::Fingerprint;
    use crate::time::Timestamp;
    use crate::wire::RequestHash;
    use alloc::vec;

    fn user(id: u64) -> UserId {
        UserId::new(id).unwrap()
    }

    fn message(sender: u64, id: u64) -> Durable<IncomingMessage> {
        Durable::assumed(IncomingMessage {
            sender: user(sender),
            phone: "+4915112345678".parse().unwrap(),
            signed_by: Fingerprint([1; 32]),
            id: MessageId(id),
            packet_hash: RequestHash([0; 32]),
            previous: None,
            sent_at: Timestamp::from_unix_secs(0),
            received_at: Timestamp::from_unix_secs(0),
            content: ReceivedContent::Undecryptable,
            trust: Trust::FirstUse,
        })
    }

    /// From 10 on.
    fn numbers() -> ReceiptNumbers {
        let mut numbers = ReceiptNumbers::new(ReceiptId(10));
        numbers.reserved(&Durable::assumed(ReceiptId(14)));
        numbers
    }

    #[test]
    fn while_one_is_signed_the_next_wait_and_go_together() {
        let (mut receipts, mut numbers) = (Receipts::default(), numbers());
        receipts.owe(&message(1, 1));
        let (sender, first) = receipts.next_to_sign(4, 9, &mut numbers).unwrap();
        assert_eq!((sender, first.message_ids), (user(1), [MessageId(1)].into()));
        receipts.owe(&message(1, 2));
        receipts.owe(&message(1, 3));
        assert_eq!(receipts.next_to_sign(4, 9, &mut numbers), None);
        receipts.signed(user(1));
        let (_, second) = receipts.next_to_sign(4, 9, &mut numbers).unwrap();
        assert_eq!(second.message_ids, [MessageId(2), MessageId(3)]);
        assert_eq!((first.receipt_id, second.receipt_id), (ReceiptId(10), ReceiptId(11)));
    }

    #[test]
    fn a_message_that_came_twice_is_named_once() {
        let (mut receipts, mut numbers) = (Receipts::default(), numbers());
        for id in [7, 7, 5, 7] {
            receipts.owe(&message(1, id));
        }
        let (_, receipt) = receipts.next_to_sign(4, 9, &mut numbers).unwrap();
        assert_eq!(receipt.message_ids, [MessageId(5), MessageId(7)]);
        assert!(receipts.next_to_sign(4, 9, &mut numbers).is_none());
    }

    #[test]
    fn a_receipt_for_too_many_is_divided_and_none_is_empty() {
        for (owed, expected) in [(1, vec![1]), (2, vec![2]), (3, vec![2, 1])] {
            let (mut receipts, mut numbers) = (Receipts::default(), numbers());
            (1..=owed).for_each(|id| receipts.owe(&message(1, id)));
            let mut lens = Vec::new();
            while let Some((sender, receipt)) = receipts.next_to_sign(4, 2, &mut numbers) {
                assert_eq!(receipts.is_consistent(), Ok(()));
                lens.push(receipt.message_ids.len());
                receipts.signed(sender);
            }
            assert_eq!(lens, expected);
            assert!(receipts.is_idle());
        }
    }

    #[test]
    fn without_a_reserved_number_nothing_is_signed_and_nothing_is_lost() {
        let (mut receipts, mut numbers) = (Receipts::default(), ReceiptNumbers::new(ReceiptId(1)));
        receipts.owe(&message(1, 1));
        assert_eq!(receipts.next_to_sign(4, 9, &mut numbers), None);
        numbers.reserved(&Durable::assumed(ReceiptId(3)));
        let (_, receipt) = receipts.next_to_sign(4, 9, &mut numbers).unwrap();
        assert_eq!((receipt.receipt_id, receipt.message_ids), (ReceiptId(1), vec![MessageId(1)]));
    }
}
