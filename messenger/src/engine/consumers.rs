//! What consumers receive.

use sealpost_core::client::store::{
    ClientOp, ClientReply, Content, InboxId, InboxItem, ReceivedContent,
};
use sealpost_core::event::GroupId;
use sealpost_core::frame::StoreError;
use sealpost_storage::Storage;
use sealpost_storage::client::SqliteClientStorage;
use sealpost_storage::client::conversations::{
    Author, Body, Change, Conversation, Entry, EntryRef, Peer, Visibility,
};

use super::changes;
use super::core::Core;
use super::groups::{self, Concern};
use crate::api::{self, PhoneNumber, ReceivedEvent};

/// Name under which `sealpost listen` receives.
pub const LISTENER: &str = "listen";

/// Prepares a store for consumers. Returns the place up to which they may see the inbox.
///
/// In a home of an earlier version, messages that wait to be shown wait for `sealpost listen`.
pub(super) fn begin(store: &mut SqliteClientStorage) -> Result<InboxId, StoreError> {
    let arrived = store.settled_up_to()?;
    if store.consumer(LISTENER)?.is_none() {
        let shown =
            first_unshown(store)?.map_or(arrived, |place| InboxId(place.0.saturating_sub(1)));
        store.advance_consumer(LISTENER, shown.min(arrived))?;
    }
    Ok(arrived)
}

fn first_unshown(store: &mut SqliteClientStorage) -> Result<Option<InboxId>, StoreError> {
    let mut outcomes = Vec::new();
    store.commit(&[ClientOp::Unshown { after: InboxId::START, limit: 1 }], &mut outcomes);
    match outcomes.pop() {
        Some(Ok(ClientReply::Unshown { items, .. })) => Ok(items.first().map(|item| item.place)),
        Some(Err(error)) => Err(error),
        Some(Ok(_)) | None => Err(StoreError::Corrupt),
    }
}

/// What a consumer is told of a message; `None` if nobody is told of it.
pub(super) fn event(
    core: &Core,
    store: &SqliteClientStorage,
    item: &InboxItem,
) -> Result<Option<ReceivedEvent>, StoreError> {
    let message = &item.message;
    let from = PhoneNumber(message.phone);
    let is_shown = |found: &Conversation| found.visibility == Visibility::Shown;
    let sender = store.conversation(&Peer::Person(message.phone))?;
    let found = match groups::concern(item) {
        None => sender,
        Some(_)
            if store.is_hidden(item.place)? || sender.is_some_and(|found| !is_shown(&found)) =>
        {
            None
        }
        Some(Concern::Text(tag)) => store.conversation(&Peer::Group(tag.group))?,
        Some(Concern::States(Some(group), _)) => return invitation(store, item, group),
        Some(Concern::States(None, _) | Concern::Request(..) | Concern::Nothing) => None,
    };
    let Some(conversation) = found.filter(is_shown) else { return Ok(None) };
    let target = |name: &EntryRef| match store.find_entry(conversation.id, name)? {
        Some(entry) => store.entry(entry),
        None => Ok(None),
    };
    let is_author = |entry: &Entry| entry.author == Author::Peer(message.signed_by);
    Ok(match changes::of(item, core.public_key.fingerprint()) {
        Change::Append(new) | Change::File(Some(new)) => {
            as_it_arrived(core, store, item, new.body)?
        }
        Change::Expire { line, .. } => as_it_arrived(core, store, item, line.body)?,
        Change::Edit { entry, text, .. } => target(&entry)?
            .filter(is_author)
            .map(|entry| ReceivedEvent::Edited { entry: entry.id.0, from, text }),
        Change::Delete { entry } => target(&entry)?
            .filter(is_author)
            .map(|entry| ReceivedEvent::Deleted { entry: entry.id.0, from }),
        Change::React { entry, emoji } => target(&entry)?.map(|entry| ReceivedEvent::Reaction {
            entry: entry.id.0,
            from,
            emoji: emoji.unwrap_or_default(),
        }),
        Change::Read { .. } | Change::File(None) | Change::Drop | Change::Nothing => None,
    })
}

/// The invitation that came with states of a group.
fn invitation(
    store: &SqliteClientStorage,
    item: &InboxItem,
    group: GroupId,
) -> Result<Option<ReceivedEvent>, StoreError> {
    let Some(entry) = store.entry_at(item.place)? else { return Ok(None) };
    let conversation = store.conversation(&Peer::Group(group))?;
    Ok(conversation.filter(|found| found.visibility == Visibility::Shown).map(|found| {
        ReceivedEvent::Invitation {
            entry: entry.0,
            from: PhoneNumber(item.message.phone),
            group: api::GroupId(group.0),
            name: found.name.unwrap_or_default(),
        }
    }))
}

/// A message as it was when it arrived. What was taken back or has expired since is not told.
fn as_it_arrived(
    core: &Core,
    store: &SqliteClientStorage,
    item: &InboxItem,
    body: Body,
) -> Result<Option<ReceivedEvent>, StoreError> {
    let Some(entry) = store.entry_at(item.place)? else { return Ok(None) };
    let mut entries = core.entries(store);
    let Some(mut message) = entries.find(entry)? else { return Ok(None) };
    let is_gone = matches!(message.body, api::Body::Deleted | api::Body::Expired);
    if !is_gone {
        let event = match &item.message.content {
            ReceivedContent::Opened(Content::Event(event)) => Some(event),
            ReceivedContent::Opened(Content::Text(_) | Content::Bytes(_))
            | ReceivedContent::Undecryptable => None,
        };
        message.body = entries.body(body, event, None)?;
        message.mentions = entries.mentions(event)?;
    }
    message.message_id = Some(item.message.id.0);
    message.edited_at = None;
    message.reactions = Vec::new();
    Ok(Some(ReceivedEvent::Message { message: Box::new(message) }))
}
