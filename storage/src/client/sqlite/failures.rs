//! Marks messages as failed, and takes them out of the chains of their contacts.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, params};
use sealpost_core::client::store::{Failure, GivenUp, Status};
use sealpost_core::ids::{MessageId, Phone, UserId};
use sealpost_core::wire::InReplyTo;

use super::ops::{Ops, sql_id, sql_message_id};
use super::row;
use crate::engine::column::{phone, user_id};

impl Ops<'_> {
    pub(super) fn mark_failed(
        &self,
        messages: &[MessageId],
        failure: Failure,
    ) -> rusqlite::Result<GivenUp> {
        let named = messages.iter().map(|id| (*id, None));
        self.given_up(self.mark(named, Status::Failed(failure))?)
    }

    pub(super) fn mark_undeliverable(&self, packets: &[InReplyTo]) -> rusqlite::Result<GivenUp> {
        let mut statement = self.prepare(
            "UPDATE outbox SET status = ?2, packet = NULL
             WHERE in_reply_to = ?1 AND status <= 1 RETURNING message_id",
        )?;
        let failed = row::status_code(Status::Failed(Failure::UnknownUser));
        let mut marked = Vec::new();
        for packet in packets {
            let mut rows = statement.query(params![packet.0, failed])?;
            while let Some(row) = rows.next()? {
                marked.push(row::message_id(row, 0)?);
            }
        }
        self.given_up(marked)
    }

    fn given_up(&self, ids: Vec<MessageId>) -> rusqlite::Result<GivenUp> {
        let mut named = BTreeSet::new();
        let mut statement =
            self.prepare("SELECT recipient_id, phone_number FROM outbox WHERE message_id = ?1")?;
        for id in &ids {
            named.insert(
                statement.query_row([sql_message_id(*id)], |row| {
                    Ok((user_id(row, 0)?, phone(row, 1)?))
                })?,
            );
        }
        let mut last_sent = Vec::new();
        for (recipient, phone) in named {
            let last = self.last_sent(recipient, phone)?;
            self.replace_last_sent((recipient, phone), &ids, last)?;
            last_sent.push((recipient, last));
        }
        Ok(GivenUp { ids, last_sent })
    }

    /// The last message enqueued for a user id that has not failed.
    fn last_sent(&self, recipient: UserId, phone: Phone) -> rusqlite::Result<Option<MessageId>> {
        // The index on phone numbers is in the order of places, so this reads back to the first one
        // that has not failed.
        self.prepare(
            "SELECT message_id FROM outbox
             WHERE phone_number = ?1 AND recipient_id = ?2 AND status <= ?3
             ORDER BY place DESC LIMIT 1",
        )?
        .query_row(
            params![phone.to_string(), sql_id(recipient), row::status_code(Status::Delivered)],
            |row| row::message_id(row, 0),
        )
        .optional()
    }

    fn replace_last_sent(
        &self,
        (recipient, phone): (UserId, Phone),
        failed: &[MessageId],
        last: Option<MessageId>,
    ) -> rusqlite::Result<()> {
        let mut statement = self.prepare(
            "UPDATE contacts SET last_sent = ?4
             WHERE phone_number = ?1 AND user_id = ?2 AND last_sent = ?3",
        )?;
        for id in failed {
            let changed = statement.execute(params![
                phone.to_string(),
                sql_id(recipient),
                sql_message_id(*id),
                last.map(sql_message_id),
            ])?;
            // What has taken its place has not failed.
            if changed > 0 {
                return Ok(());
            }
        }
        Ok(())
    }
}
