//! Steps of the machine of transfers, each in one transaction.

use std::path::Path;

use rusqlite::{Connection, params};
use sealpost_core::client::store::Token;
use sealpost_core::files::{Record, TransferId};
use sealpost_core::frame::StoreError;

use super::row::{self, ENDED};
use crate::client::conversations::EntryId;
use crate::client::sqlite::SqliteClientStorage;
use crate::client::sqlite::ops::{Ops, sql_place, sql_token};
use crate::client::sqlite::row as machine;
use crate::client::transfers::{NewSend, Origin, TakenOver, TransferStep};

/// The tables of transfers, over a connection that is in a transaction.
pub(super) struct Transfers<'a>(pub(super) &'a Connection);

impl SqliteClientStorage {
    /// Makes a step of the machine of transfers durable, all of it or nothing.
    pub fn step_transfers(&mut self, step: &TransferStep) -> Result<(), StoreError> {
        self.write(|connection| Transfers(connection).step(step))
    }

    /// Finishes what a crash may have left undone: overwrites the content of messages that the server
    /// holds, and forgets those of transfers that are over.
    pub fn tidy_transfers(&mut self) -> Result<(), StoreError> {
        self.write(|connection| {
            connection.execute(
                "UPDATE outbox SET kind = 1, content = x''
                 WHERE token IN (SELECT token FROM file_sends WHERE content IS NULL)
                   AND status >= 1 AND content <> x''
                   AND token NOT IN (SELECT token FROM copies)",
                (),
            )?;
            connection.execute(
                "DELETE FROM file_sends
                 WHERE token IN (SELECT token FROM outbox WHERE status >= 1)
                   AND NOT EXISTS (
                       SELECT 1 FROM transfers
                       WHERE transfers.direction = file_sends.direction
                         AND transfers.peer = file_sends.peer
                         AND transfers.file_id = file_sends.file_id AND state <> ?1)",
                [ENDED],
            )?;
            Ok(())
        })
    }
}

impl Transfers<'_> {
    fn step(&self, step: &TransferStep) -> rusqlite::Result<()> {
        let TransferStep { arrival, records, saved, sends, settled, dropped } = step;
        for (id, record) in records {
            match record {
                Some(record) => self.keep(id, record)?,
                None => self.forget(id)?,
            }
        }
        for (id, path) in saved {
            self.save(id, path)?;
        }
        for send in sends {
            self.add_send(send)?;
        }
        for token in settled {
            self.settle(*token)?;
        }
        for token in dropped {
            self.0
                .prepare_cached("DELETE FROM file_sends WHERE token = ?1")?
                .execute([sql_token(*token)])?;
        }
        arrival.as_ref().map_or(Ok(()), |arrival| self.take_over(arrival))
    }

    /// Keeps a record, of a new transfer or of a known one.
    pub(super) fn keep(&self, id: &TransferId, record: &Record) -> rusqlite::Result<()> {
        let (direction, peer, file) = row::id_columns(id);
        let offer = &record.offer;
        self.0
            .prepare_cached(
                "INSERT INTO transfers (direction, peer, file_id, name, media_type, size, sha256,
                                        piece_length, caption, state)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0) ON CONFLICT DO NOTHING",
            )?
            .execute(params![
                direction,
                peer,
                file,
                offer.name.as_str(),
                offer.media_type.as_str(),
                offer.size.value().cast_signed(),
                offer.sha256,
                offer.piece_len.value().cast_signed(),
                offer.caption.as_str(),
            ])?;
        let [state, round, confirmed, resent, prefix, ahead, ended, ended_order] =
            row::state_columns(&record.state);
        self.0
            .prepare_cached(
                "UPDATE transfers SET state = ?4, round = ?5, confirmed = ?6, resent = ?7,
                     prefix = ?8, ahead = ?9, ended = ?10, ended_order = ?11
                 WHERE direction = ?1 AND peer = ?2 AND file_id = ?3",
            )?
            .execute(params![
                direction,
                peer,
                file,
                state,
                round,
                confirmed,
                resent,
                prefix,
                ahead,
                ended,
                ended_order,
            ])?;
        if record.is_open() { Ok(()) } else { self.forget_sends(id) }
    }

    /// Forgets the messages of a transfer that is over, but for those that the server does not hold
    /// yet.
    fn forget_sends(&self, id: &TransferId) -> rusqlite::Result<()> {
        let key = row::id_columns(id);
        self.0
            .prepare_cached(
                "UPDATE outbox SET kind = 1, content = x''
                 WHERE token IN (
                         SELECT token FROM file_sends
                         WHERE direction = ?1 AND peer = ?2 AND file_id = ?3)
                   AND status >= 1 AND NOT EXISTS (SELECT 1 FROM copies WHERE token = outbox.token)",
            )?
            .execute(key)?;
        self.0
            .prepare_cached(
                "DELETE FROM file_sends
                 WHERE direction = ?1 AND peer = ?2 AND file_id = ?3
                   AND token IN (SELECT token FROM outbox WHERE status >= 1)",
            )?
            .execute(key)
            .map(drop)
    }

    /// Remembers which entry offers a file, and where the file is read from.
    pub(super) fn set_origin(
        &self,
        id: &TransferId,
        entry: EntryId,
        origin: &Origin,
    ) -> rusqlite::Result<()> {
        let (direction, peer, file) = row::id_columns(id);
        self.0
            .prepare_cached(
                "UPDATE transfers SET path = ?4, stamp = ?5, entry = ?6
                 WHERE direction = ?1 AND peer = ?2 AND file_id = ?3",
            )?
            .execute(params![
                direction,
                peer,
                file,
                row::path_column(&origin.path),
                origin.stamp,
                entry.0.cast_signed(),
            ])
            .map(drop)
    }

    fn save(&self, id: &TransferId, path: &Path) -> rusqlite::Result<()> {
        let (direction, peer, file) = row::id_columns(id);
        self.0
            .prepare_cached(
                "UPDATE transfers SET saved = ?4
                 WHERE direction = ?1 AND peer = ?2 AND file_id = ?3",
            )?
            .execute(params![direction, peer, file, row::path_column(path)])
            .map(drop)
    }

    /// Forgets a transfer that is over, as far as the machine is concerned. If an entry shows how it
    /// ended, the row stays, without its order.
    fn forget(&self, id: &TransferId) -> rusqlite::Result<()> {
        let key = row::id_columns(id);
        self.0
            .prepare_cached(
                "DELETE FROM file_sends WHERE direction = ?1 AND peer = ?2 AND file_id = ?3",
            )?
            .execute(key)?;
        self.0
            .prepare_cached(
                "DELETE FROM transfers
                 WHERE direction = ?1 AND peer = ?2 AND file_id = ?3 AND entry IS NULL",
            )?
            .execute(key)?;
        self.0
            .prepare_cached(
                "UPDATE transfers SET ended_order = NULL
                 WHERE direction = ?1 AND peer = ?2 AND file_id = ?3",
            )?
            .execute(key)
            .map(drop)
    }

    pub(super) fn add_send(&self, send: &NewSend) -> rusqlite::Result<()> {
        let (direction, peer, file) = row::id_columns(&send.id);
        let (round, piece) = row::name_columns(send.name);
        let content = send.content.as_ref().map(machine::content_columns);
        self.0
            .prepare_cached(
                "INSERT INTO file_sends (token, direction, peer, file_id, round, piece, kind, content)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                sql_token(send.token),
                direction,
                peer,
                file,
                round,
                piece,
                content.map(|(kind, _)| kind),
                content.map(|(_, content)| content),
            ])
            .map(drop)
    }

    /// Overwrites the content of a message that the server holds: the file has it, and the outbox
    /// would keep it for ever. A message that carries an entry stays.
    fn settle(&self, token: Token) -> rusqlite::Result<()> {
        self.0
            .prepare_cached(
                "UPDATE outbox SET kind = 1, content = x''
                 WHERE token = ?1 AND status >= 1
                   AND NOT EXISTS (SELECT 1 FROM copies WHERE token = ?1)",
            )?
            .execute([sql_token(token)])?;
        // Names are of no use any more once the transfer is over.
        self.0
            .prepare_cached(
                "DELETE FROM file_sends
                 WHERE token = ?1 AND EXISTS (SELECT 1 FROM outbox WHERE token = ?1 AND status >= 1)
                   AND NOT EXISTS (
                       SELECT 1 FROM transfers
                       WHERE transfers.direction = file_sends.direction
                         AND transfers.peer = file_sends.peer
                         AND transfers.file_id = file_sends.file_id AND state <> ?2)",
            )?
            .execute([sql_token(token), ENDED])
            .map(drop)
    }

    /// Takes an arrival over. The transfer that it offers, if it does, gets the entry that it made;
    /// what anything else said is in a file by now, or nowhere.
    fn take_over(&self, arrival: &TakenOver) -> rusqlite::Result<()> {
        let place = sql_place(arrival.place.0);
        self.0.prepare_cached("DELETE FROM file_arrivals WHERE place = ?1")?.execute([place])?;
        let Some(id) = &arrival.offers else {
            return self
                .0
                .prepare_cached("UPDATE inbox SET kind = 1, content = x'' WHERE place = ?1")?
                .execute([place])
                .map(drop);
        };
        let (direction, peer, file) = row::id_columns(id);
        self.0
            .prepare_cached(
                "UPDATE transfers SET entry = (SELECT entry FROM timeline WHERE place = ?4)
                 WHERE direction = ?1 AND peer = ?2 AND file_id = ?3 AND entry IS NULL",
            )?
            .execute(params![direction, peer, file, place])
            .map(drop)
    }
}

impl Ops<'_> {
    /// The machine of the client has a message of a transfer: its content need not be kept twice.
    pub(in crate::client::sqlite) fn file_send_taken(&self, token: Token) -> rusqlite::Result<()> {
        self.prepare(
            "UPDATE file_sends SET content = NULL WHERE token = ?1 AND content IS NOT NULL",
        )?
        .execute([sql_token(token)])
        .map(drop)
    }
}
