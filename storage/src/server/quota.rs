//! How much a mailbox may hold.

use sealpost_core::wire::ItemKind;

use super::usage::Usage;

/// Capacity of one mailbox. Receipts do not count towards it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Maximum number of messages.
    pub messages: u64,
    /// Maximum size of their packets, in bytes.
    pub bytes: u64,
}

impl Default for Quota {
    /// 10,000 messages and 64 MiB: an absent recipient takes no more disk than a photo album.
    fn default() -> Self {
        Self { messages: 10_000, bytes: 64 << 20 }
    }
}

impl Quota {
    /// Whether a mailbox with this usage has room for an item whose packet is `len` bytes long.
    ///
    /// A receipt always fits: refusing it would keep messages that were delivered in the mailbox
    /// of the user who acknowledged them.
    pub(super) const fn admits(self, usage: Usage, kind: ItemKind, len: u64) -> bool {
        match kind {
            ItemKind::Receipt => true,
            ItemKind::Message => {
                usage.messages < self.messages && usage.bytes.saturating_add(len) <= self.bytes
            }
        }
    }
}
