//! The timeline of a client's store: messages are applied, and entries of our own added, between the
//! requests of the machine.

use std::collections::BTreeSet;

use sealpost_core::client::store::{ClientOp, ClientOutcome, Content, InboxId, InboxItem, Token};
use sealpost_core::event::{
    Caption, EncodedEvent, FileId, FileName, FileOffer, FileSize, GroupId, MediaType, PieceLen,
};
use sealpost_core::files::{Direction, Received, Record, State, TransferId};
use sealpost_core::frame::StoreError;
use sealpost_core::keys::Fingerprint;
use sealpost_storage::Storage;
use sealpost_storage::client::conversations::{
    Body, Change, Entry, GroupPost, GroupRecord, GroupStep, GroupTurn, Idempotency, NewCopy,
    NewEntry, OwnChange, Peer, Written,
};
use sealpost_storage::client::transfers::{NewSend, TakenOver, TransferStep};
use sealpost_storage::client::{
    ClientStorage, HistoryEntry, MemoryClientStorage, SqliteClientStorage,
};
use sealpost_storage::conformance::{at, phone};

use crate::random::Random;

/// The memory store with what has been put into the timeline.
#[derive(Clone)]
pub(crate) struct Model {
    pub(crate) memory: MemoryClientStorage,
    timeline: Timeline,
    /// Entries of each peer's conversation.
    entries: Vec<Vec<Shown>>,
    /// Idempotency keys of requests that were carried out.
    keys: BTreeSet<String>,
}

/// An entry.
#[derive(Clone, Debug)]
struct Shown {
    text: String,
    lifetime: Lifetime,
}

/// How far the life of an entry has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lifetime {
    /// It does not expire.
    Endless,
    /// It expires, and its life has not begun.
    Ahead,
    /// It has begun.
    Begun,
}

/// What a timeline shows of each peer's conversation, the copies to be sent, and the place up to which
/// messages were applied.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Timeline {
    conversations: Vec<Vec<String>>,
    unsent: Vec<Token>,
    /// What is shown in the group, its record, and what it is to send.
    group: (Vec<String>, Vec<u8>, Vec<Token>),
    applied: Option<InboxId>,
    /// Events of file transfers that wait for their step.
    arrivals: Vec<InboxId>,
    /// Transfers, one for each arrival that was taken over.
    transfers: Vec<TransferId>,
    /// Tokens of the answers to these.
    answers: Vec<Token>,
}

impl Model {
    pub(crate) const fn new(memory: MemoryClientStorage) -> Self {
        let group = (Vec::new(), Vec::new(), Vec::new());
        let timeline = Timeline {
            conversations: Vec::new(),
            unsent: Vec::new(),
            group,
            applied: None,
            arrivals: Vec::new(),
            transfers: Vec::new(),
            answers: Vec::new(),
        };
        Self { memory, timeline, entries: Vec::new(), keys: BTreeSet::new() }
    }

    pub(crate) fn timeline(&self) -> Timeline {
        let mut timeline = self.timeline.clone();
        let texts = |entries: &Vec<Shown>| entries.iter().map(|entry| entry.text.clone()).collect();
        timeline.conversations = self.entries.iter().map(texts).collect();
        timeline.conversations.resize(PEERS.len(), Vec::new());
        timeline.unsent.sort_unstable();
        timeline.applied = timeline.applied.or(Some(InboxId::START));
        timeline
    }

    fn conversation(&mut self, peer: u16) -> &mut Vec<Shown> {
        self.entries.resize(PEERS.len(), Vec::new());
        let index = PEERS.iter().position(|other| *other == peer).unwrap();
        &mut self.entries[index]
    }

    fn add(&mut self, peer: u16, text: String, lifetime: Lifetime) {
        self.conversation(peer).push(Shown { text, lifetime });
    }

    pub(crate) fn apply_next(&mut self) {
        let applied = self.timeline.applied.unwrap_or(InboxId::START);
        let received = PEERS.iter().flat_map(|peer| {
            self.memory.history(phone(*peer), None, u32::MAX).unwrap().into_iter().filter_map(
                |entry| match entry {
                    HistoryEntry::Received(item) if item.place > applied => Some((*peer, item)),
                    HistoryEntry::Received(_) | HistoryEntry::Sent(_) => None,
                },
            )
        });
        let Some((peer, item)) = received.min_by_key(|(_, item)| item.place) else { return };
        self.timeline.applied = Some(item.place);
        if is_for_group(&item) {
            let (texts, record, posts) = &mut self.timeline.group;
            texts.push(shown(&item));
            *record = record_at(&item);
            posts.push(token_at(&item));
            return;
        }
        self.add(peer, shown(&item), Lifetime::Endless);
        if is_file(item.place) {
            self.timeline.arrivals.push(item.place);
        }
    }

    /// Takes over the first event of a file transfer that waits.
    pub(crate) fn take_over(&mut self) {
        if self.timeline.arrivals.is_empty() {
            return;
        }
        let place = self.timeline.arrivals.remove(0);
        self.timeline.transfers.push(transfer(place));
        self.timeline.answers.push(answer(place));
    }

    pub(crate) fn change_own(&mut self, random: &mut Random) {
        let Own { peer, copy, text, step } = own(random);
        match step {
            OwnStep::Say(key) => {
                if key.is_none_or(|key| self.keys.insert(key)) {
                    self.add(peer, text, Lifetime::Endless);
                    self.timeline.unsent.push(copy.token);
                }
            }
            OwnStep::SayForAWhile => self.add(peer, text, Lifetime::Ahead),
            OwnStep::Edit => {
                let is_own = |entry: &&mut Shown| is_own(&entry.text);
                if let Some(entry) = self.conversation(peer).iter_mut().rev().find(is_own) {
                    entry.text = text;
                    self.timeline.unsent.push(copy.token);
                }
            }
            OwnStep::BeginExpiry => self.move_on(Lifetime::Ahead, |entry| {
                entry.lifetime = Lifetime::Begun;
            }),
            OwnStep::Expire => self.move_on(Lifetime::Begun, |entry| {
                *entry = Shown { text: EXPIRED.into(), lifetime: Lifetime::Endless };
            }),
        }
    }

    fn move_on(&mut self, from: Lifetime, change: impl Fn(&mut Shown)) {
        self.entries.iter_mut().flatten().filter(|entry| entry.lifetime == from).for_each(change);
    }
}

impl Storage for Model {
    type Op = ClientOp;
    type Outcome = ClientOutcome;

    fn commit(&mut self, requests: &[ClientOp], outcomes: &mut Vec<ClientOutcome>) {
        self.memory.commit(requests, outcomes);
    }
}

/// Applies the next message that was received.
pub(crate) fn apply_next(store: &mut SqliteClientStorage) -> Result<(), StoreError> {
    let waiting = store.inbox_after(store.applied_up_to()?, 1)?;
    let Some(item) = waiting.first() else { return Ok(()) };
    let new = new(shown(item));
    if is_for_group(item) {
        return store.take_turn(&turn(item, Change::Append(new))).map(drop);
    }
    let change = if is_file(item.place) { Change::File(Some(new)) } else { Change::Append(new) };
    store.apply(item, &Peer::Person(item.message.phone), &change).map(drop)
}

/// Takes over the first event of a file transfer that waits: its record, an answer and its end as an
/// arrival are one step.
pub(crate) fn take_over(store: &mut SqliteClientStorage) -> Result<(), StoreError> {
    let Some(item) = store.file_arrivals(1)?.pop() else { return Ok(()) };
    let id = transfer(item.place);
    let content = Some(Content::Text("answer".into()));
    let answer = NewSend { token: answer(item.place), id, name: None, content };
    store.step_transfers(&TransferStep {
        arrival: Some(TakenOver { place: item.place, offers: Some(id) }),
        records: vec![(id, Some(record(id)))],
        sends: vec![answer],
        ..TransferStep::default()
    })
}

/// Adds an entry of our own, changes one, or ends the life of those that are to expire.
pub(crate) fn change_own(
    store: &mut SqliteClientStorage,
    random: &mut Random,
) -> Result<(), StoreError> {
    let Own { peer, copy, text, step } = own(random);
    let peer = Peer::Person(phone(peer));
    match step {
        OwnStep::Say(key) => {
            let key = key.map(|key| Idempotency { key, request_hash: [8; 32] });
            store.append(&peer, (&new(text), at(1)), &[copy], key.as_ref()).map(drop)
        }
        OwnStep::SayForAWhile => {
            let new = NewEntry { expiry_secs: Some(10), ..new(text) };
            store.append(&peer, (&new, at(1)), &[], None).map(drop)
        }
        OwnStep::Edit => {
            let Some(found) = store.conversation(&peer)? else { return Ok(()) };
            let entries = store.entries_before(found.id, None, u32::MAX)?;
            let Some(last) = entries.iter().rev().find(|entry| is_own(&shown_text(entry))) else {
                return Ok(());
            };
            let edit = OwnChange::Edit { text, event: None };
            store.change((last.id, &edit), at(2), &[copy]).map(drop)
        }
        OwnStep::BeginExpiry => store.begin_expiry_of_delivered(at(5)).map(drop),
        OwnStep::Expire => store.expire(at(1_000), u32::MAX).map(drop),
    }
}

/// Reads the timeline of a store.
pub(crate) fn stored(store: &SqliteClientStorage) -> Result<Timeline, StoreError> {
    let conversation = |peer: &Peer| {
        let Some(found) = store.conversation(peer)? else {
            return Ok(Vec::new());
        };
        let entries = store.entries_before(found.id, None, u32::MAX)?;
        Ok(entries.iter().map(shown_text).collect())
    };
    let kept = store.group_records()?.pop().map(|(_, record)| record).unwrap_or_default();
    let posts = store.group_posts(u32::MAX)?.into_iter().map(|post| post.token).collect();
    let unsent = store.unsent_copies(u32::MAX)?;
    let mut unsent: Vec<_> = unsent.into_iter().map(|unsent| unsent.copy.token).collect();
    unsent.sort_unstable();
    let arrivals = store.file_arrivals(u32::MAX)?.iter().map(|item| item.place).collect();
    let transfers = store.transfers(u32::MAX)?;
    assert!(transfers.iter().all(|transfer| transfer.record == record(transfer.id)));
    let answers = store.unsent_file_sends(u32::MAX)?;
    Ok(Timeline {
        arrivals,
        transfers: transfers.iter().map(|transfer| transfer.id).collect(),
        answers: answers.iter().map(|(token, ..)| *token).collect(),
        conversations: PEERS
            .iter()
            .map(|peer| conversation(&Peer::Person(phone(*peer))))
            .collect::<Result<_, _>>()?,
        unsent,
        group: (conversation(&Peer::Group(GROUP))?, kept, posts),
        applied: Some(store.applied_up_to()?),
    })
}

/// Every third message is for the group.
const fn is_for_group(item: &InboxItem) -> bool {
    item.place.0.is_multiple_of(3)
}

/// A message of the group, with a new record and something to send: one transaction.
fn turn(item: &InboxItem, change: Change) -> GroupTurn {
    let record = GroupRecord {
        group: GROUP,
        record: record_at(item),
        name: "climbers".into(),
        expiry_secs: None,
    };
    let event = [&[0xa2, 0x00, 0x18, 99, 0x01, 0x50][..], &[7; 16]].concat();
    let event = EncodedEvent::parse(event.into()).unwrap();
    let (token, key) = (token_at(item), item.message.signed_by);
    let post = GroupPost { token, group: GROUP, phone: phone(2), key, event };
    let show = GroupStep::Show {
        item: Box::new(item.clone()),
        group: GROUP,
        change,
        written: Written::Current,
    };
    let steps = vec![GroupStep::Post(post), show, GroupStep::Keep(record)];
    GroupTurn { message: Some(item.clone()), at: at(1), steps }
}

fn record_at(item: &InboxItem) -> Vec<u8> {
    format!("record at {}", item.place.0).into_bytes()
}

const fn token_at(item: &InboxItem) -> Token {
    Token((2 << 40) + item.place.0)
}

/// What the user does.
struct Own {
    peer: u16,
    copy: NewCopy,
    text: String,
    step: OwnStep,
}

enum OwnStep {
    /// Adds an entry, once for each idempotency key.
    Say(Option<String>),
    /// Adds an entry that expires, and goes to nobody.
    SayForAWhile,
    /// Edits the last entry of ours.
    Edit,
    BeginExpiry,
    Expire,
}

fn own(random: &mut Random) -> Own {
    let peer = random.pick(PEERS);
    let text = OWN_WORDS.repeat(random.pick(&[1, 2, 900]));
    let token = Token(1_000_000 + random.between(0, 1 << 40));
    let copy =
        NewCopy { token, phone: phone(peer), key: None, content: Content::Text(text.clone()) };
    let step = match random.below(8) {
        0..2 => OwnStep::Say(None),
        2..4 => OwnStep::Say(Some(format!("request {}", random.below(6)))),
        4 => OwnStep::SayForAWhile,
        5 => OwnStep::Edit,
        6 => OwnStep::BeginExpiry,
        _ => OwnStep::Expire,
    };
    Own { peer, copy, text, step }
}

fn is_own(text: &str) -> bool {
    text.starts_with(OWN_WORDS)
}

fn shown_text(entry: &Entry) -> String {
    if entry.body == Body::Expired {
        return EXPIRED.to_owned();
    }
    let Body::Text(text) = &entry.body else { panic!("only texts were added") };
    text.clone()
}

/// Whether the message at this place is an event of a file transfer.
const fn is_file(place: InboxId) -> bool {
    place.0.is_multiple_of(3)
}

/// The transfer that the message at this place offers.
fn transfer(place: InboxId) -> TransferId {
    let mut file = [0; 16];
    file[..8].copy_from_slice(&place.0.to_le_bytes());
    TransferId { direction: Direction::Incoming, peer: Fingerprint([2; 32]), file: FileId(file) }
}

const fn answer(place: InboxId) -> Token {
    Token((1 << 60) + place.0)
}

fn record(id: TransferId) -> Record {
    let offer = FileOffer {
        file: id.file,
        name: FileName::new("seal.png").unwrap(),
        media_type: MediaType::new("image/png").unwrap(),
        size: FileSize::new(100).unwrap(),
        sha256: [9; 32],
        piece_len: PieceLen::new(60).unwrap(),
        caption: Caption::default(),
    };
    Record { offer, state: State::Receiving(Received { prefix: 1, ahead: 6 }) }
}

fn shown(item: &InboxItem) -> String {
    format!("message {} at {}", item.message.id.0, item.place.0)
}

const fn new(text: String) -> NewEntry {
    let body = Body::Text(text);
    NewEntry { body, event_id: None, event: None, reply_to: None, expiry_secs: None }
}

const OWN_WORDS: &str = "own words ";
const EXPIRED: &str = "expired";
const GROUP: GroupId = GroupId([9; 16]);
const PEERS: &[u16] = &[2, 3, 4];
