//! What a received message does to the timeline.

use sealpost_core::client::store::{Content, InboxItem, ReceivedContent, Trust};
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
            Ok(event) => of_event(event, encoded, own, item.message.trust),
            Err(event::UnknownEvent { id, .. }) => {
                append(Body::NeedsNewerVersion, *id, encoded, None, None)
            }
        },
    }
}

fn of_event(event: &Event, encoded: &EncodedEvent, own: &Fingerprint, trust: Trust) -> Change {
    let expiry = event.expiry.map(|secs| u32::try_from(secs.value()).unwrap_or(u32::MAX));
    // No file comes from a key that the user has not accepted, nor goes there.
    let may_transfer = trust != Trust::Changed;
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
            let body = Body::File(offer.caption.as_str().into());
            let entry = new_entry(body, event.id, encoded, None, expiry);
            if may_transfer { Change::File(Some(entry)) } else { Change::Append(entry) }
        }
        // A file that is offered in a group goes to each member apart.
        event::Body::FilePiece(_) | event::Body::FileAnswer { .. }
            if may_transfer && event.group.is_none() =>
        {
            Change::File(None)
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
    Change::Append(new_entry(body, id, event, reply_to, expiry_secs))
}

fn new_entry(
    body: Body,
    id: EventId,
    event: &EncodedEvent,
    reply_to: Option<EntryRef>,
    expiry_secs: Option<u32>,
) -> NewEntry {
    NewEntry { body, event_id: Some(id), event: Some(event.clone()), reply_to, expiry_secs }
}

#[cfg(test)]
mod tests {
    use sealpost_core::client::store::{Arrival, Continuity, InboxId, IncomingMessage};
    use sealpost_core::event::{
        Caption, FileAnswer, FileId, FileName, FileOffer, FilePiece, FileSize, GroupId, GroupTag,
        MediaType, PieceData, PieceLen,
    };
    use sealpost_core::groups::StateHash;
    use sealpost_core::ids::{MessageId, UserId};
    use sealpost_core::time::Timestamp;
    use sealpost_core::wire::RequestHash;

    use super::*;

    fn item(body: event::Body, trust: Trust) -> InboxItem {
        item_of(None, body, trust)
    }

    fn item_of(group: Option<GroupTag>, body: event::Body, trust: Trust) -> InboxItem {
        let event = Event { id: EventId([1; 16]), group, expiry: None, body };
        let content = Content::Event(EncodedEvent::new(event));
        let message = IncomingMessage {
            sender: UserId::new(1).unwrap(),
            phone: "+4915112345678".parse().unwrap(),
            signed_by: Fingerprint([1; 32]),
            id: MessageId(1),
            packet_hash: RequestHash([0; 32]),
            previous: None,
            sent_at: Timestamp::from_unix_secs(0),
            received_at: Timestamp::from_unix_secs(0),
            content: ReceivedContent::Opened(content),
            trust,
        };
        let (continuity, arrival) = (Continuity::Next, Arrival::InOrder);
        InboxItem { place: InboxId(1), message, continuity, arrival }
    }

    #[test]
    fn file_from_a_key_that_was_not_accepted_is_not_taken() {
        let file = FileId([7; 16]);
        let offer = event::Body::FileOffer(FileOffer {
            file,
            name: FileName::new("seal.png").unwrap(),
            media_type: MediaType::new("image/png").unwrap(),
            size: FileSize::new(1).unwrap(),
            sha256: [0; 32],
            piece_len: PieceLen::new(1).unwrap(),
            caption: Caption::default(),
        });
        let data = PieceData::new(vec![1]).unwrap();
        let piece = event::Body::FilePiece(FilePiece { file, index: 0.into(), data });
        let answer = event::Body::FileAnswer { file, answer: FileAnswer::Received };
        let own = Fingerprint([9; 32]);
        for trust in [Trust::FirstUse, Trust::Verified] {
            let change = |body: &event::Body| of(&item(body.clone(), trust), &own);
            assert!(matches!(change(&offer), Change::File(Some(_))));
            assert_eq!([&piece, &answer].map(change), [Change::File(None), Change::File(None)]);
        }
        let change = |body: &event::Body| of(&item(body.clone(), Trust::Changed), &own);
        assert!(matches!(change(&offer), Change::Append(_)), "it is shown all the same");
        assert_eq!([&piece, &answer].map(change), [Change::Nothing, Change::Nothing]);

        // In a group it is the offer alone that all of them get.
        let group = GroupId([3; 16]);
        let tag = Some(GroupTag { group, epoch: 0, state_hash: StateHash([0; 32]) });
        let change = |body: &event::Body| of(&item_of(tag, body.clone(), Trust::FirstUse), &own);
        assert!(matches!(change(&offer), Change::File(Some(_))));
        assert_eq!([&piece, &answer].map(change), [Change::Nothing, Change::Nothing]);
    }
}
