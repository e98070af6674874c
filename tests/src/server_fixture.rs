//! A server under test with two scripted clients: the starting point for tests of messages.

use sealpost_core::ids::{MessageId, ReceiptId};
use sealpost_core::wire::{ErrorCode, ErrorForm, NoMoreMessages, Packet, Profile, Receipt};

use crate::beds::ServerBed;
use crate::scripted_client::{Received, ScriptedClient};

/// A bed with alice and bob, both in session and live.
pub fn pair() -> (ServerBed, ScriptedClient, ScriptedClient) {
    let mut bed = ServerBed::new(Profile::Compact);
    let alice = ScriptedClient::registered(&mut bed, 1);
    let bob = ScriptedClient::registered(&mut bed, 2);
    (bed, alice, bob)
}

/// Sends the next message from one client to another. Returns its packet.
pub fn send(
    bed: &mut ServerBed,
    from: &mut ScriptedClient,
    to: &ScriptedClient,
    text: &str,
) -> Packet {
    let message = from.message(bed.now().wall, to.id.unwrap(), &to.public_key().clone(), text);
    bed.input_packet(from.conn, &message);
    message
}

/// Sends a receipt for messages from their recipient to their sender.
pub fn acknowledge(
    bed: &mut ServerBed,
    recipient: &mut ScriptedClient,
    sender: &ScriptedClient,
    receipt_id: u64,
    ids: &[u64],
) {
    let receipt = recipient.receipt(bed.now().wall, sender.id.unwrap(), receipt_id, ids);
    bed.input_packet(recipient.conn, &receipt);
}

/// Reception of a message.
pub fn message(from: &ScriptedClient, id: u64) -> Received {
    Received::Message(from.id.unwrap(), MessageId(id))
}

/// Reception of a 203 *stored* for messages to a user.
pub fn stored(to: &ScriptedClient, ids: &[u64]) -> Received {
    Received::Stored(ids.iter().map(|id| (to.id.unwrap(), MessageId(*id))).collect())
}

/// Reception of a recipient's receipt.
pub fn delivered(by: &ScriptedClient, receipt_id: u64, ids: &[u64]) -> Received {
    let message_ids = ids.iter().copied().map(MessageId).collect();
    Received::Delivered(by.id.unwrap(), Receipt { receipt_id: ReceiptId(receipt_id), message_ids })
}

/// Reception of a 255 after this many drained items.
pub fn caught_up(drained: u32) -> Received {
    Received::NoMoreMessages(NoMoreMessages { drained })
}

/// Code of the one error that was received, and nothing else.
pub fn refused(received: &[Received]) -> ErrorCode {
    match received {
        [Received::Error(_, reply)] => reply.code,
        other => panic!("{other:?}"),
    }
}

/// Form and code of the one error that was received, and nothing else.
pub fn error(received: &[Received]) -> (ErrorForm, ErrorCode) {
    match received {
        [Received::Error(form, reply)] => (*form, reply.code),
        other => panic!("{other:?}"),
    }
}
