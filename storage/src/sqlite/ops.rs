//! Each [`StoreOp`] as SQL, inside a transaction that somebody else began.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};
use sealpost_core::frame::StoreError;
use sealpost_core::ids::{Phone, UserId, UserRef};
use sealpost_core::keys::{PublicKey, WrappedKey};
use sealpost_core::server::store::{
    Appended, CreateOutcome, Page, PageLimit, ReconnectOutcome, Seq, Settlement, StoreOp,
    StoreOutcome, StoreReply, User,
};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{ItemId, ItemKind, Packet, Profile};

use super::column;
use super::row::{self, ITEM_COLUMNS, USER_COLUMNS};
use crate::request::{self, Misuse};
use crate::{Quota, Usage};

/// The operations, over a connection that is in a transaction.
pub(super) struct Ops<'a> {
    pub(super) connection: &'a Connection,
    pub(super) profile: Profile,
    pub(super) quota: Quota,
}

impl Ops<'_> {
    /// Carries a request out. `Err`: the engine failed, and something may be half done. A request
    /// that must not be made has an outcome like any other, and nothing is done.
    pub(super) fn run(&self, request: &StoreOp) -> rusqlite::Result<StoreOutcome> {
        match self.dispatch(request) {
            Ok(reply) => Ok(Ok(reply)),
            Err(Failure::Misuse) => Ok(Err(StoreError::Corrupt)),
            Err(Failure::Engine(error)) => Err(error),
        }
    }

    fn dispatch(&self, request: &StoreOp) -> Result<StoreReply, Failure> {
        Ok(match request {
            StoreOp::CreateUser { phone, public_key, aes_key, at, max_id } => {
                StoreReply::Created(self.create_user(*phone, public_key, aes_key, *at, *max_id)?)
            }
            StoreOp::FindUser(who) => StoreReply::Found(self.find(*who)?.map(Box::new)),
            StoreOp::RecordReconnect { user, at, aes_key } => {
                StoreReply::ReconnectRecorded(self.resume(*user, *at, aes_key)?)
            }
            StoreOp::Count(user) => {
                let items = self.usage(*user)?.unwrap_or_default().items();
                StoreReply::Counted(u32::try_from(items).unwrap_or(u32::MAX))
            }
            StoreOp::Append { recipient, packets, at } => {
                let keys = request::items(self.profile, *recipient, packets)?;
                StoreReply::Appended(self.append(*recipient, &keys, packets, *at)?)
            }
            StoreOp::Page { recipient, after, limit } => {
                StoreReply::Page(self.page(*recipient, *after, *limit)?)
            }
            StoreOp::Settle(settlement) => {
                let (key, sender) = request::receipt(self.profile, settlement)?;
                self.settle(settlement, key, sender)?;
                StoreReply::Settled
            }
            StoreOp::DropReceipts { recipient, receipts: keys } => {
                request::receipts(keys)?;
                self.remove(*recipient, keys)?;
                StoreReply::ReceiptsDropped
            }
            StoreOp::Expire { before, limit } => StoreReply::Expired(self.expire(*before, *limit)?),
        })
    }

    fn create_user(
        &self,
        phone: Phone,
        public_key: &PublicKey,
        aes_key: &WrappedKey,
        at: Timestamp,
        max_id: u64,
    ) -> rusqlite::Result<CreateOutcome> {
        let phone = phone.to_string();
        let taken = "SELECT 1 FROM users WHERE phone_number = ?1";
        if self.prepare(taken)?.exists([&phone])? {
            return Ok(CreateOutcome::PhoneTaken);
        }
        let last: u64 = self
            .prepare("SELECT last_user_id FROM deployment")?
            .query_row((), |row| column::count(row, 0))?;
        let next = last.saturating_add(1);
        let within = next <= max_id.min(self.profile.max_user_id());
        let Some(id) = UserId::new(next).filter(|_| within) else {
            return Ok(CreateOutcome::NoIdLeft);
        };
        let user_id = id.value().cast_signed();
        self.prepare("UPDATE deployment SET last_user_id = ?1")?.execute([user_id])?;
        self.prepare(
            "INSERT INTO users
             (phone_number, user_id, rsa_public_key, aes_key, last_seen, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
        )?
        .execute(params![phone, user_id, public_key.der(), aes_key.0, at.unix_secs()])?;
        self.prepare("INSERT INTO mailboxes (user_id) VALUES (?1)")?.execute([user_id])?;
        Ok(CreateOutcome::Created(id))
    }

    fn find(&self, who: UserRef) -> rusqlite::Result<Option<User>> {
        match who {
            UserRef::Id(id) => self
                .prepare(&format!("SELECT {USER_COLUMNS} FROM users WHERE user_id = ?1"))?
                .query_row([id.value().cast_signed()], row::user),
            UserRef::Phone(phone) => self
                .prepare(&format!("SELECT {USER_COLUMNS} FROM users WHERE phone_number = ?1"))?
                .query_row([phone.to_string()], row::user),
        }
        .optional()
    }

    fn resume(
        &self,
        user: UserId,
        at: Timestamp,
        aes_key: &WrappedKey,
    ) -> rusqlite::Result<ReconnectOutcome> {
        let user_id = user.value().cast_signed();
        let newer = self
            .prepare(
                "SELECT last_reconnect IS NULL OR last_reconnect < ?2 FROM users
                 WHERE user_id = ?1",
            )?
            .query_row([user_id, at.unix_secs()], |row| row.get::<_, bool>(0))
            .optional()?;
        match newer {
            None => return Ok(ReconnectOutcome::UnknownUser),
            Some(false) => return Ok(ReconnectOutcome::NotNewer),
            Some(true) => {}
        }
        self.prepare(
            "UPDATE users SET last_reconnect = ?2, last_seen = ?2, aes_key = ?3 WHERE user_id = ?1",
        )?
        .execute(params![user_id, at.unix_secs(), aes_key.0])?;
        Ok(ReconnectOutcome::Recorded)
    }

    fn append(
        &self,
        recipient: UserId,
        keys: &[ItemId],
        packets: &[Packet],
        at: Timestamp,
    ) -> rusqlite::Result<Vec<Appended>> {
        let Some(mut usage) = self.usage(recipient)? else {
            return Ok(vec![Appended::UnknownUser; packets.len()]);
        };
        let before = usage;
        let mut refused = BTreeSet::new();
        let mut outcomes = Vec::with_capacity(packets.len());
        for (key, packet) in keys.iter().zip(packets) {
            let len = packet.bytes().len() as u64;
            let in_turn = key.kind == ItemKind::Receipt || !refused.contains(&key.origin);
            outcomes.push(if in_turn && usage.admits(self.quota, key.kind, len) {
                if self.insert(recipient, key, packet, at)? {
                    usage.add(key.kind, len);
                    Appended::Stored
                } else {
                    Appended::Duplicate
                }
            } else if self.holds(key)? {
                Appended::Duplicate
            } else {
                refused.insert(key.origin);
                Appended::MailboxFull
            });
        }
        if usage != before {
            self.set_usage(recipient, usage)?;
        }
        Ok(outcomes)
    }

    fn page(&self, recipient: UserId, after: Seq, limit: PageLimit) -> rusqlite::Result<Page> {
        let mut statement = self.prepare(&format!(
            "SELECT {ITEM_COLUMNS} FROM pending_messages
             WHERE recipient_id = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3"
        ))?;
        // One row more than wanted tells whether more stands behind.
        let rows = i64::from(limit.items.max(1)) + 1;
        let after = i64::try_from(after.0).unwrap_or(i64::MAX);
        let mut rows = statement.query(params![recipient.value().cast_signed(), after, rows])?;
        let mut page = Page { items: Vec::new(), more: false };
        let mut bytes = 0;
        while let Some(row) = rows.next()? {
            bytes += row::packet_len(self.profile, row, row::PAYLOAD_LEN)?;
            let full = page.items.len() as u64 >= limit.items.into() || bytes > limit.bytes.into();
            if full && !page.items.is_empty() {
                page.more = true;
                break;
            }
            page.items.push(row::item(self.profile, row)?);
        }
        Ok(page)
    }

    fn settle(&self, settlement: &Settlement, key: ItemId, sender: UserId) -> rusqlite::Result<()> {
        self.remove(settlement.recipient, &settlement.delivered)?;
        // Read after the removal: a user may write to themselves.
        let Some(mut usage) = self.usage(sender)? else { return Ok(()) };
        if self.insert(sender, &key, &settlement.receipt, settlement.at)? {
            usage.add(key.kind, 0);
            self.set_usage(sender, usage)?;
        }
        Ok(())
    }

    fn expire(&self, before: Timestamp, limit: u32) -> rusqlite::Result<u32> {
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
        for (recipient, items) in gone {
            self.count_out(recipient, &items)?;
        }
        Ok(count)
    }

    /// Deletes items of one mailbox. Those that are gone, or in another one, are passed over.
    fn remove(&self, recipient: UserId, keys: &[ItemId]) -> rusqlite::Result<()> {
        let mut statement = self.prepare(
            "DELETE FROM pending_messages
             WHERE kind = ?1 AND sender_id = ?2 AND message_id = ?3 AND recipient_id = ?4
             RETURNING length(encrypted_payload)",
        )?;
        let mut gone = Vec::with_capacity(keys.len());
        for key in keys {
            let (kind, origin, id) = name(key);
            let len = statement
                .query_row(params![kind, origin, id, recipient.value().cast_signed()], |row| {
                    row::packet_len(self.profile, row, 0)
                })
                .optional()?;
            gone.extend(len.map(|len| (key.kind, len)));
        }
        self.count_out(recipient, &gone)
    }

    /// Stores an item, unless its name is taken: then says so with `false`.
    fn insert(
        &self,
        recipient: UserId,
        key: &ItemId,
        packet: &Packet,
        at: Timestamp,
    ) -> rusqlite::Result<bool> {
        let (kind, origin, id) = name(key);
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

    fn holds(&self, key: &ItemId) -> rusqlite::Result<bool> {
        self.prepare(
            "SELECT 1 FROM pending_messages WHERE kind = ?1 AND sender_id = ?2 AND message_id = ?3",
        )?
        .exists(name(key))
    }

    fn count_out(&self, recipient: UserId, gone: &[(ItemKind, u64)]) -> rusqlite::Result<()> {
        if gone.is_empty() {
            return Ok(());
        }
        let Some(mut usage) = self.usage(recipient)? else { return Ok(()) };
        for (kind, len) in gone {
            usage.remove(*kind, *len);
        }
        self.set_usage(recipient, usage)
    }

    /// `None` if nobody has this id.
    fn usage(&self, user: UserId) -> rusqlite::Result<Option<Usage>> {
        self.prepare("SELECT messages, receipts, bytes FROM mailboxes WHERE user_id = ?1")?
            .query_row([user.value().cast_signed()], |row| row::usage(row, 0))
            .optional()
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

/// An item's name as columns: kind, sender, number.
fn name(key: &ItemId) -> (i64, i64, i64) {
    (row::kind_code(key.kind), key.origin.value().cast_signed(), key.id.cast_signed())
}

/// Why a request was not carried out.
enum Failure {
    Misuse,
    Engine(rusqlite::Error),
}

impl From<Misuse> for Failure {
    fn from(_: Misuse) -> Self {
        Self::Misuse
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Engine(error)
    }
}
