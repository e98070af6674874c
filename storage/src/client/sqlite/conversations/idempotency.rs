//! Requests that were carried out under a key of the caller's, so that a repeated one is not.

use rusqlite::{OptionalExtension, params};
use sealpost_core::time::Timestamp;

use super::timeline::Timeline;
use crate::client::conversations::{EntryId, Idempotency, Made};
use crate::engine::column;

impl Timeline<'_> {
    /// What came of an earlier request under the key; `None` if there was none.
    pub(in crate::client::sqlite) fn made_before(
        &self,
        idempotency: Option<&Idempotency>,
        now: Timestamp,
    ) -> rusqlite::Result<Option<Made>> {
        let Some(Idempotency { key, request_hash }) = idempotency else { return Ok(None) };
        self.prepare("DELETE FROM idempotency WHERE at < ?1")?
            .execute([now.unix_secs() - KEPT_SECS])?;
        let found = self
            .prepare("SELECT request_hash, entry FROM idempotency WHERE key = ?1")?
            .query_row([key], |row| Ok((row.get::<_, [u8; 32]>(0)?, column::id(row, 1)?)))
            .optional()?;
        Ok(found.map(|(hash, entry)| {
            if hash == *request_hash { Made::Before(EntryId(entry)) } else { Made::OtherRequest }
        }))
    }

    /// Remembers what a request has made.
    pub(super) fn remember(
        &self,
        idempotency: Option<&Idempotency>,
        entry: EntryId,
        now: Timestamp,
    ) -> rusqlite::Result<()> {
        let Some(Idempotency { key, request_hash }) = idempotency else { return Ok(()) };
        self.prepare("INSERT INTO idempotency VALUES (?1, ?2, ?3, ?4)")?.execute(params![
            key,
            request_hash,
            entry.0.cast_signed(),
            now.unix_secs()
        ])?;
        self.prepare(
            "DELETE FROM idempotency WHERE rowid <= (SELECT max(rowid) FROM idempotency) - ?1",
        )?
        .execute([KEPT_KEYS])
        .map(drop)
    }
}

/// How long a key is remembered: longer than any caller repeats a request.
const KEPT_SECS: i64 = 30 * 24 * 3_600;
/// How many keys are remembered: some 10 MiB.
const KEPT_KEYS: i64 = 100_000;
