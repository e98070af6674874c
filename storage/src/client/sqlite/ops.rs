//! Carries out each [`ClientOp`] as SQL, inside a transaction that the caller began.

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};
use sealpost_core::client::store::{
    Binding, ClientOp, ClientReply, Contact, Draft, DraftId, InboxId, OutgoingMessage,
    QueuedMessage, Status, Token, TokenUse, Verification,
};
use sealpost_core::ids::{MessageId, Phone, UserId, UserRef};
use sealpost_core::keys::Fingerprint;

use super::row::{self, CONTACT_COLUMNS, RECEIVED_COLUMNS};
use crate::engine::column;

/// The operations, over a connection that is in a transaction.
pub(super) struct Ops<'a>(pub(super) &'a Connection);

impl Ops<'_> {
    pub(super) fn run(&self, request: &ClientOp) -> rusqlite::Result<ClientReply> {
        match request {
            ClientOp::PinServerKey(key) => {
                self.prepare("UPDATE account SET server_key = ?1 WHERE server_key IS NULL")?
                    .execute([key.der()])?;
            }
            ClientOp::ChangeServerKey { key, successor } => {
                let sql = "UPDATE account
                           SET server_fingerprint = ?1, server_key = ?2, server_successor = ?3";
                let successor = successor.map(|successor| successor.0);
                self.prepare(sql)?.execute(params![key.fingerprint().0, key.der(), successor])?;
            }
            ClientOp::KeepReplyKey(key) => {
                self.prepare("UPDATE account SET reply_key = ?1")?.execute([key.expose()])?;
            }
            ClientOp::SetUser(user) => {
                self.prepare("UPDATE account SET user_id = ?1, reply_key = NULL")?
                    .execute([sql_id(*user)])?;
            }
            ClientOp::UseReconnectTime(at) => {
                self.prepare(
                    "UPDATE account SET last_reconnect = max(coalesce(last_reconnect, ?1), ?1)",
                )?
                .execute([at.unix_secs()])?;
            }
            ClientOp::SetClockOffset { secs } => {
                self.prepare("UPDATE account SET clock_offset_secs = ?1")?.execute([secs])?;
            }
            ClientOp::ReserveReceipts { below } => self.raise("next_receipt", below.0)?,
            ClientOp::PinContact { phone, binding } => self.pin(*phone, binding)?,
            ClientOp::OfferKey { phone, offered } => self.offer(*phone, offered)?,
            ClientOp::WithdrawOffer { phone } => self.set_offered(*phone, None)?,
            ClientOp::AcceptKey { phone, accepted } => self.accept(*phone, accepted)?,
            ClientOp::ForgetContact { phone } => self.forget(*phone)?,
            ClientOp::MarkVerified { phone, fingerprint } => {
                self.mark_verified(*phone, fingerprint)?;
            }
            ClientOp::FindTokens(tokens) => {
                let named = tokens.iter().map(|token| self.find_token(*token));
                return Ok(ClientReply::Named(named.collect::<rusqlite::Result<_>>()?));
            }
            ClientOp::KeepDrafts(drafts) => {
                drafts.iter().try_for_each(|draft| self.keep_draft(draft))?;
            }
            ClientOp::DropDrafts(ids) => {
                for id in ids {
                    self.copy_returned(*id)?;
                    self.drop_draft(*id)?;
                }
            }
            ClientOp::Enqueue(messages) => {
                messages.iter().try_for_each(|message| self.enqueue(message))?;
            }
            ClientOp::Readdress(messages) => {
                messages.iter().try_for_each(|message| self.readdress(message))?;
            }
            ClientOp::MarkStored(messages) => {
                let named = messages.iter().map(|(recipient, id)| (*id, Some(*recipient)));
                return self.mark(named, Status::Stored).map(ClientReply::Marked);
            }
            ClientOp::MarkDelivered { recipient, messages } => {
                let named = messages.iter().map(|id| (*id, Some(*recipient)));
                return self.mark(named, Status::Delivered).map(ClientReply::Marked);
            }
            ClientOp::MarkUndeliverable(packets) => {
                return self.mark_undeliverable(packets).map(ClientReply::Failed);
            }
            ClientOp::MarkFailed { messages, failure } => {
                return self.mark_failed(messages, *failure).map(ClientReply::Failed);
            }
            ClientOp::Receive(messages) => {
                let arrivals = messages.iter().map(|message| self.receive(message));
                return Ok(ClientReply::Received(arrivals.collect::<rusqlite::Result<_>>()?));
            }
            ClientOp::Unshown { after, limit } => return self.unshown(*after, *limit),
            ClientOp::MarkShown { up_to } => self.mark_shown(*up_to)?,
        }
        Ok(ClientReply::Done)
    }

    fn contact(&self, phone: Phone) -> rusqlite::Result<Option<Contact>> {
        self.prepare(&format!("SELECT {CONTACT_COLUMNS} FROM contacts WHERE phone_number = ?1"))?
            .query_row([phone.to_string()], row::contact)
            .optional()
    }

    fn pin(&self, phone: Phone, binding: &Binding) -> rusqlite::Result<()> {
        self.prepare(
            "INSERT INTO contacts (phone_number, user_id, public_key) VALUES (?1, ?2, ?3)
             ON CONFLICT (phone_number) DO NOTHING",
        )?
        .execute(params![phone.to_string(), sql_id(binding.user), binding.public_key.der()])
        .map(drop)
    }

    fn offer(&self, phone: Phone, offered: &Binding) -> rusqlite::Result<()> {
        // Kept, because the key is known by what was signed under its former id.
        self.prepare(
            "INSERT OR REPLACE INTO former_contacts (user_id, public_key)
             SELECT offered_user_id, offered_public_key FROM contacts
             WHERE phone_number = ?1 AND offered_user_id <> ?2 AND offered_public_key = ?3",
        )?
        .execute(params![
            phone.to_string(),
            sql_id(offered.user),
            offered.public_key.der()
        ])?;
        self.set_offered(phone, Some(offered))
    }

    fn set_offered(&self, phone: Phone, offered: Option<&Binding>) -> rusqlite::Result<()> {
        self.prepare(
            "UPDATE contacts SET offered_user_id = ?2, offered_public_key = ?3
             WHERE phone_number = ?1",
        )?
        .execute(params![
            phone.to_string(),
            offered.map(|offered| sql_id(offered.user)),
            offered.map(|offered| offered.public_key.der()),
        ])
        .map(drop)
    }

    fn accept(&self, phone: Phone, accepted: &Binding) -> rusqlite::Result<()> {
        let Some(Contact { pinned, last_sent, verification, .. }) = self.contact(phone)? else {
            return self.pin(phone, accepted);
        };
        if pinned == *accepted {
            return self.set_offered(phone, None);
        }
        let is_same_key = accepted.public_key == pinned.public_key;
        // A message to the former id may have been refused.
        let last_sent = last_sent.filter(|_| accepted.user == pinned.user);
        if accepted.user != pinned.user {
            // Kept, because what was signed under the former id may still arrive.
            let sql =
                "INSERT OR REPLACE INTO former_contacts (user_id, public_key) VALUES (?1, ?2)";
            self.prepare(sql)?.execute(params![sql_id(pinned.user), pinned.public_key.der()])?;
        }
        self.prepare(
            "UPDATE contacts
             SET user_id = ?2, public_key = ?3, last_sent = ?4, verified = ?5,
                 offered_user_id = NULL, offered_public_key = NULL
             WHERE phone_number = ?1",
        )?
        .execute(params![
            phone.to_string(),
            sql_id(accepted.user),
            accepted.public_key.der(),
            last_sent.map(sql_message_id),
            is_same_key && verification == Verification::Verified,
        ])
        .map(drop)
    }

    fn forget(&self, phone: Phone) -> rusqlite::Result<()> {
        let phone = phone.to_string();
        self.prepare(
            "INSERT OR REPLACE INTO former_contacts (user_id, public_key)
             SELECT user_id, public_key FROM contacts WHERE phone_number = ?1
             UNION ALL SELECT offered_user_id, offered_public_key FROM contacts
             WHERE phone_number = ?1 AND offered_user_id IS NOT NULL",
        )?
        .execute([&phone])?;
        self.prepare("DELETE FROM contacts WHERE phone_number = ?1")?.execute([&phone]).map(drop)
    }

    fn mark_verified(&self, phone: Phone, fingerprint: &Fingerprint) -> rusqlite::Result<()> {
        let contact = self.contact(phone)?;
        if contact.is_none_or(|contact| contact.pinned.public_key.fingerprint() != fingerprint) {
            return Ok(());
        }
        self.prepare("UPDATE contacts SET verified = 1 WHERE phone_number = ?1")?
            .execute([phone.to_string()])
            .map(drop)
    }

    fn find_token(&self, token: Token) -> rusqlite::Result<Option<TokenUse>> {
        // No message has the token of a draft.
        self.prepare(
            "SELECT NULL FROM drafts WHERE token = ?1
             UNION ALL SELECT message_id FROM outbox WHERE token = ?1",
        )?
        .query_row([sql_token(token)], |row| column::optional(row, 0, row::message_id))
        .optional()
        .map(|found| found.map(|id| id.map_or(TokenUse::Draft, TokenUse::Message)))
    }

    fn keep_draft(&self, draft: &Draft) -> rusqlite::Result<()> {
        let (phone, user) = match draft.to {
            UserRef::Phone(phone) => (Some(phone.to_string()), None),
            UserRef::Id(user) => (None, Some(sql_id(user))),
        };
        let (kind, content) = row::content_columns(&draft.content);
        self.copy_taken(draft.token)?;
        self.file_send_taken(draft.token)?;
        self.prepare(
            "INSERT INTO drafts (draft_id, token, phone_number, user_id, kind, content,
                                 recipient_key)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
             WHERE NOT EXISTS (SELECT 1 FROM outbox WHERE token = ?2) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            draft.id.0.cast_signed(),
            sql_token(draft.token),
            phone,
            user,
            kind,
            content,
            draft.key.map(|key| key.0),
        ])
        .map(drop)
    }

    fn drop_draft(&self, id: DraftId) -> rusqlite::Result<()> {
        self.prepare("DELETE FROM drafts WHERE draft_id = ?1")?
            .execute([id.0.cast_signed()])
            .map(drop)
    }

    fn enqueue(&self, message: &OutgoingMessage) -> rusqlite::Result<()> {
        message.draft.map_or(Ok(()), |draft| self.drop_draft(draft))?;
        self.copy_taken(message.token)?;
        self.file_send_taken(message.token)?;
        let (kind, content) = row::content_columns(&message.content);
        let (recipient, phone) = (sql_id(message.recipient), message.phone.to_string());
        let inserted = self
            .prepare(
                "INSERT INTO outbox (place, message_id, recipient_id, phone_number, sent_at,
                                     status, kind, content, packet, in_reply_to, token)
                 SELECT last_place + 1, ?1, ?2, ?3, ?4, 0, ?5, ?6, ?7, ?8, ?9 FROM account
                 WHERE NOT EXISTS (SELECT 1 FROM drafts WHERE token = ?9)
                 ON CONFLICT DO NOTHING",
            )?
            .execute(params![
                sql_message_id(message.id),
                recipient,
                phone,
                message.packet.header().timestamp.unix_secs(),
                kind,
                content,
                &message.packet.bytes()[..],
                message.packet.request_hash().in_reply_to().0,
                sql_token(message.token),
            ])?;
        // A repeat must not advance the place again.
        if inserted == 0 {
            return Ok(());
        }
        self.prepare("UPDATE account SET last_place = last_place + 1")?.execute(())?;
        self.raise("last_message", message.id.0)?;
        let last_sent = self
            .prepare("SELECT last_sent FROM contacts WHERE phone_number = ?1 AND user_id = ?2")?
            .query_row(params![phone, recipient], |row| column::optional(row, 0, row::message_id))
            .optional()?;
        if last_sent.is_none_or(|last_sent| last_sent >= Some(message.id)) {
            return Ok(());
        }
        self.prepare("UPDATE contacts SET last_sent = ?2 WHERE phone_number = ?1")?
            .execute(params![phone, sql_message_id(message.id)])
            .map(drop)
    }

    fn readdress(&self, message: &QueuedMessage) -> rusqlite::Result<()> {
        self.prepare(
            "UPDATE outbox SET recipient_id = ?2, packet = ?3, in_reply_to = ?4
             WHERE message_id = ?1 AND status = 0",
        )?
        .execute(params![
            sql_message_id(message.id),
            sql_id(message.recipient),
            &message.packet.bytes()[..],
            message.packet.request_hash().in_reply_to().0,
        ])
        .map(drop)
    }

    pub(super) fn mark(
        &self,
        named: impl Iterator<Item = (MessageId, Option<UserId>)>,
        next: Status,
    ) -> rusqlite::Result<Vec<MessageId>> {
        // A receipt may arrive before the server's acknowledgement, or without one.
        let latest = match next {
            Status::Queued | Status::Stored | Status::Failed(_) => Status::Queued,
            Status::Delivered => Status::Stored,
        };
        let mut statement = self.prepare(
            "UPDATE outbox SET status = ?3, packet = NULL
             WHERE message_id = ?1 AND recipient_id = coalesce(?2, recipient_id) AND status <= ?4",
        )?;
        let mut marked = Vec::new();
        for (id, recipient) in named {
            let changed = statement.execute(params![
                sql_message_id(id),
                recipient.map(sql_id),
                row::status_code(next),
                row::status_code(latest),
            ])?;
            marked.extend((changed > 0).then_some(id));
        }
        Ok(marked)
    }

    fn unshown(&self, after: InboxId, limit: u32) -> rusqlite::Result<ClientReply> {
        // One row more than asked for tells whether there are more.
        let mut statement = self.prepare(&format!(
            "SELECT {RECEIVED_COLUMNS} FROM inbox
             WHERE place > max(?1, (SELECT shown_up_to FROM account)) ORDER BY place LIMIT ?2 + 1"
        ))?;
        let mut items = statement
            .query_map(params![sql_place(after.0), limit], row::received)?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        Ok(ClientReply::Unshown { items, more })
    }

    /// Marks messages as shown. Not beyond the last place: a later message has not been shown.
    fn mark_shown(&self, up_to: InboxId) -> rusqlite::Result<()> {
        self.prepare("UPDATE account SET shown_up_to = max(shown_up_to, min(?1, last_place))")?
            .execute([sql_place(up_to.0)])
            .map(drop)
    }

    /// Raises a column of the account that never falls.
    fn raise(&self, name: &'static str, to: u64) -> rusqlite::Result<()> {
        // Compared here and not in SQL, where the largest ids are negative.
        let current = self
            .prepare(&format!("SELECT {name} FROM account"))?
            .query_row((), |row| column::optional(row, 0, column::id))?;
        if current >= Some(to) {
            return Ok(());
        }
        self.prepare(&format!("UPDATE account SET {name} = ?1"))?
            .execute([to.cast_signed()])
            .map(drop)
    }

    pub(super) fn prepare(&self, sql: &str) -> rusqlite::Result<CachedStatement<'_>> {
        self.0.prepare_cached(sql)
    }
}

pub(super) const fn sql_id(user: UserId) -> i64 {
    user.value().cast_signed()
}

pub(super) const fn sql_message_id(id: MessageId) -> i64 {
    id.0.cast_signed()
}

pub(super) const fn sql_token(token: Token) -> i64 {
    token.0.cast_signed()
}

/// Converts a place to what SQLite compares. One above the largest signed number stays the largest.
pub(super) fn sql_place(place: u64) -> i64 {
    i64::try_from(place).unwrap_or(i64::MAX)
}
