//! Rules that every request of the server's machine obeys, whatever the store.

use sealpost_core::ids::UserId;
use sealpost_core::server::store::Settlement;
use sealpost_core::wire::{ItemId, ItemKind, Packet, Profile};

/// A request that the machine must never make. It has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Misuse;

/// Returns the id of `packet` as an item of `recipient`'s mailbox.
pub(super) fn item_id(
    profile: Profile,
    recipient: UserId,
    packet: &Packet,
) -> Result<ItemId, Misuse> {
    let belongs = packet.profile() == profile && packet.header().recipient == Some(recipient);
    ItemId::of(packet).filter(|_| belongs).ok_or(Misuse)
}

/// Returns the ids of `packets` as items of `recipient`'s mailbox.
pub(super) fn item_ids(
    profile: Profile,
    recipient: UserId,
    packets: &[Packet],
) -> Result<Vec<ItemId>, Misuse> {
    packets.iter().map(|packet| item_id(profile, recipient, packet)).collect()
}

/// Returns the id of a settlement's receipt, and the sender of the messages, who is its recipient.
pub(super) fn receipt_id(
    profile: Profile,
    settlement: &Settlement,
) -> Result<(ItemId, UserId), Misuse> {
    let sender = settlement.receipt.header().recipient.ok_or(Misuse)?;
    let id = item_id(profile, sender, &settlement.receipt)?;
    let is_from_sender = |item: &ItemId| item.kind == ItemKind::Message && item.origin == sender;
    let belongs = id.kind == ItemKind::Receipt
        && id.origin == settlement.recipient
        && settlement.delivered.iter().all(is_from_sender);
    if belongs { Ok((id, sender)) } else { Err(Misuse) }
}

/// Succeeds if all `ids` are those of receipts.
pub(super) fn only_receipts(ids: &[ItemId]) -> Result<(), Misuse> {
    let all = ids.iter().all(|id| id.kind == ItemKind::Receipt);
    if all { Ok(()) } else { Err(Misuse) }
}
