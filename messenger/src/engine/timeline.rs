//! Keeping the timeline as the machine's outputs say.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Display;
use std::sync::atomic::Ordering;

use sealpost_core::client::store::{Content, Failure, InboxId, InboxItem, Trust};
use sealpost_core::client::{Command, SendRefusal, Token};
use sealpost_core::event::GroupId;
use sealpost_core::frame::StoreError;
use sealpost_core::groups::{Input, ItemId, Mine, Record};
use sealpost_core::ids::{MessageId, Phone};
use sealpost_storage::client::SqliteClientStorage;
use sealpost_storage::client::conversations::{
    Applied, Change, Effect, EntryId, GroupPost, GroupStep, Notice, Peer, UnsentCopy, Visibility,
};

use super::core::Core;
use super::groups::{self, Cause, Concern, causes};
use super::{changes, clock};
use crate::api::{ApiError, Changed};

impl Core {
    /// Takes over the first of the messages that arrived, those from people in one transaction.
    /// Returns how many were taken over. A message that was taken over before changes nothing.
    pub(super) fn receive(&self, items: &[Box<InboxItem>]) -> Result<usize, ApiError> {
        let Some(first) = items.first() else { return Ok(0) };
        if let Some(concern) = groups::concern(first) {
            self.receive_for_group(first, concern)?;
            self.taken_over(first.place)?;
            return Ok(1);
        }
        let from_people = items.iter().take_while(|item| groups::concern(item).is_none());
        let effects = from_people.take(APPLIED_AT_ONCE).map(|item| Effect {
            item: (**item).clone(),
            peer: Peer::Person(item.message.phone),
            change: changes::of(item, self.public_key.fingerprint()),
        });
        let effects: Vec<_> = effects.collect();
        let taken = effects.len();
        let last = effects.last().map_or(first.place, |effect| effect.item.place);
        self.receive_from_people(effects)?;
        self.taken_over(last)?;
        Ok(taken)
    }

    fn receive_from_people(&self, mut effects: Vec<Effect>) -> Result<(), ApiError> {
        let is_for_files = |effect: &Effect| matches!(effect.change, Change::File(_));
        let has_file_events = effects.iter().any(is_for_files);
        let applied = self.write(move |store| {
            drop_blocked(store, &mut effects)?;
            store.apply_all(&effects)
        })?;
        if has_file_events {
            self.files.arrived();
        }
        for applied in applied {
            match applied {
                Applied::Added(_, entry) | Applied::Changed(_, entry) => self.show_entry(entry),
                Applied::Ignored | Applied::Before => {}
            }
        }
        Ok(())
    }

    /// Takes over a message that belongs to a group, in one transaction with what follows from it.
    fn receive_for_group(&self, item: &InboxItem, concern: Concern) -> Result<(), ApiError> {
        if self.read(|store| store.was_applied(item.place))? {
            let (received, peer) = (item.clone(), Peer::Person(item.message.phone));
            self.write(move |store| store.apply(&received, &peer, &Change::Nothing))?;
            return Ok(());
        }
        let cause = Cause { message: Some(item), ..self.group_cause(item, concern)? };
        self.group_turn(cause).map(drop)
    }

    /// What a message means to the machine of groups. Only a pinned key speaks for its owner there,
    /// and what a blocked person writes is dropped; their states and requests count, so that all
    /// members of a group agree.
    fn group_cause(&self, item: &InboxItem, concern: Concern) -> Result<Cause<'_>, ApiError> {
        let message = &item.message;
        let (from, with) = (message.signed_by, Peer::Person(message.phone));
        let hide = || vec![GroupStep::Hide(item.place)];
        let steps = |steps| Ok(Cause { steps, ..Cause::default() });
        if message.trust == Trust::Changed {
            let text = format!(
                "A message of {} for a group is not shown: it is signed with a key that you have not \
                 accepted.",
                message.phone
            );
            let notice = Notice { text, cause: Some(causes::other_key(message.phone)) };
            return steps(vec![GroupStep::Hide(item.place), GroupStep::Note { with, notice }]);
        }
        let is_blocked = self.is_blocked(&with)?;
        let drop = || vec![GroupStep::Drop(Box::new(item.clone()))];
        let input = match concern {
            Concern::Nothing => return steps(hide()),
            Concern::Text(_) if is_blocked => return steps(drop()),
            Concern::Text(tag) => Input::Text { from, tag, item: ItemId(item.place.0) },
            Concern::Request(tag, request) => Input::Request { from, tag, request },
            Concern::States(group, bytes) => match self.verify_states(&bytes) {
                Ok(states) => {
                    let group = states.group();
                    if self.is_unwanted(group, is_blocked)? {
                        return steps(drop());
                    }
                    Input::States { from, states }
                }
                Err(why) => match group {
                    Some(group) => Input::InvalidStates { from, group, why },
                    None => return steps(hide()),
                },
            },
        };
        Ok(Cause { inputs: vec![input], ..Cause::default() })
    }

    /// Whether states of a group are ignored: those of one that the user has blocked and is not leaving,
    /// and those with which a blocked person invites.
    fn is_unwanted(
        &self,
        group: Option<GroupId>,
        is_sender_blocked: bool,
    ) -> Result<bool, ApiError> {
        let Some(group) = group else { return Ok(is_sender_blocked) };
        let mine = self.with_groups(|groups| groups.group(group).map(Record::mine))?;
        let is_blocked = self.is_blocked(&Peer::Group(group))?;
        Ok(match mine {
            None | Some(Mine::Out) => is_blocked || is_sender_blocked && mine.is_none(),
            Some(
                Mine::Invited | Mine::Accepted | Mine::Joined | Mine::Declined | Mine::Leaving,
            ) => false,
        })
    }

    /// Whether the user has blocked a person or a group.
    pub(super) fn is_blocked(&self, peer: &Peer) -> Result<bool, ApiError> {
        let found = self.read(|store| store.conversation(peer))?;
        Ok(found.is_some_and(|found| found.visibility == Visibility::Blocked))
    }

    /// Tells the machine that messages up to a place were taken over. Lets consumers see the inbox up to
    /// there, and what groups have released.
    fn taken_over(&self, place: InboxId) -> Result<(), ApiError> {
        self.handle.command(Command::MarkShown { up_to: place });
        let has_released = self.released_up_to.load(Ordering::Acquire) > place.0;
        let up_to = if has_released {
            self.read(SqliteClientStorage::settled_up_to)?.max(place)
        } else {
            place
        };
        self.hub.arrived(up_to.0);
        Ok(())
    }

    /// A message got a place at the end of the inbox when its group released it.
    pub(super) fn released(&self, place: InboxId) {
        self.released_up_to.fetch_max(place.0, Ordering::AcqRel);
        match self.read(SqliteClientStorage::settled_up_to) {
            Ok(up_to) => self.hub.arrived(up_to.0),
            // They see it with the next message.
            Err(error) => tracing::error!(%error, "can't tell consumers of a message"),
        }
    }

    /// Shows that messages have got further.
    pub(super) fn progressed(&self, ids: &[MessageId]) {
        if !self.hub.has_displays() {
            return;
        }
        for id in ids {
            match self.read(|store| store.entry_of_message(*id)) {
                Ok(Some(entry)) => self.show_entry(entry),
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "can't read the entry of a message"),
            }
        }
    }

    /// Shows that a message has got its id.
    pub(super) fn token_progressed(&self, token: Token) {
        if !self.hub.has_displays() {
            return;
        }
        match self.read(|store| store.entry_of_copy(token)) {
            Ok(Some((_, entry))) => self.show_entry(entry),
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "can't read the entry of a message"),
        }
    }

    /// Records that the machine has refused a message.
    pub(super) fn refused(&self, token: Token, refusal: SendRefusal, content: Content) {
        if self.post_refused(token, refusal) {
            return;
        }
        let recorded = self.write(move |store| store.refuse_copy(token, refusal, &content));
        if let Err(error) = recorded {
            // The message is sent again at the next start, and refused again.
            tracing::error!(%error, "can't record that a message was refused");
        }
        self.token_progressed(token);
    }

    /// Gives the machine the messages that it does not have: those that were being sent when an
    /// earlier process ended.
    pub(super) fn send_unsent(&self) -> Result<(), ApiError> {
        self.send_posts()?;
        for UnsentCopy { copy, .. } in self.read(|store| store.unsent_copies(UNSENT_MAX))? {
            self.command_send(copy);
        }
        Ok(())
    }

    /// Gives the machine the states and requests of groups that it does not have.
    pub(super) fn send_posts(&self) -> Result<(), ApiError> {
        for post in self.read(|store| store.group_posts(UNSENT_MAX))? {
            let GroupPost { token, phone, key, event, .. } = post;
            let content = Content::Event(event);
            self.handle.command(Command::SendToKey { token, phone, key, content });
        }
        Ok(())
    }

    /// A state or a request was refused: it is kept if it may be accepted later, and else dropped.
    /// Returns whether it was one.
    fn post_refused(&self, token: Token, refusal: SendRefusal) -> bool {
        let is_final = !refusal.may_pass();
        let dropped = if is_final {
            self.write(move |store| store.drop_group_post(token))
        } else {
            self.read(|store| store.group_post(token))
        };
        match dropped {
            Ok(Some(post)) if is_final => {
                self.tell_unreachable(post.group, post.phone, &refusal);
                true
            }
            Ok(post) => post.is_some(),
            Err(error) => {
                tracing::error!(%error, "can't read what was to be sent in a group");
                false
            }
        }
    }

    /// Says in a group that a member gets nothing of it.
    fn tell_unreachable(&self, group: GroupId, phone: Phone, why: &dyn Display) {
        let is_member = self.with_groups(|groups| {
            let record = groups.group(group);
            let members = record.map(|record| &record.state().parts().members);
            members.is_some_and(|members| members.values().any(|member| member.phone == phone))
        });
        // Whoever is removed is told, too, and it does not matter whether that is known there.
        if !is_member.unwrap_or(false) {
            return;
        }
        let text = format!("{phone} gets no changes of this group: {why}.");
        let notice = Notice { text, cause: Some(causes::unreached(phone)) };
        let note = GroupStep::Note { with: Peer::Group(group), notice };
        let cause = Cause { steps: vec![note], ..Cause::default() };
        if let Err(error) = self.group_turn(cause) {
            tracing::error!(%error, "can't tell that a member of a group is not reached");
        }
    }

    /// Says in groups whom the given-up messages among these don't reach.
    pub(super) fn given_up(&self, ids: &[MessageId], failure: Failure) {
        for id in ids {
            match self.read(|store| store.sent_for_group(*id)) {
                Ok(Some(sent)) => self.tell_unreachable(sent.group, sent.phone, &failure),
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "can't read a message that was given up"),
            }
        }
    }

    /// Overwrites what has expired.
    pub(super) fn expire(&self) -> Result<(), ApiError> {
        let now = clock::now().0;
        let begun = self.read(SqliteClientStorage::next_expiry)?;
        self.write(move |store| store.begin_expiry_of_delivered(now))?;
        if begun.is_none_or(|next| next > now) {
            return Ok(());
        }
        for (_, entry) in self.write(move |store| store.expire(now, EXPIRED_AT_ONCE))? {
            self.show_entry(entry);
        }
        Ok(())
    }

    /// Shows an entry as it is now, and that its conversation has changed.
    pub(super) fn show_entry(&self, entry: EntryId) {
        if !self.hub.has_displays() {
            return;
        }
        match self.read(|store| self.entries(store).find(entry)) {
            Ok(Some(entry)) => {
                let with = entry.conversation;
                self.hub.show(&Changed::Entry { entry: Box::new(entry) });
                self.hub.show(&Changed::Conversation { with });
            }
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "can't read an entry"),
        }
    }
}

/// Drops what blocked people have sent.
fn drop_blocked(store: &SqliteClientStorage, effects: &mut [Effect]) -> Result<(), StoreError> {
    let mut blocked = BTreeMap::new();
    for Effect { item, peer, change } in effects {
        let is_blocked = match blocked.entry(item.message.phone) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(unknown) => {
                let found = store.conversation(peer)?;
                let visibility = found.map(|found| found.visibility);
                *unknown.insert(visibility == Some(Visibility::Blocked))
            }
        };
        if is_blocked {
            *change = Change::Drop;
        }
    }
    Ok(())
}

/// Most messages that are applied in one transaction. Others who use the store wait for it.
pub(super) const APPLIED_AT_ONCE: usize = 256;
/// Most messages that are given to the machine again at the start. There are more only if a process
/// ended in the middle of as many requests.
const UNSENT_MAX: u32 = 10_000;
/// Most entries that are overwritten in one transaction.
const EXPIRED_AT_ONCE: u32 = 100;
