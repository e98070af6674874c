//! Turns of the machine of groups: its records, what is to be sent, and what is shown.

use rusqlite::params;
use sealpost_core::client::store::{InboxId, InboxItem};
use sealpost_core::event::GroupId;
use sealpost_core::frame::StoreError;
use sealpost_core::time::Timestamp;

use super::row::{self, ENTRY};
use super::timeline::{Addition, Timeline};
use crate::client::conversations::{
    Applied, Body, Change, GroupPost, GroupRecord, GroupStep, GroupTurn, Made, NewCopy, NewEntry,
    Peer, Saying, TurnDone, Written,
};
use crate::client::sqlite::SqliteClientStorage;
use crate::client::sqlite::ops::{sql_place, sql_token};
use crate::engine::column::id;

impl SqliteClientStorage {
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
                GroupStep::Drop(item) => self.drop_received(item)?,
                GroupStep::Note { with, notice } => {
                    done.applied.push(self.note(with, notice, turn.at)?);
                }
                GroupStep::Settle { with, cause } => {
                    let settled = self.settle(cause, Some(with))?;
                    done.removed.extend(settled);
                }
                GroupStep::Invite { item, group, text } => {
                    let new = new_entry(Body::Invitation(text.clone()));
                    done.applied.push(self.append_received(item, &Peer::Group(*group), &new)?);
                }
                GroupStep::Say(saying) => {
                    if !self.say(saying, turn.at, &mut done)? {
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
    fn say(&self, saying: &Saying, at: Timestamp, done: &mut TurnDone) -> rusqlite::Result<bool> {
        let Saying { group, new, copies, transfers, idempotency } = saying;
        let idempotency = idempotency.as_ref();
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
        let added = self.add_own(&Peer::Group(*group), new, copies, at)?;
        if let Applied::Added(_, entry) = added {
            self.remember(idempotency, entry, at)?;
            for transfer in transfers {
                let offer = copies.iter().find(|copy| copy.key == Some(transfer.id.peer));
                offer.map_or(Ok(()), |offer| self.begin_transfer(entry, offer, transfer))?;
            }
        }
        done.applied.push(added);
        Ok(true)
    }

    pub(super) fn add_own(
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

    pub(super) fn has_fate(&self, place: InboxId, fate: i64) -> rusqlite::Result<bool> {
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

/// An entry that is no event.
pub(super) const fn new_entry(body: Body) -> NewEntry {
    NewEntry { body, event_id: None, event: None, reply_to: None, expiry_secs: None }
}

// Fates of messages; SQL text knows the second one, too.
pub(super) const HIDDEN: i64 = 0;
const RELEASED: i64 = 1;
