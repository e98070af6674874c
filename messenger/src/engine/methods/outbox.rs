//! What waits to be sent and what failed: listed, sent again, given up.

use std::collections::{BTreeMap, BTreeSet};

use sealpost_core::client::{Command, Notice, Token};
use sealpost_core::event::{self, EncodedEvent, EventId};
use sealpost_core::frame::StoreError;
use sealpost_core::ids::Phone;
use sealpost_core::keys::Fingerprint;
use sealpost_storage::client::SqliteClientStorage;
use sealpost_storage::client::conversations::{
    Author, Body as Kind, Cancelled, Carries, Copy, CopyFailure, Entry, EntryId, Peer,
    Progress as Kept, Sending,
};

use super::changing::queued;
use super::people::LOCAL_TIMEOUT_SECS;
use super::sending::token;
use crate::api::{
    self, ApiError, CancelResult, ChangeKind, EntryParams, ErrorKind, OutboxChange, OutboxResult,
    PhoneNumber, Progress, SendResult,
};
use crate::engine::core::Core;
use crate::engine::entries::Entries;
use crate::engine::hub::deadline_in;

impl Core {
    pub(in crate::engine) fn list_outbox(&self) -> Result<OutboxResult, ApiError> {
        self.read(|store| {
            let mut sendings = store.waiting_copies(OUTBOX_MAX)?;
            sendings.extend(store.failed_copies(OUTBOX_MAX)?);
            let carries_it = |sending: &&Sending| sending.carries == Carries::Entry;
            let ids: BTreeSet<EntryId> =
                sendings.iter().filter(carries_it).map(|sending| sending.entry).collect();
            let mut shown = self.entries(store);
            let found: Result<Vec<_>, _> = ids.into_iter().map(|id| shown.find(id)).collect();
            let mut changes = changes(sendings, &mut shown)?;
            changes.extend(group_changes(store, &mut shown)?);
            Ok(OutboxResult { entries: found?.into_iter().flatten().collect(), changes })
        })
    }

    pub(in crate::engine) fn retry(&self, params: EntryParams) -> Result<SendResult, ApiError> {
        let EntryParams { entry } = params;
        let found = self.kept_entry(entry)?;
        // Of what was taken back, the news alone can be sent again.
        let is_gone = found.body == Kind::Deleted;
        let failed = self.copies_of(found.id, |sending| {
            sending.copy.progress.has_failed() && !(is_gone && sending.carries == Carries::Entry)
        })?;
        if offers_file(&found) && failed.iter().any(|sending| sending.carries == Carries::Entry) {
            return Err(ErrorKind::NotAllowed
                .error(format_args!("entry {entry} offers a file: send the file again")));
        }
        let gone = || {
            ErrorKind::NotAllowed
                .error(format_args!("entry {entry} has not failed, or what it said is gone"))
        };
        if failed.is_empty() {
            return Err(gone());
        }
        let members = self.members_now(&found)?;
        let is_member = |copy: &Copy| {
            members.as_ref().is_none_or(|keys| copy.key.is_some_and(|key| keys.contains(&key)))
        };
        let again: Vec<_> = failed.iter().filter(|sending| is_member(&sending.copy)).collect();
        if again.is_empty() {
            return Err(ErrorKind::NotAllowed.error(format_args!(
                "entry {entry} failed only for people who are not members of the group any more"
            )));
        }
        let mut count = 0;
        for sending in again {
            let (before, again) = (sending.copy.token, token()?);
            if let Some(unsent) = self.write(move |store| store.retry_copy(before, again))? {
                self.command_send(unsent.copy);
                count += 1;
            }
        }
        if count == 0 {
            return Err(gone());
        }
        self.show_entry(found.id);
        Ok(queued(found.id))
    }

    pub(in crate::engine) fn cancel(&self, params: EntryParams) -> Result<CancelResult, ApiError> {
        let EntryParams { entry } = params;
        let found = self.kept_entry(entry)?;
        // A copy that was just handed to the machine is seen there then, and given up by it.
        self.settle_commands();
        let waiting = self.copies_of(found.id, |it| it.copy.progress == Kept::Queued)?;
        let failed = self.copies_of(found.id, |it| is_listed_as_failed(&it.copy))?;
        let (message, changes): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|sending| sending.carries == Carries::Entry);
        if offers_file(&found) && !message.is_empty() {
            return Err(ErrorKind::NotAllowed
                .error(format_args!("entry {entry} offers a file: give it up with cancelFile")));
        }
        if message.is_empty() && failed.is_empty() {
            return Err(nothing_to_cancel(entry, &changes));
        }
        let mut cancelled: BTreeSet<Phone> = BTreeSet::new();
        for sending in message.into_iter().chain(failed) {
            if self.cancel_copy(sending.copy.token)? {
                cancelled.insert(sending.copy.phone);
            }
        }
        if cancelled.is_empty() {
            return Err(on_its_way(entry));
        }
        // Whoever does not get the message has no use for its changes.
        for sending in changes.iter().filter(|sending| cancelled.contains(&sending.copy.phone)) {
            self.cancel_copy(sending.copy.token)?;
        }
        self.show_entry(found.id);
        let others = found.copies.iter().filter(|copy| !copy.progress.has_failed());
        let too_late = others.map(|copy| copy.phone).filter(|phone| !cancelled.contains(phone));
        Ok(CancelResult {
            too_late: too_late.map(PhoneNumber).collect(),
            cancelled: cancelled.into_iter().map(PhoneNumber).collect(),
        })
    }

    /// Copies of an entry and of its changes that are as they should be.
    fn copies_of(
        &self,
        entry: EntryId,
        is_wanted: impl Fn(&Sending) -> bool,
    ) -> Result<Vec<Sending>, ApiError> {
        let mut copies = self.read(|store| store.copies_of(entry))?;
        copies.retain(is_wanted);
        Ok(copies)
    }

    /// Keys of those who have joined the group of an entry; `None` if it is in no group.
    fn members_now(&self, found: &Entry) -> Result<Option<BTreeSet<Fingerprint>>, ApiError> {
        let Peer::Group(group) = self.peer_of(found)? else { return Ok(None) };
        self.with_groups(|groups| {
            let record = groups.group(group);
            let joined = record.into_iter().flat_map(|record| {
                record.state().joined().filter(|key| !record.is_excluded(key)).copied()
            });
            Some(joined.collect())
        })
    }

    /// Gives up a copy. Returns whether that was possible.
    fn cancel_copy(&self, token: Token) -> Result<bool, ApiError> {
        Ok(match self.write(move |store| store.cancel_copy(token))? {
            Cancelled::Done => true,
            Cancelled::IsDraft => self.cancel_draft(token)?,
            Cancelled::TooLate | Cancelled::Unknown => false,
        })
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
        cancelled.map_err(|vain| self.unanswered(vain))
    }
}

/// Whether a copy has failed and was not given up.
fn is_listed_as_failed(copy: &Copy) -> bool {
    copy.progress.has_failed() && copy.progress != Kept::Failed(CopyFailure::Cancelled)
}

fn offers_file(found: &Entry) -> bool {
    found.author == Author::Own && matches!(found.body, Kind::File(_))
}

fn nothing_to_cancel(entry: u64, changes: &[Sending]) -> ApiError {
    if changes.is_empty() {
        return on_its_way(entry);
    }
    ErrorKind::NotAllowed.error(format_args!(
        "a change of entry {entry} waits, and can't be given up, because it is made here already: \
         make another change, which is sent after it"
    ))
}

fn on_its_way(entry: u64) -> ApiError {
    ErrorKind::NotAllowed.error(format_args!(
        "nothing of entry {entry} waits or has failed: it is on its way, was sent, or was given up \
         before, and can't be given up"
    ))
}

/// Copies of changes as changes, each once, in the order of their entries.
fn changes(
    sendings: Vec<Sending>,
    shown: &mut Entries<'_>,
) -> Result<Vec<OutboxChange>, StoreError> {
    let mut changes: BTreeMap<(EntryId, EventId), OutboxChange> = BTreeMap::new();
    for sending in sendings {
        let Sending { entry, conversation, copy, carries } = sending;
        let Carries::Change(Some(event)) = carries else { continue };
        let Some((id, change)) = kind(&event) else { continue };
        let (conversation, group_name) = shown.peer(conversation)?;
        let shown_copy = shown.copy(&copy)?;
        let copies = &mut changes
            .entry((entry, id))
            .or_insert_with(|| OutboxChange {
                change,
                entry: Some(entry.0),
                conversation,
                group_name,
                progress: Progress::Queued,
                copies: Vec::new(),
            })
            .copies;
        copies.push(shown_copy);
    }
    let mut changes: Vec<_> = changes.into_values().collect();
    for change in &mut changes {
        let least = change.copies.iter().map(|copy| &copy.progress);
        let going = least.clone().filter(|progress| !progress.has_failed()).min();
        if let Some(progress) = going.or_else(|| least.min()) {
            change.progress = progress.clone();
        }
    }
    Ok(changes)
}

/// What waits to be sent of groups, each group once.
fn group_changes(
    store: &SqliteClientStorage,
    shown: &mut Entries<'_>,
) -> Result<Vec<OutboxChange>, StoreError> {
    let mut recipients: BTreeMap<event::GroupId, BTreeSet<Phone>> = BTreeMap::new();
    for sending in store.waiting_for_groups(OUTBOX_MAX)? {
        recipients.entry(sending.group).or_default().insert(sending.phone);
    }
    let mut changes = Vec::new();
    for (group, phones) in recipients {
        let Some(found) = store.conversation(&Peer::Group(group))? else { continue };
        let (conversation, group_name) = shown.peer(found.id)?;
        let copy = |phone| api::Copy {
            to: PhoneNumber(phone),
            message_id: None,
            progress: Progress::Queued,
            waits_for: None,
        };
        changes.push(OutboxChange {
            change: ChangeKind::Group,
            entry: None,
            conversation,
            group_name,
            progress: Progress::Queued,
            copies: phones.into_iter().map(copy).collect(),
        });
    }
    Ok(changes)
}

/// Id and kind of a change.
fn kind(event: &EncodedEvent) -> Option<(EventId, ChangeKind)> {
    let event = event.event().ok()?;
    let kind = match event.body {
        event::Body::Edit { .. } => ChangeKind::Edit,
        event::Body::Delete { .. } => ChangeKind::Delete,
        event::Body::Reaction { .. } => ChangeKind::Reaction,
        event::Body::Read { .. } => ChangeKind::Read,
        event::Body::Text { .. }
        | event::Body::Expiry { .. }
        | event::Body::FileOffer(_)
        | event::Body::FilePiece(_)
        | event::Body::FileAnswer { .. }
        | event::Body::GroupState(_)
        | event::Body::GroupRequest { .. } => return None,
    };
    Some((event.id, kind))
}

/// Most messages listed of those that wait, of those that failed, and of those of groups.
const OUTBOX_MAX: u32 = 1_000;
