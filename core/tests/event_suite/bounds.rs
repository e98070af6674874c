//! Bounds of fields: the largest event of each type fits a message, and one step more is refused.

use sealpost_core::event::{
    AnnotatedText, Body, Caption, Emoji, EncodedEvent, Event, EventId, ExpirySecs, FileId,
    FileName, FileOffer, FilePiece, FileSize, GroupId, GroupState, GroupTag, MediaType, Mention,
    Mentions, MessageText, OutOfBounds, PieceData, PieceIndex, PieceLen, Reference, References,
    StateHash, Target,
};
use sealpost_core::keys::Fingerprint;
use sealpost_core::wire::Inner;

const USER: Fingerprint = Fingerprint([0xff; 32]);
const TARGET: Reference = Reference { author: USER, target: Target::Event(EventId([0xff; 16])) };

fn encoded(body: Body) -> EncodedEvent {
    let group =
        GroupTag { group: GroupId([0xff; 16]), epoch: u64::MAX, state_hash: StateHash([0xff; 32]) };
    let expiry = Some(ExpirySecs::new(31_622_400).unwrap());
    EncodedEvent::new(Event { id: EventId([0xff; 16]), group: Some(group), expiry, body })
}

/// 60,000 bytes with 64 mentions at its end.
fn largest_text() -> AnnotatedText {
    let mention = |at: u16| Mention { start: 59_999 - at, len: 1, user: USER };
    let mentions = (0..64).rev().map(mention).collect();
    let text = MessageText::new("a".repeat(60_000)).unwrap();
    AnnotatedText::new(text, Some(Mentions::new(mentions).unwrap())).unwrap()
}

#[test]
fn largest_event_of_each_type_fits_a_message() {
    let offer = FileOffer {
        file: FileId([0xff; 16]),
        name: FileName::new("n".repeat(255)).unwrap(),
        media_type: MediaType::new("m".repeat(127)).unwrap(),
        size: FileSize::new(1 << 40).unwrap(),
        sha256: [0xff; 32],
        piece_len: PieceLen::new(60_000).unwrap(),
        caption: Caption::new("c".repeat(16_384)).unwrap(),
    };
    let piece = FilePiece {
        file: FileId([0xff; 16]),
        index: PieceIndex::new(1 << 40).unwrap(),
        data: PieceData::new(vec![0xff; 60_000]).unwrap(),
    };
    for body in [
        Body::Text { text: largest_text(), reply_to: Some(TARGET) },
        Body::Edit { target: TARGET, text: largest_text() },
        Body::Reaction { target: TARGET, emoji: Some(Emoji::new("e".repeat(64)).unwrap()) },
        Body::Read { entries: References::new(vec![TARGET; 256]).unwrap() },
        Body::FileOffer(offer),
        Body::FilePiece(piece),
        Body::GroupState(GroupState::new(vec![0xff; 60_000]).unwrap()),
    ] {
        let encoded = encoded(body);
        assert!(encoded.as_bytes().len() <= Inner::MAX_CONTENT, "{encoded:?}");
        let parsed = EncodedEvent::parse(encoded.as_bytes().to_vec().into()).unwrap();
        assert_eq!(parsed.event(), encoded.event());
    }
}

#[test]
fn one_step_beyond_a_bound_is_refused() {
    let refused = |actual, min, max| Some(OutOfBounds { actual, min, max });
    assert_eq!(MessageText::new("a".repeat(60_001)).err(), refused(60_001, 0, 60_000));
    assert_eq!(Caption::new("a".repeat(16_385)).err(), refused(16_385, 0, 16_384));
    assert_eq!(Emoji::new("a".repeat(65)).err(), refused(65, 1, 64));
    assert_eq!(Emoji::new("").err(), refused(0, 1, 64));
    assert_eq!(FileName::new("").err(), refused(0, 1, 255));
    assert_eq!(MediaType::new("m".repeat(128)).err(), refused(128, 1, 127));
    assert_eq!(References::new(vec![TARGET; 257]).err(), refused(257, 1, 256));
    assert_eq!(References::new(vec![]).err(), refused(0, 1, 256));
    assert_eq!(PieceData::new(vec![0; 60_001]).err(), refused(60_001, 1, 60_000));
    assert_eq!(ExpirySecs::new(0).err(), refused(0, 1, 31_622_400));
    assert_eq!(ExpirySecs::new(31_622_401).err(), refused(31_622_401, 1, 31_622_400));
    assert_eq!(PieceLen::new(60_001).err(), refused(60_001, 1, 60_000));
}

#[test]
fn lists_longer_than_their_bounds_are_refused_on_the_wire() {
    // 257 references, whose count is the two bytes after key 11.
    let largest = encoded(Body::Read { entries: References::new(vec![TARGET; 256]).unwrap() });
    let bytes = largest.as_bytes();
    let at = bytes.windows(4).position(|part| *part == [11, 0x99, 1, 0]).unwrap();
    let item = &bytes[at + 4..][..(bytes.len() - at - 4) / 256];
    let mut longer = [bytes, item].concat();
    longer[at + 3] = 1;
    assert!(EncodedEvent::parse(longer.into()).is_err());
}

#[test]
fn debug_shows_no_content() {
    let text = MessageText::new("attack at dawn").unwrap();
    let body = Body::Text { text: text.into(), reply_to: None };
    assert!(!format!("{body:?}").contains("dawn"));
    assert!(!format!("{:?}", encoded(body)).contains("dawn"));
    let state = Body::GroupState(GroupState::new(vec![97; 4]).unwrap());
    assert!(!format!("{state:?}").contains("97"));
}
