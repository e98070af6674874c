//! Copies: which are to be sent, and what can be done about them.

use rusqlite::{OptionalExtension, params};
use sealpost_core::client::SendRefusal;
use sealpost_core::client::store::{Content, DraftId, ReceivedContent, Token};
use sealpost_core::frame::StoreError;
use sealpost_core::keys::Fingerprint;

use super::row::{self, CANCELLED};
use super::timeline::Timeline;
use crate::client::conversations::{Cancelled, ConversationId, EntryId, NewCopy, UnsentCopy};
use crate::client::sqlite::SqliteClientStorage;
use crate::client::sqlite::ops::{Ops, sql_token};
use crate::client::sqlite::row as machine;
use crate::engine::column::{Unreadable, id, phone};

impl SqliteClientStorage {
    /// Copies that the machine does not have, in the order of their entries: to be sent now, or again
    /// after a crash.
    pub fn unsent_copies(&self, limit: u32) -> Result<Vec<UnsentCopy>, StoreError> {
        self.read(|connection| {
            let sql = format!(
                "SELECT {UNSENT_COLUMNS} FROM copies
                 WHERE content IS NOT NULL AND refused IS NULL ORDER BY entry, token LIMIT ?1"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let copies = statement.query_map([limit], unsent)?;
            copies.collect()
        })
    }

    /// A copy that the machine does not have, unless it was withdrawn.
    pub fn unsent_copy(&self, token: Token) -> Result<Option<UnsentCopy>, StoreError> {
        self.read(|connection| {
            let sql = format!(
                "SELECT {UNSENT_COLUMNS} FROM copies
                 WHERE token = ?1 AND content IS NOT NULL AND refused IS NOT ?2"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            statement.query_row([sql_token(token), CANCELLED], unsent).optional()
        })
    }

    /// The entry that a copy carries or changes, and its conversation.
    pub fn entry_of_copy(
        &self,
        token: Token,
    ) -> Result<Option<(ConversationId, EntryId)>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT conversation, entry FROM copies JOIN timeline USING (entry)
                       WHERE token = ?1";
            connection
                .prepare_cached(sql)?
                .query_row([sql_token(token)], |row| {
                    Ok((ConversationId(id(row, 0)?), EntryId(id(row, 1)?)))
                })
                .optional()
        })
    }

    /// Records that the machine has refused a copy, whose content it gave back.
    pub fn refuse_copy(
        &mut self,
        token: Token,
        refusal: SendRefusal,
        content: &Content,
    ) -> Result<(), StoreError> {
        let (kind, content) = machine::content_columns(content);
        self.write(|connection| {
            let sql = "UPDATE copies SET refused = ?2, kind = ?3, content = ?4 WHERE token = ?1";
            let refused = row::refused_column(refusal);
            connection
                .prepare_cached(sql)?
                .execute(params![sql_token(token), refused, kind, content])
                .map(drop)
        })
    }

    /// Withdraws a copy that the machine does not have yet, or one that has failed: neither waits nor
    /// is listed as failed any more, and either is sent if that is asked for.
    pub fn cancel_copy(&mut self, token: Token) -> Result<Cancelled, StoreError> {
        self.write(|connection| {
            let timeline = Timeline(connection);
            let sql = "UPDATE copies SET refused = ?2
                       WHERE token = ?1
                         AND (content IS NOT NULL OR refused IS NOT NULL OR EXISTS (
                             SELECT 1 FROM outbox WHERE outbox.token = ?1 AND status >= 3))";
            if timeline.prepare(sql)?.execute([sql_token(token), CANCELLED])? > 0 {
                return Ok(Cancelled::Done);
            }
            let exists = |sql| timeline.prepare(sql)?.exists([sql_token(token)]);
            Ok(if exists("SELECT 1 FROM drafts WHERE token = ?1")? {
                Cancelled::IsDraft
            } else if exists("SELECT 1 FROM copies WHERE token = ?1")? {
                Cancelled::TooLate
            } else {
                Cancelled::Unknown
            })
        })
    }

    /// Withdraws every copy that has no message id yet, whether the machine has it or not: for a store
    /// that was restored, whose former owner may have sent them since. What has its id is sent again
    /// byte for byte, and accepted once.
    pub fn withdraw_unsent(&mut self) -> Result<(), StoreError> {
        self.write(|connection| {
            let timeline = Timeline(connection);
            timeline
                .prepare(
                    "UPDATE copies SET refused = ?1, kind = drafts.kind, content = drafts.content
                     FROM drafts WHERE drafts.token = copies.token",
                )?
                .execute([CANCELLED])?;
            timeline.prepare("DELETE FROM drafts")?.execute(())?;
            timeline
                .prepare(
                    "UPDATE copies SET refused = ?1 WHERE content IS NOT NULL AND refused IS NULL",
                )?
                .execute([CANCELLED])
                .map(drop)
        })
    }

    /// Puts a new copy in place of one that has failed: the same content to the same recipient under
    /// another token. `None` if it has not failed, or its content is gone.
    pub fn retry_copy(
        &mut self,
        token: Token,
        again: Token,
    ) -> Result<Option<UnsentCopy>, StoreError> {
        self.write(|connection| Timeline(connection).retry(token, again))
    }
}

impl Timeline<'_> {
    fn retry(&self, token: Token, again: Token) -> rusqlite::Result<Option<UnsentCopy>> {
        let moved = self
            .prepare(
                "INSERT INTO copies (token, entry, phone_number, recipient_key, carries, kind, content)
                 SELECT ?2, entry, copies.phone_number, copies.recipient_key, carries,
                        coalesce(outbox.kind, copies.kind),
                        coalesce(outbox.content, copies.content)
                 FROM copies LEFT JOIN outbox USING (token)
                 WHERE copies.token = ?1 AND (refused IS NOT NULL OR status >= 3)
                   AND coalesce(outbox.content, copies.content) <> x''",
            )?
            .execute([sql_token(token), sql_token(again)])?;
        if moved == 0 {
            return Ok(None);
        }
        self.prepare("DELETE FROM copies WHERE token = ?1")?.execute([sql_token(token)])?;
        self.prepare(&format!("SELECT {UNSENT_COLUMNS} FROM copies WHERE token = ?1"))?
            .query_row([sql_token(again)], unsent)
            .map(Some)
    }
}

impl Ops<'_> {
    /// The machine has a copy, or a state or request of a group: it is not to be sent again, and its
    /// content is with the machine's.
    pub(in crate::client::sqlite) fn copy_taken(&self, token: Token) -> rusqlite::Result<()> {
        self.prepare("DELETE FROM group_posts WHERE token = ?1")?.execute([sql_token(token)])?;
        self.prepare(
            "UPDATE copies SET content = NULL, refused = NULL
             WHERE token = ?1 AND content IS NOT NULL",
        )?
        .execute([sql_token(token)])
        .map(drop)
    }

    /// The machine gives a copy up, which has its content again: after a crash before the refusal was
    /// recorded, it is sent again.
    pub(in crate::client::sqlite) fn copy_returned(&self, draft: DraftId) -> rusqlite::Result<()> {
        self.prepare(
            "UPDATE copies SET kind = drafts.kind, content = drafts.content
             FROM drafts WHERE draft_id = ?1 AND drafts.token = copies.token",
        )?
        .execute([draft.0.cast_signed()])
        .map(drop)
    }
}

/// Columns that [`unsent`] reads, in its order.
const UNSENT_COLUMNS: &str = "token, entry, phone_number, kind, content, recipient_key";

fn unsent(row: &rusqlite::Row<'_>) -> rusqlite::Result<UnsentCopy> {
    let ReceivedContent::Opened(content) = machine::content(row, 3)? else {
        return Err(Unreadable("content").into());
    };
    let key = row.get::<_, Option<[u8; 32]>>(5)?.map(Fingerprint);
    let copy = NewCopy { token: machine::token(row, 0)?, phone: phone(row, 2)?, key, content };
    Ok(UnsentCopy { entry: EntryId(id(row, 1)?), copy })
}
