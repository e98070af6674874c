//! Packets of one pair, signed before the measurement and sent in a circle: messages, receipts for
//! them, and acknowledgements of the receipts.
//!
//! The server remembers neither a message that was receipted nor a receipt that was acknowledged,
//! so both can be sent again. They cost the server the same each time.

use bytes::Bytes;
use sealpost_programs::Failure;

use crate::clients::user::User;

/// How a ring is divided. Messages are counted from 0 without end, and each has a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Messages in the ring.
    slots: u64,
    /// Messages in a receipt.
    batch: u64,
    /// Receipts in an acknowledgement of receipts.
    group: u64,
    /// Most messages under way, which means sent and not receipted.
    window: u64,
}

impl Shape {
    /// The smallest ring that never makes a sender with this window wait.
    pub(crate) fn new(window: u64, batch: u64, group: u64) -> Result<Self, Failure> {
        if batch == 0 || group == 0 || window < batch {
            return Err(Failure::usage("a window must hold at least the messages of one receipt"));
        }
        let slots = (window + batch * group).next_multiple_of(batch * group);
        Ok(Self { slots, batch, group, window })
    }

    pub(crate) const fn slots(self) -> u64 {
        self.slots
    }

    pub(crate) const fn batch(self) -> u64 {
        self.batch
    }

    /// The number of messages that may be sent after the first `sent`, of which `receipted` are
    /// receipted.
    pub(crate) fn room(self, sent: u64, receipted: u64) -> u64 {
        // A slot is free again when its receipt is acknowledged.
        let taken = self.round_down(receipted);
        (receipted + self.window).min(taken + self.slots).saturating_sub(sent)
    }

    /// The next number of messages at which all are receipted and all receipts are acknowledged.
    pub(crate) fn round_up(self, sent: u64) -> u64 {
        sent.next_multiple_of(self.batch * self.group)
    }

    fn round_down(self, receipted: u64) -> u64 {
        receipted - receipted % (self.batch * self.group)
    }

    /// The slot of message `count`.
    pub(crate) fn slot(self, count: u64) -> usize {
        index(count % self.slots)
    }

    /// Index of the receipt that is due when `arrived` messages have arrived.
    fn receipt(self, arrived: u64) -> Option<usize> {
        let chunk = arrived.checked_sub(1)? % self.slots / self.batch;
        arrived.is_multiple_of(self.batch).then(|| index(chunk))
    }

    /// Index of the acknowledgement of receipts that is due when `receipted` messages are
    /// receipted.
    fn taken(self, receipted: u64) -> Option<usize> {
        let several = self.batch * self.group;
        let chunk = receipted.checked_sub(1)? % self.slots / several;
        receipted.is_multiple_of(several).then(|| index(chunk))
    }
}

/// The packets of one sender to one recipient, and back.
pub(crate) struct Ring {
    shape: Shape,
    /// All messages, one after the other. They have the same length.
    messages: Vec<u8>,
    message_len: usize,
    receipts: Vec<Bytes>,
    taken: Vec<Bytes>,
}

impl Ring {
    /// Seals and signs all packets. Messages have `size` bytes of content.
    pub(crate) fn sign(
        shape: Shape,
        size: usize,
        sender: &mut User,
        recipient: &mut User,
    ) -> Result<Self, Failure> {
        let Shape { slots, batch, group, window: _ } = shape;
        let (mut messages, mut message_len) = (Vec::new(), 0);
        for number in 1..=slots {
            let previous = (number > 1).then(|| number - 1);
            let message = sender.message(
                recipient.id,
                recipient.public_key(),
                number,
                previous,
                content(number, size),
            )?;
            message_len = message.len();
            messages.extend_from_slice(&message);
        }
        let receipt = |n| recipient.receipt(sender.id, n + 1, n * batch + 1..=(n + 1) * batch);
        let receipts = (0..slots / batch).map(receipt).collect::<Result<_, _>>()?;
        let taken = |n| sender.taken(recipient.id, n * group + 1..=(n + 1) * group);
        let taken = (0..slots / batch / group).map(taken).collect::<Result<_, _>>()?;
        Ok(Self { shape, messages, message_len, receipts, taken })
    }

    pub(crate) const fn shape(&self) -> Shape {
        self.shape
    }

    /// Size of one message's packet.
    pub(crate) const fn message_len(&self) -> usize {
        self.message_len
    }

    /// Message `count`.
    pub(crate) fn message(&self, count: u64) -> &[u8] {
        let at = self.shape.slot(count) * self.message_len;
        self.messages.get(at..at + self.message_len).unwrap_or_default()
    }

    /// The receipt that is due when `arrived` messages have arrived.
    pub(crate) fn receipt(&self, arrived: u64) -> Option<&Bytes> {
        self.receipts.get(self.shape.receipt(arrived)?)
    }

    /// The acknowledgement of receipts that is due when `receipted` messages are receipted.
    pub(crate) fn taken(&self, receipted: u64) -> Option<&Bytes> {
        self.taken.get(self.shape.taken(receipted)?)
    }
}

/// The content of message `number`, different for each number.
pub(crate) fn content(number: u64, size: usize) -> Vec<u8> {
    number.to_le_bytes().into_iter().cycle().take(size).collect()
}

fn index(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_holds_a_window_beside_what_is_not_taken_yet() {
        let shape = Shape::new(64, 32, 4).unwrap();
        assert_eq!(shape.slots(), 256);
        assert_eq!(Shape::new(128, 32, 4).unwrap().slots(), 256);
        assert!(Shape::new(31, 32, 4).is_err());
    }

    #[test]
    fn room_ends_at_the_window_and_at_slots_whose_receipts_are_not_taken() {
        let shape = Shape::new(64, 32, 4).unwrap();
        assert_eq!(shape.room(0, 0), 64);
        assert_eq!(shape.room(64, 0), 0);
        assert_eq!(shape.room(64, 32), 32);
        let tight = Shape { slots: 128, ..shape };
        assert_eq!(tight.room(128, 96), 0);
        assert_eq!(tight.room(128, 128), 64);
    }

    #[test]
    fn no_slot_is_used_again_before_its_receipt_is_taken() {
        for (window, batch, group) in [(1, 1, 1), (3, 2, 2), (64, 32, 4), (65, 32, 3)] {
            let shape = Shape::new(window, batch, group).unwrap();
            // The slowest recipient: it sends a receipt only when nothing more can be sent.
            let (mut sent, mut receipted) = (0, 0);
            while sent < 10 * shape.slots() {
                sent += shape.room(sent, receipted);
                assert!(sent <= shape.round_down(receipted) + shape.slots());
                assert!(sent - receipted >= batch, "the sender is held up");
                receipted += batch;
            }
        }
    }

    #[test]
    fn receipts_and_what_takes_them_go_round() {
        let shape = Shape::new(2, 2, 2).unwrap();
        assert_eq!(shape.slots(), 8);
        let receipts: Vec<_> = (0..=10).map(|arrived| shape.receipt(arrived)).collect();
        let (none, some) = (None, Some);
        assert_eq!(
            receipts,
            [none, none, some(0), none, some(1), none, some(2), none, some(3), none, some(0)]
        );
        let taken: Vec<_> = (0..=12).filter_map(|n| Some((n, shape.taken(n)?))).collect();
        assert_eq!(taken, [(4, 0), (8, 1), (12, 0)]);
        assert_eq!((shape.slot(7), shape.slot(8), shape.round_up(5)), (7, 0, 8));
    }
}
