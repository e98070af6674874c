//! Programs that read the inbox, each from a place of its own on.

use rusqlite::{OptionalExtension, params};
use sealpost_core::client::store::{InboxId, InboxItem};
use sealpost_core::frame::StoreError;

use crate::client::sqlite::SqliteClientStorage;
use crate::client::sqlite::ops::sql_place;
use crate::client::sqlite::row::{self, RECEIVED_COLUMNS};
use crate::engine::column;

impl SqliteClientStorage {
    /// The first `limit` messages of the inbox behind a place.
    pub fn inbox_after(&self, after: InboxId, limit: u32) -> Result<Vec<InboxItem>, StoreError> {
        self.read(|connection| {
            let sql = format!(
                "SELECT {RECEIVED_COLUMNS} FROM inbox WHERE place > ?1 ORDER BY place LIMIT ?2"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let items = statement.query_map(params![sql_place(after.0), limit], row::received)?;
            items.collect()
        })
    }

    /// The place up to which a consumer has read; `None` if there is no such consumer.
    pub fn consumer(&self, name: &str) -> Result<Option<InboxId>, StoreError> {
        self.read(|connection| {
            connection
                .prepare_cached("SELECT place FROM consumers WHERE name = ?1")?
                .query_row([name], |row| column::id(row, 0).map(InboxId))
                .optional()
        })
    }

    /// Every consumer with the place up to which it has read, in the order of their names.
    pub fn consumers(&self) -> Result<Vec<(String, InboxId)>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT name, place FROM consumers ORDER BY name";
            let mut statement = connection.prepare_cached(sql)?;
            let consumers = statement
                .query_map((), |row| Ok((row.get(0)?, column::id(row, 1).map(InboxId)?)))?;
            consumers.collect()
        })
    }

    /// Moves a consumer forward, never back; a new one begins there. Returns where it is.
    pub fn advance_consumer(&mut self, name: &str, up_to: InboxId) -> Result<InboxId, StoreError> {
        self.write(|connection| {
            connection
                .prepare_cached(
                    "INSERT INTO consumers VALUES (?1, ?2)
                     ON CONFLICT (name) DO UPDATE SET place = max(place, excluded.place)
                     RETURNING place",
                )?
                .query_row(params![name, sql_place(up_to.0)], |row| column::id(row, 0))
                .map(InboxId)
        })
    }

    /// Forgets a consumer. Returns whether there was one.
    pub fn remove_consumer(&mut self, name: &str) -> Result<bool, StoreError> {
        self.write(|connection| {
            let sql = "DELETE FROM consumers WHERE name = ?1";
            Ok(connection.prepare_cached(sql)?.execute([name])? > 0)
        })
    }
}
