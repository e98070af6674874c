//! Conversations that the user removes.

use sealpost_core::frame::StoreError;

use super::timeline::Timeline;
use crate::client::conversations::Peer;
use crate::client::sqlite::SqliteClientStorage;

impl SqliteClientStorage {
    /// Takes away what the user has set for a conversation: name, draft, and settings, but not that it
    /// is blocked.
    pub fn reset_conversation(&mut self, peer: &Peer) -> Result<(), StoreError> {
        self.write(|connection| Timeline(connection).reset(peer))
    }

    /// Deletes the conversation with a person, with every entry, and the contents of its messages
    /// wherever they are. Messages that were not applied yet stay. One that is on its way still goes.
    /// If the person is blocked, the empty conversation stays, which says so.
    pub fn delete_conversation(&mut self, peer: &Peer) -> Result<(), StoreError> {
        self.write(|connection| {
            let timeline = Timeline(connection);
            timeline.reset(peer)?;
            timeline.delete_entries(peer)
        })
    }
}

impl Timeline<'_> {
    fn reset(&self, peer: &Peer) -> rusqlite::Result<()> {
        let Some(id) = self.find_conversation(peer)? else { return Ok(()) };
        self.prepare(
            "UPDATE conversations SET name = NULL, draft = '', muted_until = NULL,
                 expiry_secs = NULL, keeps_originals = 0, read_marks = 0
             WHERE conversation = ?1",
        )?
        .execute([id.0.cast_signed()])
        .map(drop)
    }

    fn delete_entries(&self, peer: &Peer) -> rusqlite::Result<()> {
        let Some(id) = self.find_conversation(peer)? else { return Ok(()) };
        let id = [id.0.cast_signed()];
        // What was dropped of a blocked person has no entry.
        if let Peer::Person(phone) = peer {
            self.prepare(
                "UPDATE inbox SET kind = 1, content = x''
                 WHERE phone_number = ?1 AND place <= (SELECT applied_up_to FROM account)",
            )?
            .execute([phone.to_string()])?;
        }
        self.prepare(
            "UPDATE inbox SET kind = 1, content = x'' WHERE place IN (
                 SELECT place FROM timeline WHERE conversation = ?1
                 UNION ALL SELECT sources.place FROM sources JOIN timeline USING (entry)
                 WHERE conversation = ?1)",
        )?
        .execute(id)?;
        // The packet that goes over the wire is kept until the server has it.
        self.prepare(
            "UPDATE outbox SET kind = 1, content = x'' WHERE token IN (
                 SELECT token FROM copies JOIN timeline USING (entry) WHERE conversation = ?1)",
        )?
        .execute(id)?;
        for table in ["originals", "reactions", "sources", "copies"] {
            let sql = format!(
                "DELETE FROM {table} WHERE entry IN (
                     SELECT entry FROM timeline WHERE conversation = ?1)"
            );
            self.prepare(&sql)?.execute(id)?;
        }
        self.prepare("DELETE FROM timeline WHERE conversation = ?1")?.execute(id)?;
        self.prepare("DELETE FROM conversations WHERE conversation = ?1 AND blocked = 0")?
            .execute(id)?;
        self.prepare(
            "UPDATE conversations SET read_up_to = 0, unread = 0, last_entry = 0
             WHERE conversation = ?1",
        )?
        .execute(id)
        .map(drop)
    }
}
