//! What peers send through the server: messages and receipts, verified under pinned keys.

use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;

use super::awaits::{AwaitJob, AwaitStore, message_opened, verified};
use super::contacts::Signer;
use super::inbox::Batch;
use super::lookups::Asker;
use super::notice::{Notice, OfflineReason, Suspicion};
use super::session::Leaving;
use super::store::{
    Arrival, ClientOp, Content, InboxId, InboxItem, IncomingMessage, ReceivedContent, Trust,
};
use super::{Alarm, Client, Signing};
use crate::crypto::{EmitError, Job, OpenedMessage, Outcome, Part};
use crate::frame::{Slot, StoreError};
use crate::ids::{MessageId, Phone, ReceiptId, UserId, UserRef};
use crate::keys::Fingerprint;
use crate::wire::{
    ContentKind, Header, Inner, ItemId, ItemKind, Op, Packet, Receipt, ReceiptsTaken,
};

/// A message that is being verified.
#[derive(Debug)]
pub(super) struct PeerMessage {
    slot: Slot,
    sender: UserId,
    id: MessageId,
    packet: Packet,
    /// Keys that did not verify it.
    tried: Vec<Fingerprint>,
    lookup: Lookup,
}

/// Whether the server was asked for the sender's key, for this message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lookup {
    NotYet,
    Asked,
}

/// A packet of a peer's that was verified, or can't be.
#[derive(Debug)]
pub(super) enum FromPeer {
    /// Signed by its sender.
    Message(IncomingMessage),
    /// Signed by its reader.
    Receipt(UserId, Receipt),
    /// Not signed by whom it names; told already.
    ForgedReceipt(UserId, ReceiptId),
    /// Not signed by whom it names; told already.
    ForgedMessage(MessageId),
}

/// Whether an item that is not authentic is brought for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Suspect {
    First,
    Repeated,
}

impl Client {
    pub(super) fn on_peer_message(&mut self, packet: Packet, sender: UserId, id: MessageId) {
        let Some(session) = self.session() else { return };
        let slot = session.push_from(sender);
        let (tried, lookup) = (Vec::new(), Lookup::NotYet);
        self.verify_message(PeerMessage { slot, sender, id, packet, tried, lookup });
    }

    /// Verifies a message under the next key that its sender may have: the pinned one, the one
    /// offered, and then whatever the server says when it is asked again.
    fn verify_message(&mut self, mut message: PeerMessage) {
        let sender = message.sender;
        if let Some(signer) = self.contacts.next_signer(sender, &message.tried) {
            let Signer { phone, public_key: signer, trust } = signer;
            message.tried.push(*signer.fingerprint());
            if let Some(session) = self.session() {
                session.begin_check();
            }
            let packet = message.packet.clone();
            let awaits = AwaitJob::PeerMessage { message, phone, trust };
            return self.compute(Job::OpenMessage { packet, signer }, awaits);
        }
        match message.lookup {
            Lookup::NotYet => {
                message.lookup = Lookup::Asked;
                self.lookups.want(UserRef::Id(sender), Asker::Client);
                if let Some(session) = self.session() {
                    session.parked.entry(sender).or_default().push(message);
                }
            }
            Lookup::Asked => {
                let id = message.id;
                self.notify(Notice::Suspicious(if message.tried.is_empty() {
                    Suspicion::UnknownSender { sender, id }
                } else {
                    Suspicion::ForgedMessage { sender, id }
                }));
                self.complete_from(sender, message.slot, FromPeer::ForgedMessage(id));
            }
        }
    }

    /// The server has said what it knows of a user: messages that waited for it go on.
    pub(super) fn unpark_messages(&mut self, sender: UserId) {
        let parked = self.session().and_then(|session| session.parked.remove(&sender));
        for message in parked.unwrap_or_default() {
            self.verify_message(message);
        }
    }

    pub(super) fn on_message_opened(
        &mut self,
        message: PeerMessage,
        phone: Phone,
        trust: Trust,
        outcome: Outcome,
    ) {
        if let Some(session) = self.session() {
            session.end_check();
        }
        let Ok(opened) = message_opened(outcome) else {
            return self.verify_message(message);
        };
        let PeerMessage { slot, sender, id, packet, .. } = message;
        let (content, previous) = content(&opened);
        let incoming = IncomingMessage {
            sender,
            phone,
            id,
            previous,
            sent_at: packet.header().timestamp,
            received_at: self.account.server_time(self.now),
            content,
            trust,
        };
        self.complete_from(sender, slot, FromPeer::Message(incoming));
    }

    /// 203 from a peer: counts only under the key that our messages were sealed for, even if another
    /// one was accepted since.
    pub(super) fn on_peer_receipt(&mut self, packet: Packet, reader: UserId, receipt: Receipt) {
        let signer = self.contacts.reader_key(reader).cloned();
        let Some(session) = self.session() else { return };
        let slot = session.push_from(reader);
        let Some(signer) = signer else {
            let forged = FromPeer::ForgedReceipt(reader, receipt.receipt_id);
            return self.complete_from(reader, slot, forged);
        };
        session.begin_check();
        let job = Job::Verify { packet, signer };
        self.compute(job, AwaitJob::PeerReceipt { slot, reader, receipt });
    }

    pub(super) fn on_receipt_verified(
        &mut self,
        slot: Slot,
        reader: UserId,
        receipt: Receipt,
        outcome: &Outcome,
    ) {
        if let Some(session) = self.session() {
            session.end_check();
        }
        let from_peer = match verified(outcome) {
            Ok(()) => FromPeer::Receipt(reader, receipt),
            Err(_) => FromPeer::ForgedReceipt(reader, receipt.receipt_id),
        };
        self.complete_from(reader, slot, from_peer);
    }

    fn complete_from(&mut self, peer: UserId, slot: Slot, from_peer: FromPeer) {
        if let Some(lane) = self.session().and_then(|session| session.peers.get_mut(&peer)) {
            lane.complete(slot, from_peer);
        }
        self.take_from(peer);
    }

    /// Takes what has come from a peer in, in order.
    fn take_from(&mut self, peer: UserId) {
        while let Some(from_peer) = self.session().and_then(|session| session.pop_from(peer)) {
            match from_peer {
                FromPeer::Message(message) => self.inbox.push(message),
                FromPeer::Receipt(reader, receipt) => self.on_delivered(reader, receipt),
                FromPeer::ForgedReceipt(reader, id) => {
                    self.notify(Notice::Suspicious(Suspicion::ForgedReceipt { reader }));
                    let key = ItemId { kind: ItemKind::Receipt, origin: reader, id: id.0 };
                    if self.suspect(key) == Suspect::Repeated {
                        // Taken all the same: the server would bring it again and again.
                        self.take_receipt(reader, id);
                    }
                }
                FromPeer::ForgedMessage(id) => {
                    self.suspect(ItemId { kind: ItemKind::Message, origin: peer, id: id.0 });
                }
            }
        }
    }

    /// An item is not signed by whom it names. The first time, somebody on the wire may have
    /// changed it: in a new session the server brings it again, and what stands behind it after
    /// it. If it is the same again, nothing is gained by that, and the session goes on without it.
    fn suspect(&mut self, item: ItemId) -> Suspect {
        let known = self.suspects.contains(&item);
        if known || self.suspects.len() >= self.config.limits.suspects {
            return Suspect::Repeated;
        }
        self.suspects.insert(item);
        self.lose(OfflineReason::Fault);
        Suspect::First
    }

    /// Has what has arrived made durable, one operation at a time.
    pub(super) fn store_arrived(&mut self) {
        if let Some(batch) = self.inbox.next_batch(self.config.limits.receive_batch) {
            self.store(ClientOp::Receive(batch.messages.clone()), AwaitStore::Received(batch));
        }
    }

    /// The store has answered for a batch: delivers what is new, and owes receipts for all of it.
    pub(super) fn on_received(&mut self, batch: Batch, answer: Result<Vec<Arrival>, StoreError>) {
        self.inbox.batch_ended();
        let Ok(arrivals) = answer else {
            // Not acknowledged, so the server brings it again; but in order, so not on this
            // connection, and nothing that stands behind it before.
            self.inbox.forget_arrived();
            return self.lose(OfflineReason::Local);
        };
        let delivers = self.inbox.delivers(&batch);
        for (message, arrival) in batch.messages.into_iter().zip(arrivals) {
            if let Some(session) = self.session() {
                session.receipts.owe(message.sender, message.id);
            }
            if let Arrival::Appended { place, continuity } = arrival
                && delivers
            {
                self.deliver(InboxItem { place, message, continuity });
            }
        }
    }

    /// Reads what the application has not been shown, from the start of the client on.
    pub(super) fn read_inbox(&mut self) {
        if self.store_rests() {
            return;
        }
        if let Some(after) = self.inbox.next_page() {
            let limit = self.config.limits.unshown_page;
            self.store(ClientOp::Unshown { after, limit }, AwaitStore::Page(after));
        }
    }

    pub(super) fn on_page(
        &mut self,
        after: InboxId,
        page: Result<(Vec<InboxItem>, bool), StoreError>,
    ) {
        let Ok((items, more)) = page else {
            self.inbox.page_failed(after);
            return self.rest_store();
        };
        let up_to = items.last().map_or(after, |last| last.place);
        self.inbox.page_read(up_to, more);
        for item in items {
            self.deliver(item);
        }
    }

    /// Signs receipts for messages that are durable here.
    pub(super) fn sign_receipts(&mut self) {
        self.reserve_receipt_numbers();
        loop {
            let limits = &self.config.limits;
            let next = self.link.open_session(Leaving::Flushing).and_then(|session| {
                let (signing, items) = (limits.receipts_signing, limits.receipt_items);
                session.receipts.next_to_sign(signing, items, &mut self.receipt_numbers)
            });
            let Some((sender, receipt)) = next else { return };
            let timestamp = self.account.server_time(self.now);
            let header = Header {
                sender: self.account.user,
                recipient: Some(sender),
                timestamp,
                op: Op::DeliveryAck,
            };
            let parts = vec![Part::Clear(Bytes::from(receipt.emit()))];
            self.emit(header, parts, Signing::Signed, AwaitJob::Receipt(sender));
        }
    }

    fn reserve_receipt_numbers(&mut self) {
        if self.store_rests() || self.session().is_none() {
            return;
        }
        if let Some(below) = self.receipt_numbers.reserve(self.config.limits.receipt_numbers) {
            self.store(ClientOp::ReserveReceipts { below }, AwaitStore::ReceiptNumbers);
        }
    }

    pub(super) fn on_receipt_numbers(&mut self, reserved: Result<(), StoreError>) {
        if reserved.is_ok() {
            self.receipt_numbers.reserved();
        } else {
            self.receipt_numbers.not_reserved();
            self.rest_store();
        }
    }

    pub(super) fn on_receipt_signed(&mut self, sender: UserId, made: Result<Packet, EmitError>) {
        let Ok(packet) = made else { return self.lose(OfflineReason::Local) };
        self.send(&packet);
        if let Some(session) = self.session() {
            session.receipts.signed(sender);
        }
    }

    /// A receipt is dealt with: the server is told soon.
    pub(super) fn take_receipt(&mut self, reader: UserId, id: ReceiptId) {
        if let Some(session) = self.session() {
            session.receipts.take(reader, id);
        }
        self.gather_taken();
    }

    /// Tells the server of receipts that were taken, once enough are gathered or it is time.
    pub(super) fn tell_taken(&mut self, timing: Timing) {
        let limit = self.config.limits.taken_items;
        let Some(session) = self.link.open_session(Leaving::Flushing) else { return };
        let due =
            timing == Timing::Due || session.is_flushing() || session.receipts.taken() >= limit;
        if !due {
            return;
        }
        let items = session.receipts.tell(ReceiptsTaken::MAX_ITEMS);
        if items.is_empty() {
            return;
        }
        self.timers.cancel(Alarm::Taken);
        let plaintext = ReceiptsTaken { items }.emit();
        self.emit_sealed(Op::DeliveryAck, plaintext, AwaitJob::ReceiptsTaken);
    }

    pub(super) fn on_taken_sealed(&mut self, made: Result<Packet, EmitError>) {
        let Ok(packet) = made else { return self.lose(OfflineReason::Local) };
        self.send(&packet);
        if let Some(session) = self.session() {
            session.receipts.told();
        }
        self.gather_taken();
    }

    /// The time for gathering is up.
    pub(super) fn on_taken_due(&mut self) {
        self.tell_taken(Timing::Due);
        self.gather_taken();
    }

    /// Sees to it that the server is told of what it was not told of.
    fn gather_taken(&mut self) {
        let at = self.now.mono + self.config.limits.taken_gather;
        if self.session().is_some_and(|session| session.receipts.taken() > 0) {
            self.timers.arm_if_idle(Alarm::Taken, at);
        }
    }
}

/// Whether the time for gathering is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timing {
    Gathering,
    Due,
}

/// What an opened message holds. Of a kind that is not known here, it counts as not opened.
fn content(opened: &OpenedMessage) -> (ReceivedContent, Option<MessageId>) {
    let undecryptable = (ReceivedContent::Undecryptable, None);
    let OpenedMessage::Inner(plaintext) = opened else { return undecryptable };
    let Ok(inner) = Inner::parse(plaintext.expose()) else { return undecryptable };
    let (kind, previous) = (inner.kind(), inner.previous());
    let content = match kind {
        ContentKind::Bytes => Content::Bytes(inner.into_content()),
        ContentKind::Text => match alloc::string::String::from_utf8(inner.into_content()) {
            Ok(text) => Content::Text(text),
            Err(_) => return undecryptable,
        },
    };
    (ReceivedContent::Opened(content), previous)
}
