//! Entries whose lifetime is over.

use sealpost_core::frame::StoreError;
use sealpost_core::time::Timestamp;

use super::row::EXPIRED;
use super::timeline::Timeline;
use crate::client::conversations::{ConversationId, EntryId};
use crate::client::sqlite::SqliteClientStorage;
use crate::engine::column::{id, timestamp};

impl SqliteClientStorage {
    /// When the next lifetime is over; `None` if none has begun.
    pub fn next_expiry(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT expires_at FROM timeline WHERE expires_at IS NOT NULL
                       ORDER BY expires_at LIMIT 1";
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query(())?;
            rows.next()?.map(|row| timestamp(row, 0)).transpose()
        })
    }

    /// Begins the lifetimes of entries of our own whose copies are all delivered, apart from those that
    /// failed. Returns how many.
    pub fn begin_expiry_of_delivered(&mut self, now: Timestamp) -> Result<usize, StoreError> {
        self.write(|connection| {
            Timeline(connection)
                .prepare(
                    "UPDATE timeline SET expires_at = ?1 + expiry_secs
                     WHERE expiry_secs IS NOT NULL AND expires_at IS NULL AND author IS NULL
                       AND EXISTS (
                           SELECT 1 FROM copies JOIN outbox USING (token)
                           WHERE copies.entry = timeline.entry AND carries = 0 AND status = 2)
                       AND NOT EXISTS (
                           SELECT 1 FROM copies LEFT JOIN outbox USING (token)
                           WHERE copies.entry = timeline.entry AND carries = 0
                             AND ifnull(status, 0) < 2 AND refused IS NULL)",
                )?
                .execute([now.unix_secs()])
        })
    }

    /// Overwrites the contents of entries whose lifetime is over, at most `limit`. What is not sent
    /// yet stays. Returns the entries.
    pub fn expire(
        &mut self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<(ConversationId, EntryId)>, StoreError> {
        self.write(|connection| {
            let timeline = Timeline(connection);
            let mut statement = timeline.prepare(
                "SELECT conversation, entry FROM timeline
                 WHERE expires_at IS NOT NULL AND expires_at <= ?1 ORDER BY expires_at LIMIT ?2",
            )?;
            let due = statement.query_map((now.unix_secs(), limit), |row| {
                Ok((ConversationId(id(row, 0)?), EntryId(id(row, 1)?)))
            })?;
            let due = due.collect::<rusqlite::Result<Vec<_>>>()?;
            for (_, entry) in &due {
                timeline.erase(*entry, EXPIRED)?;
                let entry = [entry.0.cast_signed()];
                timeline.prepare("DELETE FROM originals WHERE entry = ?1")?.execute(entry)?;
                timeline
                    .prepare("UPDATE timeline SET expires_at = NULL, expiry_secs = NULL WHERE entry = ?1")?
                    .execute(entry)?;
            }
            Ok(due)
        })
    }
}
