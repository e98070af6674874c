//! Changing what was said: edits, deletions, reactions; and what waits to be sent.

use std::collections::BTreeSet;

use sealpost_core::client::store::Content;
use sealpost_core::client::{Command, Notice, Token};
use sealpost_core::event::{self, Emoji};
use sealpost_core::ids::{Phone, UserRef};
use sealpost_storage::client::conversations::{
    Applied, Author, Body as Kind, Cancelled, Entry, EntryId, NewCopy, OwnChange, Progress as Kept,
};

use super::sending::{message_text, new_event, no_entry, person, token, unsent};
use crate::api::{
    ApiError, EditParams, Empty, EntryParams, ErrorKind, OutboxResult, Progress, ReactionParams,
    SendResult,
};
use crate::engine::core::Core;
use crate::engine::entries::Entries;
use crate::engine::hub::deadline_in;
use crate::engine::{changes, clock};

impl Core {
    pub(in crate::engine) fn edit(&self, params: EditParams) -> Result<SendResult, ApiError> {
        let EditParams { entry, message } = params;
        let found = self.own_entry(entry)?;
        let target = self.reference_to(&found)?;
        if message.is_empty() {
            return Err(ErrorKind::InvalidParams.error("the message is empty"));
        }
        let body = event::Body::Edit { target, text: message_text(&message)?.into() };
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
        let target = self.reference_to(&found)?;
        let shown = (!emoji.is_empty()).then(|| Emoji::new(emoji.clone())).transpose().map_err(
            |error| ErrorKind::InvalidParams.error(format_args!("not a reaction: {error}")),
        )?;
        let body = event::Body::Reaction { target, emoji: shown };
        self.change(&found, body, |_| OwnChange::React((!emoji.is_empty()).then_some(emoji)))
    }

    pub(in crate::engine) fn list_outbox(&self) -> Result<OutboxResult, ApiError> {
        self.read(|store| {
            let waiting = store.waiting_copies(OUTBOX_MAX)?;
            let failed = store.failed_copies(OUTBOX_MAX)?;
            let ids: BTreeSet<EntryId> =
                waiting.iter().chain(&failed).map(|sending| sending.entry).collect();
            let mut entries = Entries::of(store);
            let found: Result<Vec<_>, _> = ids.into_iter().map(|id| entries.find(id)).collect();
            Ok(OutboxResult { entries: found?.into_iter().flatten().collect() })
        })
    }

    pub(in crate::engine) fn retry(&self, params: EntryParams) -> Result<SendResult, ApiError> {
        let found = self.own_entry(params.entry)?;
        if let Kind::File(_) = found.body {
            return Err(ErrorKind::NotAllowed
                .error(format_args!("entry {} offers a file: send the file again", params.entry)));
        }
        let failed = found.copies.iter().filter(|copy| matches!(copy.progress, Kept::Failed(_)));
        let mut count = 0;
        for copy in failed {
            let (token, again) = (copy.token, token()?);
            if let Some(unsent) = self.write(move |store| store.retry_copy(token, again))? {
                self.command_send(unsent.copy);
                count += 1;
            }
        }
        if count == 0 {
            return Err(ErrorKind::NotAllowed.error(format_args!(
                "entry {} has not failed, or what it said is gone",
                params.entry
            )));
        }
        self.show_entry(found.id);
        Ok(queued(found.id))
    }

    pub(in crate::engine) fn cancel(&self, params: EntryParams) -> Result<Empty, ApiError> {
        let found = self.own_entry(params.entry)?;
        if let Kind::File(_) = found.body {
            return Err(ErrorKind::NotAllowed.error(format_args!(
                "entry {} offers a file: give it up with cancelFile",
                params.entry
            )));
        }
        for copy in &found.copies {
            let token = copy.token;
            match self.write(move |store| store.cancel_copy(token))? {
                Cancelled::Done => self.show_entry(found.id),
                Cancelled::IsDraft if self.cancel_draft(token)? => self.show_entry(found.id),
                Cancelled::IsDraft | Cancelled::TooLate => {
                    return Err(ErrorKind::NotAllowed.error(format_args!(
                        "entry {} is on its way, and can't be given up",
                        params.entry
                    )));
                }
                Cancelled::Unknown => return Err(no_entry(params.entry)),
            }
        }
        Ok(Empty {})
    }

    /// Has the machine give up a message that it keeps. Returns whether it did.
    #[expect(clippy::wildcard_enum_match_arm, reason = "few of the notices matter here")]
    fn cancel_draft(&self, token: Token) -> Result<bool, ApiError> {
        let watch = self.hub.watch();
        self.handle.command(Command::Cancel { token });
        let cancelled = watch.until(deadline_in(LOCAL_TIMEOUT_SECS), |notice| match notice {
            Notice::SendRefused { token: refused, .. } if *refused == token => Some(true),
            Notice::NotCancelled { token: kept } if *kept == token => Some(false),
            _ => None,
        });
        let cancelled = cancelled.map_err(|vain| self.unanswered(vain))?;
        // The notice comes before the draft is gone from the store.
        self.settle();
        Ok(cancelled)
    }

    /// Makes a change to an entry, and tells the others.
    pub(in crate::engine) fn change(
        &self,
        found: &Entry,
        body: event::Body,
        change: impl FnOnce(Option<event::EncodedEvent>) -> OwnChange,
    ) -> Result<SendResult, ApiError> {
        let encoded = new_event(body, None)?;
        let copies: Vec<NewCopy> = self
            .recipients(found)?
            .into_iter()
            .map(|phone| {
                Ok(NewCopy { token: token()?, phone, content: Content::Event(encoded.clone()) })
            })
            .collect::<Result<_, ApiError>>()?;
        let (id, at, change) = (found.id, clock::now().0, change(Some(encoded)));
        let sent = copies.clone();
        match self.write(move |store| store.change((id, &change), at, &sent))? {
            Applied::Added(..) | Applied::Changed(..) => {}
            Applied::Ignored | Applied::Before => {
                return Err(ErrorKind::NotAllowed
                    .error(format_args!("entry {} can't be changed any more", id.0)));
            }
        }
        for copy in copies {
            self.command_send(copy);
        }
        self.show_entry(id);
        Ok(queued(id))
    }

    /// Everybody to whom the entries of a conversation go.
    fn recipients(&self, found: &Entry) -> Result<Vec<Phone>, ApiError> {
        let conversation = self
            .read(|store| store.conversation_of(found.conversation))?
            .ok_or_else(|| no_entry(found.id.0))?;
        person(&conversation.peer).map(|phone| vec![phone])
    }

    pub(in crate::engine) fn command_send(&self, copy: NewCopy) {
        let (token, to) = (copy.token, UserRef::Phone(copy.phone));
        self.handle.command(Command::Send { token, to, content: copy.content });
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

const fn queued(entry: EntryId) -> SendResult {
    SendResult { entry: entry.0, message_id: None, progress: Progress::Queued }
}

/// How long what needs no server may take.
const LOCAL_TIMEOUT_SECS: u32 = 30;
/// Most messages listed of those that wait, and of those that failed.
const OUTBOX_MAX: u32 = 1_000;
