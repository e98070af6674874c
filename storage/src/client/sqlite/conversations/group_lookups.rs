//! What the store knows of groups: records, what is to be sent, and which messages are not shown.

use rusqlite::OptionalExtension;
use sealpost_core::client::store::{InboxId, InboxItem, Token};
use sealpost_core::event::{EncodedEvent, GroupId};
use sealpost_core::frame::StoreError;
use sealpost_core::keys::Fingerprint;
use sealpost_core::time::Timestamp;

use super::groups::HIDDEN;
use super::timeline::Timeline;
use crate::client::conversations::GroupPost;
use crate::client::sqlite::SqliteClientStorage;
use crate::client::sqlite::ops::sql_token;
use crate::client::sqlite::row as machine;
use crate::engine::column::{Unreadable, id, optional, phone, timestamp};

impl SqliteClientStorage {
    /// Records of all groups, in the order of their ids.
    pub fn group_records(&self) -> Result<Vec<(GroupId, Vec<u8>)>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT group_id, record FROM group_records ORDER BY group_id";
            let mut statement = connection.prepare_cached(sql)?;
            let records = statement.query_map((), |row| Ok((GroupId(row.get(0)?), row.get(1)?)))?;
            records.collect()
        })
    }

    /// When peers were last asked again after a start, if ever.
    pub fn groups_asked_at(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT groups_asked_at FROM account";
            connection.prepare_cached(sql)?.query_row((), |row| optional(row, 0, timestamp))
        })
    }

    /// Records that peers are asked again after a start.
    pub fn set_groups_asked_at(&mut self, at: Timestamp) -> Result<(), StoreError> {
        self.write(|connection| {
            let sql = "UPDATE account SET groups_asked_at = ?1";
            connection.prepare_cached(sql)?.execute([at.unix_secs()]).map(drop)
        })
    }

    /// States and requests that the client machine does not have, in the order in which they were
    /// made, at most `limit`.
    pub fn group_posts(&self, limit: u32) -> Result<Vec<GroupPost>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT token, group_id, phone_number, recipient_key, content
                       FROM group_posts ORDER BY place LIMIT ?1";
            let mut statement = connection.prepare_cached(sql)?;
            let posts = statement.query_map([limit], post)?;
            posts.collect()
        })
    }

    /// The state or request with this token, if the client machine does not have it.
    pub fn group_post(&self, token: Token) -> Result<Option<GroupPost>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT token, group_id, phone_number, recipient_key, content
                       FROM group_posts WHERE token = ?1";
            connection.prepare_cached(sql)?.query_row([sql_token(token)], post).optional()
        })
    }

    /// Drops a state or a request that can't be sent. Returns it if it was there.
    pub fn drop_group_post(&mut self, token: Token) -> Result<Option<GroupPost>, StoreError> {
        self.write(|connection| {
            let sql = "DELETE FROM group_posts WHERE token = ?1
                       RETURNING token, group_id, phone_number, recipient_key, content";
            connection.prepare_cached(sql)?.query_row([sql_token(token)], post).optional()
        })
    }

    /// Whether the message at this place of the inbox is shown in no group, so far.
    pub fn is_hidden(&self, place: InboxId) -> Result<bool, StoreError> {
        self.read(|connection| Timeline(connection).has_fate(place, HIDDEN))
    }

    /// Whether a message was applied, or was shown when its group released it.
    pub fn was_applied(&self, place: InboxId) -> Result<bool, StoreError> {
        self.read(|connection| {
            let timeline = Timeline(connection);
            Ok(place <= timeline.applied_up_to()? || timeline.is_released(place)?)
        })
    }

    /// Last place that a message got when its group released it, unless messages up to there were
    /// applied.
    pub fn last_released(&self) -> Result<Option<InboxId>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT max(place) FROM group_items WHERE fate = 1";
            connection.prepare_cached(sql)?.query_row((), |row| optional(row, 0, id))
        })
        .map(|place| place.map(InboxId))
    }

    /// The place of the inbox up to which everything was applied or hidden, those places included
    /// that messages got when groups released them.
    pub fn settled_up_to(&self) -> Result<InboxId, StoreError> {
        self.read(|connection| {
            let sql = "SELECT coalesce(
                (SELECT min(place) - 1 FROM inbox
                 WHERE place > applied_up_to
                   AND place NOT IN (SELECT place FROM group_items WHERE fate = 1)),
                max(applied_up_to, coalesce((SELECT max(place) FROM group_items WHERE fate = 1), 0)))
                FROM account";
            connection.prepare_cached(sql)?.query_row((), |row| id(row, 0)).map(InboxId)
        })
    }

    /// The message at a place of the inbox.
    pub fn inbox_at(&self, place: InboxId) -> Result<Option<InboxItem>, StoreError> {
        let before = InboxId(place.0.saturating_sub(1));
        let found = self.inbox_after(before, 1)?;
        Ok(found.into_iter().find(|item| item.place == place))
    }
}

fn post(row: &rusqlite::Row<'_>) -> rusqlite::Result<GroupPost> {
    let event: Vec<u8> = row.get(4)?;
    let event = EncodedEvent::parse(event.into()).map_err(|_| Unreadable("event"))?;
    Ok(GroupPost {
        token: machine::token(row, 0)?,
        group: GroupId(row.get(1)?),
        phone: phone(row, 2)?,
        key: Fingerprint(row.get(3)?),
        event,
    })
}
