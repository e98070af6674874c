//! Packets of peers: messages and receipts, before and after they are verified.

use alloc::string::String;
use alloc::vec::Vec;

use crate::client::store::{Content, IncomingMessage, ReceivedContent, Trust};
use crate::crypto::OpenedMessage;
use crate::event::{EncodedEvent, NotAnEvent};
use crate::frame::{Signed, Slot, Verified};
use crate::ids::{MessageId, Phone, ReceiptId, UserId};
use crate::keys::Fingerprint;
use crate::time::Timestamp;
use crate::wire::{ContentKind, Inner, ItemId, ItemKind, Packet, Receipt};

/// A message that is to be verified.
#[derive(Debug)]
pub(in crate::client) struct PeerMessage {
    slot: Slot,
    sender: UserId,
    id: MessageId,
    packet: Packet,
    /// Keys under which it was tried.
    tried: Vec<Fingerprint>,
    sender_lookup: SenderLookup,
}

/// Whether the server was asked for the sender's key on behalf of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::client) enum SenderLookup {
    NotAsked,
    Asked,
}

/// A receipt that is to be verified.
#[derive(Debug)]
pub(in crate::client) struct PeerReceipt {
    pub(in crate::client) slot: Slot,
    /// Recipient of our messages, who is said to have signed it.
    pub(in crate::client) recipient: UserId,
    pub(in crate::client) receipt: Receipt,
    pub(in crate::client) packet: Packet,
}

/// A packet of a peer whose turn is still to come: verified, or known to be forged.
#[derive(Debug)]
pub(in crate::client) enum PeerPacket {
    Message(AuthenticMessage),
    Receipt(Verified<PeerReceipt>),
    ForgedMessage { id: MessageId },
    ForgedReceipt(ForgedReceipt),
}

/// A message that its sender has signed, with its content if it opened. It is made only from the
/// proof, so that nothing else gets into the inbox.
#[derive(Debug)]
pub(in crate::client) struct AuthenticMessage(IncomingMessage);

/// A receipt in the name of a recipient who did not sign it.
#[derive(Clone, Copy, Debug)]
pub(in crate::client) struct ForgedReceipt {
    pub(in crate::client) recipient: UserId,
    pub(in crate::client) id: ReceiptId,
}

/// A verified receipt that is being recorded.
#[derive(Debug)]
pub(in crate::client) struct TakenReceipt {
    recipient: UserId,
    id: ReceiptId,
}

impl PeerMessage {
    pub(in crate::client) const fn new(
        slot: Slot,
        sender: UserId,
        id: MessageId,
        packet: Packet,
    ) -> Self {
        let sender_lookup = SenderLookup::NotAsked;
        Self { slot, sender, id, packet, tried: Vec::new(), sender_lookup }
    }

    /// Place in the order of the sender's packets.
    pub(in crate::client) const fn slot(&self) -> Slot {
        self.slot
    }

    pub(in crate::client) const fn sender(&self) -> UserId {
        self.sender
    }

    pub(in crate::client) const fn id(&self) -> MessageId {
        self.id
    }

    /// Keys under which it was tried.
    pub(in crate::client) fn tried(&self) -> &[Fingerprint] {
        &self.tried
    }

    /// It is verified with this key now.
    pub(in crate::client) fn try_key(&mut self, key: Fingerprint) {
        self.tried.push(key);
    }

    pub(in crate::client) const fn sender_lookup(&self) -> SenderLookup {
        self.sender_lookup
    }

    /// The server is asked for the sender's key.
    pub(in crate::client) const fn ask_for_sender(&mut self) {
        self.sender_lookup = SenderLookup::Asked;
    }
}

impl AuthenticMessage {
    pub(in crate::client) fn new(
        message: Verified<PeerMessage>,
        opened: &OpenedMessage,
        (phone, signed_by, trust): (Phone, Fingerprint, Trust),
        received_at: Timestamp,
    ) -> Self {
        let PeerMessage { sender, id, packet, .. } = message.into_inner();
        let (content, previous) = content(opened);
        let (sent_at, packet_hash) = (packet.header().timestamp, packet.request_hash());
        Self(IncomingMessage {
            sender,
            phone,
            signed_by,
            id,
            packet_hash,
            previous,
            sent_at,
            received_at,
            content,
            trust,
        })
    }

    pub(in crate::client) fn into_incoming(self) -> IncomingMessage {
        self.0
    }
}

impl TakenReceipt {
    /// Splits a receipt into what the server will be told once it is recorded, and the messages to
    /// record.
    pub(in crate::client) fn new(receipt: Verified<PeerReceipt>) -> (Self, Vec<MessageId>) {
        let PeerReceipt { recipient, receipt, .. } = receipt.into_inner();
        (Self { recipient, id: receipt.receipt_id }, receipt.message_ids)
    }

    pub(in crate::client) const fn recipient(&self) -> UserId {
        self.recipient
    }

    pub(in crate::client) const fn id(&self) -> ReceiptId {
        self.id
    }
}

impl ForgedReceipt {
    pub(in crate::client) const fn item(self) -> ItemId {
        ItemId { kind: ItemKind::Receipt, origin: self.recipient, id: self.id.0 }
    }
}

impl Signed for PeerMessage {
    fn packet(&self) -> &Packet {
        &self.packet
    }

    fn into_packet(self) -> Packet {
        self.packet
    }
}

impl Signed for PeerReceipt {
    fn packet(&self) -> &Packet {
        &self.packet
    }

    fn into_packet(self) -> Packet {
        self.packet
    }
}

/// The content of an opened message, and the id of the message before it. A message of a kind that
/// is not known here counts as undecryptable: a newer client may have sent it. So does one that is
/// not what its kind says.
fn content(opened: &OpenedMessage) -> (ReceivedContent, Option<MessageId>) {
    let undecryptable = (ReceivedContent::Undecryptable, None);
    let OpenedMessage::Inner(plaintext) = opened else { return undecryptable };
    let Ok(inner) = Inner::parse(plaintext.expose()) else { return undecryptable };
    let (kind, previous) = (inner.kind(), inner.previous());
    let content = match kind {
        ContentKind::Bytes => Content::Bytes(inner.into_content()),
        ContentKind::Text => match String::from_utf8(inner.into_content()) {
            Ok(text) => Content::Text(text),
            Err(_) => return undecryptable,
        },
        ContentKind::Event => match EncodedEvent::parse(inner.into_content().into()) {
            Ok(event) => Content::Event(event),
            Err(NotAnEvent) => return undecryptable,
        },
    };
    (ReceivedContent::Opened(content), previous)
}

#[cfg(test)]
impl AuthenticMessage {
    pub(in crate::client) const fn assumed(message: IncomingMessage) -> Self {
        Self(message)
    }
}
