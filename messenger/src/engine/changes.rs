//! What a received message does to the timeline.

use sealpost_core::client::store::{Content, InboxItem, ReceivedContent};
use sealpost_core::event::{self, EncodedEvent, Event, EventId, Reference};
use sealpost_core::keys::Fingerprint;
use sealpost_storage::client::conversations::{Author, Body, Change, EntryRef, NewEntry};

/// The change that a message makes, in the eyes of the account with this key.
pub(super) fn of(item: &InboxItem, own: &Fingerprint) -> Change {
    match &item.message.content {
        ReceivedContent::Opened(Content::Text(text)) => plain(Body::Text(text.clone())),
        ReceivedContent::Opened(Content::Bytes(bytes)) => plain(Body::Bytes(bytes.clone())),
        ReceivedContent::Undecryptable => plain(Body::Undecryptable),
        ReceivedContent::Opened(Content::Event(encoded)) => match encoded.event() {
            Ok(event) => of_event(event, encoded, own),
            Err(event::UnknownEvent { id, .. }) => {
                append(Body::NeedsNewerVersion, *id, encoded, None, None)
            }
        },
    }
}

fn of_event(event: &Event, encoded: &EncodedEvent, own: &Fingerprint) -> Change {
    let expiry = event.expiry.map(|secs| u32::try_from(secs.value()).unwrap_or(u32::MAX));
    match &event.body {
        event::Body::Text { text, reply_to } => {
            let reply_to = reply_to.as_ref().map(|reference| entry_ref(reference, own));
            append(Body::Text(text.as_str().into()), event.id, encoded, reply_to, expiry)
        }
        event::Body::Edit { target, text } => Change::Edit {
            entry: entry_ref(target, own),
            text: text.as_str().into(),
            event: Some(encoded.clone()),
        },
        event::Body::Delete { target } => Change::Delete { entry: entry_ref(target, own) },
        event::Body::Reaction { target, emoji } => Change::React {
            entry: entry_ref(target, own),
            emoji: emoji.as_ref().map(|emoji| emoji.as_str().into()),
        },
        event::Body::Read { entries } => Change::Read {
            entries: entries.as_slice().iter().map(|target| entry_ref(target, own)).collect(),
        },
        // The states of a group say how long its texts live.
        event::Body::Expiry { .. } if event.group.is_some() => Change::Nothing,
        event::Body::Expiry { expiry } => {
            let secs = expiry.map(|secs| u32::try_from(secs.value()).unwrap_or(u32::MAX));
            let line = NewEntry {
                body: Body::Notice(expiry_notice(secs)),
                event_id: Some(event.id),
                event: Some(encoded.clone()),
                reply_to: None,
                expiry_secs: None,
            };
            Change::Expire { secs, line }
        }
        event::Body::FileOffer(offer) => {
            append(Body::File(offer.caption.as_str().into()), event.id, encoded, None, expiry)
        }
        event::Body::FilePiece(_)
        | event::Body::FileAnswer { .. }
        | event::Body::GroupState(_)
        | event::Body::GroupRequest { .. } => Change::Nothing,
    }
}

/// What a conversation shows when the lifetime of its messages is changed.
pub(super) fn expiry_notice(secs: Option<u32>) -> String {
    match secs {
        None | Some(0) => "Messages do not disappear any more.".into(),
        Some(secs) => format!("New messages disappear {} after they were seen.", lifetime(secs)),
    }
}

fn lifetime(secs: u32) -> String {
    for (unit, name) in [(86_400, "days"), (3_600, "hours"), (60, "minutes")] {
        if secs.is_multiple_of(unit) {
            return format!("{} {name}", secs / unit);
        }
    }
    format!("{secs} seconds")
}

/// The entry that an event refers to.
pub(super) fn entry_ref(reference: &Reference, own: &Fingerprint) -> EntryRef {
    let author =
        if reference.author == *own { Author::Own } else { Author::Peer(reference.author) };
    EntryRef { author, target: reference.target }
}

/// How events refer to an entry.
pub(super) fn reference(entry: &EntryRef, own: &Fingerprint) -> Reference {
    let author = match entry.author {
        Author::Own => *own,
        Author::Peer(key) => key,
    };
    Reference { author, target: entry.target }
}

fn plain(body: Body) -> Change {
    Change::Append(NewEntry {
        body,
        event_id: None,
        event: None,
        reply_to: None,
        expiry_secs: None,
    })
}

fn append(
    body: Body,
    id: EventId,
    event: &EncodedEvent,
    reply_to: Option<EntryRef>,
    expiry_secs: Option<u32>,
) -> Change {
    let event = Some(event.clone());
    Change::Append(NewEntry { body, event_id: Some(id), event, reply_to, expiry_secs })
}
