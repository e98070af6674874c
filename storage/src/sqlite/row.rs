//! Rows of the server's database, and the values that they hold.

use rusqlite::Row;
use sealpost_core::server::store::{Seq, StoredItem, User};
use sealpost_core::wire::{
    Header, ItemId, ItemKind, Op, Oversized, Packet, Profile, SIGNATURE_LEN,
};

use super::column::{count, id, phone, public_key, timestamp, user_id};
use super::error::Unreadable;
use crate::Usage;

/// What [`item`] reads, in its order, and the payload's length behind it.
pub(super) const ITEM_COLUMNS: &str = "seq, kind, message_id, sender_id, recipient_id, timestamp, \
     encrypted_payload, signature, length(encrypted_payload)";

/// Where [`ITEM_COLUMNS`] has the payload's length. SQLite tells it without reading the payload.
pub(super) const PAYLOAD_LEN: usize = 8;

/// The packet of a row, byte for byte as it arrived.
pub(super) fn item(profile: Profile, row: &Row<'_>) -> rusqlite::Result<StoredItem> {
    let key = ItemId { kind: kind(row.get(1)?)?, origin: user_id(row, 3)?, id: id(row, 2)? };
    let header = Header {
        sender: Some(key.origin),
        recipient: Some(user_id(row, 4)?),
        timestamp: timestamp(row, 5)?,
        op: op(key.kind),
    };
    let payload = row.get_ref(6)?.as_blob().map_err(|_| Unreadable("payload"))?;
    let signature = row.get_ref(7)?.as_blob().map_err(|_| Unreadable("signature"))?;
    let packet =
        Packet::build(profile, header, payload, |_| signature.try_into().map_err(|_| Oversized))
            .map_err(|Oversized| Unreadable("packet"))?;
    // The number is stored twice, in its column and in the payload.
    if ItemId::of(&packet) != Some(key) {
        return Err(Unreadable("packet's number").into());
    }
    Ok(StoredItem { seq: Seq(id(row, 0)?), packet })
}

/// The length of the packet whose payload is as long as this column says.
pub(super) fn packet_len(
    profile: Profile,
    row: &Row<'_>,
    payload_len: usize,
) -> rusqlite::Result<u64> {
    Ok(count(row, payload_len)?.saturating_add((profile.header_len() + SIGNATURE_LEN) as u64))
}

/// The counters of a mailbox, from this column on.
pub(super) fn usage(row: &Row<'_>, first: usize) -> rusqlite::Result<Usage> {
    let [messages, receipts, bytes] = [first, first + 1, first + 2];
    Ok(Usage {
        messages: count(row, messages)?,
        receipts: count(row, receipts)?,
        bytes: count(row, bytes)?,
    })
}

/// What [`user`] reads, in its order.
pub(super) const USER_COLUMNS: &str = "user_id, phone_number, rsa_public_key, last_seen";

/// The user of a row.
pub(super) fn user(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        id: user_id(row, 0)?,
        phone: phone(row, 1)?,
        public_key: public_key(row, 2)?,
        last_seen: timestamp(row, 3)?,
    })
}

/// The value of column `kind`.
pub(super) const fn kind_code(kind: ItemKind) -> i64 {
    match kind {
        ItemKind::Message => 0,
        ItemKind::Receipt => 1,
    }
}

/// What column `kind` says.
pub(super) fn kind(code: i64) -> Result<ItemKind, Unreadable> {
    match code {
        0 => Ok(ItemKind::Message),
        1 => Ok(ItemKind::Receipt),
        _ => Err(Unreadable("kind")),
    }
}

const fn op(kind: ItemKind) -> Op {
    match kind {
        ItemKind::Message => Op::Message,
        ItemKind::Receipt => Op::DeliveryAck,
    }
}
