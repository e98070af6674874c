//! Pages of a conversation.

use rusqlite::{OptionalExtension, params};
use sealpost_core::event::Target;
use sealpost_core::frame::StoreError;

use super::row::{self, COPY_COLUMNS, ENTRY_COLUMNS};
use super::timeline::Timeline;
use crate::client::conversations::{
    Author, ConversationId, Copy, Entry, EntryId, EntryRef, Original, Reaction,
};
use crate::client::sqlite::SqliteClientStorage;
use crate::client::sqlite::ops::sql_place;
use crate::engine::column::{optional, phone, timestamp};

impl SqliteClientStorage {
    /// The last `limit` entries of a conversation before an entry, or the latest if `None`. The
    /// oldest comes first.
    pub fn entries_before(
        &self,
        conversation: ConversationId,
        before: Option<EntryId>,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        let before = before.map_or(i64::MAX, |entry| sql_place(entry.0));
        self.read(|connection| {
            let sql = "conversation = ?1 AND entry < ?2 ORDER BY entry DESC LIMIT ?3";
            let mut page = Timeline(connection).page(sql, (conversation, before, limit))?;
            page.reverse();
            Ok(page)
        })
    }

    /// The first `limit` entries of a conversation after an entry, oldest first.
    pub fn entries_after(
        &self,
        conversation: ConversationId,
        after: EntryId,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        let page = (conversation, sql_place(after.0), limit);
        self.read(|connection| {
            let sql = "conversation = ?1 AND entry > ?2 ORDER BY entry LIMIT ?3";
            Timeline(connection).page(sql, page)
        })
    }

    /// One entry.
    pub fn entry(&self, entry: EntryId) -> Result<Option<Entry>, StoreError> {
        self.read(|connection| Timeline(connection).entry(entry))
    }

    /// The entry of a conversation with this name; the last one if its author gave it to several.
    pub fn find_entry(
        &self,
        conversation: ConversationId,
        name: &EntryRef,
    ) -> Result<Option<EntryId>, StoreError> {
        self.read(|connection| Timeline(connection).find(conversation, name))
    }

    /// The texts that an entry had before, oldest first. Empty unless the conversation keeps them.
    pub fn originals(&self, entry: EntryId) -> Result<Vec<Original>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT until, text FROM originals WHERE entry = ?1 ORDER BY rowid";
            let mut statement = connection.prepare_cached(sql)?;
            let originals = statement.query_map([entry.0.cast_signed()], |row| {
                Ok(Original { until: timestamp(row, 0)?, text: row.get(1)? })
            })?;
            originals.collect()
        })
    }
}

impl Timeline<'_> {
    fn page(
        &self,
        which: &str,
        (conversation, from, limit): (ConversationId, i64, u32),
    ) -> rusqlite::Result<Vec<Entry>> {
        let sql = format!("SELECT {ENTRY_COLUMNS} FROM timeline WHERE {which}");
        let mut statement = self.prepare(&sql)?;
        let page = params![conversation.0.cast_signed(), from, limit];
        let entries = statement.query_map(page, row::entry)?;
        entries.map(|entry| self.complete(entry?)).collect()
    }

    pub(super) fn entry(&self, entry: EntryId) -> rusqlite::Result<Option<Entry>> {
        let sql = format!("SELECT {ENTRY_COLUMNS} FROM timeline WHERE entry = ?1");
        let found =
            self.prepare(&sql)?.query_row([entry.0.cast_signed()], row::entry).optional()?;
        found.map(|entry| self.complete(entry)).transpose()
    }

    /// Reads what belongs to an entry besides its row.
    pub(super) fn complete(&self, mut entry: Entry) -> rusqlite::Result<Entry> {
        entry.reactions = self.reactions(entry.id)?;
        if entry.author == Author::Own {
            entry.copies = self.copies(entry.id)?;
            // Without an event id, it goes by the id of its message.
            if let ([Copy { message: Some(id), .. }], None) = (&entry.copies[..], entry.name) {
                let target = Target::Message(*id);
                entry.name = Some(EntryRef { author: Author::Own, target });
            }
        }
        Ok(entry)
    }

    fn reactions(&self, entry: EntryId) -> rusqlite::Result<Vec<Reaction>> {
        let sql = "SELECT author, phone_number, emoji, at FROM reactions
                   WHERE entry = ?1 ORDER BY author";
        let mut statement = self.prepare(sql)?;
        let reactions = statement.query_map([entry.0.cast_signed()], |row| {
            Ok(Reaction {
                author: row::reactor(row, 0)?,
                phone: optional(row, 1, phone)?,
                emoji: row.get(2)?,
                at: timestamp(row, 3)?,
            })
        })?;
        reactions.collect()
    }

    fn copies(&self, entry: EntryId) -> rusqlite::Result<Vec<Copy>> {
        let sql = format!(
            "SELECT {COPY_COLUMNS} FROM copies LEFT JOIN outbox ON outbox.token = copies.token
             WHERE entry = ?1 AND carries = 0 ORDER BY copies.token"
        );
        let mut statement = self.prepare(&sql)?;
        let copies = statement.query_map([entry.0.cast_signed()], row::copy)?;
        copies.collect()
    }
}
