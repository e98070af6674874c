//! Notices: what happened in a conversation, in words.

use rusqlite::{OptionalExtension, params};
use sealpost_core::frame::StoreError;
use sealpost_core::ids::{MessageId, Phone};
use sealpost_core::time::Timestamp;

use super::groups::new_entry;
use super::timeline::Timeline;
use crate::client::conversations::{Applied, Body, ConversationId, EntryId, Notice, Peer};
use crate::client::sqlite::SqliteClientStorage;
use crate::client::sqlite::ops::sql_message_id;
use crate::engine::column::{id, phone};

impl SqliteClientStorage {
    /// Removes the notices of causes that are over. Returns what was removed.
    pub fn settle(&mut self, causes: &[String]) -> Result<Vec<(Peer, EntryId)>, StoreError> {
        self.write(|connection| {
            let timeline = Timeline(connection);
            let mut removed = Vec::new();
            for cause in causes {
                removed.extend(timeline.settle(cause, None)?);
            }
            Ok(removed)
        })
    }

    /// Whether there are notices of a cause.
    pub fn has_notices_of(&self, cause: &str) -> Result<bool, StoreError> {
        self.read(|connection| {
            let sql = "SELECT 1 FROM timeline WHERE cause = ?1";
            connection.prepare_cached(sql)?.exists([cause])
        })
    }

    /// Phone number of the recipient of a message of ours.
    pub fn recipient_of(&self, message: MessageId) -> Result<Option<Phone>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT phone_number FROM outbox WHERE message_id = ?1";
            let mut statement = connection.prepare_cached(sql)?;
            statement.query_row([sql_message_id(message)], |row| phone(row, 0)).optional()
        })
    }
}

impl Timeline<'_> {
    /// Adds a notice, or counts it with an earlier one of the same cause.
    pub(super) fn note(
        &self,
        with: &Peer,
        notice: &Notice,
        at: Timestamp,
    ) -> rusqlite::Result<Applied> {
        let Notice { text, cause } = notice;
        let conversation = self.conversation(with)?;
        let before = self
            .prepare(
                "UPDATE timeline SET text = ?3, sent_at = ?4, repeats = repeats + 1
                 WHERE cause = ?1 AND conversation = ?2 RETURNING entry",
            )?
            .query_row(params![cause, conversation.0.cast_signed(), text, at.unix_secs()], |row| {
                id(row, 0).map(EntryId)
            })
            .optional()?;
        if let Some(entry) = before {
            return Ok(Applied::Changed(conversation, entry));
        }
        let added = self.add_own(with, &new_entry(Body::Notice(text.clone())), &[], at)?;
        if let Applied::Added(_, entry) = added {
            self.prepare("UPDATE timeline SET cause = ?2 WHERE entry = ?1")?
                .execute(params![entry.0.cast_signed(), cause])?;
        }
        Ok(added)
    }

    /// Removes the notices of a cause, from one conversation or from all.
    pub(super) fn settle(
        &self,
        cause: &str,
        with: Option<&Peer>,
    ) -> rusqlite::Result<Vec<(Peer, EntryId)>> {
        let conversation = match with {
            Some(with) => match self.find_conversation(with)? {
                Some(found) => Some(found.0.cast_signed()),
                None => return Ok(Vec::new()),
            },
            None => None,
        };
        let mut statement = self.prepare(
            "DELETE FROM timeline WHERE cause = ?1 AND conversation = coalesce(?2, conversation)
             RETURNING entry, conversation",
        )?;
        let removed = statement.query_map(params![cause, conversation], |row| {
            Ok((EntryId(id(row, 0)?), ConversationId(id(row, 1)?)))
        })?;
        let removed = removed.collect::<rusqlite::Result<Vec<_>>>()?;
        let mut named = Vec::new();
        for (entry, conversation) in removed {
            self.prepare(
                "UPDATE conversations SET last_entry = coalesce(
                     (SELECT max(entry) FROM timeline WHERE conversation = ?1), 0)
                 WHERE conversation = ?1",
            )?
            .execute([conversation.0.cast_signed()])?;
            let found = self.one_conversation(conversation)?;
            named.extend(found.map(|found| (found.peer, entry)));
        }
        Ok(named)
    }
}

/// Adds the causes of notices, and how often each has occurred.
pub(in crate::client::sqlite) const NOTICES: &str = "
    ALTER TABLE timeline ADD COLUMN cause TEXT;
    ALTER TABLE timeline ADD COLUMN repeats INTEGER NOT NULL DEFAULT 1;
    CREATE INDEX timeline_causes ON timeline (cause) WHERE cause IS NOT NULL;
";
