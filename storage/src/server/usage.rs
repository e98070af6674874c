//! How much a mailbox holds.

use std::fmt;

use sealpost_core::wire::ItemKind;

/// Counters of one mailbox, or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Number of messages.
    pub messages: u64,
    /// Number of receipts.
    pub receipts: u64,
    /// Size of the messages' packets, in bytes. Those of receipts are not counted.
    pub bytes: u64,
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

    /// Counts in an item whose packet is `len` bytes long. Saturates, because no disk holds 2^64
    /// of anything.
    pub(super) const fn add(&mut self, kind: ItemKind, len: u64) {
        match kind {
            ItemKind::Receipt => self.receipts = self.receipts.saturating_add(1),
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
        let (messages, receipts, bytes) = match kind {
            ItemKind::Receipt => (0, 1, 0),
            ItemKind::Message => (1, 0, len),
        };
        let Self { messages: m, receipts: r, bytes: b } = *self;
        *self = Self {
            messages: m.checked_sub(messages).ok_or(NotCounted)?,
            receipts: r.checked_sub(receipts).ok_or(NotCounted)?,
            bytes: b.checked_sub(bytes).ok_or(NotCounted)?,
        };
        Ok(())
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { messages, receipts, bytes } = self;
        write!(f, "{messages} messages ({bytes} bytes) and {receipts} receipts")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_displayed_as_a_phrase() {
        let usage = Usage { messages: 2, receipts: 1, bytes: 604 };
        assert_eq!(usage.to_string(), "2 messages (604 bytes) and 1 receipts");
    }

    #[test]
    fn item_is_counted_out_once() {
        let mut usage = Usage::default();
        usage.add(ItemKind::Message, 300);
        usage.add(ItemKind::Receipt, 290);
        assert_eq!(usage, Usage { messages: 1, receipts: 1, bytes: 300 });
        let before = usage;
        assert_eq!(usage.remove(ItemKind::Message, 301), Err(NotCounted));
        assert_eq!(usage, before, "a failure changes nothing");
        for kind in [ItemKind::Message, ItemKind::Receipt] {
            assert_eq!(usage.remove(kind, 300), Ok(()));
            assert_eq!(usage.remove(kind, 0), Err(NotCounted));
        }
        assert_eq!(usage, Usage::default());
    }
}
