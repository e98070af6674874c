//! Two users who write to each other: where the server's suites about messages begin.

use sealpost_core::ids::{MessageId, ReceiptId};
use sealpost_core::wire::{ErrorCode, NoMoreMessages, Packet, Profile, Receipt};

use crate::actor::{Actor, Heard};
use crate::stage::Stage;

/// A stage with alice and bob, both live.
pub fn pair() -> (Stage, Actor, Actor) {
    let mut stage = Stage::new(Profile::Compact);
    let alice = Actor::registered(&mut stage, 1);
    let bob = Actor::registered(&mut stage, 2);
    (stage, alice, bob)
}

/// One user sends another the next message; returns it.
pub fn send(stage: &mut Stage, from: &mut Actor, to: &Actor, text: &str) -> Packet {
    let message = from.message(stage.now().wall, to.id.unwrap(), &to.public_key().clone(), text);
    stage.packet(from.conn, &message);
    message
}

/// The reader receipts these messages of the sender's.
pub fn acknowledge(
    stage: &mut Stage,
    reader: &mut Actor,
    sender: &Actor,
    receipt_id: u64,
    ids: &[u64],
) {
    let receipt = reader.receipt(stage.now().wall, sender.id.unwrap(), receipt_id, ids);
    stage.packet(reader.conn, &receipt);
}

/// A message arrives.
pub fn message(from: &Actor, id: u64) -> Heard {
    Heard::Message(from.id.unwrap(), MessageId(id))
}

/// The server says that these messages to a user are stored.
pub fn stored(to: &Actor, ids: &[u64]) -> Heard {
    Heard::Stored(ids.iter().map(|id| (to.id.unwrap(), MessageId(*id))).collect())
}

/// A reader's receipt arrives.
pub fn delivered(by: &Actor, receipt_id: u64, ids: &[u64]) -> Heard {
    let message_ids = ids.iter().copied().map(MessageId).collect();
    Heard::Delivered(by.id.unwrap(), Receipt { receipt_id: ReceiptId(receipt_id), message_ids })
}

/// 255: so many items were drained.
pub fn caught_up(drained: u32) -> Heard {
    Heard::NoMoreMessages(NoMoreMessages { drained })
}

/// The one error that was heard.
pub fn refused(heard: &[Heard]) -> ErrorCode {
    match heard {
        [Heard::Error(_, reply)] => reply.code,
        other => panic!("{other:?}"),
    }
}
