//! What a request of the server's machine must look like, whatever the engine.

use sealpost_core::ids::UserId;
use sealpost_core::server::store::Settlement;
use sealpost_core::wire::{ItemId, ItemKind, Packet, Profile};

/// A request that the machine must never make. Nothing of it is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Misuse;

/// The name of `packet` as an item of `recipient`'s mailbox.
pub(crate) fn item(profile: Profile, recipient: UserId, packet: &Packet) -> Result<ItemId, Misuse> {
    let belongs = packet.profile() == profile && packet.header().recipient == Some(recipient);
    ItemId::of(packet).filter(|_| belongs).ok_or(Misuse)
}

/// The names of `packets` as items of `recipient`'s mailbox.
pub(crate) fn items(
    profile: Profile,
    recipient: UserId,
    packets: &[Packet],
) -> Result<Vec<ItemId>, Misuse> {
    packets.iter().map(|packet| item(profile, recipient, packet)).collect()
}

/// The name of a settlement's receipt, and the sender of the messages, who gets it.
pub(crate) fn receipt(
    profile: Profile,
    settlement: &Settlement,
) -> Result<(ItemId, UserId), Misuse> {
    let sender = settlement.receipt.header().recipient.ok_or(Misuse)?;
    let key = item(profile, sender, &settlement.receipt)?;
    let of_sender = |item: &ItemId| item.kind == ItemKind::Message && item.origin == sender;
    let belongs = key.kind == ItemKind::Receipt
        && key.origin == settlement.recipient
        && settlement.delivered.iter().all(of_sender);
    if belongs { Ok((key, sender)) } else { Err(Misuse) }
}

/// That all of `keys` name receipts.
pub(crate) fn receipts(keys: &[ItemId]) -> Result<(), Misuse> {
    let all = keys.iter().all(|key| key.kind == ItemKind::Receipt);
    if all { Ok(()) } else { Err(Misuse) }
}
