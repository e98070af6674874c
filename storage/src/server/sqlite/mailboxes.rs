//! Operations on mailboxes, as SQL.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};
use sealpost_core::ids::UserId;
use sealpost_core::server::store::{Appended, Page, PageLimit, Seq, Settlement};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{ItemId, ItemKind, Packet, Profile};

use super::row::{self, ITEM_COLUMNS};
use crate::engine::column::{self, Unreadable};
use crate::server::quota::Quota;
use crate::server::usage::{NotCounted, Usage};

/// Tables `mailboxes` and `pending_messages`, over a connection that is in a transaction.
pub(super) struct Mailboxes<'a> {
    pub(super) connection: &'a Connection,
    pub(super) profile: Profile,
    pub(super) quota: Quota,
}

impl Mailboxes<'_> {
    /// Appends `packets`, whose item ids are `ids`.
    pub(super) fn append(
        &self,
        recipient: UserId,
        ids: &[ItemId],
        packets: &[Packet],
        at: Timestamp,
    ) -> rusqlite::Result<Vec<Appended>> {
        let Some(mut usage) = self.usage(recipient)? else {
            return Ok(vec![Appended::UnknownUser; packets.len()]);
        };
        let before = usage;
        // Senders who had a message refused: a later one must not overtake it.
        let mut refused = BTreeSet::new();
        let mut outcomes = Vec::with_capacity(packets.len());
        for (id, packet) in ids.iter().zip(packets) {
            let len = packet.bytes().len() as u64;
            let in_turn = id.kind == ItemKind::Receipt || !refused.contains(&id.origin);
            outcomes.push(if in_turn && self.quota.admits(usage, id.kind, len) {
                if self.insert(recipient, id, packet, at)? {
                    usage.add(id.kind, len);
                    Appended::Stored
                } else {
                    Appended::Duplicate
                }
            } else if self.holds(id)? {
                Appended::Duplicate
            } else {
                refused.insert(id.origin);
                Appended::MailboxFull
            });
        }
        // Duplicates and refusals alone leave the row as it is, which saves writing its page.
        if usage != before {
            self.set_usage(recipient, usage)?;
        }
        Ok(outcomes)
    }

    pub(super) fn page(
        &self,
        recipient: UserId,
        after: Seq,
        limit: PageLimit,
    ) -> rusqlite::Result<Page> {
        let mut statement = self.prepare(&format!(
            "SELECT {ITEM_COLUMNS} FROM pending_messages
             WHERE recipient_id = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3"
        ))?;
        // One row more than asked for tells whether there are more.
        let rows = i64::from(limit.items.max(1)) + 1;
        let after = i64::try_from(after.0).unwrap_or(i64::MAX);
        let mut rows = statement.query(params![recipient.value().cast_signed(), after, rows])?;
        let mut page = Page { items: Vec::new(), more: false };
        let mut bytes = 0;
        while let Some(row) = rows.next()? {
            bytes += row::packet_len(self.profile, row, row::PAYLOAD_LEN)?;
            let full = page.items.len() as u64 >= limit.items.into() || bytes > limit.bytes.into();
            // The first item is returned however large it is. Otherwise reading would stop at it.
            if full && !page.items.is_empty() {
                page.more = true;
                break;
            }
            page.items.push(row::item(self.profile, row)?);
        }
        Ok(page)
    }

    /// Deletes the delivered messages, and stores the receipt with id `receipt` for `sender`.
    pub(super) fn settle(
        &self,
        settlement: &Settlement,
        receipt: ItemId,
        sender: UserId,
    ) -> rusqlite::Result<()> {
        self.remove(settlement.recipient, &settlement.delivered)?;
        // Read after the removal: sender and recipient may be the same user.
        let Some(mut usage) = self.usage(sender)? else { return Ok(()) };
        if self.insert(sender, &receipt, &settlement.receipt, settlement.at)? {
            usage.add(receipt.kind, settlement.receipt.bytes().len() as u64);
            self.set_usage(sender, usage)?;
        }
        Ok(())
    }

    pub(super) fn expire(&self, before: Timestamp, limit: u32) -> rusqlite::Result<u32> {
        let mut statement = self.prepare(
            "DELETE FROM pending_messages WHERE seq IN (
                 SELECT seq FROM pending_messages
                 WHERE stored_at < ?1 ORDER BY stored_at, seq LIMIT ?2)
             RETURNING recipient_id, kind, length(encrypted_payload)",
        )?;
        let mut rows = statement.query(params![before.unix_secs(), limit])?;
        let mut gone: BTreeMap<UserId, Vec<(ItemKind, u64)>> = BTreeMap::new();
        let mut count = 0;
        while let Some(row) = rows.next()? {
            let item = (row::kind(row.get(1)?)?, row::packet_len(self.profile, row, 2)?);
            gone.entry(column::user_id(row, 0)?).or_default().push(item);
            count += 1;
        }
        // One update for each mailbox, not for each item.
        for (recipient, items) in gone {
            self.count_out(recipient, &items)?;
        }
        Ok(count)
    }

    /// Deletes items of one mailbox. Skips those that are gone or in another mailbox.
    pub(super) fn remove(&self, recipient: UserId, ids: &[ItemId]) -> rusqlite::Result<()> {
        let mut statement = self.prepare(
            "DELETE FROM pending_messages
             WHERE kind = ?1 AND sender_id = ?2 AND message_id = ?3 AND recipient_id = ?4
             RETURNING length(encrypted_payload)",
        )?;
        let mut gone = Vec::with_capacity(ids.len());
        for item in ids {
            let (kind, origin, id) = id_columns(item);
            let len = statement
                .query_row(params![kind, origin, id, recipient.value().cast_signed()], |row| {
                    row::packet_len(self.profile, row, 0)
                })
                .optional()?;
            // Only what was deleted just now is counted out, so a repeat counts nothing out.
            gone.extend(len.map(|len| (item.kind, len)));
        }
        self.count_out(recipient, &gone)
    }

    /// Returns the counters of a mailbox; `None` if nobody has this id.
    pub(super) fn usage(&self, user: UserId) -> rusqlite::Result<Option<Usage>> {
        self.prepare("SELECT messages, receipts, bytes FROM mailboxes WHERE user_id = ?1")?
            .query_row([user.value().cast_signed()], |row| row::usage(row, 0))
            .optional()
    }

    /// Stores an item. Returns `false`, and stores nothing, if its id is taken.
    fn insert(
        &self,
        recipient: UserId,
        item: &ItemId,
        packet: &Packet,
        at: Timestamp,
    ) -> rusqlite::Result<bool> {
        let (kind, origin, id) = id_columns(item);
        let inserted = self
            .prepare(
                "INSERT INTO pending_messages
                 (kind, message_id, sender_id, recipient_id, timestamp, stored_at,
                  encrypted_payload, signature)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT (kind, sender_id, message_id) DO NOTHING",
            )?
            .execute(params![
                kind,
                id,
                origin,
                recipient.value().cast_signed(),
                packet.header().timestamp.unix_secs(),
                at.unix_secs(),
                packet.payload(),
                packet.signature(),
            ])?;
        Ok(inserted > 0)
    }

    fn holds(&self, item: &ItemId) -> rusqlite::Result<bool> {
        self.prepare(
            "SELECT 1 FROM pending_messages WHERE kind = ?1 AND sender_id = ?2 AND message_id = ?3",
        )?
        .exists(id_columns(item))
    }

    /// Subtracts deleted items, by kind and packet length, from a mailbox's counters. Counters
    /// that would fall below zero are damaged.
    fn count_out(&self, recipient: UserId, gone: &[(ItemKind, u64)]) -> rusqlite::Result<()> {
        if gone.is_empty() {
            return Ok(());
        }
        let Some(mut usage) = self.usage(recipient)? else { return Ok(()) };
        for (kind, len) in gone {
            usage.remove(*kind, *len).map_err(|NotCounted| Unreadable("mailbox counter"))?;
        }
        self.set_usage(recipient, usage)
    }

    fn set_usage(&self, user: UserId, usage: Usage) -> rusqlite::Result<()> {
        self.prepare(
            "UPDATE mailboxes SET messages = ?2, receipts = ?3, bytes = ?4 WHERE user_id = ?1",
        )?
        .execute(params![
            user.value().cast_signed(),
            usage.messages.cast_signed(),
            usage.receipts.cast_signed(),
            usage.bytes.cast_signed(),
        ])
        .map(drop)
    }

    fn prepare(&self, sql: &str) -> rusqlite::Result<CachedStatement<'_>> {
        self.connection.prepare_cached(sql)
    }
}

/// Columns `kind`, `sender_id` and `message_id` of an item id.
fn id_columns(item: &ItemId) -> (i64, i64, i64) {
    (row::kind_code(item.kind), item.origin.value().cast_signed(), item.id.cast_signed())
}
