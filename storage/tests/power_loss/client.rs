//! The client's store, with random requests.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use sealpost_core::address::Transport;
use sealpost_core::client::store::{
    Account, Binding, ClientOp, ClientOutcome, ClientReply, Contact, Content, Failure, InboxId,
    IncomingMessage, OutgoingMessage, QueuedMessage, ReceivedContent, Token, Trust,
};
use sealpost_core::frame::StoreError;
use sealpost_core::ids::{MessageId, ReceiptId, UserId};
use sealpost_core::keys::{Fingerprint, SymmetricKey};
use sealpost_core::wire::{Profile, RequestHash};
use sealpost_storage::client::{
    ClientStorage, HistoryEntry, Identity, MemoryClientStorage, OutboxCounts, SqliteClientStorage,
};
use sealpost_storage::conformance::{at, message, phone, public_key};
use sealpost_storage::{OpenError, OpenFailure};

use crate::bed::Subject;
use crate::conversations::{self, Model, Timeline};
use crate::random::Random;

/// The client's store as a subject.
#[derive(Default)]
pub(crate) struct Client;

/// Everything that a client's store holds. Both stores assign the same places.
#[derive(Debug, PartialEq)]
pub(crate) struct Contents {
    identity: Identity,
    account: Account,
    contacts: Vec<Contact>,
    queued: Vec<QueuedMessage>,
    last_message: Option<MessageId>,
    next_receipt: ReceiptId,
    outbox: OutboxCounts,
    histories: Vec<Vec<HistoryEntry>>,
    unshown: ClientOutcome,
    timeline: Timeline,
}

impl Subject for Client {
    type Op = ClientOp;
    type Reply = ClientReply;
    type Store = SqliteClientStorage;
    type Model = Model;
    type Contents = Contents;

    const FILE: &'static str = "client.db";

    fn model() -> Model {
        Model::new(MemoryClientStorage::new(identity()))
    }

    fn open(path: &Path) -> Result<SqliteClientStorage, OpenError> {
        match SqliteClientStorage::open(path) {
            Err(OpenError { reason: OpenFailure::Missing, .. }) => {
                SqliteClientStorage::create(path, &identity())
            }
            opened => opened,
        }
    }

    fn request(random: &mut Random) -> ClientOp {
        match random.below(9) {
            0 => account_request(random),
            1..3 => contact_request(random),
            3..6 => outbox_request(random),
            _ => inbox_request(random),
        }
    }

    /// Records a new address of the server, or changes the timeline.
    fn change_directly(
        store: &mut SqliteClientStorage,
        random: &mut Random,
    ) -> Result<(), StoreError> {
        match random.below(6) {
            0 => {
                let server = *public_key(random.pick(&[1, 2])).fingerprint();
                store.move_server(
                    &server,
                    random.pick(TRANSPORTS),
                    &random.pick(HOSTS).parse().unwrap(),
                )
            }
            1 | 2 => conversations::change_own(store, random),
            3 => conversations::take_over(store),
            _ => conversations::apply_next(store),
        }
    }

    fn change_model(model: &mut Model, random: &mut Random) {
        match random.below(6) {
            0 => {
                let server = *public_key(random.pick(&[1, 2])).fingerprint();
                model
                    .memory
                    .move_server(
                        &server,
                        random.pick(TRANSPORTS),
                        &random.pick(HOSTS).parse().unwrap(),
                    )
                    .unwrap();
            }
            1 | 2 => model.change_own(random),
            3 => model.take_over(),
            _ => model.apply_next(),
        }
    }

    fn stored(store: &mut SqliteClientStorage, _: &Path) -> Result<Contents, StoreError> {
        let timeline = conversations::stored(store)?;
        contents(store, timeline)
    }

    fn expected(model: &mut Model) -> Contents {
        let timeline = model.timeline();
        contents(&mut model.memory, timeline).unwrap()
    }

    fn erase_places(_: &mut [ClientOutcome]) {}

    fn record_places(&mut self, _: &mut Contents) -> Result<(), String> {
        Ok(())
    }

    fn findings(path: &Path) -> Result<Vec<String>, StoreError> {
        let found = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .and_then(|connection| {
                let mut statement = connection.prepare("PRAGMA integrity_check")?;
                let messages = statement.query_map((), |row| row.get(0))?;
                messages.collect::<rusqlite::Result<Vec<String>>>()
            })
            .map_err(|_| StoreError::Io)?;
        Ok(found.into_iter().filter(|message| message != "ok").collect())
    }
}

fn contents(store: &mut impl ClientStorage, timeline: Timeline) -> Result<Contents, StoreError> {
    let mut unshown = Vec::new();
    store.commit(&[ClientOp::Unshown { after: InboxId::START, limit: u32::MAX }], &mut unshown);
    let loaded = store.load()?;
    let history = |peer| store.history(phone(peer), None, u32::MAX);
    Ok(Contents {
        identity: store.identity()?,
        account: loaded.account,
        contacts: loaded.contacts,
        queued: loaded.outbox,
        last_message: loaded.last_message,
        next_receipt: loaded.next_receipt,
        outbox: store.outbox()?,
        histories: PEERS.iter().map(|peer| history(*peer)).collect::<Result<_, _>>()?,
        unshown: Ok(unshown.remove(0)?),
        timeline,
    })
}

fn account_request(random: &mut Random) -> ClientOp {
    match random.below(7) {
        6 => {
            let (key, successor) = (public_key(random.pick(&[1, 2])), public_key(3));
            let successor = random.pick(&[None, Some(*successor.fingerprint())]);
            ClientOp::ChangeServerKey { key, successor }
        }
        0 => ClientOp::PinServerKey(public_key(random.pick(&[1, 2]))),
        5 => ClientOp::KeepReplyKey(SymmetricKey::from_bytes([random.pick(&[1, 2]); 32])),
        1 => ClientOp::SetUser(user(random.pick(&[1, 2]))),
        2 => ClientOp::UseReconnectTime(at(random.between(0, 9).cast_signed())),
        3 => ClientOp::SetClockOffset { secs: random.pick(&[-5, 0, 5]) },
        _ => ClientOp::ReserveReceipts { below: ReceiptId(random.between(0, 99)) },
    }
}

fn contact_request(random: &mut Random) -> ClientOp {
    let phone = phone(peer(random));
    let key = public_key(random.pick(&[2, 3]));
    let fingerprint = *key.fingerprint();
    let binding = Binding { user: user(peer(random)), public_key: key };
    match random.below(6) {
        0 => ClientOp::PinContact { phone, binding },
        1 => ClientOp::OfferKey { phone, offered: binding },
        2 => ClientOp::WithdrawOffer { phone },
        3 => ClientOp::AcceptKey { phone, accepted: binding },
        4 => ClientOp::ForgetContact { phone },
        _ => ClientOp::MarkVerified { phone, fingerprint },
    }
}

fn outbox_request(random: &mut Random) -> ClientOp {
    match random.below(5) {
        0..2 => ClientOp::Enqueue((0..random.below(4)).map(|_| outgoing(random)).collect()),
        2 => {
            let named = ids(random).into_iter().map(|id| (user(peer(random)), id)).collect();
            ClientOp::MarkStored(named)
        }
        3 => ClientOp::MarkDelivered { recipient: user(peer(random)), messages: ids(random) },
        _ => ClientOp::MarkFailed { messages: ids(random), failure: Failure::Expired },
    }
}

fn inbox_request(random: &mut Random) -> ClientOp {
    match random.below(5) {
        0..3 => ClientOp::Receive((0..random.below(4)).map(|_| incoming(random)).collect()),
        3 => ClientOp::Unshown { after: InboxId(random.between(0, 20)), limit: 3 },
        _ => ClientOp::MarkShown { up_to: InboxId(random.between(0, 20)) },
    }
}

fn outgoing(random: &mut Random) -> OutgoingMessage {
    let (id, to) = (random.between(0, 40), peer(random));
    let (recipient, content) = (user(to), content(random));
    let packet = message(PROFILE, user(1), recipient, id, 40 + content.as_bytes().len());
    OutgoingMessage {
        id: MessageId(id),
        recipient,
        phone: phone(to),
        token: Token(id),
        draft: None,
        content,
        packet,
    }
}

fn incoming(random: &mut Random) -> IncomingMessage {
    let from = peer(random);
    let content = if random.chance(10) {
        ReceivedContent::Undecryptable
    } else {
        ReceivedContent::Opened(content(random))
    };
    IncomingMessage {
        sender: user(from),
        phone: phone(from),
        signed_by: Fingerprint([from.to_le_bytes()[0]; 32]),
        id: MessageId(random.between(0, 60)),
        packet_hash: RequestHash([random.pick(b"ab"); 32]),
        previous: random.chance(50).then(|| MessageId(random.between(0, 60))),
        sent_at: at(1),
        received_at: at(2),
        content,
        trust: Trust::FirstUse,
    }
}

fn content(random: &mut Random) -> Content {
    let len = random.pick(&[0, 10, 10, 9_000]);
    Content::Bytes(vec![random.pick(b"ab"); len])
}

fn ids(random: &mut Random) -> Vec<MessageId> {
    (0..random.below(5)).map(|_| MessageId(random.between(0, 40))).collect()
}

fn peer(random: &mut Random) -> u16 {
    random.pick(PEERS)
}

fn user(id: u16) -> UserId {
    UserId::new(id.into()).unwrap()
}

fn identity() -> Identity {
    Identity {
        phone: phone(1),
        server: Fingerprint([7; 32]),
        profile: PROFILE,
        transport: Transport::Tcp,
        endpoints: HOSTS[0].parse().unwrap(),
    }
}

const PROFILE: Profile = Profile::Compact;
const PEERS: &[u16] = &[2, 3, 4];
const TRANSPORTS: &[Transport] = &[Transport::Tcp, Transport::Tls];
const HOSTS: &[&str] = &["localhost:7465", "example.org:7465", "a.example.org:1,b.example.org:2"];
