//! Rows of the tables of file transfers as values.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rusqlite::Row;
use rusqlite::types::Value;
use sealpost_core::event::{Caption, FileId, FileName, FileOffer, FileSize, MediaType, PieceLen};
use sealpost_core::files::{
    Direction, End, EventName, Failure, PieceName, Place, Received, Record, State, TransferId,
};
use sealpost_core::keys::Fingerprint;

use crate::client::conversations::EntryId;
use crate::client::sqlite::row as machine;
use crate::client::transfers::{KeptSend, Origin, SendPlace, Transfer};
use crate::engine::column::{Unreadable, id, optional};

/// Columns that [`transfer`] reads, in its order.
pub(super) const TRANSFER_COLUMNS: &str = "direction, peer, file_id, entry, name, media_type, size, \
     sha256, piece_length, caption, path, stamp, saved, state, round, confirmed, resent, prefix, \
     ahead, ended, ended_order";

pub(super) fn transfer(row: &Row<'_>) -> rusqlite::Result<Transfer> {
    let transfer = transfer_id(row, 0)?;
    let offer = FileOffer {
        file: transfer.file,
        name: FileName::new(row.get::<_, String>(4)?).map_err(|_| Unreadable("file name"))?,
        media_type: MediaType::new(row.get::<_, String>(5)?)
            .map_err(|_| Unreadable("media type"))?,
        size: FileSize::new(id(row, 6)?).map_err(|_| Unreadable("file size"))?,
        sha256: row.get(7)?,
        piece_len: PieceLen::new(id(row, 8)?).map_err(|_| Unreadable("piece length"))?,
        caption: Caption::new(row.get::<_, String>(9)?).map_err(|_| Unreadable("caption"))?,
    };
    let origin = match row.get::<_, Option<Vec<u8>>>(10)? {
        Some(bytes) => Some(Origin { path: path(bytes), stamp: row.get(11)? }),
        None => None,
    };
    Ok(Transfer {
        id: transfer,
        record: Record { offer, state: state(row)? },
        entry: optional(row, 3, id)?.map(EntryId),
        origin,
        saved: row.get::<_, Option<Vec<u8>>>(12)?.map(path),
    })
}

fn state(row: &Row<'_>) -> rusqlite::Result<State> {
    Ok(match row.get(13)? {
        OFFERED => State::Offered,
        SENDING => State::Sending(Place {
            round: row.get(14)?,
            confirmed: row.get(15)?,
            resent: row.get(16)?,
        }),
        RECEIVING => State::Receiving(Received { prefix: row.get(17)?, ahead: id(row, 18)? }),
        ENDED => {
            // One that the machine has forgotten has no order any more.
            let order = optional(row, 20, id)?.unwrap_or(0);
            State::Ended { end: end(row.get(19)?)?, order }
        }
        _ => return Err(Unreadable("state of a transfer").into()),
    })
}

/// The columns `state`, `round`, `confirmed`, `resent`, `prefix`, `ahead`, `ended` and `ended_order`.
pub(super) fn state_columns(state: &State) -> [Option<i64>; 8] {
    let none = [None; 8];
    match *state {
        State::Offered => [Some(OFFERED), None, None, None, None, None, None, None],
        State::Sending(Place { round, confirmed, resent }) => {
            let [round, confirmed, resent] = [round, confirmed, resent].map(|n| Some(n.into()));
            [Some(SENDING), round, confirmed, resent, None, None, None, None]
        }
        State::Receiving(Received { prefix, ahead }) => {
            let mut columns = none;
            (columns[0], columns[4], columns[5]) =
                (Some(RECEIVING), Some(prefix.into()), Some(ahead.cast_signed()));
            columns
        }
        State::Ended { end, order } => {
            let mut columns = none;
            (columns[0], columns[6], columns[7]) =
                (Some(ENDED), Some(end_code(end)), Some(order.cast_signed()));
            columns
        }
    }
}

/// Columns that [`send`] reads, in its order, of `file_sends` and what the machine has for it.
pub(super) const SEND_COLUMNS: &str = "file_sends.direction, file_sends.peer, file_sends.file_id, \
     file_sends.token, round, piece, outbox.message_id, outbox.status, drafts.draft_id";

pub(super) fn send(row: &Row<'_>) -> rusqlite::Result<KeptSend> {
    let name = match (row.get::<_, Option<u32>>(4)?, row.get::<_, Option<i64>>(5)?) {
        (None, _) | (_, None) => None,
        (Some(_), Some(OFFER)) => Some(EventName::Offer),
        (Some(round), Some(index)) => {
            let index = u32::try_from(index).map_err(|_| Unreadable("piece"))?;
            Some(EventName::Piece(PieceName { round, index }))
        }
    };
    let status = row.get::<_, Option<i64>>(7)?.map(machine::status).transpose()?;
    let place = match (optional(row, 6, machine::message_id)?, status) {
        (Some(message), Some(status)) => SendPlace::Outbox(message, status),
        (None, _) | (_, None) if row.get::<_, Option<i64>>(8)?.is_some() => SendPlace::Draft,
        (None, _) | (_, None) => SendPlace::Unsent,
    };
    Ok(KeptSend { token: machine::token(row, 3)?, id: transfer_id(row, 0)?, name, place })
}

/// The columns `round` and `piece` of a message: NULL for answers, which may be repeated.
pub(super) fn name_columns(name: Option<EventName>) -> (Option<i64>, Option<i64>) {
    match name {
        None => (None, None),
        Some(EventName::Offer) => (Some(0), Some(OFFER)),
        Some(EventName::Piece(PieceName { round, index })) => {
            (Some(round.into()), Some(index.into()))
        }
    }
}

/// The columns `direction`, `peer` and `file_id`.
pub(super) fn id_columns(id: &TransferId) -> (i64, [u8; 32], [u8; 16]) {
    let direction = match id.direction {
        Direction::Incoming => 0,
        Direction::Outgoing => 1,
    };
    (direction, id.peer.0, id.file.0)
}

pub(super) fn transfer_id(row: &Row<'_>, column: usize) -> rusqlite::Result<TransferId> {
    let direction = match row.get(column)? {
        0 => Direction::Incoming,
        1 => Direction::Outgoing,
        _ => return Err(Unreadable("direction").into()),
    };
    let (peer, file) = (Fingerprint(row.get(column + 1)?), FileId(row.get(column + 2)?));
    Ok(TransferId { direction, peer, file })
}

/// The column of a path, whose bytes are not always UTF-8.
pub(super) fn path_column(path: &Path) -> Value {
    Value::Blob(path.as_os_str().as_bytes().to_vec())
}

fn path(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes))
}

const fn end_code(end: End) -> i64 {
    match end {
        End::Complete => 0,
        End::Refused => 1,
        End::Cancelled => 2,
        End::CancelledByPeer => 3,
        End::Failed(Failure::Changed) => 4,
        End::Failed(Failure::Unreadable) => 5,
        End::Failed(Failure::Undeliverable) => 6,
        End::Failed(Failure::AskedTooOften) => 7,
        End::Failed(Failure::InvalidPiece) => 8,
        End::Failed(Failure::Mismatch) => 9,
    }
}

const fn end(code: i64) -> Result<End, Unreadable> {
    Ok(match code {
        0 => End::Complete,
        1 => End::Refused,
        2 => End::Cancelled,
        3 => End::CancelledByPeer,
        4 => End::Failed(Failure::Changed),
        5 => End::Failed(Failure::Unreadable),
        6 => End::Failed(Failure::Undeliverable),
        7 => End::Failed(Failure::AskedTooOften),
        8 => End::Failed(Failure::InvalidPiece),
        9 => End::Failed(Failure::Mismatch),
        _ => return Err(Unreadable("end of a transfer")),
    })
}

const OFFERED: i64 = 0;
const SENDING: i64 = 1;
const RECEIVING: i64 = 2;
/// SQL text knows it, too.
pub(super) const ENDED: i64 = 3;
/// In the column `piece`.
const OFFER: i64 = -1;
