//! Receives messages: each is compared with what the inbox holds of its sender.

use rusqlite::params;
use sealpost_core::client::store::{Arrival, Continuity, InboxId, IncomingMessage, Placement};

use super::ops::{Ops, sql_id, sql_message_id};
use super::row::{self, RECEIVED_COLUMNS};
use crate::client::signed_again::is_signed_again;
use crate::engine::column;

/// What the inbox holds of a message's sender.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not states")]
struct Known {
    /// The message itself.
    packet: bool,
    /// A message with the same id.
    id: bool,
    /// A message with a larger id.
    later: bool,
    /// A message that named this one as its previous, and found it missing.
    missed: bool,
    /// The message before this one, under the same id, or this one names none.
    previous: bool,
}

impl Ops<'_> {
    pub(super) fn receive(&self, message: &IncomingMessage) -> rusqlite::Result<Placement> {
        let known = self.known(message)?;
        if known.packet || self.was_signed_again(message)? {
            return Ok(Placement::Repeat);
        }
        let has_previous = known.previous || self.holds_under_another_id(message)?;
        let continuity = if has_previous { Continuity::Next } else { Continuity::AfterGap };
        let arrival = match known {
            Known { id: true, .. } => Arrival::ReusedId,
            Known { later: false, .. } => Arrival::InOrder,
            Known { missed: true, .. } => Arrival::FillsGap,
            Known { missed: false, .. } => Arrival::Late,
        };
        let place = self.append(message, continuity, arrival)?;
        Ok(Placement::Appended { place, continuity, arrival })
    }

    /// Looks for what is known. Every search is one step in an index, however long the history is.
    fn known(&self, message: &IncomingMessage) -> rusqlite::Result<Known> {
        let id = sql_message_id(message.id);
        // In SQL, ids from 2^63 on are negative, and yet the largest.
        let (last_alike, above_from) = if id < 0 { (-1, i64::MIN) } else { (i64::MAX, 0) };
        self.prepare(
            "SELECT EXISTS (SELECT 1 FROM inbox
                            WHERE sender_id = ?1 AND message_id = ?2 AND packet_hash = ?3),
                    EXISTS (SELECT 1 FROM inbox WHERE sender_id = ?1 AND message_id = ?2),
                    EXISTS (SELECT 1 FROM inbox
                            WHERE sender_id = ?1 AND message_id > ?2 AND message_id <= ?4)
                    OR EXISTS (SELECT 1 FROM inbox WHERE sender_id = ?1 AND message_id < ?5),
                    EXISTS (SELECT 1 FROM inbox
                            WHERE sender_id = ?1 AND previous_id = ?2 AND continuity = 1),
                    ?6 IS NULL
                    OR EXISTS (SELECT 1 FROM inbox
                               WHERE phone_number = ?7 AND message_id = ?6 AND sender_id = ?1)",
        )?
        .query_row(
            params![
                sql_id(message.sender),
                id,
                message.packet_hash.0,
                last_alike,
                above_from,
                message.previous.map(sql_message_id),
                message.phone.to_string(),
            ],
            |row| {
                Ok(Known {
                    packet: row.get(0)?,
                    id: row.get(1)?,
                    later: row.get(2)?,
                    missed: row.get(3)?,
                    previous: row.get(4)?,
                })
            },
        )
    }

    /// Whether the inbox holds the message before this one under another id that the key of its
    /// sender has or had.
    fn holds_under_another_id(&self, message: &IncomingMessage) -> rusqlite::Result<bool> {
        self.prepare(
            "WITH keys (user_id, public_key) AS (
                 SELECT user_id, public_key FROM contacts WHERE phone_number = ?1
                 UNION ALL
                 SELECT offered_user_id, offered_public_key FROM contacts WHERE phone_number = ?1
                 UNION ALL
                 SELECT user_id, public_key FROM former_contacts
             )
             SELECT EXISTS (
                 SELECT 1 FROM inbox
                 JOIN keys AS known ON known.user_id = inbox.sender_id
                 JOIN keys AS signer ON signer.public_key = known.public_key
                 WHERE inbox.phone_number = ?1 AND inbox.message_id = ?2 AND signer.user_id = ?3
             )",
        )?
        .query_row(
            params![
                message.phone.to_string(),
                message.previous.map(sql_message_id),
                sql_id(message.sender),
            ],
            |row| row.get(0),
        )
    }

    /// Whether the inbox holds the same message with another signature.
    fn was_signed_again(&self, message: &IncomingMessage) -> rusqlite::Result<bool> {
        let mut statement = self.prepare(&format!(
            "SELECT {RECEIVED_COLUMNS} FROM inbox WHERE phone_number = ?1 AND message_id = ?2"
        ))?;
        let mut rows =
            statement.query(params![message.phone.to_string(), sql_message_id(message.id)])?;
        while let Some(row) = rows.next()? {
            if is_signed_again(message, &row::received(row)?.message) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn append(
        &self,
        message: &IncomingMessage,
        continuity: Continuity,
        arrival: Arrival,
    ) -> rusqlite::Result<InboxId> {
        let place = self
            .prepare("UPDATE account SET last_place = last_place + 1 RETURNING last_place")?
            .query_row((), |row| column::id(row, 0))?;
        let (kind, content) = row::received_columns(&message.content);
        self.prepare(&format!(
            "INSERT INTO inbox ({RECEIVED_COLUMNS})
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"
        ))?
        .execute(params![
            place.cast_signed(),
            sql_id(message.sender),
            message.phone.to_string(),
            sql_message_id(message.id),
            message.previous.map(sql_message_id),
            message.sent_at.unix_secs(),
            message.received_at.unix_secs(),
            row::trust_code(message.trust),
            row::continuity_code(continuity),
            kind,
            content,
            row::arrival_code(arrival),
            message.packet_hash.0,
            message.signed_by.0,
        ])?;
        Ok(InboxId(place))
    }
}
