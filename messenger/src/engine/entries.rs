//! Entries of the timeline as the interface shows them.

use std::collections::{BTreeMap, BTreeSet};

use sealpost_core::client::store::{Arrival as Order, Continuity, Trust as KeyTrust};
use sealpost_core::event::{self, EncodedEvent};
use sealpost_core::frame::StoreError;
use sealpost_core::ids::Phone;
use sealpost_core::keys::Fingerprint;
use sealpost_storage::client::SqliteClientStorage;
use sealpost_storage::client::conversations::{self as kept, ConversationId, EntryId};

use super::core::Core;
use super::file_body::{Shown, file_body};
use super::mentions;
use crate::api::{
    Arrival, Body, Copy, Entry, GroupId, Mention, Peer, PhoneNumber, Progress, Quote, Reaction,
    Time, Trust, WrittenIn,
};

/// Turns entries of one store into what the interface shows.
pub(super) struct Entries<'a> {
    store: &'a SqliteClientStorage,
    /// With whom conversations are, and names of groups.
    peers: BTreeMap<ConversationId, (Peer, Option<String>)>,
    /// Who has which key, once somebody is mentioned.
    phones: Option<BTreeMap<Fingerprint, Phone>>,
    /// Contacts for whom another key is offered, once a copy waits.
    undecided: Option<BTreeSet<Phone>>,
    core: &'a Core,
}

impl Core {
    /// The entries of a store.
    pub(super) const fn entries<'a>(&'a self, store: &'a SqliteClientStorage) -> Entries<'a> {
        Entries { store, peers: BTreeMap::new(), phones: None, undecided: None, core: self }
    }
}

impl Entries<'_> {
    /// The entry with this number, if there is one.
    pub(super) fn find(&mut self, id: EntryId) -> Result<Option<Entry>, StoreError> {
        self.store.entry(id)?.map(|entry| self.shown(entry)).transpose()
    }

    /// An entry as the interface shows it.
    pub(super) fn shown(&mut self, mut entry: kept::Entry) -> Result<Entry, StoreError> {
        if let kept::Body::Notice(text) = &mut entry.body
            && entry.repeats > 1
        {
            *text = format!("{text} ({} times)", entry.repeats);
        }
        let (conversation, group_name) = self.peer(entry.conversation)?;
        let reply_to = entry.reply_to.map(|name| self.quote(entry.conversation, &name));
        let is_own = entry.author == kept::Author::Own;
        let message_id = match (&entry.name, is_own) {
            (Some(kept::EntryRef { target: event::Target::Message(id), .. }), false) => Some(id.0),
            (_, false) => self.message_id(&entry)?,
            (_, true) => None,
        };
        let mentions = self.mentions(entry.event.as_ref())?;
        let copies = entry.copies.iter().map(|copy| self.copy(copy));
        let copies = copies.collect::<Result<Vec<_>, _>>()?;
        Ok(Entry {
            entry: entry.id.0,
            conversation,
            from: entry.phone.map(PhoneNumber),
            message_id,
            sent_at: Time(entry.sent_at),
            received_at: entry.received_at.map(Time),
            progress: entry.progress().map(progress),
            body: self.body(entry.body, entry.event.as_ref(), Some((entry.id, &entry.copies)))?,
            mentions,
            reply_to: reply_to.transpose()?,
            edited_at: entry.edited_at.map(Time),
            reactions: entry.reactions.into_iter().map(reaction).collect(),
            copies,
            trust: entry.trust.map(trust),
            arrival: entry.arrival.and_then(arrival),
            after_gap: entry.continuity == Continuity::AfterGap,
            group_name,
            written_in: written_in(entry.written),
            expires_at: entry.expires_at.map(Time),
        })
    }

    /// What an entry says. With its number and its copies, a file is shown as it is now, otherwise as
    /// it was offered.
    pub(super) fn body(
        &self,
        body: kept::Body,
        event: Option<&EncodedEvent>,
        now: Option<(EntryId, &[kept::Copy])>,
    ) -> Result<Body, StoreError> {
        Ok(match body {
            kept::Body::Text(text) => Body::Text { text },
            kept::Body::Bytes(bytes) => Body::Bytes { hex: hex::encode(bytes) },
            kept::Body::File(text) => match event.map(EncodedEvent::event) {
                Some(Ok(event::Event { body: event::Body::FileOffer(offer), .. })) => {
                    let notes = &self.core.files.notes;
                    let Some((entry, copies)) = now else {
                        return Ok(file_body(offer, text, Shown::AsOffered, notes));
                    };
                    let transfers = self.store.transfers_of_entry(entry)?;
                    file_body(offer, text, Shown::Now(&transfers, copies), notes)
                }
                Some(_) | None => Body::NeedsNewerVersion,
            },
            kept::Body::Invitation(text) => Body::Invitation { text },
            kept::Body::Notice(text) => Body::Notice { text },
            kept::Body::Undecryptable => Body::Undecryptable,
            kept::Body::NeedsNewerVersion => Body::NeedsNewerVersion,
            kept::Body::Deleted => Body::Deleted,
            kept::Body::Expired => Body::Expired,
        })
    }

    /// A copy as the interface shows it, with the reason why it waits, if that is known.
    pub(super) fn copy(&mut self, kept: &kept::Copy) -> Result<Copy, StoreError> {
        let shown = copy(kept);
        if kept.progress != kept::Progress::Queued {
            return Ok(shown);
        }
        let phone = kept.phone;
        let waits_for = if self.undecided()?.contains(&phone) {
            Some(format!("the key of {phone} has changed, and you have not accepted it"))
        } else {
            self.core.held.why(phone)
        };
        Ok(Copy { waits_for, ..shown })
    }

    /// Contacts for whom another key is offered.
    fn undecided(&mut self) -> Result<&BTreeSet<Phone>, StoreError> {
        let undecided = if let Some(known) = self.undecided.take() {
            known
        } else {
            let contacts = self.store.contacts()?.into_iter();
            contacts.filter(|it| it.offered.is_some()).map(|it| it.phone).collect()
        };
        Ok(self.undecided.insert(undecided))
    }

    /// The people whom an event mentions.
    pub(super) fn mentions(
        &mut self,
        event: Option<&EncodedEvent>,
    ) -> Result<Vec<Mention>, StoreError> {
        if !mentions::has_some(event) {
            return Ok(Vec::new());
        }
        let core = self.core;
        if self.phones.is_none() {
            let own = (*core.public_key.fingerprint(), core.identity.phone);
            let contacts = self.store.contacts()?.into_iter();
            let contacts =
                contacts.map(|contact| (*contact.pinned.public_key.fingerprint(), contact.phone));
            // What is known of a contact counts more than what the owner of a group says.
            let mut phones: BTreeMap<_, _> = core.members.phones();
            phones.extend(contacts.chain([own]));
            self.phones = Some(phones);
        }
        let phones = self.phones.as_ref();
        Ok(mentions::shown(event, |key| phones?.get(key).copied()))
    }

    /// With whom a conversation is, and the name of a group.
    pub(super) fn peer(
        &mut self,
        conversation: ConversationId,
    ) -> Result<(Peer, Option<String>), StoreError> {
        if let Some(known) = self.peers.get(&conversation) {
            return Ok(known.clone());
        }
        let found = self.store.conversation_of(conversation)?.ok_or(StoreError::Corrupt)?;
        let group_name = match found.peer {
            kept::Peer::Person(_) => None,
            kept::Peer::Group(_) => found.name,
        };
        let known = (peer(&found.peer), group_name);
        self.peers.insert(conversation, known.clone());
        Ok(known)
    }

    /// Id on the wire of a received event.
    fn message_id(&self, entry: &kept::Entry) -> Result<Option<u64>, StoreError> {
        let Some(place) = entry.place else { return Ok(None) };
        Ok(self.store.message_at(place)?.map(|id| id.0))
    }

    fn quote(
        &self,
        conversation: ConversationId,
        name: &kept::EntryRef,
    ) -> Result<Quote, StoreError> {
        let found = match self.store.find_entry(conversation, name)? {
            Some(id) => self.store.entry(id)?,
            None => None,
        };
        let Some(found) = found else {
            return Ok(Quote { entry: None, from: None, text: String::new() });
        };
        let text = match &found.body {
            kept::Body::Text(text)
            | kept::Body::File(text)
            | kept::Body::Invitation(text)
            | kept::Body::Notice(text) => text.chars().take(QUOTE_CHARS).collect(),
            kept::Body::Bytes(_)
            | kept::Body::Undecryptable
            | kept::Body::NeedsNewerVersion
            | kept::Body::Deleted
            | kept::Body::Expired => String::new(),
        };
        Ok(Quote { entry: Some(found.id.0), from: found.phone.map(PhoneNumber), text })
    }
}

/// Whom a conversation is with, as the interface names it.
pub(super) const fn peer(peer: &kept::Peer) -> Peer {
    match peer {
        kept::Peer::Person(phone) => Peer::Person(PhoneNumber(*phone)),
        kept::Peer::Group(group) => Peer::Group(GroupId(group.0)),
    }
}

/// Whom a conversation is with, as the store names it.
pub(super) const fn kept_peer(peer: &Peer) -> kept::Peer {
    match peer {
        Peer::Person(PhoneNumber(phone)) => kept::Peer::Person(*phone),
        Peer::Group(GroupId(id)) => kept::Peer::Group(event::GroupId(*id)),
    }
}

/// How far a copy or an entry has come.
pub(super) fn progress(progress: kept::Progress) -> Progress {
    match progress {
        kept::Progress::Failed(failure) => Progress::Failed { reason: failure.to_string() },
        kept::Progress::Queued => Progress::Queued,
        kept::Progress::Stored => Progress::Stored,
        kept::Progress::Delivered => Progress::Delivered,
        kept::Progress::Read => Progress::Read,
    }
}

/// A copy as the interface shows it.
pub(super) fn copy(copy: &kept::Copy) -> Copy {
    Copy {
        to: PhoneNumber(copy.phone),
        message_id: copy.message.map(|id| id.0),
        progress: progress(copy.progress),
        waits_for: None,
    }
}

fn reaction(reaction: kept::Reaction) -> Reaction {
    Reaction { from: reaction.phone.map(PhoneNumber), emoji: reaction.emoji }
}

/// How far a key was trusted.
pub(super) const fn trust(trust: KeyTrust) -> Trust {
    match trust {
        KeyTrust::FirstUse => Trust::FirstUse,
        KeyTrust::Verified => Trust::Verified,
        KeyTrust::Changed => Trust::Changed,
    }
}

const fn written_in(written: kept::Written) -> Option<WrittenIn> {
    match written {
        kept::Written::Current => None,
        kept::Written::Older => Some(WrittenIn::Older),
        kept::Written::BeforeRemoval => Some(WrittenIn::BeforeRemoval),
        kept::Written::OtherState => Some(WrittenIn::OtherState),
    }
}

const fn arrival(arrival: Order) -> Option<Arrival> {
    match arrival {
        Order::InOrder => None,
        Order::Late => Some(Arrival::Late),
        Order::FillsGap => Some(Arrival::FillsGap),
        Order::ReusedId => Some(Arrival::ReusedId),
    }
}

/// Characters of a message that an answer to it shows.
const QUOTE_CHARS: usize = 100;
