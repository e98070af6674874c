//! The list of conversations, and their settings.

use rusqlite::{OptionalExtension, ToSql, params};
use sealpost_core::frame::StoreError;
use sealpost_core::time::Timestamp;

use super::row::{self, CONVERSATION_COLUMNS};
use super::timeline::Timeline;
use crate::client::conversations::{
    Conversation, ConversationId, EntryId, Mute, Originals, Peer, ReadMarks, Visibility,
};
use crate::client::sqlite::SqliteClientStorage;
use crate::client::sqlite::ops::sql_place;
use crate::engine::column;

impl SqliteClientStorage {
    /// Conversations with their last entry, at most `limit`, the one with the latest entry first.
    pub fn conversations(&self, limit: u32) -> Result<Vec<Conversation>, StoreError> {
        self.read(|connection| {
            let sql = format!(
                "SELECT {CONVERSATION_COLUMNS} FROM conversations
                 ORDER BY last_entry DESC, conversation DESC LIMIT ?1"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let conversations = statement.query_map([limit], row::conversation)?;
            conversations.map(|found| Timeline(connection).with_last(found?)).collect()
        })
    }

    /// Every conversation with a person, without its last entry, in no particular order.
    pub fn conversations_with_people(&self) -> Result<Vec<Conversation>, StoreError> {
        self.read(|connection| {
            let sql = format!(
                "SELECT {CONVERSATION_COLUMNS} FROM conversations WHERE phone_number IS NOT NULL"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let conversations = statement.query_map([], row::conversation)?;
            conversations.map(|found| Ok(found?.0)).collect()
        })
    }

    /// The conversation with a peer.
    pub fn conversation(&self, peer: &Peer) -> Result<Option<Conversation>, StoreError> {
        self.read(|connection| {
            let timeline = Timeline(connection);
            let Some(id) = timeline.find_conversation(peer)? else { return Ok(None) };
            timeline.one_conversation(id)
        })
    }

    /// A conversation.
    pub fn conversation_of(&self, id: ConversationId) -> Result<Option<Conversation>, StoreError> {
        self.read(|connection| Timeline(connection).one_conversation(id))
    }

    /// Begins a conversation with a peer, if there is none. Returns its name.
    pub fn open_conversation(&mut self, peer: &Peer) -> Result<ConversationId, StoreError> {
        self.write(|connection| Timeline(connection).conversation(peer))
    }

    /// Notes that everything up to an entry was shown. Lifetimes of received entries begin. Returns
    /// up to which entry that was so before.
    pub fn read_up_to(
        &mut self,
        conversation: ConversationId,
        up_to: EntryId,
        at: Timestamp,
    ) -> Result<Option<EntryId>, StoreError> {
        self.write(|connection| Timeline(connection).read_up_to(conversation, up_to, at))
    }

    /// Gives a conversation a name of the user's own, or none.
    pub fn set_name(&mut self, id: ConversationId, name: Option<&str>) -> Result<(), StoreError> {
        self.set(id, "name", &name)
    }

    /// Blocks a conversation, or shows it again.
    pub fn set_visibility(
        &mut self,
        id: ConversationId,
        visibility: Visibility,
    ) -> Result<(), StoreError> {
        self.set(id, "blocked", &(visibility == Visibility::Blocked))
    }

    /// Mutes a conversation, or makes it heard again.
    pub fn set_mute(&mut self, id: ConversationId, mute: Mute) -> Result<(), StoreError> {
        self.set(id, "muted_until", &row::mute_column(mute))
    }

    /// Lets new entries live this long, in seconds; `None`: for ever.
    pub fn set_expiry(&mut self, id: ConversationId, secs: Option<u32>) -> Result<(), StoreError> {
        self.set(id, "expiry_secs", &secs)
    }

    /// Keeps the texts of entries that are edited or taken back from now on, or forgets them.
    pub fn set_originals(
        &mut self,
        id: ConversationId,
        originals: Originals,
    ) -> Result<(), StoreError> {
        self.set(id, "keeps_originals", &(originals == Originals::Kept))
    }

    /// Tells the peer what the user has seen from now on, and shows what the peer tells, or neither.
    pub fn set_read_marks(
        &mut self,
        id: ConversationId,
        read_marks: ReadMarks,
    ) -> Result<(), StoreError> {
        self.set(id, "read_marks", &(read_marks == ReadMarks::Exchanged))
    }

    /// Accepts offered files without asking, as long as those on their way from the peer have at most so
    /// many bytes together.
    pub fn set_accepted_files(&mut self, id: ConversationId, bytes: u64) -> Result<(), StoreError> {
        self.set(id, "accepted_files", &bytes.cast_signed())
    }

    /// Keeps a text that the user has begun to write.
    pub fn set_draft(&mut self, id: ConversationId, text: &str) -> Result<(), StoreError> {
        self.set(id, "draft", &text)
    }

    fn set(
        &mut self,
        id: ConversationId,
        column: &'static str,
        value: &dyn ToSql,
    ) -> Result<(), StoreError> {
        self.write(|connection| Timeline(connection).set(id, column, value))
    }
}

impl Timeline<'_> {
    pub(super) fn set_expiry(&self, id: ConversationId, secs: Option<u32>) -> rusqlite::Result<()> {
        self.set(id, "expiry_secs", &secs)
    }

    fn set(
        &self,
        id: ConversationId,
        column: &'static str,
        value: &dyn ToSql,
    ) -> rusqlite::Result<()> {
        self.prepare(&format!("UPDATE conversations SET {column} = ?2 WHERE conversation = ?1"))?
            .execute(params![id.0.cast_signed(), value])
            .map(drop)
    }

    pub(super) fn one_conversation(
        &self,
        id: ConversationId,
    ) -> rusqlite::Result<Option<Conversation>> {
        let sql =
            format!("SELECT {CONVERSATION_COLUMNS} FROM conversations WHERE conversation = ?1");
        let found =
            self.prepare(&sql)?.query_row([id.0.cast_signed()], row::conversation).optional()?;
        found.map(|found| self.with_last(found)).transpose()
    }

    fn with_last(&self, (found, last): (Conversation, i64)) -> rusqlite::Result<Conversation> {
        Ok(Conversation { last: self.entry(EntryId(last.cast_unsigned()))?, ..found })
    }

    /// Counts what was received and not seen, apart from what was taken back or has expired.
    pub(super) fn count_unread(&self, conversation: ConversationId) -> rusqlite::Result<()> {
        self.prepare(
            "UPDATE conversations SET unread = (
                 SELECT count(*) FROM timeline
                 WHERE timeline.conversation = ?1 AND author IS NOT NULL AND kind <> 4
                   AND kind NOT IN (6, 7) AND entry > read_up_to)
             WHERE conversation = ?1",
        )?
        .execute([conversation.0.cast_signed()])
        .map(drop)
    }

    fn read_up_to(
        &self,
        conversation: ConversationId,
        up_to: EntryId,
        at: Timestamp,
    ) -> rusqlite::Result<Option<EntryId>> {
        let (id, up_to) = (conversation.0.cast_signed(), sql_place(up_to.0));
        let before = self
            .prepare("SELECT read_up_to FROM conversations WHERE conversation = ?1")?
            .query_row([id], |row| column::id(row, 0))
            .optional()?;
        self.prepare(
            "UPDATE conversations SET read_up_to = max(read_up_to, min(?2, last_entry))
             WHERE conversation = ?1",
        )?
        .execute([id, up_to])?;
        self.count_unread(conversation)?;
        self.prepare(
            "UPDATE timeline SET expires_at = ?3 + expiry_secs
             WHERE conversation = ?1 AND entry <= ?2 AND author IS NOT NULL
               AND expiry_secs IS NOT NULL AND expires_at IS NULL",
        )?
        .execute([id, up_to, at.unix_secs()])?;
        Ok(before.filter(|entry| *entry > 0).map(EntryId))
    }
}
