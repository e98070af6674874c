//! Rows in the tables of conversations, groups and file transfers.

use sealpost_core::client::store::{ClientOp, Content, InboxId, InboxItem, IncomingMessage, Token};
use sealpost_core::event::{
    Caption, EncodedEvent, EventId, FileId, FileName, FileOffer, FileSize, GroupId, MediaType,
    PieceLen, Target,
};
use sealpost_core::files::{Direction, Received, Record, State, TransferId};
use sealpost_core::ids::MessageId;
use sealpost_storage::Storage;
use sealpost_storage::client::SqliteClientStorage;
use sealpost_storage::client::conversations::{
    Applied, Author, Body as ConversationBody, Change, EntryRef, GroupPost, GroupRecord, GroupStep,
    GroupTurn, Idempotency, NewCopy, NewEntry, Originals, OwnChange, Peer, Written,
};
use sealpost_storage::client::transfers::{NewSend, TransferStep};
use sealpost_storage::conformance::{at, phone};

/// Fills these tables, after the first message was received.
pub(crate) fn fill(store: &mut SqliteClientStorage) {
    let peer = Peer::Person(phone(2));
    let item = store.inbox_after(InboxId::START, 1).unwrap().remove(0);
    let new = |text: &str| NewEntry {
        body: ConversationBody::Text(text.into()),
        event_id: Some(EventId([6; 16])),
        event: None,
        reply_to: None,
        expiry_secs: Some(60),
    };
    let Applied::Added(conversation, received) =
        store.apply(&item, &peer, &Change::Append(new("received"))).unwrap()
    else {
        panic!("an entry")
    };
    let later = InboxItem { place: InboxId(item.place.0 + 1), ..item.clone() };
    let entry = EntryRef {
        author: Author::Peer(item.message.signed_by),
        target: Target::Event(EventId([6; 16])),
    };
    store.set_originals(conversation, Originals::Kept).unwrap();
    store
        .apply(&later, &peer, &Change::Edit { entry, text: "edited".into(), event: None })
        .unwrap();
    let react = OwnChange::React(Some("👍".into()));
    store.change((received, &react), at(3), &[]).unwrap();
    let copy = NewCopy {
        token: Token(7),
        phone: phone(2),
        key: None,
        content: Content::Text("hello".into()),
    };
    let key = Idempotency { key: "first".into(), request_hash: [8; 32] };
    store.append(&peer, (&new("hello"), at(4)), &[copy], Some(&key)).unwrap();
    store.read_up_to(conversation, received, at(5)).unwrap();
    store.advance_consumer("bot", item.place).unwrap();
    fill_transfers(store, &item);
    fill_groups(store, &item);
}

/// A group with a message that waits, one that was released, and a state that is to be sent.
fn fill_groups(store: &mut SqliteClientStorage, item: &InboxItem) {
    let group = GroupId([9; 16]);
    let at_place = |place| InboxItem { place: InboxId(place), ..item.clone() };
    let place = store.applied_up_to().unwrap().0 + 1;
    let record = GroupRecord {
        group,
        record: b"record".to_vec(),
        name: "climbers".into(),
        expiry_secs: Some(3_600),
    };
    let event = [&[0xa2, 0x00, 0x18, 99, 0x01, 0x50][..], &[7; 16]].concat();
    let event = EncodedEvent::parse(event.into()).unwrap();
    let key = item.message.signed_by;
    let post = GroupPost { token: Token(8), group, phone: phone(2), key, event };
    let steps = vec![
        GroupStep::Keep(record),
        GroupStep::Post(post),
        GroupStep::Hide(InboxId(place)),
        GroupStep::Hide(InboxId(place + 1)),
    ];
    store.take_turn(&GroupTurn { message: Some(at_place(place)), at: at(6), steps }).unwrap();
    let show = GroupStep::Show {
        item: Box::new(at_place(place)),
        group,
        change: Change::Nothing,
        written: Written::Older,
    };
    store.take_turn(&GroupTurn { message: None, at: at(7), steps: vec![show] }).unwrap();
}

fn fill_transfers(store: &mut SqliteClientStorage, item: &InboxItem) {
    let (file, peer) = (FileId([5; 16]), item.message.signed_by);
    let id = TransferId { direction: Direction::Incoming, peer, file };
    let offer = FileOffer {
        file,
        name: FileName::new("seal.png").unwrap(),
        media_type: MediaType::new("image/png").unwrap(),
        size: FileSize::new(100).unwrap(),
        sha256: [9; 32],
        piece_len: PieceLen::new(60).unwrap(),
        caption: Caption::new("see").unwrap(),
    };
    let state = State::Receiving(Received { prefix: 1, ahead: 0 });
    let answer =
        NewSend { token: Token(8), id, name: None, content: Some(Content::Text("a".into())) };
    let step = TransferStep {
        records: vec![(id, Some(Record { offer, state }))],
        sends: vec![answer],
        ..TransferStep::default()
    };
    store.step_transfers(&step).unwrap();
    // The edit above was applied as the second message, which only arrives now.
    let messages = [2, 3].map(|id| IncomingMessage { id: MessageId(id), ..item.message.clone() });
    store.commit(&[ClientOp::Receive(messages.to_vec())], &mut Vec::new());
    let piece = store.inbox_after(store.applied_up_to().unwrap(), 1).unwrap().remove(0);
    let peer = Peer::Person(item.message.phone);
    store.apply(&piece, &peer, &Change::File(None)).unwrap();
    assert_eq!(store.file_arrivals(2).unwrap(), [piece]);
}
