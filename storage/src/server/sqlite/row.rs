//! Rows of the server's database as values.

use rusqlite::Row;
use sealpost_core::server::store::{Seq, StoredItem, User};
use sealpost_core::wire::{
    Header, ItemId, ItemKind, Op, Oversized, Packet, Profile, SIGNATURE_LEN,
};

use crate::engine::column::{Unreadable, count, id, phone, public_key, timestamp, user_id};
use crate::server::reconnects::ReconnectDates;
use crate::server::usage::Usage;

/// Columns that [`item`] reads, in its order, and after them the payload's length.
pub(super) const ITEM_COLUMNS: &str = "seq, kind, message_id, sender_id, recipient_id, timestamp, \
     encrypted_payload, signature, length(encrypted_payload)";

/// Index of the payload's length in [`ITEM_COLUMNS`]. SQLite knows it without reading the payload.
pub(super) const PAYLOAD_LEN: usize = 8;

/// Rebuilds the packet of a row, byte for byte as it arrived.
pub(super) fn item(profile: Profile, row: &Row<'_>) -> rusqlite::Result<StoredItem> {
    let item_id = ItemId { kind: kind(row.get(1)?)?, origin: user_id(row, 3)?, id: id(row, 2)? };
    let header = Header {
        sender: Some(item_id.origin),
        recipient: Some(user_id(row, 4)?),
        timestamp: timestamp(row, 5)?,
        op: op(item_id.kind),
    };
    let payload = row.get_ref(6)?.as_blob().map_err(|_| Unreadable("payload"))?;
    let signature = row.get_ref(7)?.as_blob().map_err(|_| Unreadable("signature"))?;
    let packet =
        Packet::build(profile, header, payload, |_| signature.try_into().map_err(|_| Oversized))
            .map_err(|Oversized| Unreadable("packet"))?;
    // The message or receipt id is stored twice, in its column and in the payload.
    if ItemId::of(&packet) != Some(item_id) {
        return Err(Unreadable("item id").into());
    }
    Ok(StoredItem { seq: Seq(id(row, 0)?), packet })
}

/// Computes a packet's length from its payload's, which is in column `payload_len`.
pub(super) fn packet_len(
    profile: Profile,
    row: &Row<'_>,
    payload_len: usize,
) -> rusqlite::Result<u64> {
    Ok(count(row, payload_len)?.saturating_add((profile.header_len() + SIGNATURE_LEN) as u64))
}

/// Columns of a mailbox that [`usage`] reads, in its order.
pub(super) const USAGE_COLUMNS: &str = "messages, receipts, bytes, receipt_bytes";

/// Reads the counters of a mailbox, from column `first` on.
pub(super) fn usage(row: &Row<'_>, first: usize) -> rusqlite::Result<Usage> {
    Ok(Usage {
        messages: count(row, first)?,
        receipts: count(row, first + 1)?,
        bytes: count(row, first + 2)?,
        receipt_bytes: count(row, first + 3)?,
    })
}

/// Reads the dates of a user's 106s.
pub(super) fn reconnects(row: &Row<'_>, column: usize) -> rusqlite::Result<ReconnectDates> {
    let bytes = row.get_ref(column)?.as_blob().map_err(|_| Unreadable("reconnect date"))?;
    Ok(ReconnectDates::decode(bytes).ok_or(Unreadable("reconnect date"))?)
}

/// Columns that [`user`] reads, in its order.
pub(super) const USER_COLUMNS: &str = "user_id, phone_number, rsa_public_key, last_seen";

/// Reads a user.
pub(super) fn user(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        id: user_id(row, 0)?,
        phone: phone(row, 1)?,
        public_key: public_key(row, 2)?,
        last_seen: timestamp(row, 3)?,
    })
}

/// Encodes an item kind for column `kind`.
pub(super) const fn kind_code(kind: ItemKind) -> i64 {
    match kind {
        ItemKind::Message => 0,
        ItemKind::Receipt => 1,
    }
}

/// Decodes the value of column `kind`.
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
