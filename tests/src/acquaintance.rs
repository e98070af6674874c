//! A client that is online and knows somebody: where the suites about its messages begin.

use sealpost_core::client::Limits;
use sealpost_core::client::store::{Content, InboxItem, ReceivedContent};
use sealpost_core::ids::{MessageId, ReceiptId, UserId};
use sealpost_core::wire::{ErrorCode, ErrorForm, Packet, Profile, Receipt};

use crate::clerk::{Asked, Counter, Peer};

/// The client's own id.
pub fn me() -> UserId {
    UserId::new(1).unwrap()
}

/// Ids of messages.
pub fn ids(ids: &[u64]) -> Vec<MessageId> {
    ids.iter().copied().map(MessageId).collect()
}

/// A peer, whom the client does not know yet.
pub fn bob() -> Peer {
    Peer::new(Profile::Compact, 2)
}

/// A client that is online and knows bob.
pub fn acquainted() -> (Counter, Peer) {
    acquainted_with(Limits::default())
}

/// The same with other limits.
pub fn acquainted_with(limits: Limits) -> (Counter, Peer) {
    let mut counter = Counter::online(limits);
    let bob = bob();
    counter.introduce(&bob);
    (counter, bob)
}

/// The client sends this message.
pub fn message(to: &Peer, id: u64) -> Asked {
    Asked::Message(to.id, MessageId(id))
}

/// The client signs for these messages.
pub fn receipt(to: &Peer, receipt_id: u64, messages: &[u64]) -> Asked {
    Asked::Receipt(to.id, Receipt { receipt_id: ReceiptId(receipt_id), message_ids: ids(messages) })
}

/// A peer's message reaches the client.
pub fn arrive(counter: &mut Counter, peer: &mut Peer, numbers: (u64, u64), text: &str) -> Packet {
    let key = counter.stage.public_key().clone();
    let packet = peer.message(counter.at(), (me(), &key), numbers, text);
    counter.say(&packet);
    packet
}

/// What is written in messages that were delivered.
pub fn texts(items: &[InboxItem]) -> Vec<&str> {
    items
        .iter()
        .map(|item| match &item.message.content {
            ReceivedContent::Opened(Content::Text(text)) => text,
            ReceivedContent::Opened(Content::Bytes(_)) => "(bytes)",
            ReceivedContent::Undecryptable => "(undecryptable)",
        })
        .collect()
}

/// The server answers the client's last request in the session with an error.
pub fn session_error(counter: &mut Counter, code: ErrorCode) {
    let error = counter.clerk.error(counter.at(), ErrorForm::SessionKey, code);
    counter.say(&error);
}
