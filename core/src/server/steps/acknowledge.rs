//! Acknowledgements by clients and to clients (PROTOCOL 6.1). Clients acknowledge messages, whose
//! senders get the receipt, and receipts. The server acknowledges what it has stored.

use crate::crypto::EmitError;
use crate::frame::{Durable, Pending, StoreError, Verified};
use crate::ids::{ConnId, ReceiptId, UserId};
use crate::keys::Plaintext;
use crate::server::Server;
use crate::server::alarm::Alarm;
use crate::server::awaits::{AwaitJob, AwaitStore};
use crate::server::limits::ACK;
use crate::server::state::acknowledgement::{Acknowledgement, Released};
use crate::server::state::refusal::Refusal;
use crate::server::state::session::Authenticated;
use crate::server::state::settling::{DroppingReceipts, Settling, Unfinished};
use crate::server::store::{Settlement, StoreOp};
use crate::wire::{ErrorCode, ItemId, ItemKind, Op, Packet, Receipt, ReceiptsTaken};

/// Whether an acknowledgement released items that were awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Release {
    Some,
    Nothing,
}

impl Server {
    /// A recipient's receipt for messages of one sender.
    pub(in crate::server) fn take_receipt(
        &mut self,
        who: Authenticated,
        packet: Verified<Packet>,
        sender: UserId,
        receipt: &Receipt,
    ) {
        let acknowledgement = Acknowledgement::of_messages(sender, &receipt.message_ids, packet);
        let released = self.acknowledge(who.user(), acknowledgement);
        if released == Release::Some
            && let Some((_, session)) = self.connections.session_mut(who.conn())
        {
            session.meters.refund_packet(&self.config.limits);
        }
    }

    /// A client's statement that it has taken receipts.
    pub(in crate::server) fn take_receipts_taken(
        &mut self,
        who: Authenticated,
        packet: &Verified<Packet>,
        opened: &Plaintext,
    ) {
        let Ok(taken) = ReceiptsTaken::parse(opened.expose()) else {
            let refusal = Refusal::new(ErrorCode::Malformed).answering(packet.get());
            return self.refuse(who.conn(), refusal);
        };
        let item = |(origin, id): (UserId, ReceiptId)| ItemId {
            kind: ItemKind::Receipt,
            origin,
            id: id.0,
        };
        let items = taken.items.into_iter().map(item).collect();
        self.acknowledge(who.user(), Acknowledgement::Receipts(items));
    }

    /// Releases what was acknowledged. A receipt goes on to its sender only if at least as many of
    /// its messages were awaited as were not (PROTOCOL 6.1), so that it can't be used to send
    /// anything else.
    pub(in crate::server) fn acknowledge(
        &mut self,
        recipient: UserId,
        acknowledgement: Acknowledgement,
    ) -> Release {
        let Some((mailbox, _)) = self.mailboxes.get_mut(recipient) else { return Release::Nothing };
        let Some((acknowledgement, released)) = mailbox.acknowledge(acknowledgement) else {
            return Release::Nothing;
        };
        self.touched.mailbox(recipient);
        let Released { from_memory, stored: delivered } = released;
        match acknowledgement {
            Acknowledgement::Messages { receipt, sender, .. } if !delivered.is_empty() => {
                self.settle_items(Settling { recipient, delivered, receipt, sender });
            }
            Acknowledgement::Messages { receipt, sender, .. } if from_memory > 0 => {
                if let Some(item) = ItemId::of(receipt.get()) {
                    self.route(sender, item, receipt);
                }
            }
            Acknowledgement::Receipts(_) if !delivered.is_empty() => {
                self.drop_receipts(DroppingReceipts { owner: recipient, receipts: delivered });
            }
            Acknowledgement::Messages { .. } | Acknowledgement::Receipts(_) => {
                return Release::Nothing;
            }
        }
        Release::Some
    }

    fn settle_items(&mut self, settling: Settling) {
        let settlement = Settlement {
            recipient: settling.recipient,
            delivered: settling.delivered.clone(),
            receipt: settling.receipt.get().clone(),
            at: self.now.wall,
        };
        let op = StoreOp::Settle(settlement);
        self.out.store(op, AwaitStore::Settled(Pending::new(settling)));
    }

    /// Messages were deleted from the store and their receipt was stored: it goes on to their
    /// sender.
    pub(in crate::server) fn on_settled(
        &mut self,
        settled: Result<Durable<Settling>, (Settling, StoreError)>,
    ) {
        let settling = match settled {
            Ok(settling) => settling,
            Err((settling, error)) => return self.retry_later(error, Unfinished::Settle(settling)),
        };
        let Settling { recipient, delivered, sender, .. } = settling.get();
        let (recipient, sender) = (*recipient, *sender);
        if let Some((mailbox, _)) = self.mailboxes.get_mut(recipient) {
            mailbox.settled(delivered);
            self.touched.mailbox(recipient);
        }
        self.on_receipt_stored(sender, &settling);
    }

    fn on_receipt_stored(&mut self, sender: UserId, settling: &Durable<Settling>) {
        let Some(item) = ItemId::of(settling.get().receipt.get()) else { return };
        let Self { mailboxes, connections, config, now, .. } = self;
        let share = mailboxes.in_flight.share(&config.limits, connections.sessions());
        let (mailbox, _) = mailboxes.of(sender, || connections.live(sender));
        let to_send = mailbox.receipt_stored(&config.limits, share, now.mono, item, settling);
        self.touched.mailbox(sender);
        self.count_receipt(sender, settling.get().receipt.get());
        self.counters.receipts.stored += 1;
        if let Some((conn, bytes)) = to_send {
            self.counters.receipts.drained += 1;
            self.send_item(conn, item.kind, bytes);
        }
    }

    /// A receipt was stored for a user: it counts until the user has taken it.
    pub(in crate::server) fn count_receipt(&mut self, user: UserId, receipt: &Packet) {
        let conn = self.connections.of_user(user);
        if let Some((_, session)) = conn.and_then(|conn| self.connections.session_mut(conn)) {
            session.sent_mut().receipt_stored(receipt.bytes().len());
        }
    }

    fn drop_receipts(&mut self, dropping: DroppingReceipts) {
        let DroppingReceipts { owner, receipts } = &dropping;
        let op = StoreOp::DropReceipts { recipient: *owner, receipts: receipts.clone() };
        self.out.store(op, AwaitStore::ReceiptsDropped(dropping));
    }

    pub(in crate::server) fn on_receipts_dropped(
        &mut self,
        dropping: DroppingReceipts,
        dropped: Result<(), StoreError>,
    ) {
        if let Err(error) = dropped {
            return self.retry_later(error, Unfinished::DropReceipts(dropping));
        }
        if let Some((mailbox, _)) = self.mailboxes.get_mut(dropping.owner) {
            let bytes = mailbox.settled(&dropping.receipts);
            self.touched.mailbox(dropping.owner);
            let conn = self.connections.of_user(dropping.owner);
            if let Some((_, session)) = conn.and_then(|conn| self.connections.session_mut(conn)) {
                session.sent_mut().receipts_taken(bytes);
            }
        }
    }

    /// An operation failed, and is repeated however often the store fails: what was acknowledged
    /// must not be delivered again. Only if too many have failed is it given up. Then the session
    /// ends, because it counts on the operation.
    fn retry_later(&mut self, error: StoreError, unfinished: Unfinished) {
        self.store_failed(error);
        if self.unfinished.len() >= self.config.limits.unfinished {
            if let Some(conn) = self.connections.of_user(unfinished.owner()) {
                self.close(conn);
            }
            return;
        }
        self.unfinished.push(unfinished);
        self.alarms.arm_if_idle(Alarm::Retry, self.now.mono + self.config.limits.store_retry);
    }

    pub(in crate::server) fn on_retry_alarm(&mut self) {
        for unfinished in core::mem::take(&mut self.unfinished) {
            match unfinished {
                Unfinished::Settle(settling) => self.settle_items(settling),
                Unfinished::DropReceipts(dropping) => self.drop_receipts(dropping),
            }
        }
    }

    /// Has the acknowledgements that have gathered for a sender sealed, unless others are being
    /// sealed: while one packet is signed, the next ones gather.
    pub(in crate::server) fn seal_acks(&mut self, conn: ConnId) {
        let limit = self.config.limits.acks_per_packet;
        let Some((who, session)) = self.connections.session_mut(conn) else { return };
        let Some(batch) = session.sent_mut().acks.next_batch(limit) else { return };
        let key = session.key().clone();
        let bytes = batch.items.len() * ACK;
        self.checking.enter(bytes);
        let draft = self.sealed(conn, Some(who.user()), Op::DeliveryAck, &key, batch.emit());
        self.out.emit(draft, AwaitJob::AckSealed { conn, bytes });
    }

    pub(in crate::server) fn on_acks_sealed(
        &mut self,
        conn: ConnId,
        bytes: usize,
        emitted: Result<Packet, EmitError>,
    ) {
        self.checking.leave(bytes);
        let Some((_, session)) = self.connections.session_mut(conn) else { return };
        session.sent_mut().acks.sealed();
        let Ok(packet) = emitted else { return self.close(conn) };
        self.send(conn, &packet);
        self.touched.conn(conn);
    }
}
