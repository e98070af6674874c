//! What waits to be sent, and what failed.

use rusqlite::{Params, params};
use sealpost_core::client::store::{Content, ReceivedContent};
use sealpost_core::event::{self, EncodedEvent};
use sealpost_core::frame::StoreError;
use sealpost_core::ids::MessageId;

use super::row::{self, COPY_COLUMNS, ENTRY};
use super::timeline::Timeline;
use crate::client::OutboxCounts;
use crate::client::conversations::{Carries, ConversationId, EntryId, GroupSending, Sending};
use crate::client::sqlite::SqliteClientStorage;
use crate::client::sqlite::ops::sql_message_id;
use crate::client::sqlite::row as machine;
use crate::engine::column::{count, id, phone};

impl SqliteClientStorage {
    /// Copies that the server does not hold yet, at most `limit`, in the order of their entries: those
    /// in the outbox, those that can't be sealed yet, and those that the machine does not have.
    pub fn waiting_copies(&self, limit: u32) -> Result<Vec<Sending>, StoreError> {
        self.read(|connection| {
            let timeline = Timeline(connection);
            let mut waiting = Vec::new();
            for from in [
                "outbox INDEXED BY outbox_queued JOIN copies USING (token)
                     LEFT JOIN drafts USING (token) WHERE status = 0 ORDER BY outbox.place",
                "drafts JOIN copies USING (token) LEFT JOIN outbox USING (token)
                 ORDER BY draft_id",
                "copies INDEXED BY copies_to_send LEFT JOIN outbox USING (token)
                     LEFT JOIN drafts USING (token)
                 WHERE copies.content IS NOT NULL AND refused IS NULL ORDER BY copies.token",
            ] {
                waiting.extend(timeline.sendings(&format!("{from} LIMIT ?1"), [limit])?);
            }
            waiting.sort_by_key(|sending| sending.entry);
            waiting.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            Ok(waiting)
        })
    }

    /// Copies that the machine gave up or refused and that were not withdrawn since, latest first.
    pub fn failed_copies(&self, limit: u32) -> Result<Vec<Sending>, StoreError> {
        self.read(|connection| {
            let timeline = Timeline(connection);
            let mut failed = timeline.sendings(
                "outbox INDEXED BY outbox_failed JOIN copies USING (token)
                     LEFT JOIN drafts USING (token)
                 WHERE status >= 3 AND refused IS NOT ?2 ORDER BY outbox.place DESC LIMIT ?1",
                params![limit, row::CANCELLED],
            )?;
            failed.extend(timeline.sendings(
                "copies LEFT JOIN outbox USING (token) LEFT JOIN drafts USING (token)
                 WHERE refused IS NOT NULL AND refused <> ?2 ORDER BY copies.token LIMIT ?1",
                params![limit, row::CANCELLED],
            )?);
            failed.sort_by_key(|sending| std::cmp::Reverse(sending.entry));
            failed.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            Ok(failed)
        })
    }

    /// Every copy that carries an entry or a change of it: first those of the entry, then changes in
    /// the order in which they were sealed.
    pub fn copies_of(&self, entry: EntryId) -> Result<Vec<Sending>, StoreError> {
        self.read(|connection| {
            Timeline(connection).sendings(
                "copies LEFT JOIN outbox USING (token) LEFT JOIN drafts USING (token)
                 WHERE copies.entry = ?1
                 ORDER BY carries, outbox.place IS NULL, outbox.place, copies.token",
                [entry.0.cast_signed()],
            )
        })
    }

    /// How many of our messages are how far, each with the least far of its copies that have not
    /// failed. Copies that were withdrawn do not count.
    pub fn message_counts(&self) -> Result<OutboxCounts, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "WITH reached (entry, step) AS (
                     SELECT entry, CASE WHEN status < 3 THEN status
                         WHEN status IS NULL AND refused IS NULL THEN 0 ELSE 3 END
                     FROM copies LEFT JOIN outbox USING (token)
                     WHERE carries = 0 AND refused IS NOT ?1),
                 messages (step) AS (
                     SELECT min(step) FROM reached JOIN timeline USING (entry)
                     WHERE timeline.kind <> 4 GROUP BY entry)
                 SELECT step, count(*) FROM messages GROUP BY step",
            )?;
            let mut rows = statement.query([row::CANCELLED])?;
            let mut counts = OutboxCounts::default();
            while let Some(row) = rows.next()? {
                counts.add(machine::status(row.get(0)?)?, count(row, 1)?);
            }
            Ok(counts)
        })
    }

    /// The group and the recipient of a message of ours that is a state or a request of a group.
    pub fn sent_for_group(&self, message: MessageId) -> Result<Option<GroupSending>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT phone_number, kind, content FROM outbox WHERE message_id = ?1";
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query([sql_message_id(message)])?;
            let Some(row) = rows.next()? else { return Ok(None) };
            let event = content_event(machine::content(row, 1)?);
            let group = event.and_then(|event| group_of(&event));
            group.map(|group| Ok(GroupSending { group, phone: phone(row, 0)? })).transpose()
        })
    }

    /// States and requests of groups that the server does not hold yet, at most `limit` of those that
    /// the machine has, and as many of those that it does not have.
    pub fn waiting_for_groups(&self, limit: u32) -> Result<Vec<GroupSending>, StoreError> {
        self.read(|connection| {
            let timeline = Timeline(connection);
            let mut statement = timeline.prepare(
                "SELECT phone_number, kind, content FROM (
                     SELECT phone_number, kind, content, token AS sent
                     FROM outbox INDEXED BY outbox_queued WHERE status = 0
                     UNION ALL
                     SELECT phone_number, kind, content, token FROM drafts
                     WHERE phone_number IS NOT NULL)
                 WHERE NOT EXISTS (SELECT 1 FROM copies WHERE copies.token = sent)
                   AND NOT EXISTS (SELECT 1 FROM file_sends WHERE file_sends.token = sent)
                 LIMIT ?1",
            )?;
            let mut waiting = Vec::new();
            let mut rows = statement.query(params![limit])?;
            while let Some(row) = rows.next()? {
                let group = content_event(machine::content(row, 1)?).and_then(|it| group_of(&it));
                let Some(group) = group else { continue };
                waiting.push(GroupSending { group, phone: phone(row, 0)? });
            }
            Ok(waiting)
        })
        .and_then(|mut waiting| {
            let posts = self.group_posts(limit)?.into_iter();
            waiting.extend(posts.map(|post| GroupSending { group: post.group, phone: post.phone }));
            Ok(waiting)
        })
    }
}

impl Timeline<'_> {
    fn sendings(&self, from: &str, query: impl Params) -> rusqlite::Result<Vec<Sending>> {
        // The conversation is looked up for each of the few rows.
        let sql = format!(
            "SELECT {COPY_COLUMNS}, copies.entry,
                    (SELECT conversation FROM timeline WHERE timeline.entry = copies.entry), carries,
                    coalesce(outbox.kind, drafts.kind, copies.kind),
                    CASE carries WHEN 0 THEN x''
                        ELSE coalesce(outbox.content, drafts.content, copies.content, x'') END
             FROM {from}"
        );
        let mut statement = self.prepare(&sql)?;
        let sendings = statement.query_map(query, |row| {
            let carries = match (row.get(9)?, row.get_ref(11)?.as_blob()?) {
                (ENTRY, _) => Carries::Entry,
                (_, []) => Carries::Change(None),
                (_, _) => Carries::Change(content_event(machine::content(row, 10)?)),
            };
            Ok(Sending {
                entry: EntryId(id(row, 7)?),
                conversation: ConversationId(id(row, 8)?),
                copy: row::copy(row)?,
                carries,
            })
        })?;
        sendings.collect()
    }
}

fn content_event(content: ReceivedContent) -> Option<EncodedEvent> {
    match content {
        ReceivedContent::Opened(Content::Event(event)) => Some(event),
        ReceivedContent::Opened(Content::Text(_) | Content::Bytes(_))
        | ReceivedContent::Undecryptable => None,
    }
}

/// The group whose state or request an event is.
fn group_of(event: &EncodedEvent) -> Option<event::GroupId> {
    let event = event.event().ok()?;
    let is_of_group =
        matches!(event.body, event::Body::GroupState(_) | event::Body::GroupRequest { .. });
    event.group.filter(|_| is_of_group).map(|tag| tag.group)
}
