//! Names of the items that a mailbox holds.

use super::{Op, Packet};
use crate::ids::UserId;

/// What a mailbox holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ItemKind {
    /// A message (102).
    Message,
    /// A reader's receipt (203).
    Receipt,
}

/// Names an item: kind, who made it, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ItemId {
    /// Message or receipt.
    pub kind: ItemKind,
    /// The sender of the message, or the reader who signed the receipt.
    pub origin: UserId,
    /// `message_id` or `receipt_id`.
    pub id: u64,
}

impl ItemId {
    /// The name of a message or receipt. `None` for any other packet, or one from nobody.
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
