//! Packets between one sender and an absent recipient, signed before the measurement. Each packet
//! is sent once.

use bytes::Bytes;
use sealpost_programs::Failure;

use crate::clients::ring::content;
use crate::clients::user::User;

/// Messages of one sender to one recipient, with the receipts and their acknowledgements.
pub(crate) struct SignedPackets {
    pub(crate) messages: Vec<Bytes>,
    /// Receipts for `batch` messages each; the last one covers the rest.
    pub(crate) receipts: Vec<Bytes>,
    /// Acknowledgements of `GROUP` receipts each; the last one covers the rest.
    pub(crate) taken: Vec<Bytes>,
    batch: usize,
}

impl SignedPackets {
    /// Seals and signs all packets.
    pub(crate) fn sign(
        count: u64,
        size: usize,
        batch: u64,
        sender: &mut User,
        recipient: &mut User,
    ) -> Result<Self, Failure> {
        let message = |number: u64| {
            let previous = (number > 1).then(|| number - 1);
            let content = content(number, size);
            sender.message(recipient.id, recipient.public_key(), number, previous, content)
        };
        let messages = (1..=count).map(message).collect::<Result<_, _>>()?;
        let receipt = |(index, numbers)| recipient.receipt(sender.id, index, numbers);
        let receipts = chunks(count, batch).map(receipt).collect::<Result<Vec<_>, _>>()?;
        let taken = |(_, numbers)| sender.taken(recipient.id, numbers);
        let taken =
            chunks(receipts.len() as u64, GROUP as u64).map(taken).collect::<Result<_, _>>()?;
        Ok(Self { messages, receipts, taken, batch: usize::try_from(batch)? })
    }

    /// The receipt that is due when `arrived` messages have arrived, if one is.
    pub(crate) fn receipt_after(&self, arrived: usize) -> Option<&Bytes> {
        due(&self.receipts, arrived, self.batch, self.messages.len())
    }

    /// The acknowledgement that is due when `receipts` receipts have arrived, if one is.
    pub(crate) fn taken_after(&self, receipts: usize) -> Option<&Bytes> {
        due(&self.taken, receipts, GROUP, self.receipts.len())
    }
}

/// The packet for the stretch of `len` items that ends with item `count` of `all`.
fn due(packets: &[Bytes], count: usize, len: usize, all: usize) -> Option<&Bytes> {
    let ends = count == all || count.is_multiple_of(len);
    packets.get(count.div_ceil(len).checked_sub(1)?).filter(|_| ends)
}

/// Divides the numbers 1 to `count` into stretches of `len`. Stretches are numbered from 1.
fn chunks(count: u64, len: u64) -> impl Iterator<Item = (u64, std::ops::RangeInclusive<u64>)> {
    (0..count.div_ceil(len)).map(move |n| (n + 1, n * len + 1..=((n + 1) * len).min(count)))
}

/// Receipts that one packet acknowledges.
const GROUP: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_cover_every_number_once_and_the_last_is_the_rest() {
        let all: Vec<_> = chunks(10, 4).collect();
        assert_eq!(all, [(1, 1..=4), (2, 5..=8), (3, 9..=10)]);
        assert_eq!(chunks(8, 4).count(), 2);
        assert_eq!(chunks(0, 4).count(), 0);
    }

    #[test]
    fn packet_is_due_at_the_end_of_its_stretch_and_at_the_end_of_all() {
        let packets: Vec<_> = (0..2).map(|n| Bytes::from(vec![n])).collect();
        let due: Vec<_> = (0..=6).filter_map(|n| Some((n, due(&packets, n, 4, 6)?[0]))).collect();
        assert_eq!(due, [(4, 0), (6, 1)]);
    }
}
