//! Acknowledgements by a mailbox's owner.

use alloc::vec::Vec;

use crate::frame::Verified;
use crate::ids::{MessageId, UserId};
use crate::wire::{ItemId, ItemKind, Packet};

/// A recipient's statement that it has taken items.
#[derive(Debug)]
pub(in crate::server) enum Acknowledgement {
    /// Messages of one sender, each once, with the receipt that goes to it. The receipt names
    /// `named` messages, some of them perhaps twice.
    Messages { items: Vec<ItemId>, named: usize, receipt: Verified<Packet>, sender: UserId },
    /// Receipts.
    Receipts(Vec<ItemId>),
}

/// What an acknowledgement released.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::server) struct Released {
    /// Count of items that were held in memory alone; they are gone.
    pub(in crate::server) from_memory: usize,
    /// Items that are to be deleted from the store; they count as settling from now.
    pub(in crate::server) stored: Vec<ItemId>,
}

impl Acknowledgement {
    /// The messages of `sender` that a receipt names.
    pub(in crate::server) fn of_messages(
        sender: UserId,
        message_ids: &[MessageId],
        receipt: Verified<Packet>,
    ) -> Self {
        let item = |id: &MessageId| ItemId { kind: ItemKind::Message, origin: sender, id: id.0 };
        let mut items: Vec<_> = message_ids.iter().map(item).collect();
        items.sort_unstable();
        items.dedup();
        Self::Messages { items, named: message_ids.len(), receipt, sender }
    }

    pub(super) fn items(&self) -> &[ItemId] {
        match self {
            Self::Messages { items, .. } | Self::Receipts(items) => items,
        }
    }

    /// Forgets what is not awaited, and repetitions. A receipt for messages goes on as a whole, and
    /// names no more of these than of others.
    pub(super) fn keep_awaited(&mut self, awaits: impl Fn(&ItemId) -> bool) {
        match self {
            Self::Messages { .. } => {}
            Self::Receipts(items) => {
                items.retain(awaits);
                items.sort_unstable();
                items.dedup();
                items.shrink_to_fit();
            }
        }
    }

    /// Whether its packet may go on: a receipt has to name at least as many awaited messages as
    /// others, so that it can't be used to send or store anything else. A message that is named
    /// twice counts once as awaited, and once as other. *Taken* acknowledgements go nowhere.
    pub(super) fn is_worth_forwarding(&self, awaits: impl Fn(&ItemId) -> bool) -> bool {
        match self {
            // The usual receipt for one message: what is released decides.
            Self::Messages { named: 1, .. } | Self::Receipts(_) => true,
            Self::Messages { items, named, .. } => {
                let awaited = items.iter().filter(|item| awaits(item)).count();
                awaited >= named - awaited
            }
        }
    }
}
