//! How much a mailbox may hold, and how much it does.

use std::fmt;

use sealpost_core::wire::ItemKind;

/// The most that one mailbox takes. Receipts don't count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Messages.
    pub messages: u64,
    /// Bytes of their packets.
    pub bytes: u64,
}

impl Default for Quota {
    /// 10,000 messages and 64 MiB: an absent reader costs a disk no more than a photo album.
    fn default() -> Self {
        Self { messages: 10_000, bytes: 64 << 20 }
    }
}

/// What one mailbox holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Messages.
    pub messages: u64,
    /// Receipts.
    pub receipts: u64,
    /// Bytes of the messages' packets.
    pub bytes: u64,
}

impl Usage {
    /// Messages and receipts.
    pub const fn items(self) -> u64 {
        self.messages.saturating_add(self.receipts)
    }

    /// Whether one more item with a packet of `len` bytes is taken.
    pub(crate) const fn admits(self, quota: Quota, kind: ItemKind, len: u64) -> bool {
        match kind {
            ItemKind::Receipt => true,
            ItemKind::Message => {
                self.messages < quota.messages && self.bytes.saturating_add(len) <= quota.bytes
            }
        }
    }

    /// Counts an item with a packet of `len` bytes in.
    pub(crate) const fn add(&mut self, kind: ItemKind, len: u64) {
        match kind {
            ItemKind::Receipt => self.receipts = self.receipts.saturating_add(1),
            ItemKind::Message => {
                self.messages = self.messages.saturating_add(1);
                self.bytes = self.bytes.saturating_add(len);
            }
        }
    }

    /// Counts an item with a packet of `len` bytes out.
    pub(crate) const fn remove(&mut self, kind: ItemKind, len: u64) {
        match kind {
            ItemKind::Receipt => self.receipts = self.receipts.saturating_sub(1),
            ItemKind::Message => {
                self.messages = self.messages.saturating_sub(1);
                self.bytes = self.bytes.saturating_sub(len);
            }
        }
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
    fn usage_reads_as_a_phrase() {
        let usage = Usage { messages: 2, receipts: 1, bytes: 604 };
        assert_eq!(usage.to_string(), "2 messages (604 bytes) and 1 receipts");
    }
}
