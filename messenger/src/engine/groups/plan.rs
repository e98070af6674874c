//! Actions of the machine of groups as one turn of the store.

use std::collections::{BTreeMap, BTreeSet};

use sealpost_core::client::store::{Contact, Content, InboxId, InboxItem};
use sealpost_core::event::{self, EncodedEvent, Event, GroupId, GroupState, GroupTag};
use sealpost_core::groups::{
    Action, CommandRefusal, Groups, ItemId, Record, Refusal, Shown, State, States, Told,
};
use sealpost_core::ids::Phone;
use sealpost_core::keys::Fingerprint;
use sealpost_storage::client::conversations::{
    Change, GroupPost, GroupRecord, GroupStep, NewCopy, Notice, Peer, Written,
};

use super::causes;
use super::desk::{Cause, Own};
use super::news::{self, Names};
use crate::api::ApiError;
use crate::engine::changes;
use crate::engine::core::Core;
use crate::engine::methods::sending::{random_event_id, token};

/// What follows from one input: steps for the store, and what is sent after the commit.
pub(super) struct Plan<'a> {
    core: &'a Core,
    machine: &'a Groups,
    message: Option<&'a InboxItem>,
    before: Option<State>,
    contacts: Vec<Contact>,
    /// The last record of each group: those before it would be overwritten in the same transaction.
    records: BTreeMap<GroupId, GroupStep>,
    own: Option<Own>,
    pub(super) steps: Vec<GroupStep>,
    pub(super) sends: Vec<NewCopy>,
    pub(super) changed: BTreeSet<GroupId>,
    pub(super) refused: Option<CommandRefusal>,
    /// Whether an event of a file transfer is among what is shown.
    pub(super) has_files: bool,
}

impl<'a> Plan<'a> {
    pub(super) fn new(
        core: &'a Core,
        machine: &'a Groups,
        before: Option<State>,
        cause: Cause<'a>,
    ) -> Self {
        Self {
            core,
            machine,
            message: cause.message,
            before,
            contacts: Vec::new(),
            records: BTreeMap::new(),
            own: cause.own,
            steps: cause.steps,
            sends: Vec::new(),
            changed: BTreeSet::new(),
            refused: None,
            has_files: false,
        }
    }

    /// Plans actions, in their order.
    pub(super) fn of(mut self, actions: Vec<Action>) -> Result<Self, ApiError> {
        // Most texts arrive without a need to know who has which key.
        if actions.iter().any(names_people) {
            self.contacts = self.core.contacts()?;
        }
        for action in actions {
            self.add(action)?;
        }
        self.steps.extend(std::mem::take(&mut self.records).into_values());
        Ok(self)
    }

    fn add(&mut self, action: Action) -> Result<(), ApiError> {
        match action {
            Action::Store(group, record) => self.keep(group, record.as_deref()),
            // The desk has signed already.
            Action::Sign { .. } => {}
            Action::SendStates { to, states } => self.send_states(to, &states)?,
            Action::SendRequest { to, tag, request } => {
                let body = event::Body::GroupRequest { group: tag.group, request };
                self.post(to, tag, body)?;
            }
            Action::SendText { tag, to, .. } => self.say(tag, &to)?,
            Action::Show { group, item, how } => self.show(group, item, how)?,
            Action::Hold(_, item) => self.steps.push(GroupStep::Hide(InboxId(item.0))),
            Action::Refuse(group, item, why) => self.refuse(group, item, why)?,
            Action::Tell(group, told) => self.tell(group, &told),
        }
        Ok(())
    }

    fn keep(&mut self, group: GroupId, record: Option<&Record>) {
        let step = match record {
            None => GroupStep::Forget(group),
            Some(record) => {
                let parts = record.state().parts();
                GroupStep::Keep(GroupRecord {
                    group,
                    record: record.encode(),
                    name: parts.name.as_str().to_owned(),
                    expiry_secs: Some(parts.expiry_secs).filter(|secs| *secs > 0),
                })
            }
        };
        self.records.insert(group, step);
        self.changed.insert(group);
    }

    fn send_states(&mut self, to: Fingerprint, states: &States) -> Result<(), ApiError> {
        let [.., newest] = states.as_slice() else { return Ok(()) };
        let (group, epoch) = (newest.state().parts().group, newest.state().epoch());
        let tag = GroupTag { group, epoch, state_hash: newest.hash() };
        let data = GroupState::new(states.encode()).map_err(ApiError::internal)?;
        self.post(to, tag, event::Body::GroupState(data))
    }

    /// Keeps a state or a request until the client machine has it, which is told of it after the
    /// commit.
    fn post(&mut self, to: Fingerprint, tag: GroupTag, body: event::Body) -> Result<(), ApiError> {
        let Some(phone) = self.phone_of(&to, tag.group) else {
            tracing::warn!("nothing is sent to a key in a group, because its owner is not known");
            return Ok(());
        };
        let event = new_event(body, tag, None)?;
        let token = token()?;
        let content = Content::Event(event.clone());
        self.sends.push(NewCopy { token, phone, key: Some(to), content });
        self.steps.push(GroupStep::Post(GroupPost {
            token,
            group: tag.group,
            phone,
            key: to,
            event,
        }));
        Ok(())
    }

    /// What the user says, with a copy for each recipient.
    fn say(&mut self, tag: GroupTag, to: &[Fingerprint]) -> Result<(), ApiError> {
        let Some(Own { body, expiry, step }) = self.own.take() else { return Ok(()) };
        let event = new_event(body, tag, expiry)?;
        let mut copies = Vec::new();
        for key in to {
            let Some(phone) = self.phone_of(key, tag.group) else { continue };
            let content = Content::Event(event.clone());
            copies.push(NewCopy { token: token()?, phone, key: Some(*key), content });
        }
        self.sends.extend(copies.iter().cloned());
        self.steps.push(step(event, copies));
        Ok(())
    }

    fn show(&mut self, group: GroupId, item: ItemId, how: Shown) -> Result<(), ApiError> {
        let Some(item) = self.item(item)? else { return Ok(()) };
        let change = changes::of(&item, self.core.public_key.fingerprint());
        self.has_files |= matches!(change, Change::File(_));
        let written = match how {
            Shown::Current => Written::Current,
            Shown::Older => Written::Older,
            Shown::BeforeRemoval => Written::BeforeRemoval,
            Shown::OtherState => Written::OtherState,
        };
        let cause = causes::refused(item.message.phone);
        if self.core.read(|store| store.has_notices_of(&cause))? {
            self.steps.push(GroupStep::Settle { with: Peer::Group(group), cause });
        }
        self.steps.push(GroupStep::Show { item: Box::new(item), group, change, written });
        Ok(())
    }

    fn refuse(&mut self, group: GroupId, item: ItemId, why: Refusal) -> Result<(), ApiError> {
        self.steps.push(GroupStep::Hide(InboxId(item.0)));
        let Some(item) = self.item(item)? else { return Ok(()) };
        let phone = item.message.phone;
        let notice = Notice {
            text: news::refused(&self.names().phone(phone), why),
            cause: Some(causes::refused(phone)),
        };
        let with = self.conversation_for(group, Some(phone));
        self.steps.extend(with.map(|with| GroupStep::Note { with, notice }));
        Ok(())
    }

    fn tell(&mut self, group: GroupId, told: &Told) {
        if let Told::CommandRefused(why) = told {
            self.refused = Some(*why);
            return;
        }
        let after = self.machine.group(group).map(Record::state);
        self.settle_for_former_members(group, after);
        let lines = news::lines(told, self.before.as_ref(), after, &self.names());
        if let (Told::Invited { .. }, Some(message)) = (told, self.message) {
            let item = Box::new(message.clone());
            self.steps.push(GroupStep::Invite { item, group, text: lines.concat() });
            return;
        }
        let sender = self.message.map(|message| message.message.phone);
        let Some(with) = self.conversation_for(group, sender) else { return };
        for text in lines {
            self.steps.push(GroupStep::Note { with, notice: Notice { text, cause: None } });
        }
    }

    /// It does not matter any more whether somebody is reached who is not in the group.
    fn settle_for_former_members(&mut self, group: GroupId, after: Option<&State>) {
        let Some(before) = &self.before else { return };
        for (key, member) in &before.parts().members {
            if after.is_none_or(|after| after.member(key).is_none()) {
                let cause = causes::unreached(member.phone);
                self.steps.push(GroupStep::Settle { with: Peer::Group(group), cause });
            }
        }
    }

    /// Where news of a group are shown. Strangers must not open conversations of groups, so those of
    /// unknown groups are shown with whoever has sent them.
    fn conversation_for(&self, group: GroupId, sender: Option<Phone>) -> Option<Peer> {
        if self.machine.group(group).is_some() {
            return Some(Peer::Group(group));
        }
        sender.map(Peer::Person)
    }

    /// A message that arrives in this turn, or that has waited.
    fn item(&self, item: ItemId) -> Result<Option<InboxItem>, ApiError> {
        if let Some(message) = self.message.filter(|message| message.place.0 == item.0) {
            return Ok(Some(message.clone()));
        }
        self.core.read(|store| store.inbox_at(InboxId(item.0)))
    }

    /// Phone number at which a key is reached: that of the contact who has it, or else the one in the
    /// newest state that names it.
    fn phone_of(&self, key: &Fingerprint, group: GroupId) -> Option<Phone> {
        if let Some(phone) = self.names().contact(key) {
            return Some(phone);
        }
        let states: Vec<_> = self.machine.group(group)?.states().collect();
        let member = |state: &&sealpost_core::groups::SignedState| {
            state.state().member(key).map(|member| member.phone)
        };
        states.iter().rev().find_map(member)
    }

    const fn names(&self) -> Names<'_> {
        Names { core: self.core, contacts: self.contacts.as_slice(), machine: self.machine }
    }
}

/// Whether an action is about people, who are found by their keys or named.
const fn names_people(action: &Action) -> bool {
    match action {
        Action::SendStates { .. }
        | Action::SendRequest { .. }
        | Action::SendText { .. }
        | Action::Refuse(..)
        | Action::Tell(..) => true,
        Action::Store(..) | Action::Sign { .. } | Action::Show { .. } | Action::Hold(..) => false,
    }
}

/// An event of ours in a group.
fn new_event(
    body: event::Body,
    tag: GroupTag,
    expiry: Option<event::ExpirySecs>,
) -> Result<EncodedEvent, ApiError> {
    let id = random_event_id()?;
    Ok(EncodedEvent::new(Event { id, group: Some(tag), expiry, body }))
}
