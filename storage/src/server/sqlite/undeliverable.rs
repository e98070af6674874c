//! Messages that went with their recipient's account, as SQL.

use std::collections::BTreeMap;

use rusqlite::{CachedStatement, Connection, params};
use sealpost_core::ids::UserId;
use sealpost_core::wire::{InReplyTo, ItemKind, Profile};

use super::row::{self, ITEM_COLUMNS};
use crate::engine::column::{count, user_id};
use crate::server::quota::MAX_UNDELIVERABLE;

/// Table `undeliverable`, over a connection that is in a transaction.
pub(super) struct Undeliverable<'a> {
    pub(super) connection: &'a Connection,
}

impl Undeliverable<'_> {
    /// Remembers the messages in the mailbox of a user who is to be deleted, up to a place.
    pub(super) fn remember(
        &self,
        profile: Profile,
        recipient: i64,
        last: i64,
    ) -> rusqlite::Result<()> {
        let mut senders: BTreeMap<UserId, u64> = BTreeMap::new();
        let mut items = self.prepare(&format!(
            "SELECT {ITEM_COLUMNS} FROM pending_messages
             WHERE recipient_id = ?1 AND kind = ?2 AND seq <= ?3
               AND sender_id <> ?1 AND sender_id IN (SELECT user_id FROM users)
             ORDER BY seq"
        ))?;
        let mut insert =
            self.prepare("INSERT INTO undeliverable (sender_id, message) VALUES (?1, ?2)")?;
        let mut rows = items.query(params![recipient, row::kind_code(ItemKind::Message), last])?;
        while let Some(row) = rows.next()? {
            let sender = user_id(row, 3)?;
            let remembered = match senders.get(&sender) {
                Some(remembered) => *remembered,
                None => self.count(sender)?,
            };
            // A damaged item has no hash, and must not keep the account from being deleted.
            if remembered < MAX_UNDELIVERABLE.into()
                && let Ok(item) = row::item(profile, row)
            {
                let message = item.packet.request_hash().in_reply_to();
                insert.execute(params![sender.value().cast_signed(), message.0])?;
                senders.insert(sender, remembered + 1);
            }
        }
        Ok(())
    }

    pub(super) fn count(&self, sender: UserId) -> rusqlite::Result<u64> {
        self.prepare("SELECT count(*) FROM undeliverable WHERE sender_id = ?1")?
            .query_row([sender.value().cast_signed()], |row| count(row, 0))
    }

    pub(super) fn of(&self, sender: UserId, limit: u32) -> rusqlite::Result<Vec<InReplyTo>> {
        let sql = "SELECT message FROM undeliverable WHERE sender_id = ?1 ORDER BY seq LIMIT ?2";
        let mut statement = self.prepare(sql)?;
        let messages =
            statement.query_map(params![sender.value().cast_signed(), limit], |row| row.get(0))?;
        messages.map(|message| message.map(InReplyTo)).collect()
    }

    pub(super) fn forget(&self, sender: UserId, messages: &[InReplyTo]) -> rusqlite::Result<()> {
        let mut delete =
            self.prepare("DELETE FROM undeliverable WHERE sender_id = ?1 AND message = ?2")?;
        for message in messages {
            delete.execute(params![sender.value().cast_signed(), message.0])?;
        }
        Ok(())
    }

    fn prepare(&self, sql: &str) -> rusqlite::Result<CachedStatement<'_>> {
        self.connection.prepare_cached(sql)
    }
}
