//! Operations on mailboxes, as SQL.

use std::collections::BTreeMap;

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};
use sealpost_core::ids::UserId;
use sealpost_core::server::store::{Appended, Page, PageLimit, Seq, Settlement};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{ItemId, ItemKind, Packet, Profile};

use super::correspondents::Correspondents;
use super::fill::Fill;
use super::row::{self, ITEM_COLUMNS, USAGE_COLUMNS};
use crate::engine::column::{self, Unreadable};
use crate::server::quota::{Correspondent, Occupancy, Quota};
use crate::server::usage::{NotCounted, Usage};

/// Tables `mailboxes` and `pending_messages`, over a connection that is in a transaction.
pub(super) struct Mailboxes<'a> {
    pub(super) connection: &'a Connection,
    pub(super) profile: Profile,
    pub(super) quota: Quota,
    pub(super) fill: &'a Fill,
    pub(super) correspondents: Correspondents<'a>,
}

/// A sender's part in an append.
#[derive(Default)]
struct Sending {
    /// Whether the sender's account was found to exist.
    exists: bool,
    /// What the sender had in the mailbox before, if that was looked up.
    before: Option<Correspondent>,
    messages: u64,
    bytes: u64,
    /// Why one of the sender's messages was refused: a later one must not overtake it.
    refused: Option<Appended>,
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
        let mut senders: BTreeMap<UserId, Sending> = BTreeMap::new();
        let mut outcomes = Vec::with_capacity(packets.len());
        for (id, packet) in ids.iter().zip(packets) {
            let len = packet.bytes().len() as u64;
            let admitted = match id.kind {
                ItemKind::Receipt => Ok(()),
                ItemKind::Message => {
                    let sending = senders.entry(id.origin).or_default();
                    self.admit(recipient, usage, before, id.origin, sending, len)?
                }
            };
            outcomes.push(match admitted {
                Ok(()) if self.insert(recipient, id, packet, at)? => {
                    usage.add(id.kind, len);
                    if let Some(sending) = senders.get_mut(&id.origin).filter(|_| is_message(id)) {
                        sending.messages += 1;
                        sending.bytes += len;
                    }
                    Appended::Stored
                }
                Ok(()) => Appended::Duplicate,
                Err(_) if self.holds(id)? => Appended::Duplicate,
                Err(why) => {
                    senders.entry(id.origin).or_default().refused = Some(why);
                    why
                }
            });
        }
        for (sender, Sending { messages, bytes, .. }) in senders {
            self.correspondents.add(recipient, sender, messages, bytes)?;
        }
        // Duplicates and refusals alone leave the row as it is, which saves writing its page.
        if usage != before {
            self.set_usage(recipient, before, usage)?;
        }
        Ok(outcomes)
    }

    /// Checks whether one more message fits into a mailbox with this usage, which was `before` when
    /// the append began.
    fn admit(
        &self,
        recipient: UserId,
        usage: Usage,
        before: Usage,
        sender: UserId,
        sending: &mut Sending,
        len: u64,
    ) -> rusqlite::Result<Result<(), Appended>> {
        if let Some(why) = sending.refused {
            return Ok(Err(why));
        }
        // The account may have been deleted while the message was on its way to the store.
        sending.exists = sending.exists || self.usage(sender)?.is_some();
        if !sending.exists {
            return Ok(Err(Appended::UnknownUser));
        }
        let added = usage.all_bytes() - before.all_bytes();
        let occupancy = Occupancy {
            mailbox: usage,
            store_bytes: self.fill.stored_bytes(self.connection)?.saturating_add(added),
            disk_free_bytes: self.fill.disk_free_bytes(),
        };
        self.quota.admit(&occupancy, len, || {
            let mut share = match sending.before {
                Some(share) => share,
                None => *sending.before.insert(self.correspondents.find(recipient, sender)?),
            };
            share.add(sending.messages, sending.bytes);
            Ok(share)
        })
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
        let Some(before) = self.usage(sender)? else { return Ok(()) };
        if self.insert(sender, &receipt, &settlement.receipt, settlement.at)? {
            let mut usage = before;
            usage.add(receipt.kind, settlement.receipt.bytes().len() as u64);
            self.set_usage(sender, before, usage)?;
        }
        Ok(())
    }

    pub(super) fn expire(&self, before: Timestamp, limit: u32) -> rusqlite::Result<u32> {
        let oldest = "stored_at < ?1 ORDER BY stored_at, seq";
        self.remove_first(oldest, before.unix_secs(), limit)
    }

    /// Deletes the first `limit` items of a mailbox.
    pub(super) fn empty(&self, owner: UserId, limit: u32) -> rusqlite::Result<u32> {
        self.remove_first("recipient_id = ?1 ORDER BY seq", owner.value().cast_signed(), limit)
    }

    /// Deletes `limit` of the messages from a sender, in whatever mailbox.
    pub(super) fn remove_messages_from(&self, sender: UserId, limit: u32) -> rusqlite::Result<u32> {
        self.remove_first("kind = 0 AND sender_id = ?1", sender.value().cast_signed(), limit)
    }

    /// The place of the last one of the first `limit` items of a mailbox.
    pub(super) fn place_of(&self, owner: UserId, limit: u32) -> rusqlite::Result<Option<i64>> {
        self.prepare(
            "SELECT max(seq) FROM (
                 SELECT seq FROM pending_messages WHERE recipient_id = ?1 ORDER BY seq LIMIT ?2)",
        )?
        .query_row(params![owner.value().cast_signed(), limit], |row| row.get(0))
    }

    /// Deletes the first `limit` items of those that a condition selects, whose parameter is `?1`.
    fn remove_first(&self, condition: &str, parameter: i64, limit: u32) -> rusqlite::Result<u32> {
        let mut statement = self.prepare(&format!(
            "DELETE FROM pending_messages WHERE seq IN (
                 SELECT seq FROM pending_messages WHERE {condition} LIMIT ?2)
             RETURNING recipient_id, kind, sender_id, length(encrypted_payload)"
        ))?;
        let mut rows = statement.query(params![parameter, limit])?;
        let mut gone: BTreeMap<UserId, Vec<Gone>> = BTreeMap::new();
        let mut count = 0;
        while let Some(row) = rows.next()? {
            let item = Gone {
                kind: row::kind(row.get(1)?)?,
                origin: column::user_id(row, 2)?,
                len: row::packet_len(self.profile, row, 3)?,
            };
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
            gone.extend(len.map(|len| Gone { kind: item.kind, origin: item.origin, len }));
        }
        self.count_out(recipient, &gone)
    }

    /// Returns the counters of a mailbox; `None` if nobody has this id.
    pub(super) fn usage(&self, user: UserId) -> rusqlite::Result<Option<Usage>> {
        self.prepare(&format!("SELECT {USAGE_COLUMNS} FROM mailboxes WHERE user_id = ?1"))?
            .query_row([user.value().cast_signed()], |row| row::usage(row, 0))
            .optional()
    }

    /// Stores an item. Returns `false`, and stores nothing, if its id is taken.
    pub(super) fn insert(
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

    /// Subtracts deleted items from a mailbox's counters and from its senders' shares. Counters that
    /// would fall below zero are damaged.
    fn count_out(&self, recipient: UserId, gone: &[Gone]) -> rusqlite::Result<()> {
        if gone.is_empty() {
            return Ok(());
        }
        let Some(before) = self.usage(recipient)? else { return Ok(()) };
        let (mut usage, mut senders) = (before, BTreeMap::new());
        for Gone { kind, origin, len } in gone {
            usage.remove(*kind, *len).map_err(|NotCounted| Unreadable("mailbox counter"))?;
            if *kind == ItemKind::Message {
                let (messages, bytes) = senders.entry(*origin).or_insert((0, 0));
                (*messages, *bytes) = (*messages + 1, *bytes + len);
            }
        }
        for (sender, (messages, bytes)) in senders {
            self.correspondents.remove(recipient, sender, messages, bytes)?;
        }
        self.set_usage(recipient, before, usage)
    }

    fn set_usage(&self, user: UserId, before: Usage, usage: Usage) -> rusqlite::Result<()> {
        self.fill.change(before, usage);
        self.prepare(
            "UPDATE mailboxes SET messages = ?2, receipts = ?3, bytes = ?4, receipt_bytes = ?5
             WHERE user_id = ?1",
        )?
        .execute(params![
            user.value().cast_signed(),
            usage.messages.cast_signed(),
            usage.receipts.cast_signed(),
            usage.bytes.cast_signed(),
            usage.receipt_bytes.cast_signed(),
        ])
        .map(drop)
    }

    fn prepare(&self, sql: &str) -> rusqlite::Result<CachedStatement<'_>> {
        self.connection.prepare_cached(sql)
    }
}

/// An item that was deleted.
struct Gone {
    kind: ItemKind,
    origin: UserId,
    len: u64,
}

const fn is_message(id: &ItemId) -> bool {
    matches!(id.kind, ItemKind::Message)
}

/// Columns `kind`, `sender_id` and `message_id` of an item id.
fn id_columns(item: &ItemId) -> (i64, i64, i64) {
    (row::kind_code(item.kind), item.origin.value().cast_signed(), item.id.cast_signed())
}
