//! Each method as a short trace.

use std::path::PathBuf;

use sealpost_core::client::store::{
    ClientOp, Content, InboxId, InboxItem, IncomingMessage, OutgoingMessage, ReceivedContent,
    Status, Token,
};
use sealpost_core::event::{Caption, FileId, FileName, FileOffer, FileSize, MediaType, PieceLen};
use sealpost_core::files::{
    Direction, End, EventName, Failure, PieceName, Place, Received, Record, State, TransferId,
};
use sealpost_core::ids::MessageId;
use sealpost_core::keys::Fingerprint;

use crate::client::conformance::harness::{identity, incoming, outgoing, user};
use crate::client::conversations::{
    Applied, Body, Change, Idempotency, Made, NewCopy, NewEntry, Peer,
};
use crate::client::sqlite::SqliteClientStorage;
use crate::client::sqlite::bed::SqliteBed;
use crate::client::transfers::{NewSend, NewTransfer, Origin, SendPlace, TakenOver, TransferStep};
use crate::conformance::{at, phone};
use crate::storage::Storage;

struct Bed(Option<SqliteBed>);

impl Bed {
    fn new() -> Self {
        Self(Some(SqliteBed::new(&identity())))
    }

    fn reopen(&mut self) {
        self.0 = self.0.take().map(SqliteBed::reopened);
    }

    fn store(&mut self) -> &mut SqliteClientStorage {
        self.0.as_mut().unwrap().storage_mut()
    }

    fn commit(&mut self, op: ClientOp) {
        let mut outcomes = Vec::new();
        self.store().commit(&[op], &mut outcomes);
        outcomes.remove(0).unwrap();
    }

    /// Receives message `id` from user 2.
    fn arrive(&mut self, id: u64, text: &str) -> InboxItem {
        let content = ReceivedContent::Opened(Content::Text(text.into()));
        let message = IncomingMessage { content, ..incoming(id, 2, None) };
        self.commit(ClientOp::Receive(vec![message]));
        let mut items = self.store().inbox_after(InboxId::START, u32::MAX).unwrap();
        items.pop().unwrap()
    }

    fn step(&mut self, step: &TransferStep) {
        self.store().step_transfers(step).unwrap();
    }

    fn keep(&mut self, id: TransferId, state: State) {
        self.step(&TransferStep { records: vec![(id, Some(record(id, state)))], ..none() });
    }

    /// Whether the bytes of a text are anywhere on the disk.
    fn has_on_disk(&mut self, text: &str) -> bool {
        self.reopen();
        let path = self.0.as_ref().unwrap().path();
        let folder = path.parent().unwrap().read_dir().unwrap();
        let files = folder.map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
        files.into_iter().any(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes()))
    }
}

#[test]
fn piece_waits_for_its_step_and_leaves_nothing_behind() {
    let mut bed = Bed::new();
    let item = bed.arrive(1, "bytes of a secret file");
    let applied = bed.store().apply(&item, &person(), &Change::File(None));
    assert_eq!(applied, Ok(Applied::Ignored));
    assert_eq!(bed.store().applied_up_to(), Ok(item.place), "texts behind it can be applied");
    bed.reopen();
    assert_eq!(bed.store().file_arrivals(9), Ok(vec![item.clone()]));
    assert_eq!(bed.store().last_arrival(), Ok(item.place));
    assert!(bed.has_on_disk("secret file"));

    let (id, state) = (incoming_id(1), receiving(1, 0));
    let arrival = Some(TakenOver { place: item.place, offers: None });
    bed.step(&TransferStep { arrival, records: vec![(id, Some(record(id, state)))], ..none() });
    assert_eq!(bed.store().file_arrivals(9), Ok(vec![]));
    assert_eq!(bed.store().transfer(&id).unwrap().unwrap().record.state, state);
    let left = bed.store().inbox_after(InboxId::START, 1).unwrap().remove(0).message;
    assert_eq!(left.content, ReceivedContent::Opened(Content::Bytes(vec![])));
    assert_eq!(left.packet_hash, item.message.packet_hash, "a repeat is still known");
    assert!(!bed.has_on_disk("secret file"));
}

#[test]
fn offer_keeps_its_content_and_its_transfer_gets_the_entry() {
    let mut bed = Bed::new();
    let (item, id) = (bed.arrive(1, "an offer"), incoming_id(1));
    let Ok(Applied::Added(_, entry)) =
        bed.store().apply(&item, &person(), &Change::File(Some(shown("see"))))
    else {
        panic!("an entry")
    };
    let arrival = Some(TakenOver { place: item.place, offers: Some(id) });
    let records = vec![(id, Some(record(id, State::Offered)))];
    bed.step(&TransferStep { arrival, records, ..none() });
    let transfer = bed.store().transfers_of_entry(entry).unwrap().remove(0);
    assert_eq!((transfer.id, transfer.entry), (id, Some(entry)));
    assert_eq!(bed.store().transfers(9).unwrap(), [transfer]);
    let kept = bed.store().inbox_after(InboxId::START, 1).unwrap().remove(0);
    assert_eq!(kept.message.content, item.message.content);

    bed.step(&TransferStep { saved: vec![(id, PathBuf::from("/files/seal.png"))], ..none() });
    let saved = bed.store().transfer(&id).unwrap().unwrap().saved;
    assert_eq!(saved, Some(PathBuf::from("/files/seal.png")));
}

#[test]
fn transfer_of_ours_begins_once_with_its_entry() {
    let mut bed = Bed::new();
    let key = Idempotency { key: "once".into(), request_hash: [1; 32] };
    assert_eq!(bed.store().made_before(Some(&key), at(0)), Ok(None));
    let (id, entry) = (outgoing_id(1), bed_begins(&mut bed, 1, &key));
    let Made::New(entry) = entry else { panic!("{entry:?}") };
    assert_eq!(bed_begins(&mut bed, 2, &key), Made::Before(entry));
    assert_eq!(bed.store().made_before(Some(&key), at(0)), Ok(Some(Made::Before(entry))));
    bed.reopen();
    let transfer = bed.store().transfer(&id).unwrap().unwrap();
    let origin = Origin { path: "/home/me/seal.png".into(), stamp: vec![7; 40] };
    assert_eq!((transfer.entry, transfer.origin), (Some(entry), Some(origin)));
    assert_eq!(bed.store().transfer(&outgoing_id(2)), Ok(None), "the second one did not begin");
    let send = bed.store().file_send(&id, EventName::Offer).unwrap().unwrap();
    assert_eq!((send.token, send.place), (Token(1), SendPlace::Unsent));
    assert_eq!(bed.store().unsent_file_sends(9), Ok(vec![]), "the copy has the content");
    assert_eq!(bed.store().unsent_copies(9).unwrap().len(), 1);
}

fn bed_begins(bed: &mut Bed, number: u8, key: &Idempotency) -> Made {
    let id = outgoing_id(number);
    let content = Content::Text("offer".into());
    let copy = NewCopy { token: Token(number.into()), phone: phone(2), key: None, content };
    let origin = Origin { path: "/home/me/seal.png".into(), stamp: vec![7; 40] };
    let transfer = NewTransfer { id, record: record(id, State::Offered), origin };
    let new = (&shown("see"), at(0));
    bed.store().begin_transfer(&person(), new, &copy, &transfer, Some(key)).unwrap()
}

#[test]
fn every_state_is_kept() {
    let mut bed = Bed::new();
    let ended = |end| State::Ended { end, order: u64::MAX };
    let states = [
        State::Offered,
        State::Sending(Place { round: u32::MAX, confirmed: 3, resent: 5 }),
        receiving(u32::MAX, u64::MAX),
        ended(End::Complete),
        ended(End::Refused),
        ended(End::Cancelled),
        ended(End::CancelledByPeer),
        ended(End::Failed(Failure::Changed)),
        ended(End::Failed(Failure::Unreadable)),
        ended(End::Failed(Failure::Undeliverable)),
        ended(End::Failed(Failure::AskedTooOften)),
        ended(End::Failed(Failure::InvalidPiece)),
        ended(End::Failed(Failure::Mismatch)),
    ];
    for (id, state) in [incoming_id(1), outgoing_id(1)]
        .iter()
        .flat_map(|id| states.iter().map(move |state| (*id, *state)))
    {
        bed.keep(id, state);
        bed.reopen();
        assert_eq!(bed.store().transfer(&id).unwrap().unwrap().record, record(id, state));
    }
    assert_eq!(bed.store().known_transfers().unwrap().len(), 2);
}

#[test]
fn transfer_that_the_machine_forgets_is_still_shown() {
    let mut bed = Bed::new();
    let (item, shown_one, unseen) = (bed.arrive(1, "an offer"), incoming_id(1), incoming_id(2));
    bed.store().apply(&item, &person(), &Change::File(Some(shown("see")))).unwrap();
    let ended = State::Ended { end: End::Complete, order: 4 };
    let arrival = Some(TakenOver { place: item.place, offers: Some(shown_one) });
    let records = [shown_one, unseen].map(|id| (id, Some(record(id, ended)))).to_vec();
    bed.step(&TransferStep { arrival, records, ..none() });
    let records = vec![(shown_one, None), (unseen, None)];
    bed.step(&TransferStep { records, ..none() });
    assert_eq!(bed.store().known_transfers(), Ok(vec![]));
    assert_eq!(bed.store().transfer(&unseen), Ok(None));
    let left = bed.store().transfer(&shown_one).unwrap().unwrap().record.state;
    assert_eq!(left, State::Ended { end: End::Complete, order: 0 });
}

#[test]
fn messages_are_found_by_their_names_and_are_not_kept_twice() {
    let mut bed = Bed::new();
    let (id, name) = (outgoing_id(1), piece(0, 7));
    bed.keep(id, State::Sending(Place::default()));
    let send = |token, name, content: Option<&str>| NewSend {
        token: Token(token),
        id,
        name,
        content: content.map(|text| Content::Text(text.into())),
    };
    let sends = vec![send(1, Some(name), None), send(2, None, Some("answer")), send(3, None, None)];
    bed.step(&TransferStep { sends, ..none() });
    let place = |bed: &mut Bed| bed.store().file_send(&id, name).unwrap().unwrap().place;
    assert_eq!(place(&mut bed), SendPlace::Unsent);
    assert_eq!(bed.store().file_send(&id, piece(1, 7)), Ok(None));
    let unsent = bed.store().unsent_file_sends(9).unwrap();
    assert_eq!(unsent, [(Token(2), id, Content::Text("answer".into()))]);

    for (token, text) in [(1, "bytes of a secret file"), (2, "words of an answer")] {
        let content = Content::Text(text.into());
        let message = OutgoingMessage { token: Token(token), content, ..outgoing(token, 2) };
        bed.commit(ClientOp::Enqueue(vec![message]));
    }
    assert_eq!(bed.store().unsent_file_sends(9), Ok(vec![]), "the machine has the answer");
    assert_eq!(place(&mut bed), SendPlace::Outbox(MessageId(1), Status::Queued));
    bed.step(&TransferStep { settled: vec![Token(1)], ..none() });
    assert!(bed.has_on_disk("secret file"), "it is not at the server yet");
    bed.commit(ClientOp::MarkStored(vec![(user(2), MessageId(1)), (user(2), MessageId(2))]));
    assert_eq!(place(&mut bed), SendPlace::Outbox(MessageId(1), Status::Stored));
    assert_eq!(bed.store().unsettled_file_sends().unwrap().len(), 1);
    bed.step(&TransferStep { settled: vec![Token(1)], ..none() });
    assert!(!bed.has_on_disk("secret file") && bed.has_on_disk("words of an answer"));

    // As after a crash before its step.
    bed.store().tidy_transfers().unwrap();
    assert!(!bed.has_on_disk("words of an answer"));
    assert!(bed.store().file_send(&id, name).unwrap().is_some(), "the transfer is not over");
    bed.keep(id, State::Ended { end: End::Complete, order: 1 });
    assert_eq!(bed.store().file_send(&id, name), Ok(None));
    let late = piece(0, 8);
    bed.step(&TransferStep { sends: vec![send(4, Some(late), None)], ..none() });
    bed.commit(ClientOp::Enqueue(vec![OutgoingMessage { token: Token(4), ..outgoing(4, 2) }]));
    bed.step(&TransferStep { settled: vec![Token(4)], ..none() });
    assert!(bed.store().file_send(&id, late).unwrap().is_some(), "the server does not hold it");
    bed.commit(ClientOp::MarkStored(vec![(user(2), MessageId(4))]));
    bed.step(&TransferStep { settled: vec![Token(4)], ..none() });
    assert_eq!(bed.store().file_send(&id, late), Ok(None));
}

#[test]
fn caption_and_name_of_an_entry_that_expires_are_overwritten() {
    let mut bed = Bed::new();
    let (item, id) = (bed.arrive(1, "an offer"), incoming_id(1));
    let new = NewEntry { expiry_secs: Some(60), ..shown("words for a seal") };
    let Ok(Applied::Added(conversation, entry)) =
        bed.store().apply(&item, &person(), &Change::File(Some(new)))
    else {
        panic!("an entry")
    };
    let arrival = Some(TakenOver { place: item.place, offers: Some(id) });
    let ended = State::Ended { end: End::Complete, order: 4 };
    bed.step(&TransferStep { arrival, records: vec![(id, Some(record(id, ended)))], ..none() });
    assert!(bed.has_on_disk("words for a seal") && bed.has_on_disk("seal.png"));
    bed.store().read_up_to(conversation, entry, at(0)).unwrap();
    assert_eq!(bed.store().expire(at(60), 9), Ok(vec![(conversation, entry)]));
    assert!(!bed.has_on_disk("words for a seal") && !bed.has_on_disk("seal.png"));
}

#[test]
fn transfer_of_a_deleted_conversation_goes_on_without_an_entry() {
    let mut bed = Bed::new();
    for (number, state) in
        [(1, receiving(0, 0)), (2, State::Ended { end: End::Complete, order: 4 })]
    {
        let (item, id) = (bed.arrive(number.into(), "an offer"), incoming_id(number));
        let Ok(Applied::Added(..)) =
            bed.store().apply(&item, &person(), &Change::File(Some(shown("words for a seal"))))
        else {
            panic!("an entry")
        };
        let arrival = Some(TakenOver { place: item.place, offers: Some(id) });
        bed.step(&TransferStep { arrival, records: vec![(id, Some(record(id, state)))], ..none() });
    }
    bed.step(&TransferStep { records: vec![(incoming_id(2), None)], ..none() });
    bed.store().delete_conversation(&person()).unwrap();
    let going_on = bed.store().transfer(&incoming_id(1)).unwrap().unwrap();
    assert_eq!((going_on.entry, going_on.record.state), (None, receiving(0, 0)));
    assert_eq!(bed.store().transfer(&incoming_id(2)), Ok(None), "it is over");
    assert!(!bed.has_on_disk("words for a seal"));
}

#[test]
fn setting_of_a_conversation_is_kept() {
    let mut bed = Bed::new();
    let id = bed.store().open_conversation(&person()).unwrap();
    assert_eq!(bed.store().conversation_of(id).unwrap().unwrap().accepted_files, 0);
    bed.store().set_accepted_files(id, 64 << 20).unwrap();
    bed.reopen();
    assert_eq!(bed.store().conversation_of(id).unwrap().unwrap().accepted_files, 64 << 20);
}

const fn piece(round: u32, index: u32) -> EventName {
    EventName::Piece(PieceName { round, index })
}

const fn receiving(prefix: u32, ahead: u64) -> State {
    State::Receiving(Received { prefix, ahead })
}

fn incoming_id(number: u8) -> TransferId {
    id(Direction::Incoming, number)
}

fn outgoing_id(number: u8) -> TransferId {
    id(Direction::Outgoing, number)
}

const fn id(direction: Direction, number: u8) -> TransferId {
    TransferId { direction, peer: Fingerprint([2; 32]), file: FileId([number; 16]) }
}

fn record(id: TransferId, state: State) -> Record {
    let offer = FileOffer {
        file: id.file,
        name: FileName::new("seal.png").unwrap(),
        media_type: MediaType::new("image/png").unwrap(),
        size: FileSize::new(1 << 26).unwrap(),
        sha256: [9; 32],
        piece_len: PieceLen::new(60_000).unwrap(),
        caption: Caption::new("words for a seal").unwrap(),
    };
    Record { offer, state }
}

fn shown(text: &str) -> NewEntry {
    NewEntry {
        body: Body::File(text.into()),
        event_id: None,
        event: None,
        reply_to: None,
        expiry_secs: None,
    }
}

fn person() -> Peer {
    Peer::Person(phone(2))
}

fn none() -> TransferStep {
    TransferStep::default()
}
