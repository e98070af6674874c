//! Turns of the machine of groups: its records, what is to be sent, and what is shown.

use rusqlite::{OptionalExtension, params};
use sealpost_core::client::store::{InboxId, InboxItem, Token};
use sealpost_core::event::{EncodedEvent, GroupId};
use sealpost_core::frame::StoreError;
use sealpost_core::keys::Fingerprint;
use sealpost_core::time::Timestamp;

use super::row::{self, ENTRY};
use super::timeline::{Addition, Timeline};
use crate::client::conversations::{
    Applied, Body, Change, GroupPost, GroupRecord, GroupStep, GroupTurn, Idempotency, Made,
    NewCopy, NewEntry, Peer, TurnDone, Written,
};
use crate::client::sqlite::SqliteClientStorage;
use crate::client::sqlite::ops::{sql_place, sql_token};
use crate::client::sqlite::row as machine;
use crate::engine::column::{Unreadable, id, optional, phone};

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

    /// Carries out everything that follows from one input. A message that was applied before changes
    /// nothing.
    pub fn take_turn(&mut self, turn: &GroupTurn) -> Result<TurnDone, StoreError> {
        self.write(|connection| Timeline(connection).take_turn(turn))
    }
}

impl Timeline<'_> {
    fn take_turn(&self, turn: &GroupTurn) -> rusqlite::Result<TurnDone> {
        let mut done = TurnDone::default();
        if let Some(message) = &turn.message
            && !self.begin_to_apply(message.place)?
        {
            done.applied.push(Applied::Before);
            return Ok(done);
        }
        for step in &turn.steps {
            match step {
                GroupStep::Keep(record) => self.keep(record)?,
                GroupStep::Forget(group) => {
                    self.prepare("DELETE FROM group_records WHERE group_id = ?1")?
                        .execute([group.0])?;
                }
                GroupStep::Post(post) => self.keep_post(post)?,
                GroupStep::Show { item, group, change, written } => {
                    self.show(turn, item, (*group, change, *written), &mut done)?;
                }
                GroupStep::Hide(place) => {
                    self.prepare("INSERT OR IGNORE INTO group_items VALUES (?1, ?2)")?
                        .execute([sql_place(place.0), HIDDEN])?;
                }
                GroupStep::Note { with, text } => {
                    let new = notice(text.clone());
                    done.applied.push(self.add_own(with, &new, &[], turn.at)?);
                }
                GroupStep::Say { group, new, copies, idempotency } => {
                    let entry = (new, copies.as_slice());
                    if !self.say(*group, entry, (idempotency.as_ref(), turn.at), &mut done)? {
                        return Ok(done);
                    }
                }
                GroupStep::Alter { entry, change, copies } => {
                    done.applied.push(self.alter(*entry, change, turn.at, copies)?);
                }
            }
        }
        if let Some(message) = &turn.message {
            self.end_of_apply(message.place)?;
        }
        Ok(done)
    }

    /// Applies a message that a group shows. One that waited gets a new place in the inbox, because
    /// consumers have seen what came after it.
    fn show(
        &self,
        turn: &GroupTurn,
        item: &InboxItem,
        (group, change, written): (GroupId, &Change, Written),
        done: &mut TurnDone,
    ) -> rusqlite::Result<()> {
        let is_new = turn.message.as_ref().is_some_and(|message| message.place == item.place);
        let moved;
        let item = if is_new {
            item
        } else {
            let place = self.release(item.place)?;
            done.released = done.released.max(Some(place));
            moved = InboxItem { place, ..item.clone() };
            &moved
        };
        let applied = self.carry_out(item, &Peer::Group(group), change)?;
        if let Applied::Added(_, entry) = applied {
            self.prepare("UPDATE timeline SET written = ?2 WHERE entry = ?1")?
                .execute(params![entry.0.cast_signed(), row::written_code(written)])?;
        }
        done.applied.push(applied);
        Ok(())
    }

    /// Moves a message that was hidden to the end of the inbox.
    fn release(&self, place: InboxId) -> rusqlite::Result<InboxId> {
        let new = self
            .prepare("UPDATE account SET last_place = last_place + 1 RETURNING last_place")?
            .query_row((), |row| id(row, 0))?;
        let places = [sql_place(place.0), sql_place(new)];
        self.prepare("UPDATE inbox SET place = ?2 WHERE place = ?1")?.execute(places)?;
        self.prepare("DELETE FROM group_items WHERE place = ?1")?.execute([places[0]])?;
        self.prepare("INSERT INTO group_items VALUES (?1, ?2)")?.execute([places[1], RELEASED])?;
        Ok(InboxId(new))
    }

    /// Adds an entry of our own to a group. Returns whether the turn goes on: not if the request was
    /// made before.
    fn say(
        &self,
        group: GroupId,
        (new, copies): (&NewEntry, &[NewCopy]),
        (idempotency, at): (Option<&Idempotency>, Timestamp),
        done: &mut TurnDone,
    ) -> rusqlite::Result<bool> {
        match self.made_before(idempotency, at)? {
            Some(Made::Before(entry) | Made::New(entry)) => {
                done.made_before = Some(entry);
                return Ok(false);
            }
            Some(Made::OtherRequest) => {
                done.is_other_request = true;
                return Ok(false);
            }
            None => {}
        }
        let added = self.add_own(&Peer::Group(group), new, copies, at)?;
        if let Applied::Added(_, entry) = added {
            self.remember(idempotency, entry, at)?;
        }
        done.applied.push(added);
        Ok(true)
    }

    fn add_own(
        &self,
        with: &Peer,
        new: &NewEntry,
        copies: &[NewCopy],
        at: Timestamp,
    ) -> rusqlite::Result<Applied> {
        let conversation = self.conversation(with)?;
        let addition = Addition { conversation, new, sent_at: at, received: None };
        let Some(entry) = self.add(&addition)? else { return Ok(Applied::Ignored) };
        self.add_copies(entry, copies, ENTRY)?;
        Ok(Applied::Added(conversation, entry))
    }

    fn keep(&self, record: &GroupRecord) -> rusqlite::Result<()> {
        let GroupRecord { group, record, name, expiry_secs } = record;
        self.prepare(
            "INSERT INTO group_records VALUES (?1, ?2)
             ON CONFLICT DO UPDATE SET record = excluded.record",
        )?
        .execute(params![group.0, record])?;
        let conversation = self.conversation(&Peer::Group(*group))?;
        self.prepare(
            "UPDATE conversations SET name = ?2, expiry_secs = ?3 WHERE conversation = ?1",
        )?
        .execute(params![conversation.0.cast_signed(), name, expiry_secs])
        .map(drop)
    }

    fn keep_post(&self, post: &GroupPost) -> rusqlite::Result<()> {
        let GroupPost { token, group, phone, key, event } = post;
        self.prepare(
            "INSERT INTO group_posts (token, group_id, phone_number, recipient_key, content)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![sql_token(*token), group.0, phone.to_string(), key.0, event.as_bytes()])
        .map(drop)
    }

    fn has_fate(&self, place: InboxId, fate: i64) -> rusqlite::Result<bool> {
        self.prepare("SELECT 1 FROM group_items WHERE place = ?1 AND fate = ?2")?
            .exists([sql_place(place.0), fate])
    }

    /// Whether a message got this place when its group released it.
    pub(super) fn is_released(&self, place: InboxId) -> rusqlite::Result<bool> {
        self.has_fate(place, RELEASED)
    }

    /// Forgets which messages were released, up to a place.
    pub(super) fn forget_released(&self, up_to: InboxId) -> rusqlite::Result<()> {
        self.prepare("DELETE FROM group_items WHERE fate = 1 AND place <= ?1")?
            .execute([sql_place(up_to.0)])
            .map(drop)
    }
}

/// A notice.
const fn notice(text: String) -> NewEntry {
    let body = Body::Notice(text);
    NewEntry { body, event_id: None, event: None, reply_to: None, expiry_secs: None }
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

// Fates of messages; SQL text knows the second one, too.
const HIDDEN: i64 = 0;
const RELEASED: i64 = 1;
