//! Arbitrary events of every type.

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use sealpost_core::event::{
    AnnotatedText, Body, Caption, Emoji, Event, EventId, ExpirySecs, FileAnswer, FileId, FileName,
    FileOffer, FilePiece, FileSize, GroupId, GroupRequest, GroupState, GroupTag, MediaType,
    Mention, Mentions, MessageText, PieceData, PieceIndex, PieceLen, Reference, References,
    StateHash, Target,
};
use sealpost_core::ids::MessageId;
use sealpost_core::keys::Fingerprint;

pub(crate) fn event() -> impl Strategy<Value = Event> {
    let id = any::<[u8; 16]>().prop_map(EventId);
    (id, of(group_tag()), of(expiry()), body()).prop_map(|(id, group, expiry, body)| Event {
        id,
        group,
        expiry,
        body,
    })
}

fn body() -> impl Strategy<Value = Body> {
    let file = || any::<[u8; 16]>().prop_map(FileId);
    prop_oneof![
        (text(), of(reference())).prop_map(|(text, reply_to)| Body::Text { text, reply_to }),
        (reference(), text()).prop_map(|(target, text)| Body::Edit { target, text }),
        reference().prop_map(|target| Body::Delete { target }),
        (reference(), of(emoji())).prop_map(|(target, emoji)| Body::Reaction { target, emoji }),
        vec(reference(), 1..20)
            .prop_map(|entries| Body::Read { entries: References::new(entries).unwrap() }),
        of(expiry()).prop_map(|expiry| Body::Expiry { expiry }),
        file_offer().prop_map(Body::FileOffer),
        (file(), index(), vec(any::<u8>(), 1..600)).prop_map(|(file, index, data)| {
            Body::FilePiece(FilePiece { file, index, data: PieceData::new(data).unwrap() })
        }),
        (file(), answer()).prop_map(|(file, answer)| Body::FileAnswer { file, answer }),
        vec(any::<u8>(), 1..600)
            .prop_map(|state| Body::GroupState(GroupState::new(state).unwrap())),
        (any::<[u8; 16]>().prop_map(GroupId), group_request())
            .prop_map(|(group, request)| Body::GroupRequest { group, request }),
    ]
}

/// Text with mentions between its characters.
fn text() -> impl Strategy<Value = AnnotatedText> {
    (vec("\\PC{0,9}", 0..6), any::<[u8; 32]>()).prop_map(|(words, user)| {
        let (mut text, mut mentions) = (String::new(), Vec::new());
        for (at, word) in words.into_iter().enumerate() {
            if at % 2 == 1 && !word.is_empty() {
                let (start, len) = (text.len().try_into().unwrap(), word.len().try_into().unwrap());
                mentions.push(Mention { start, len, user: Fingerprint(user) });
            }
            text += &word;
        }
        AnnotatedText::new(MessageText::new(text).unwrap(), Mentions::new(mentions).ok()).unwrap()
    })
}

fn reference() -> impl Strategy<Value = Reference> {
    let target = prop_oneof![
        any::<[u8; 16]>().prop_map(|id| Target::Event(EventId(id))),
        (1..=u64::MAX).prop_map(|id| Target::Message(MessageId(id))),
    ];
    (any::<[u8; 32]>(), target)
        .prop_map(|(author, target)| Reference { author: Fingerprint(author), target })
}

fn group_tag() -> impl Strategy<Value = GroupTag> {
    (any::<[u8; 16]>(), any::<u64>(), any::<[u8; 32]>()).prop_map(|(group, epoch, state_hash)| {
        GroupTag { group: GroupId(group), epoch, state_hash: StateHash(state_hash) }
    })
}

fn group_request() -> impl Strategy<Value = GroupRequest> {
    prop_oneof![
        Just(GroupRequest::Leave),
        Just(GroupRequest::Accept),
        Just(GroupRequest::Decline),
        Just(GroupRequest::NewerState),
    ]
}

fn answer() -> impl Strategy<Value = FileAnswer> {
    prop_oneof![
        index().prop_map(|next| FileAnswer::Accepted { next }),
        Just(FileAnswer::Received),
        Just(FileAnswer::Refused),
        Just(FileAnswer::Cancelled),
        index().prop_map(|next| FileAnswer::Progress { next }),
    ]
}

fn file_offer() -> impl Strategy<Value = FileOffer> {
    let ids = (any::<[u8; 16]>(), any::<[u8; 32]>());
    (ids, "\\PC{1,60}", 0..=1u64 << 40, 1..=60_000u64, "\\PC{0,60}").prop_map(
        |((file, sha256), name, size, piece_len, caption)| FileOffer {
            file: FileId(file),
            name: FileName::new(name).unwrap(),
            media_type: MediaType::new("image/png").unwrap(),
            size: FileSize::new(size).unwrap(),
            sha256,
            piece_len: PieceLen::new(piece_len).unwrap(),
            caption: Caption::new(caption).unwrap(),
        },
    )
}

fn emoji() -> impl Strategy<Value = Emoji> {
    "\\PC{1,16}".prop_map(|emoji| Emoji::new(emoji).unwrap())
}

fn expiry() -> impl Strategy<Value = ExpirySecs> {
    (1..=31_622_400u64).prop_map(|seconds| ExpirySecs::new(seconds).unwrap())
}

fn index() -> impl Strategy<Value = PieceIndex> {
    (0..=1u64 << 40).prop_map(|index| PieceIndex::new(index).unwrap())
}
