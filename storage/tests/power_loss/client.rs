//! The client's store, with random requests.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use sealpost_core::client::store::{
    Account, Binding, ClientOp, ClientOutcome, ClientReply, Contact, Content, Failure, InboxId,
    IncomingMessage, OutgoingMessage, QueuedMessage, ReceivedContent, Trust,
};
use sealpost_core::frame::StoreError;
use sealpost_core::ids::{MessageId, ReceiptId, UserId};
use sealpost_core::keys::Fingerprint;
use sealpost_core::wire::Profile;
use sealpost_storage::client::{
    ClientStorage, HistoryEntry, Identity, MemoryClientStorage, OutboxCounts, SqliteClientStorage,
};
use sealpost_storage::conformance::{at, message, phone, public_key};
use sealpost_storage::{OpenError, OpenFailure};

use crate::dice::Dice;
use crate::world::Subject;

/// The client's store.
#[derive(Default)]
pub(crate) struct Client;

/// All that a client's store holds. Both engines give the same places.
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
}

impl Subject for Client {
    type Op = ClientOp;
    type Reply = ClientReply;
    type Store = SqliteClientStorage;
    type Model = MemoryClientStorage;
    type Contents = Contents;

    const FILE: &'static str = "client.db";

    fn model() -> MemoryClientStorage {
        MemoryClientStorage::new(identity())
    }

    fn open(path: &Path) -> Result<SqliteClientStorage, OpenError> {
        match SqliteClientStorage::open(path) {
            Err(OpenError { reason: OpenFailure::Missing, .. }) => {
                SqliteClientStorage::create(path, &identity())
            }
            opened => opened,
        }
    }

    fn request(dice: &mut Dice) -> ClientOp {
        match dice.below(9) {
            0 => about_us(dice),
            1..3 => about_contacts(dice),
            3..6 => about_what_we_write(dice),
            _ => about_what_arrives(dice),
        }
    }

    /// The server has moved.
    fn meddle(store: &mut SqliteClientStorage, dice: &mut Dice) -> Result<(), StoreError> {
        store.set_host_port(dice.pick(HOSTS))
    }

    fn meddle_with_model(model: &mut MemoryClientStorage, dice: &mut Dice) {
        model.set_host_port(dice.pick(HOSTS)).unwrap();
    }

    fn stored(store: &mut SqliteClientStorage, _: &Path) -> Result<Contents, StoreError> {
        contents(store)
    }

    fn expected(model: &mut MemoryClientStorage) -> Contents {
        contents(model).unwrap()
    }

    fn without_places(_: &mut [ClientOutcome]) {}

    fn remember(&mut self, _: &mut Contents) -> Result<(), String> {
        Ok(())
    }

    fn findings(path: &Path) -> Result<Vec<String>, StoreError> {
        let found = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .and_then(|connection| {
                let mut statement = connection.prepare("PRAGMA integrity_check")?;
                let words = statement.query_map((), |row| row.get(0))?;
                words.collect::<rusqlite::Result<Vec<String>>>()
            })
            .map_err(|_| StoreError::Io)?;
        Ok(found.into_iter().filter(|words| words != "ok").collect())
    }
}

fn contents(store: &mut impl ClientStorage) -> Result<Contents, StoreError> {
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
    })
}

fn about_us(dice: &mut Dice) -> ClientOp {
    match dice.below(5) {
        0 => ClientOp::PinServerKey(public_key(dice.pick(&[1, 2]))),
        1 => ClientOp::SetUser(user(dice.pick(&[1, 2]))),
        2 => ClientOp::UseReconnectTime(at(dice.between(0, 9).cast_signed())),
        3 => ClientOp::SetClockOffset { secs: dice.pick(&[-5, 0, 5]) },
        _ => ClientOp::ReserveReceipts { below: ReceiptId(dice.between(0, 99)) },
    }
}

fn about_contacts(dice: &mut Dice) -> ClientOp {
    let phone = phone(peer(dice));
    let key = public_key(dice.pick(&[2, 3]));
    let fingerprint = *key.fingerprint();
    let person = Binding { user: user(peer(dice)), public_key: key };
    match dice.below(5) {
        0 => ClientOp::PinContact { phone, binding: person },
        1 => ClientOp::OfferKey { phone, offered: person },
        2 => ClientOp::WithdrawOffer { phone },
        3 => ClientOp::AcceptKey { phone, accepted: person },
        _ => ClientOp::MarkVerified { phone, fingerprint },
    }
}

fn about_what_we_write(dice: &mut Dice) -> ClientOp {
    match dice.below(5) {
        0..2 => ClientOp::Enqueue((0..dice.below(4)).map(|_| outgoing(dice)).collect()),
        2 => {
            let named = ids(dice).into_iter().map(|id| (user(peer(dice)), id)).collect();
            ClientOp::MarkStored(named)
        }
        3 => ClientOp::MarkDelivered { reader: user(peer(dice)), messages: ids(dice) },
        _ => ClientOp::MarkFailed { messages: ids(dice), failure: Failure::Expired },
    }
}

fn about_what_arrives(dice: &mut Dice) -> ClientOp {
    match dice.below(5) {
        0..3 => ClientOp::Receive((0..dice.below(4)).map(|_| incoming(dice)).collect()),
        3 => ClientOp::Unshown { after: InboxId(dice.between(0, 20)), limit: 3 },
        _ => ClientOp::MarkShown { up_to: InboxId(dice.between(0, 20)) },
    }
}

fn outgoing(dice: &mut Dice) -> OutgoingMessage {
    let (id, to) = (dice.between(0, 40), peer(dice));
    let (recipient, content) = (user(to), content(dice));
    let packet = message(PROFILE, user(1), recipient, id, 40 + content.as_bytes().len());
    OutgoingMessage { id: MessageId(id), recipient, phone: phone(to), content, packet }
}

fn incoming(dice: &mut Dice) -> IncomingMessage {
    let from = peer(dice);
    let content = if dice.chance(10) {
        ReceivedContent::Undecryptable
    } else {
        ReceivedContent::Opened(content(dice))
    };
    IncomingMessage {
        sender: user(from),
        phone: phone(from),
        id: MessageId(dice.between(0, 60)),
        previous: dice.chance(50).then(|| MessageId(dice.between(0, 60))),
        sent_at: at(1),
        received_at: at(2),
        content,
        trust: Trust::FirstUse,
    }
}

fn content(dice: &mut Dice) -> Content {
    let len = dice.pick(&[0, 10, 10, 9_000]);
    Content::Bytes(vec![dice.pick(b"ab"); len])
}

fn ids(dice: &mut Dice) -> Vec<MessageId> {
    (0..dice.below(5)).map(|_| MessageId(dice.between(0, 40))).collect()
}

fn peer(dice: &mut Dice) -> u16 {
    dice.pick(PEERS)
}

fn user(id: u16) -> UserId {
    UserId::new(id.into()).unwrap()
}

fn identity() -> Identity {
    Identity {
        phone: phone(1),
        server: Fingerprint([7; 32]),
        profile: PROFILE,
        host_port: HOSTS[0].into(),
    }
}

const PROFILE: Profile = Profile::Compact;
const PEERS: &[u16] = &[2, 3, 4];
const HOSTS: &[&str] = &["localhost:7465", "example.org:7465"];
