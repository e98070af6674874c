//! What is known of transfers and their messages.

use rusqlite::{Connection, OptionalExtension, Params, params};
use sealpost_core::client::store::{Content, ReceivedContent, Token};
use sealpost_core::event::GroupId;
use sealpost_core::files::{EventName, TransferId};
use sealpost_core::frame::StoreError;

use super::row::{self, SEND_COLUMNS, TRANSFER_COLUMNS};
use crate::client::conversations::EntryId;
use crate::client::sqlite::SqliteClientStorage;
use crate::client::sqlite::row as machine;
use crate::client::transfers::{KeptSend, Transfer};
use crate::engine::column::Unreadable;

impl SqliteClientStorage {
    /// Every transfer that the machine knows.
    pub fn known_transfers(&self) -> Result<Vec<Transfer>, StoreError> {
        self.read(|connection| transfers(connection, "state <> 3 OR ended_order IS NOT NULL", ()))
    }

    /// The transfers that the latest entries show, at most `limit` entries, the oldest first.
    pub fn transfers(&self, limit: u32) -> Result<Vec<Transfer>, StoreError> {
        self.read(|connection| {
            let which = "entry IN (
                 SELECT DISTINCT entry FROM transfers WHERE entry IS NOT NULL
                 ORDER BY entry DESC LIMIT ?1) ORDER BY entry, peer";
            transfers(connection, which, [limit])
        })
    }

    /// The transfers that an entry shows: one for each recipient of a file of ours.
    pub fn transfers_of_entry(&self, entry: EntryId) -> Result<Vec<Transfer>, StoreError> {
        self.read(|connection| {
            transfers(connection, "entry = ?1 ORDER BY peer", [entry.0.cast_signed()])
        })
    }

    /// Transfers of ours that are not over, and whose files were offered in a group, with the group.
    pub fn open_group_transfers(&self) -> Result<Vec<(GroupId, TransferId)>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT group_id, direction, peer, file_id
                       FROM transfers JOIN timeline USING (entry)
                           JOIN conversations USING (conversation)
                       WHERE direction = 1 AND state <> 3 AND group_id IS NOT NULL";
            let mut statement = connection.prepare_cached(sql)?;
            let found = statement
                .query_map((), |row| Ok((GroupId(row.get(0)?), row::transfer_id(row, 1)?)))?;
            found.collect()
        })
    }

    /// A transfer.
    pub fn transfer(&self, id: &TransferId) -> Result<Option<Transfer>, StoreError> {
        self.read(|connection| {
            let which = "direction = ?1 AND peer = ?2 AND file_id = ?3";
            Ok(transfers(connection, which, row::id_columns(id))?.pop())
        })
    }

    /// The message of a transfer that was to be sent under this name.
    pub fn file_send(
        &self,
        id: &TransferId,
        name: EventName,
    ) -> Result<Option<KeptSend>, StoreError> {
        let (direction, peer, file) = row::id_columns(id);
        let (round, piece) = row::name_columns(Some(name));
        self.read(|connection| {
            let sql = format!(
                "SELECT {SEND_COLUMNS} FROM file_sends
                     LEFT JOIN outbox USING (token) LEFT JOIN drafts USING (token)
                 WHERE file_sends.direction = ?1 AND file_sends.peer = ?2
                   AND file_sends.file_id = ?3 AND round = ?4 AND piece = ?5"
            );
            connection
                .prepare_cached(&sql)?
                .query_row(params![direction, peer, file, round, piece], row::send)
                .optional()
        })
    }

    /// Messages of transfers that have a name, and that neither their recipient has nor have failed.
    pub fn unsettled_file_sends(&self) -> Result<Vec<KeptSend>, StoreError> {
        self.read(|connection| {
            let sql = format!(
                "SELECT {SEND_COLUMNS} FROM file_sends
                     LEFT JOIN outbox USING (token) LEFT JOIN drafts USING (token)
                 WHERE piece IS NOT NULL AND ifnull(outbox.status, 0) <= 1"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let sends = statement.query_map((), row::send)?;
            sends.collect()
        })
    }

    /// Messages of transfers whose content waits for the machine of the client: to be sent now, or
    /// again after a crash. At most `limit`, in the order in which they were made.
    pub fn unsent_file_sends(
        &self,
        limit: u32,
    ) -> Result<Vec<(Token, TransferId, Content)>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT direction, peer, file_id, token, kind, content FROM file_sends
                       WHERE content IS NOT NULL ORDER BY made LIMIT ?1";
            let mut statement = connection.prepare_cached(sql)?;
            let sends = statement.query_map([limit], |row| {
                let ReceivedContent::Opened(content) = machine::content(row, 4)? else {
                    return Err(Unreadable("content").into());
                };
                Ok((machine::token(row, 3)?, row::transfer_id(row, 0)?, content))
            })?;
            sends.collect()
        })
    }
}

fn transfers(
    connection: &Connection,
    which: &str,
    query: impl Params,
) -> rusqlite::Result<Vec<Transfer>> {
    let sql = format!("SELECT {TRANSFER_COLUMNS} FROM transfers WHERE {which}");
    let mut statement = connection.prepare_cached(&sql)?;
    let transfers = statement.query_map(query, row::transfer)?;
    transfers.collect()
}
