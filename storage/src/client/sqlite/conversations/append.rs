//! Entries of our own, and our changes of entries.

use rusqlite::params;
use sealpost_core::frame::StoreError;
use sealpost_core::time::Timestamp;

use super::row::{CHANGE, ENTRY};
use super::timeline::{Addition, Timeline};
use crate::client::conversations::{
    Applied, Author, EntryId, EntryRef, Idempotency, Made, NewCopy, NewEntry, OwnChange, Peer,
};
use crate::client::sqlite::SqliteClientStorage;
use crate::client::sqlite::ops::sql_token;
use crate::client::sqlite::row as machine;

impl SqliteClientStorage {
    /// Adds an entry of our own with its copies, which are to be sent. A request under a key that
    /// was used before makes nothing.
    pub fn append(
        &mut self,
        peer: &Peer,
        (new, at): (&NewEntry, Timestamp),
        copies: &[NewCopy],
        idempotency: Option<&Idempotency>,
    ) -> Result<Made, StoreError> {
        self.write(|connection| Timeline(connection).append(peer, (new, at), copies, idempotency))
    }

    /// Changes an entry, and adds the copies that tell the others. We edit and take back entries of
    /// our own only.
    pub fn change(
        &mut self,
        (entry, change): (EntryId, &OwnChange),
        at: Timestamp,
        copies: &[NewCopy],
    ) -> Result<Applied, StoreError> {
        self.write(|connection| Timeline(connection).alter(entry, change, at, copies))
    }
}

impl Timeline<'_> {
    pub(super) fn alter(
        &self,
        entry: EntryId,
        change: &OwnChange,
        at: Timestamp,
        copies: &[NewCopy],
    ) -> rusqlite::Result<Applied> {
        let Some(found) = self.entry(entry)? else { return Ok(Applied::Ignored) };
        let is_own = found.author == Author::Own;
        let changed = match change {
            OwnChange::Edit { text, event } => {
                is_own && self.edit(entry, text, event.as_ref(), at)?
            }
            OwnChange::Delete => is_own && self.delete(entry, at)?,
            OwnChange::React(emoji) => {
                self.react(entry, (&Author::Own, None), emoji.as_deref(), at)?;
                true
            }
            OwnChange::Read => true,
        };
        if !changed {
            return Ok(Applied::Ignored);
        }
        self.add_copies(entry, copies, CHANGE)?;
        Ok(Applied::Changed(found.conversation, entry))
    }

    pub(in crate::client::sqlite) fn append(
        &self,
        peer: &Peer,
        (new, at): (&NewEntry, Timestamp),
        copies: &[NewCopy],
        idempotency: Option<&Idempotency>,
    ) -> rusqlite::Result<Made> {
        if let Some(before) = self.made_before(idempotency, at)? {
            return Ok(before);
        }
        let conversation = self.conversation(peer)?;
        let addition = Addition { conversation, new, sent_at: at, received: None };
        let Some(entry) = self.add(&addition)? else {
            // Only the same request draws the same event id again.
            return self.own_event(conversation, new);
        };
        self.add_copies(entry, copies, ENTRY)?;
        self.remember(idempotency, entry, at)?;
        Ok(Made::New(entry))
    }

    fn own_event(
        &self,
        conversation: crate::client::conversations::ConversationId,
        new: &NewEntry,
    ) -> rusqlite::Result<Made> {
        let target = new.event_id.map(sealpost_core::event::Target::Event);
        let name = target.map(|target| EntryRef { author: Author::Own, target });
        let found = name.map(|name| self.find(conversation, &name)).transpose()?.flatten();
        Ok(found.map_or(Made::OtherRequest, Made::Before))
    }

    pub(super) fn add_copies(
        &self,
        entry: EntryId,
        copies: &[NewCopy],
        carries: i64,
    ) -> rusqlite::Result<()> {
        let mut statement = self.prepare(
            "INSERT INTO copies (token, entry, phone_number, carries, kind, content,
                                 recipient_key)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        for copy in copies {
            let (kind, content) = machine::content_columns(&copy.content);
            statement.execute(params![
                sql_token(copy.token),
                entry.0.cast_signed(),
                copy.phone.to_string(),
                carries,
                kind,
                content,
                copy.key.map(|key| key.0),
            ])?;
        }
        Ok(())
    }
}
