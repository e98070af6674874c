//! Ids of the items that a mailbox holds.

use super::{Op, Packet};
use crate::ids::UserId;

/// Kind of an item in a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ItemKind {
    /// A message (102).
    Message,
    /// A recipient's receipt (203).
    Receipt,
}

/// Id of an item in a mailbox: its kind, its author, and the number that the author gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ItemId {
    /// Whether the item is a message or a receipt.
    pub kind: ItemKind,
    /// Author of the item: the sender of the message, or the recipient who signed the receipt.
    pub origin: UserId,
    /// The `message_id` or `receipt_id`.
    pub id: u64,
}

impl ItemId {
    /// Returns the item id of a message or receipt. `None` for any other packet, and for one
    /// without a sender.
    pub fn of(packet: &Packet) -> Option<Self> {
        let kind = if packet.op() == Op::Message {
            ItemKind::Message
        } else if packet.op() == Op::DeliveryAck {
            ItemKind::Receipt
        } else {
            return None;
        };
        let (id, _) = packet.payload().split_first_chunk()?;
        Some(Self { kind, origin: packet.header().sender?, id: u64::from_le_bytes(*id) })
    }
}
