//! What each sender has in a mailbox, and whom its owner has answered, as SQL.

use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};
use sealpost_core::ids::UserId;

use crate::engine::column::{Unreadable, count};
use crate::server::quota::{Correspondent, MAX_ANSWERED};

/// Table `correspondents`, over a connection that is in a transaction.
pub(super) struct Correspondents<'a> {
    pub(super) connection: &'a Connection,
}

impl Correspondents<'_> {
    pub(super) fn find(&self, owner: UserId, peer: UserId) -> rusqlite::Result<Correspondent> {
        let found = self
            .prepare(
                "SELECT messages, bytes, answered FROM correspondents
                 WHERE owner_id = ?1 AND peer_id = ?2",
            )?
            .query_row(ids(owner, peer), correspondent)
            .optional()?;
        Ok(found.unwrap_or_default())
    }

    /// Counts in messages with packets of `bytes` bytes together.
    pub(super) fn add(
        &self,
        owner: UserId,
        peer: UserId,
        messages: u64,
        bytes: u64,
    ) -> rusqlite::Result<()> {
        if messages == 0 {
            return Ok(());
        }
        let (owner, peer) = ids(owner, peer);
        self.prepare(
            "INSERT INTO correspondents (owner_id, peer_id, messages, bytes)
             VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET messages = messages + ?3, bytes = bytes + ?4",
        )?
        .execute(params![owner, peer, messages.cast_signed(), bytes.cast_signed()])
        .map(drop)
    }

    /// Counts messages out. Counters that would fall below zero are damaged.
    pub(super) fn remove(
        &self,
        owner: UserId,
        peer: UserId,
        messages: u64,
        bytes: u64,
    ) -> rusqlite::Result<()> {
        let damaged = Unreadable("share of a mailbox");
        let mut left = self.find(owner, peer)?;
        left.messages = left.messages.checked_sub(messages).ok_or(damaged)?;
        left.bytes = left.bytes.checked_sub(bytes).ok_or(damaged)?;
        if left.is_forgettable() {
            let sql = "DELETE FROM correspondents WHERE owner_id = ?1 AND peer_id = ?2";
            return self.prepare(sql)?.execute(ids(owner, peer)).map(drop);
        }
        let (owner, peer) = ids(owner, peer);
        self.prepare(
            "UPDATE correspondents SET messages = ?3, bytes = ?4
             WHERE owner_id = ?1 AND peer_id = ?2",
        )?
        .execute(params![owner, peer, left.messages.cast_signed(), left.bytes.cast_signed()])
        .map(drop)
    }

    /// Records those of `peers` who are registered, as long as there is room.
    pub(super) fn record_answers(&self, owner: UserId, peers: &[UserId]) -> rusqlite::Result<()> {
        let mut insert = self.prepare(
            "INSERT INTO correspondents (owner_id, peer_id, answered)
             SELECT ?1, ?2, 1
             WHERE EXISTS (SELECT 1 FROM mailboxes WHERE user_id = ?1)
               AND EXISTS (SELECT 1 FROM mailboxes WHERE user_id = ?2)
               AND (SELECT count(*) FROM correspondents WHERE owner_id = ?1 AND answered) < ?3
             ON CONFLICT DO UPDATE SET answered = 1",
        )?;
        for peer in peers {
            if !self.find(owner, *peer)?.answered {
                let (owner, peer) = ids(owner, *peer);
                insert.execute(params![owner, peer, MAX_ANSWERED])?;
            }
        }
        Ok(())
    }

    fn prepare(&self, sql: &str) -> rusqlite::Result<CachedStatement<'_>> {
        self.connection.prepare_cached(sql)
    }
}

fn correspondent(row: &Row<'_>) -> rusqlite::Result<Correspondent> {
    Ok(Correspondent { messages: count(row, 0)?, bytes: count(row, 1)?, answered: row.get(2)? })
}

const fn ids(owner: UserId, peer: UserId) -> (i64, i64) {
    (owner.value().cast_signed(), peer.value().cast_signed())
}
