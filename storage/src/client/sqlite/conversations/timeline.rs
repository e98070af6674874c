//! Entries of the timeline: found, added, edited, taken back.

use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};
use sealpost_core::client::store::{Arrival, Continuity, InboxId, Trust};
use sealpost_core::event::{EncodedEvent, Target};
use sealpost_core::ids::{MessageId, Phone};
use sealpost_core::keys::Fingerprint;
use sealpost_core::time::Timestamp;

use super::row::{self, DELETED, FILE, TEXT};
use crate::client::conversations::{
    Author, Body, ConversationId, EntryId, EntryRef, NewEntry, Peer,
};
use crate::client::sqlite::row as machine;
use crate::engine::column;

/// The timeline, over a connection that is in a transaction.
pub(in crate::client::sqlite) struct Timeline<'a>(pub(in crate::client::sqlite) &'a Connection);

/// An entry to be added.
pub(super) struct Addition<'a> {
    pub(super) conversation: ConversationId,
    pub(super) new: &'a NewEntry,
    pub(super) sent_at: Timestamp,
    /// `None` for an entry of our own.
    pub(super) received: Option<Received>,
}

/// How an entry was received.
pub(super) struct Received {
    pub(super) place: InboxId,
    pub(super) author: Fingerprint,
    pub(super) phone: Phone,
    pub(super) id: MessageId,
    pub(super) at: Timestamp,
    pub(super) trust: Trust,
    pub(super) arrival: Arrival,
    pub(super) continuity: Continuity,
}

impl Timeline<'_> {
    /// The conversation with a peer, if there is one.
    pub(super) fn find_conversation(
        &self,
        peer: &Peer,
    ) -> rusqlite::Result<Option<ConversationId>> {
        let (phone, group) = peer_columns(peer);
        self.prepare(
            "SELECT conversation FROM conversations WHERE phone_number = ?1
             UNION ALL SELECT conversation FROM conversations WHERE group_id = ?2",
        )?
        .query_row(params![phone, group], |row| column::id(row, 0))
        .optional()
        .map(|found| found.map(ConversationId))
    }

    /// The conversation with a peer, which is begun if there is none.
    pub(super) fn conversation(&self, peer: &Peer) -> rusqlite::Result<ConversationId> {
        if let Some(found) = self.find_conversation(peer)? {
            return Ok(found);
        }
        let (phone, group) = peer_columns(peer);
        self.prepare("INSERT INTO conversations (phone_number, group_id) VALUES (?1, ?2)")?
            .insert(params![phone, group])
            .map(|conversation| ConversationId(conversation.cast_unsigned()))
    }

    /// The entry of a conversation with this name; the last one if several have it.
    pub(super) fn find(
        &self,
        conversation: ConversationId,
        entry: &EntryRef,
    ) -> rusqlite::Result<Option<EntryId>> {
        // Nobody has the key that is not known.
        if entry.author == Author::Peer(UNKNOWN_KEY) {
            return Ok(None);
        }
        let conversation = conversation.0.cast_signed();
        let found = match (entry.author, entry.target) {
            (Author::Peer(key), Target::Event(event)) => self
                .prepare(
                    "SELECT entry FROM timeline
                     WHERE author = ?1 AND event_id = ?2 AND conversation = ?3",
                )?
                .query_row(params![key.0, event.0, conversation], entry_id),
            (Author::Peer(key), Target::Message(message)) => self
                .prepare(
                    "SELECT entry FROM timeline
                     WHERE author = ?1 AND message_id = ?2 AND conversation = ?3
                     ORDER BY entry DESC LIMIT 1",
                )?
                .query_row(params![key.0, message.0.cast_signed(), conversation], entry_id),
            (Author::Own, Target::Event(event)) => self
                .prepare(
                    "SELECT entry FROM timeline
                     WHERE author IS NULL AND event_id = ?1 AND conversation = ?2",
                )?
                .query_row(params![event.0, conversation], entry_id),
            (Author::Own, Target::Message(message)) => self
                .prepare(
                    "SELECT timeline.entry
                     FROM outbox JOIN copies USING (token) JOIN timeline USING (entry)
                     WHERE outbox.message_id = ?1 AND timeline.conversation = ?2 AND carries = 0
                       AND timeline.event_id IS NULL",
                )?
                .query_row(params![message.0.cast_signed(), conversation], entry_id),
        };
        found.optional()
    }

    /// Adds an entry. `None` if its author has one with the same event id.
    pub(super) fn add(&self, addition: &Addition<'_>) -> rusqlite::Result<Option<EntryId>> {
        let Addition { conversation, new, sent_at, received } = addition;
        let (kind, text, data) = row::body_columns(&new.body, new.event.as_ref());
        let author =
            received.as_ref().map_or(Author::Own, |received| Author::Peer(received.author));
        let message = received.as_ref().filter(|_| new.event_id.is_none());
        let reply = new.reply_to.map(|reply| (reply.author, row::target_columns(&reply.target)));
        if let Some(id) = new.event_id
            && self.has_event(&author, id.0)?
        {
            return Ok(None);
        }
        let entry = self
            .prepare(
                "INSERT INTO timeline (conversation, place, author, phone_number, event_id,
                     message_id, sent_at, received_at, kind, text, data, reply_own, reply_author,
                     reply_event, reply_message, trust, arrival, continuity, expiry_secs)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16,
                         ?17, ?18, ?19)",
            )?
            .insert(params![
                conversation.0.cast_signed(),
                received.as_ref().map(|received| received.place.0.cast_signed()),
                row::author_key(&author),
                received.as_ref().map(|received| received.phone.to_string()),
                new.event_id.map(|id| id.0),
                message.map(|received| received.id.0.cast_signed()),
                sent_at.unix_secs(),
                received.as_ref().map(|received| received.at.unix_secs()),
                kind,
                text,
                data,
                reply.map(|(author, _)| author == Author::Own),
                reply.and_then(|(author, _)| row::author_key(&author)),
                reply.and_then(|(_, (event, _))| event),
                reply.and_then(|(_, (_, message))| message),
                received.as_ref().map(|received| machine::trust_code(received.trust)),
                received.as_ref().map(|received| machine::arrival_code(received.arrival)),
                received
                    .as_ref()
                    .map_or(0, |received| machine::continuity_code(received.continuity)),
                new.expiry_secs,
            ])?;
        let unread = received.is_some() && !matches!(new.body, Body::Notice(_));
        self.prepare(
            "UPDATE conversations SET last_entry = ?2, unread = unread + ?3 WHERE conversation = ?1",
        )?
        .execute(params![conversation.0.cast_signed(), entry, unread])?;
        Ok(Some(EntryId(entry.cast_unsigned())))
    }

    fn has_event(&self, author: &Author, event: [u8; 16]) -> rusqlite::Result<bool> {
        self.prepare("SELECT 1 FROM timeline WHERE author IS ?1 AND event_id = ?2")?
            .exists(params![row::author_key(author), event])
    }

    /// Replaces the text of an entry that has one. Returns whether it has.
    pub(super) fn edit(
        &self,
        entry: EntryId,
        text: &str,
        event: Option<&EncodedEvent>,
        at: Timestamp,
    ) -> rusqlite::Result<bool> {
        let Some(before) = self.text_of(entry)?.filter(Before::is_editable) else {
            return Ok(false);
        };
        self.keep_original(entry, &before, at)?;
        // The event of a file is its offer, which an edited caption does not replace.
        self.prepare(
            "UPDATE timeline SET text = ?2, edited_at = ?4,
                 data = CASE kind WHEN ?5 THEN data ELSE ?3 END WHERE entry = ?1",
        )?
        .execute(params![
            entry.0.cast_signed(),
            text,
            event.map(EncodedEvent::as_bytes),
            at.unix_secs(),
            FILE,
        ])?;
        Ok(true)
    }

    /// Takes an entry back. Returns whether there was anything to be taken back.
    pub(super) fn delete(&self, entry: EntryId, at: Timestamp) -> rusqlite::Result<bool> {
        let Some(before) = self.text_of(entry)?.filter(|text| text.kind < DELETED) else {
            return Ok(false);
        };
        if before.keeps_originals {
            self.keep_original(entry, &before, at)?;
        } else {
            self.prepare("DELETE FROM originals WHERE entry = ?1")?
                .execute([entry.0.cast_signed()])?;
        }
        self.erase(entry, DELETED)?;
        self.prepare("UPDATE timeline SET deleted_at = ?2 WHERE entry = ?1")?
            .execute([entry.0.cast_signed(), at.unix_secs()])?;
        Ok(true)
    }

    /// Puts a reaction in place of an earlier one of the same author, or takes it back.
    pub(super) fn react(
        &self,
        entry: EntryId,
        (author, phone): (&Author, Option<Phone>),
        emoji: Option<&str>,
        at: Timestamp,
    ) -> rusqlite::Result<()> {
        let (entry, author) = (entry.0.cast_signed(), row::reactor_key(author));
        match emoji {
            None => self
                .prepare("DELETE FROM reactions WHERE entry = ?1 AND author = ?2")?
                .execute(params![entry, author]),
            Some(emoji) => self
                .prepare("INSERT OR REPLACE INTO reactions VALUES (?1, ?2, ?3, ?4, ?5)")?
                .execute(params![
                    entry,
                    author,
                    phone.map(|phone| phone.to_string()),
                    emoji,
                    at.unix_secs()
                ]),
        }
        .map(drop)
    }

    /// Overwrites what an entry says, wherever it is: in the timeline, the index of words, the inbox,
    /// and those messages of the outbox that are sent.
    pub(super) fn erase(&self, entry: EntryId, kind: i64) -> rusqlite::Result<()> {
        let id = entry.0.cast_signed();
        self.prepare(
            "UPDATE timeline SET kind = ?2, text = NULL, data = NULL, reply_own = NULL,
                 reply_author = NULL, reply_event = NULL, reply_message = NULL WHERE entry = ?1",
        )?
        .execute([id, kind])?;
        let conversation = self
            .prepare("SELECT conversation FROM timeline WHERE entry = ?1")?
            .query_row([id], |row| column::id(row, 0))?;
        self.count_unread(ConversationId(conversation))?;
        self.prepare("DELETE FROM reactions WHERE entry = ?1")?.execute([id])?;
        // A transfer that goes on needs the name; the file itself belongs to the user.
        self.prepare(
            "UPDATE transfers SET caption = '',
                 name = CASE state WHEN 3 THEN 'file' ELSE name END WHERE entry = ?1",
        )?
        .execute([id])?;
        self.prepare(
            "UPDATE inbox SET kind = 1, content = x'' WHERE place IN (
                 SELECT place FROM timeline WHERE entry = ?1
                 UNION ALL SELECT place FROM sources WHERE entry = ?1)",
        )?
        .execute([id])?;
        self.prepare(
            "UPDATE outbox SET kind = 1, content = x''
             WHERE token IN (SELECT token FROM copies WHERE entry = ?1) AND status >= 1",
        )?
        .execute([id])
        .map(drop)
    }

    fn keep_original(
        &self,
        entry: EntryId,
        before: &Before,
        until: Timestamp,
    ) -> rusqlite::Result<()> {
        let Some(text) = before.text.as_ref().filter(|_| before.keeps_originals) else {
            return Ok(());
        };
        self.prepare("INSERT INTO originals (entry, until, text) VALUES (?1, ?2, ?3)")?
            .execute(params![entry.0.cast_signed(), until.unix_secs(), text])
            .map(drop)
    }

    fn text_of(&self, entry: EntryId) -> rusqlite::Result<Option<Before>> {
        self.prepare(
            "SELECT kind, text, keeps_originals
             FROM timeline JOIN conversations USING (conversation) WHERE entry = ?1",
        )?
        .query_row([entry.0.cast_signed()], |row| {
            Ok(Before { kind: row.get(0)?, text: row.get(1)?, keeps_originals: row.get(2)? })
        })
        .optional()
    }

    pub(in crate::client::sqlite) fn prepare(
        &self,
        sql: &str,
    ) -> rusqlite::Result<CachedStatement<'_>> {
        self.0.prepare_cached(sql)
    }
}

/// What an entry says before it is changed.
struct Before {
    kind: i64,
    text: Option<String>,
    keeps_originals: bool,
}

impl Before {
    const fn is_editable(&self) -> bool {
        self.kind == TEXT || self.kind == FILE
    }
}

fn entry_id(row: &Row<'_>) -> rusqlite::Result<EntryId> {
    column::id(row, 0).map(EntryId)
}

fn peer_columns(peer: &Peer) -> (Option<String>, Option<[u8; 16]>) {
    match peer {
        Peer::Person(phone) => (Some(phone.to_string()), None),
        Peer::Group(group) => (None, Some(group.0)),
    }
}

/// Stands for the key that signed a message, if it is not known. No key has this fingerprint.
const UNKNOWN_KEY: Fingerprint = Fingerprint([0; 32]);
