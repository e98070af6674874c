//! Invitations, as SQL.

use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};
use sealpost_core::ids::Phone;
use sealpost_core::server::store::{InvitationOutcome, PresentedInvitation};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::InvitationHash;

use crate::engine::column::{Unreadable, id, optional, phone, timestamp};
use crate::server::invitations::{InvitationRecord, NewInvitation};

/// Table `invitations`.
pub(super) struct Invitations<'a> {
    pub(super) connection: &'a Connection,
}

impl Invitations<'_> {
    pub(super) fn create(&self, new: &NewInvitation) -> rusqlite::Result<u64> {
        let NewInvitation { hash, uses, created_at, expires_at, phone, note } = new;
        self.prepare(
            "INSERT INTO invitations
             (hash, uses, uses_left, created_at, expires_at, phone_number, note)
             VALUES (?1, ?2, ?2, ?3, ?4, ?5, ?6)",
        )?
        .insert(params![
            hash.0,
            uses,
            created_at.unix_secs(),
            expires_at.unix_secs(),
            phone.map(|phone| phone.to_string()),
            note,
        ])
        .map(i64::cast_unsigned)
    }

    pub(super) fn revoke(&self, id: u64) -> rusqlite::Result<bool> {
        let mut delete = self.prepare("DELETE FROM invitations WHERE id = ?1")?;
        Ok(delete.execute([id.cast_signed()])? > 0)
    }

    /// Lists those with an id above `after`, in the order of their ids.
    pub(super) fn list(&self, after: u64, limit: u32) -> rusqlite::Result<Vec<InvitationRecord>> {
        let sql = format!("SELECT {COLUMNS} FROM invitations WHERE id > ?1 ORDER BY id LIMIT ?2");
        let mut statement = self.prepare(&sql)?;
        let records = statement.query_map(params![after.cast_signed(), limit], record)?;
        records.collect()
    }

    /// The index finds the hash by comparing bytes, which takes a time that depends on them. It
    /// tells an attacker no more than part of a hash, which leads to no code.
    pub(super) fn judge(
        &self,
        invitation: &PresentedInvitation,
        phone: Phone,
    ) -> rusqlite::Result<InvitationOutcome> {
        let found = self
            .prepare(&format!("SELECT {COLUMNS} FROM invitations WHERE hash = ?1"))?
            .query_row([invitation.hash.0], record)
            .optional()?;
        Ok(found.map_or(InvitationOutcome::Rejected, |record| record.judge(phone, invitation.at)))
    }

    pub(super) fn use_once(&self, hash: &InvitationHash) -> rusqlite::Result<()> {
        let sql = "UPDATE invitations SET uses_left = uses_left - 1 WHERE hash = ?1";
        self.prepare(sql)?.execute([hash.0]).map(drop)
    }

    /// Deletes those that expired before this time, the earliest first.
    pub(super) fn expire(&self, before: Timestamp, limit: u32) -> rusqlite::Result<u32> {
        let deleted = self
            .prepare(
                "DELETE FROM invitations WHERE id IN (
                     SELECT id FROM invitations WHERE expires_at < ?1
                     ORDER BY expires_at, id LIMIT ?2)",
            )?
            .execute(params![before.unix_secs(), limit])?;
        Ok(u32::try_from(deleted).unwrap_or(limit))
    }

    fn prepare(&self, sql: &str) -> rusqlite::Result<CachedStatement<'_>> {
        self.connection.prepare_cached(sql)
    }
}

/// Columns that [`record`] reads, in its order.
pub(super) const COLUMNS: &str = "id, uses, uses_left, created_at, expires_at, phone_number, note";

/// Reads an invitation.
pub(super) fn record(row: &Row<'_>) -> rusqlite::Result<InvitationRecord> {
    let record = InvitationRecord {
        id: id(row, 0)?,
        uses: row.get(1)?,
        uses_left: row.get(2)?,
        created_at: timestamp(row, 3)?,
        expires_at: timestamp(row, 4)?,
        phone: optional(row, 5, phone)?,
        note: row.get(6)?,
    };
    if record.is_consistent() { Ok(record) } else { Err(Unreadable("invitation").into()) }
}
