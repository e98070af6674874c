//! Events are read as listed, and encoded to the listed bytes.

use std::collections::BTreeSet;

use sealpost_core::event::{
    AnnotatedText, Body, Caption, Emoji, EncodedEvent, Event, EventId, ExpirySecs, FileAnswer,
    FileId, FileName, FileOffer, FilePiece, FileSize, GroupId, GroupRequest, GroupState, GroupTag,
    MediaType, Mention, Mentions, MessageText, NotAnEvent, PieceData, PieceIndex, PieceLen,
    Reference, References, StateHash, Target,
};
use sealpost_core::ids::MessageId;
use sealpost_core::keys::Fingerprint;

use crate::page::{Page, Vector};

#[test]
fn events_are_read_as_listed_and_encoded_to_the_listed_bytes() {
    let page = Page::read();
    let mut read = BTreeSet::new();
    for vector in page.vectors().filter(|vector| vector.text("type") == "event") {
        let (bytes, name) = (vector.bytes("event"), vector.name);
        read.insert(vector.text("reads").to_owned());
        let parsed = EncodedEvent::parse(bytes.clone().into());
        if vector.text("reads") == "no" {
            assert_eq!(parsed, Err(NotAnEvent), "{name}");
            continue;
        }
        let parsed = parsed.unwrap_or_else(|_| panic!("{name}"));
        assert_eq!(parsed.as_bytes(), bytes, "{name}");
        if vector.text("reads") == "unknown" {
            let unknown = parsed.event().unwrap_err();
            assert_eq!(unknown.kind, vector.number("kind"), "{name}");
            assert_eq!(unknown.id.0, vector.array("id"), "{name}");
            continue;
        }
        let listed = listed_event(&vector);
        assert_eq!(parsed.event(), Ok(&listed), "{name}");
        if name != "event_text_grown" {
            assert_eq!(EncodedEvent::new(listed).as_bytes(), bytes, "{name}");
        }
    }
    assert_eq!(read.len(), 11 + 2, "every type, unknown ones, and what is not an event");
}

/// Makes the event of a vector from its fields.
fn listed_event(vector: &Vector<'_>) -> Event {
    let (file, code) = (|| FileId(vector.array("file_id")), || vector.number("code"));
    let data = || vector.bytes("data");
    let body = match vector.text("reads") {
        "text" => {
            Body::Text { text: vector.annotated_text(), reply_to: vector.reference("reply_to") }
        }
        "edit" => Body::Edit { target: vector.target(), text: vector.annotated_text() },
        "delete" => Body::Delete { target: vector.target() },
        "reaction" => {
            Body::Reaction { target: vector.target(), emoji: Emoji::new(vector.text("text")).ok() }
        }
        "read" => Body::Read { entries: References::new(vector.references()).unwrap() },
        "expiry" => Body::Expiry { expiry: ExpirySecs::new(vector.number("seconds")).ok() },
        "file_offer" => Body::FileOffer(FileOffer {
            file: file(),
            name: FileName::new(vector.text("name")).unwrap(),
            media_type: MediaType::new(vector.text("media_type")).unwrap(),
            size: FileSize::new(vector.number("size")).unwrap(),
            sha256: vector.array("sha256"),
            piece_len: PieceLen::new(vector.number("piece_length")).unwrap(),
            caption: Caption::new(vector.text("text")).unwrap(),
        }),
        "file_piece" => Body::FilePiece(FilePiece {
            file: file(),
            index: PieceIndex::new(vector.number("index")).unwrap(),
            data: PieceData::new(data()).unwrap(),
        }),
        "file_answer" => {
            let answer = match code() {
                0 => {
                    FileAnswer::Accepted { next: PieceIndex::new(vector.number("index")).unwrap() }
                }
                1 => FileAnswer::Received,
                2 => FileAnswer::Refused,
                3 => FileAnswer::Cancelled,
                4 => {
                    FileAnswer::Progress { next: PieceIndex::new(vector.number("index")).unwrap() }
                }
                other => panic!("{other}"),
            };
            Body::FileAnswer { file: file(), answer }
        }
        "group_state" => Body::GroupState(GroupState::new(data()).unwrap()),
        "group_request" => {
            let requests = [
                GroupRequest::Leave,
                GroupRequest::Accept,
                GroupRequest::Decline,
                GroupRequest::NewerState,
            ];
            let request = requests[usize::try_from(code()).unwrap()];
            Body::GroupRequest { group: GroupId(vector.array("group_id")), request }
        }
        other => panic!("{other}"),
    };
    let group = vector.has("group").then(|| vector.group_tag());
    let expiry = vector.has("expiry").then(|| ExpirySecs::new(vector.number("expiry")).unwrap());
    Event { id: EventId(vector.array("id")), group, expiry, body }
}

impl Vector<'_> {
    fn annotated_text(&self) -> AnnotatedText {
        let mentions = self.has("mentions").then(|| {
            // One mention: [start, length, user].
            let bytes = self.bytes("mentions");
            let (head, user) = bytes.split_last_chunk().unwrap();
            let &[0x81, 0x83, start, len, 0x58, 32] = head else { panic!("{}", self.name) };
            let (start, len) = (start.into(), len.into());
            Mentions::new(vec![Mention { start, len, user: Fingerprint(*user) }]).unwrap()
        });
        AnnotatedText::new(MessageText::new(self.text("text")).unwrap(), mentions).unwrap()
    }

    fn target(&self) -> Reference {
        self.reference("reference").unwrap()
    }

    fn reference(&self, key: &str) -> Option<Reference> {
        self.has(key).then(|| reference(&self.bytes(key)))
    }

    /// One reference to an event, then one to a message.
    fn references(&self) -> Vec<Reference> {
        let bytes = self.bytes("references");
        let (first, second) = bytes[1..].split_at(3 + 32 + 1 + 16);
        vec![reference(first), reference(second)]
    }

    fn group_tag(&self) -> GroupTag {
        let bytes = self.bytes("group");
        assert_eq!((bytes.len(), &bytes[..2]), (2 + 16 + 1 + 2 + 32, &[0x83, 0x50][..]));
        GroupTag {
            group: GroupId(bytes[2..18].try_into().unwrap()),
            epoch: bytes[18].into(),
            state_hash: StateHash(bytes[21..].try_into().unwrap()),
        }
    }
}

/// A reference: `[author, target]`, to an event or to a message with a number of 8 bytes.
fn reference(bytes: &[u8]) -> Reference {
    let (head, rest) = bytes.split_at(3);
    assert_eq!(head, [0x82, 0x58, 32]);
    let (author, target) = rest.split_first_chunk().unwrap();
    let target = match target {
        [0x50, id @ ..] => Target::Event(EventId(id.try_into().unwrap())),
        [0x1b, id @ ..] => Target::Message(MessageId(u64::from_be_bytes(id.try_into().unwrap()))),
        other => panic!("{other:?}"),
    };
    Reference { author: Fingerprint(*author), target }
}
