//! A client's database with rows in every table.

use std::path::Path;

use sealpost_core::address::Transport;
use sealpost_core::client::store::{
    Binding, ClientOp, ClientReply, Content, Draft, DraftId, Failure, IncomingMessage,
    OutgoingMessage, ReceivedContent, Token, Trust,
};
use sealpost_core::ids::{MessageId, UserRef};
use sealpost_core::keys::Fingerprint;
use sealpost_core::wire::{Profile, RequestHash};
use sealpost_storage::Storage;
use sealpost_storage::client::{ClientStorage, Identity, SqliteClientStorage};
use sealpost_storage::conformance::{at, message, phone, public_key};

use crate::conversations;
use crate::server::user;

/// Opens a database as the client does.
pub(crate) fn open(path: &Path) {
    let store = SqliteClientStorage::open(path).unwrap();
    let snapshot = store.load().unwrap();
    assert!(!snapshot.contacts.is_empty() && !snapshot.outbox.is_empty());
    assert!(store.history(phone(2), None, u32::MAX).unwrap().len() > 1);
}

/// Creates a database of the present schema.
pub(crate) fn fill(path: &Path) {
    let identity = Identity {
        phone: phone(1),
        server: Fingerprint([7; 32]),
        transport: Transport::Tls,
        profile: Profile::Compact,
        endpoints: "localhost:7465".parse().unwrap(),
    };
    let mut store = SqliteClientStorage::create(path, &identity).unwrap();
    let binding = |id, key| Binding { user: user(id), public_key: public_key(key) };
    let text = |text: &str| Content::Text(text.into());
    let outgoing = |id, to| OutgoingMessage {
        id: MessageId(id),
        recipient: user(to),
        phone: phone(to),
        token: Token(100 + id),
        draft: None,
        content: text("sent"),
        packet: message(Profile::Compact, user(1), user(to), id, 40),
    };
    let incoming = IncomingMessage {
        sender: user(2),
        phone: phone(2),
        signed_by: *public_key(2).fingerprint(),
        id: MessageId(1),
        packet_hash: RequestHash([3; 32]),
        previous: None,
        sent_at: at(1),
        received_at: at(2),
        content: ReceivedContent::Opened(text("received")),
        trust: Trust::FirstUse,
    };
    let to = UserRef::Phone(phone(4));
    let requests = [
        ClientOp::SetUser(user(1)),
        ClientOp::ChangeServerKey {
            key: public_key(5),
            successor: Some(*public_key(6).fingerprint()),
        },
        ClientOp::UseReconnectTime(at(5)),
        ClientOp::PinContact { phone: phone(2), binding: binding(2, 2) },
        ClientOp::PinContact { phone: phone(3), binding: binding(3, 3) },
        ClientOp::OfferKey { phone: phone(2), offered: binding(2, 3) },
        ClientOp::AcceptKey { phone: phone(3), accepted: binding(5, 2) },
        ClientOp::Enqueue(vec![outgoing(1, 2), outgoing(2, 2), outgoing(3, 2)]),
        ClientOp::MarkStored(vec![(user(2), MessageId(1))]),
        ClientOp::MarkFailed { messages: vec![MessageId(2)], failure: Failure::UnknownUser },
        ClientOp::KeepDrafts(vec![Draft {
            id: DraftId(1),
            token: Token(104),
            to,
            key: None,
            content: text("draft"),
        }]),
        ClientOp::Receive(vec![incoming]),
    ];
    let mut outcomes = Vec::new();
    store.commit(&requests, &mut outcomes);
    let arrived = |outcome: &_| match outcome {
        Ok(ClientReply::Received(placements)) => !placements.is_empty(),
        other => other.is_ok(),
    };
    assert!(outcomes.iter().all(arrived), "{outcomes:?}");
    conversations::fill(&mut store);
}
