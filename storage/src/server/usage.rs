//! How much a mailbox holds.

use std::fmt;

use sealpost_core::server::store::Waiting;
use sealpost_core::wire::ItemKind;

/// Counters of one mailbox, or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Number of messages.
    pub messages: u64,
    /// Number of receipts.
    pub receipts: u64,
    /// Size of the messages' packets, in bytes.
    pub bytes: u64,
    /// Size of the receipts' packets, in bytes.
    pub receipt_bytes: u64,
}

/// An item was subtracted that had not been added: it was removed twice, or the counters are
/// damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotCounted;

impl Usage {
    /// Number of messages and receipts.
    pub const fn items(self) -> u64 {
        self.messages.saturating_add(self.receipts)
    }

    /// Size of all packets, in bytes.
    pub const fn all_bytes(self) -> u64 {
        self.bytes.saturating_add(self.receipt_bytes)
    }

    /// Adds the counters of another mailbox.
    #[cfg(feature = "jetstream")]
    pub(super) const fn add_all(&mut self, other: Self) {
        self.messages = self.messages.saturating_add(other.messages);
        self.receipts = self.receipts.saturating_add(other.receipts);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.receipt_bytes = self.receipt_bytes.saturating_add(other.receipt_bytes);
    }

    /// What a user is told to wait, besides this many undeliverable messages.
    pub(super) fn waiting(self, undeliverable: u64) -> Waiting {
        let count = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        Waiting {
            items: count(self.items()),
            receipt_bytes: self.receipt_bytes,
            undeliverable: count(undeliverable),
        }
    }

    /// Counts in an item whose packet is `len` bytes long. Saturates, because no disk holds 2^64
    /// of anything.
    pub(super) const fn add(&mut self, kind: ItemKind, len: u64) {
        match kind {
            ItemKind::Receipt => {
                self.receipts = self.receipts.saturating_add(1);
                self.receipt_bytes = self.receipt_bytes.saturating_add(len);
            }
            ItemKind::Message => {
                self.messages = self.messages.saturating_add(1);
                self.bytes = self.bytes.saturating_add(len);
            }
        }
    }

    /// Counts out an item whose packet is `len` bytes long. Changes nothing if it fails.
    ///
    /// Does not saturate: an item that is removed twice would otherwise make room for messages
    /// beyond the quota, and nobody would notice.
    pub(super) fn remove(&mut self, kind: ItemKind, len: u64) -> Result<(), NotCounted> {
        let mut left = *self;
        let (items, bytes) = match kind {
            ItemKind::Receipt => (&mut left.receipts, &mut left.receipt_bytes),
            ItemKind::Message => (&mut left.messages, &mut left.bytes),
        };
        *items = items.checked_sub(1).ok_or(NotCounted)?;
        *bytes = bytes.checked_sub(len).ok_or(NotCounted)?;
        *self = left;
        Ok(())
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { messages, receipts, bytes, receipt_bytes } = self;
        write!(
            f,
            "{messages} messages ({bytes} bytes) and {receipts} receipts ({receipt_bytes} bytes)"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_displayed_as_a_phrase() {
        let usage = Usage { messages: 2, receipts: 1, bytes: 604, receipt_bytes: 301 };
        assert_eq!(usage.to_string(), "2 messages (604 bytes) and 1 receipts (301 bytes)");
    }

    #[test]
    fn item_is_counted_out_once() {
        let mut usage = Usage::default();
        usage.add(ItemKind::Message, 300);
        usage.add(ItemKind::Receipt, 290);
        let counted = Usage { messages: 1, receipts: 1, bytes: 300, receipt_bytes: 290 };
        assert_eq!((usage, usage.all_bytes()), (counted, 590));
        assert_eq!(usage.remove(ItemKind::Message, 301), Err(NotCounted));
        assert_eq!(usage.remove(ItemKind::Receipt, 291), Err(NotCounted));
        assert_eq!(usage, counted, "a failure changes nothing");
        for (kind, len) in [(ItemKind::Message, 300), (ItemKind::Receipt, 290)] {
            assert_eq!(usage.remove(kind, len), Ok(()));
            assert_eq!(usage.remove(kind, 0), Err(NotCounted));
        }
        assert_eq!(usage, Usage::default());
    }
}
