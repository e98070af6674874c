//! Applies received messages to the timeline, each once, and decides who may change what.

use rusqlite::params;
use sealpost_core::client::store::{InboxId, InboxItem, IncomingMessage};
use sealpost_core::frame::StoreError;
use sealpost_core::time::Timestamp;

use super::timeline::{Addition, Received, Timeline};
use crate::client::conversations::{
    Applied, Author, Change, ConversationId, Effect, EntryId, EntryRef, NewEntry, Peer,
};
use crate::client::sqlite::SqliteClientStorage;
use crate::engine::column;

impl SqliteClientStorage {
    /// The place of the inbox up to which messages were applied to the timeline.
    pub fn applied_up_to(&self) -> Result<InboxId, StoreError> {
        self.read(|connection| Timeline(connection).applied_up_to())
    }

    /// Applies the change that a received message makes, and remembers its place. A message whose
    /// place is not behind the last one is not applied again, so messages are applied in the order of
    /// their places, and may be repeated after a crash.
    pub fn apply(
        &mut self,
        item: &InboxItem,
        peer: &Peer,
        change: &Change,
    ) -> Result<Applied, StoreError> {
        self.write(|connection| Timeline(connection).apply(item, peer, change))
    }

    /// Applies messages as [`apply`](Self::apply) does, all of them in one transaction.
    pub fn apply_all(&mut self, effects: &[Effect]) -> Result<Vec<Applied>, StoreError> {
        self.write(|connection| {
            let timeline = Timeline(connection);
            let apply =
                |effect: &Effect| timeline.apply(&effect.item, &effect.peer, &effect.change);
            effects.iter().map(apply).collect()
        })
    }
}

impl Timeline<'_> {
    pub(super) fn applied_up_to(&self) -> rusqlite::Result<InboxId> {
        let mut statement = self.prepare("SELECT applied_up_to FROM account")?;
        statement.query_row((), |row| column::id(row, 0)).map(InboxId)
    }

    fn apply(&self, item: &InboxItem, peer: &Peer, change: &Change) -> rusqlite::Result<Applied> {
        if !self.begin_to_apply(item.place)? {
            return Ok(Applied::Before);
        }
        let applied = self.carry_out(item, peer, change)?;
        self.end_of_apply(item.place)?;
        Ok(applied)
    }

    /// Whether the message at a place is to be applied: not if it was applied before, or was shown
    /// when its group released it.
    pub(super) fn begin_to_apply(&self, place: InboxId) -> rusqlite::Result<bool> {
        if place <= self.applied_up_to()? {
            return Ok(false);
        }
        if self.is_released(place)? {
            self.end_of_apply(place)?;
            return Ok(false);
        }
        Ok(true)
    }

    /// Remembers that messages up to a place were applied.
    pub(super) fn end_of_apply(&self, place: InboxId) -> rusqlite::Result<()> {
        self.prepare("UPDATE account SET applied_up_to = ?1")?.execute([place.0.cast_signed()])?;
        self.forget_released(place)
    }

    pub(super) fn carry_out(
        &self,
        item: &InboxItem,
        peer: &Peer,
        change: &Change,
    ) -> rusqlite::Result<Applied> {
        let at = item.message.received_at;
        let find = |entry: &_| self.find_for(peer, entry);
        Ok(match change {
            Change::Nothing => Applied::Ignored,
            Change::Drop => {
                self.drop_received(item)?;
                Applied::Ignored
            }
            Change::Append(new) => self.append_received(item, peer, new)?,
            Change::File(offer) => {
                self.queue_file_event(item.place)?;
                match offer {
                    Some(new) => self.append_received(item, peer, new)?,
                    None => Applied::Ignored,
                }
            }
            Change::Edit { entry, text, event } => match find(entry)? {
                Some((conversation, found))
                    if is_author(&item.message, entry)
                        && self.edit(found, text, event.as_ref(), at)? =>
                {
                    self.note_source(item.place, found)?;
                    Applied::Changed(conversation, found)
                }
                Some(_) | None => Applied::Ignored,
            },
            Change::Delete { entry } => match find(entry)? {
                Some((conversation, found))
                    if is_author(&item.message, entry) && self.delete(found, at)? =>
                {
                    Applied::Changed(conversation, found)
                }
                Some(_) | None => Applied::Ignored,
            },
            Change::React { entry, emoji } => match find(entry)? {
                Some((conversation, found)) if is_short(emoji.as_deref()) => {
                    let by = (&Author::Peer(item.message.signed_by), Some(item.message.phone));
                    self.react(found, by, emoji.as_deref(), at)?;
                    Applied::Changed(conversation, found)
                }
                Some(_) | None => Applied::Ignored,
            },
            Change::Read { entries } => self.mark_read(&item.message, peer, entries)?,
            Change::Expire { secs, line } => {
                let conversation = self.conversation(peer)?;
                self.set_expiry(conversation, *secs)?;
                self.append_received(item, peer, line)?
            }
        })
    }

    pub(super) fn append_received(
        &self,
        item: &InboxItem,
        peer: &Peer,
        new: &NewEntry,
    ) -> rusqlite::Result<Applied> {
        let message = &item.message;
        let conversation = self.conversation(peer)?;
        let received = Received {
            place: item.place,
            author: message.signed_by,
            phone: message.phone,
            id: message.id,
            at: message.received_at,
            trust: message.trust,
            arrival: item.arrival,
            continuity: item.continuity,
        };
        let sent_at = message.sent_at;
        let addition = Addition { conversation, new, sent_at, received: Some(received) };
        let added = self.add(&addition)?;
        Ok(added.map_or(Applied::Ignored, |entry| Applied::Added(conversation, entry)))
    }

    fn find_for(
        &self,
        peer: &Peer,
        entry: &EntryRef,
    ) -> rusqlite::Result<Option<(ConversationId, EntryId)>> {
        let Some(conversation) = self.find_conversation(peer)? else { return Ok(None) };
        let found = self.find(conversation, entry)?;
        Ok(found.map(|entry| (conversation, entry)))
    }

    /// Marks entries of ours as seen by the sender of a message.
    fn mark_read(
        &self,
        message: &IncomingMessage,
        peer: &Peer,
        entries: &[EntryRef],
    ) -> rusqlite::Result<Applied> {
        let mut applied = Applied::Ignored;
        for entry in entries.iter().filter(|entry| entry.author == Author::Own) {
            let Some((conversation, found)) = self.find_for(peer, entry)? else { continue };
            let marked = self.mark_copy_read(found, message, message.received_at)?;
            if marked > 0 {
                applied = Applied::Changed(conversation, found);
            }
        }
        Ok(applied)
    }

    fn mark_copy_read(
        &self,
        entry: EntryId,
        message: &IncomingMessage,
        at: Timestamp,
    ) -> rusqlite::Result<usize> {
        self.prepare(
            "UPDATE copies SET read_at = ?3
             WHERE entry = ?1 AND phone_number = ?2 AND carries = 0 AND read_at IS NULL
               AND (SELECT read_marks FROM timeline JOIN conversations USING (conversation)
                    WHERE timeline.entry = copies.entry)",
        )?
        .execute(params![
            entry.0.cast_signed(),
            message.phone.to_string(),
            at.unix_secs()
        ])
    }

    /// Remembers that an item of the inbox contains the text of an entry.
    fn note_source(&self, place: InboxId, entry: EntryId) -> rusqlite::Result<()> {
        self.prepare("INSERT INTO sources (place, entry) VALUES (?1, ?2)")?
            .execute([place.0.cast_signed(), entry.0.cast_signed()])
            .map(drop)
    }
}

/// Whether the key that signed a message is that of the author of an entry.
fn is_author(message: &IncomingMessage, entry: &EntryRef) -> bool {
    entry.author == Author::Peer(message.signed_by)
}

fn is_short(emoji: Option<&str>) -> bool {
    emoji.is_none_or(|emoji| emoji.len() <= MAX_EMOJI)
}

/// Longest reaction, in bytes of UTF-8 (PROTOCOL 5.4).
const MAX_EMOJI: usize = 64;
