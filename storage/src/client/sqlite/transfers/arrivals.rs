//! Events of transfers that arrived, and that wait for their step.

use rusqlite::params;
use sealpost_core::client::store::{InboxId, InboxItem};
use sealpost_core::frame::StoreError;

use crate::client::sqlite::SqliteClientStorage;
use crate::client::sqlite::conversations::Timeline;
use crate::client::sqlite::ops::sql_place;
use crate::client::sqlite::row::{self, RECEIVED_COLUMNS};
use crate::engine::column;

impl SqliteClientStorage {
    /// The first `limit` messages that wait for the transfers, in the order in which they arrived.
    pub fn file_arrivals(&self, limit: u32) -> Result<Vec<InboxItem>, StoreError> {
        self.read(|connection| {
            let sql = format!(
                "SELECT {RECEIVED_COLUMNS} FROM file_arrivals JOIN inbox USING (place)
                 ORDER BY place LIMIT ?1"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let items = statement.query_map([limit], row::received)?;
            items.collect()
        })
    }

    /// The place of the last message in the inbox.
    pub fn last_arrival(&self) -> Result<InboxId, StoreError> {
        self.read(|connection| {
            let sql = "SELECT coalesce(max(place), 0) FROM inbox";
            connection.prepare_cached(sql)?.query_row((), |row| column::id(row, 0)).map(InboxId)
        })
    }
}

impl Timeline<'_> {
    /// Lets a message wait for the transfers.
    pub(in crate::client::sqlite) fn queue_file_event(
        &self,
        place: InboxId,
    ) -> rusqlite::Result<()> {
        self.prepare("INSERT INTO file_arrivals (place) VALUES (?1)")?
            .execute(params![sql_place(place.0)])
            .map(drop)
    }
}
