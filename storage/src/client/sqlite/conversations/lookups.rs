//! What the owner of a home looks up: entries and messages by other names, pages of everything.

use rusqlite::{OptionalExtension, params};
use sealpost_core::client::store::InboxId;
use sealpost_core::frame::StoreError;
use sealpost_core::ids::MessageId;

use super::row::{self, ENTRY_COLUMNS};
use super::timeline::Timeline;
use crate::client::conversations::{Entry, EntryId};
use crate::client::sqlite::SqliteClientStorage;
use crate::client::sqlite::ops::{sql_message_id, sql_place};
use crate::engine::column::{count, id};

impl SqliteClientStorage {
    /// The entry that a received message has added, if it has added one.
    pub fn entry_at(&self, place: InboxId) -> Result<Option<EntryId>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT entry FROM timeline WHERE place = ?1";
            let mut statement = connection.prepare_cached(sql)?;
            statement.query_row([sql_place(place.0)], |row| id(row, 0).map(EntryId)).optional()
        })
    }

    /// The entry that a message of ours carries or changes.
    pub fn entry_of_message(&self, message: MessageId) -> Result<Option<EntryId>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT entry FROM outbox JOIN copies USING (token) WHERE message_id = ?1";
            let mut statement = connection.prepare_cached(sql)?;
            statement.query_row([sql_message_id(message)], |row| id(row, 0).map(EntryId)).optional()
        })
    }

    /// Id of the message at a place of the inbox.
    pub fn message_at(&self, place: InboxId) -> Result<Option<MessageId>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT message_id FROM inbox WHERE place = ?1";
            let mut statement = connection.prepare_cached(sql)?;
            statement.query_row([sql_place(place.0)], |row| id(row, 0).map(MessageId)).optional()
        })
    }

    /// Count of the messages of the inbox behind a place.
    pub fn inbox_behind(&self, place: InboxId) -> Result<u64, StoreError> {
        self.read(|connection| {
            let sql = "SELECT count(*) FROM inbox WHERE place > ?1";
            connection.prepare_cached(sql)?.query_row([sql_place(place.0)], |row| count(row, 0))
        })
    }

    /// The last `limit` entries of all conversations before an entry, or the latest if `None`. The
    /// oldest comes first.
    pub fn all_before(
        &self,
        before: Option<EntryId>,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        let before = before.map_or(i64::MAX, |entry| sql_place(entry.0));
        let mut page = self.all("entry < ?1 ORDER BY entry DESC LIMIT ?2", before, limit)?;
        page.reverse();
        Ok(page)
    }

    /// The first `limit` entries of all conversations after an entry, oldest first.
    pub fn all_after(&self, after: EntryId, limit: u32) -> Result<Vec<Entry>, StoreError> {
        self.all("entry > ?1 ORDER BY entry LIMIT ?2", sql_place(after.0), limit)
    }

    fn all(&self, which: &str, from: i64, limit: u32) -> Result<Vec<Entry>, StoreError> {
        self.read(|connection| {
            let sql = format!("SELECT {ENTRY_COLUMNS} FROM timeline WHERE {which}");
            let mut statement = connection.prepare_cached(&sql)?;
            let entries = statement.query_map(params![from, limit], row::entry)?;
            entries.map(|entry| Timeline(connection).complete(entry?)).collect()
        })
    }
}
