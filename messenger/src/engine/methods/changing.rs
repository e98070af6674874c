//! Changing what was said: edits, deletions, reactions.

use sealpost_core::client::Command;
use sealpost_core::client::store::Content;
use sealpost_core::event::{self, Emoji};
use sealpost_core::ids::UserRef;
use sealpost_storage::client::conversations::{
    Applied, Author, Entry, EntryId, GroupStep, NewCopy, OwnChange, Peer, Progress as Kept,
};

use unicode_properties::UnicodeEmoji;

use super::sending::{new_event, no_entry, token, unsent};
use crate::api::{
    ApiError, EditParams, EntryParams, ErrorKind, Progress, ReactionParams, SendResult,
};
use crate::engine::core::Core;
use crate::engine::{changes, clock};

impl Core {
    pub(in crate::engine) fn edit(&self, params: EditParams) -> Result<SendResult, ApiError> {
        let EditParams { entry, message, mentions } = params;
        let found = self.own_entry(entry)?;
        was_sent(&found)?;
        let target = self.reference_to(&found)?;
        if message.is_empty() {
            return Err(ErrorKind::InvalidParams.error("the message is empty"));
        }
        let body = event::Body::Edit { target, text: self.annotated(&message, &mentions)? };
        self.change(&found, body, |event| OwnChange::Edit { text: message, event })
    }

    pub(in crate::engine) fn delete(&self, params: EntryParams) -> Result<SendResult, ApiError> {
        let found = self.own_entry(params.entry)?;
        let target = self.reference_to(&found)?;
        self.give_up_file(found.id)?;
        self.change(&found, event::Body::Delete { target }, |_| OwnChange::Delete)
    }

    pub(in crate::engine) fn react(&self, params: ReactionParams) -> Result<SendResult, ApiError> {
        let ReactionParams { entry, emoji } = params;
        let found = self.kept_entry(entry)?;
        was_sent(&found)?;
        let target = self.reference_to(&found)?;
        if !emoji.is_empty() && !is_emoji(&emoji) {
            return Err(
                ErrorKind::InvalidParams.error("a reaction is made of emoji, without words")
            );
        }
        let shown = (!emoji.is_empty()).then(|| Emoji::new(emoji.clone())).transpose().map_err(
            |error| ErrorKind::InvalidParams.error(format_args!("not a reaction: {error}")),
        )?;
        let body = event::Body::Reaction { target, emoji: shown };
        self.change(&found, body, |_| OwnChange::React((!emoji.is_empty()).then_some(emoji)))
    }

    /// Makes a change to an entry, and tells the others.
    pub(in crate::engine) fn change(
        &self,
        found: &Entry,
        body: event::Body,
        change: impl FnOnce(Option<event::EncodedEvent>) -> OwnChange + 'static,
    ) -> Result<SendResult, ApiError> {
        let phone = match self.peer_of(found)? {
            Peer::Person(phone) => phone,
            Peer::Group(group) => return self.change_in_group(group, found.id, body, change),
        };
        let encoded = new_event(body, None)?;
        let content = Content::Event(encoded.clone());
        let copy = NewCopy { token: token()?, phone, key: None, content };
        let (id, at, change) = (found.id, clock::now().0, change(Some(encoded)));
        let sent = copy.clone();
        was_changed(id, self.write(move |store| store.change((id, &change), at, &[sent]))?)?;
        self.command_send(copy);
        self.show_entry(id);
        Ok(queued(id))
    }

    fn change_in_group(
        &self,
        group: event::GroupId,
        entry: EntryId,
        body: event::Body,
        change: impl FnOnce(Option<event::EncodedEvent>) -> OwnChange + 'static,
    ) -> Result<SendResult, ApiError> {
        let step = move |encoded, copies| GroupStep::Alter {
            entry,
            change: change(Some(encoded)),
            copies,
        };
        let turned = self.say_in_group(group, body, None, step)?;
        for applied in turned.done.applied {
            was_changed(entry, applied)?;
        }
        Ok(queued(entry))
    }

    /// With whom the conversation of an entry is.
    pub(super) fn peer_of(&self, found: &Entry) -> Result<Peer, ApiError> {
        let conversation = self.read(|store| store.conversation_of(found.conversation))?;
        Ok(conversation.ok_or_else(|| no_entry(found.id.0))?.peer)
    }

    pub(in crate::engine) fn command_send(&self, copy: NewCopy) {
        let NewCopy { token, phone, key, content } = copy;
        self.handle.command(match key {
            Some(key) => Command::SendToKey { token, phone, key, content },
            None => Command::Send { token, to: UserRef::Phone(phone), content },
        });
    }

    pub(in crate::engine) fn kept_entry(&self, entry: u64) -> Result<Entry, ApiError> {
        self.read(|store| store.entry(EntryId(entry)))?.ok_or_else(|| no_entry(entry))
    }

    fn own_entry(&self, entry: u64) -> Result<Entry, ApiError> {
        let found = self.kept_entry(entry)?;
        if found.author == Author::Own {
            return Ok(found);
        }
        Err(ErrorKind::NotAllowed.error(format_args!("entry {entry} was not sent from here")))
    }

    fn reference_to(&self, found: &Entry) -> Result<event::Reference, ApiError> {
        let name = found.name.ok_or_else(|| unsent(found.id.0))?;
        Ok(changes::reference(&name, self.public_key.fingerprint()))
    }
}

/// Others would get a change of what they don't have, and not apply it when it is sent after all.
fn was_sent(found: &Entry) -> Result<(), ApiError> {
    if found.progress().is_some_and(Kept::has_failed) {
        return Err(ErrorKind::NotAllowed.error(format_args!(
            "entry {} was not sent to anybody, so nobody could see it change: send another one",
            found.id.0
        )));
    }
    Ok(())
}

fn was_changed(entry: EntryId, applied: Applied) -> Result<(), ApiError> {
    match applied {
        Applied::Added(..) | Applied::Changed(..) => Ok(()),
        Applied::Ignored | Applied::Before => Err(ErrorKind::NotAllowed
            .error(format_args!("entry {} can't be changed any more", entry.0))),
    }
}

/// Whether a text is made of emoji alone. Digits are parts of some, as in 1️⃣.
fn is_emoji(text: &str) -> bool {
    text.chars().all(UnicodeEmoji::is_emoji_char_or_emoji_component) && !text.is_ascii()
}

pub(super) const fn queued(entry: EntryId) -> SendResult {
    SendResult { entry: entry.0, message_id: None, progress: Progress::Queued, copies: Vec::new() }
}
