//! Acknowledging: receipts to senders for messages that are durable here, and *taken*
//! acknowledgements to the server for receipts (PROTOCOL 6.1).

use alloc::vec;

use bytes::Bytes;

use crate::client::Client;
use crate::client::alarm::Alarm;
use crate::client::awaits::{AwaitJob, AwaitStore};
use crate::client::notice::OfflineReason;
use crate::client::state::session::Leaving;
use crate::client::store::ClientOp;
use crate::crypto::{EmitError, Part};
use crate::frame::{Durable, StoreError};
use crate::ids::{ReceiptId, UserId};
use crate::wire::{Op, Packet};

impl Client {
    /// Signs receipts for messages that are durable here.
    pub(in crate::client) fn sign_receipts(&mut self) {
        self.reserve_receipt_numbers();
        loop {
            let (limits, numbers) = (&self.config.limits, &mut self.receipt_numbers);
            let next = self.link.open_session(Leaving::Flushing).and_then(|session| {
                let (signing, items) = (limits.receipts_signing, limits.receipt_items);
                session.receipts_mut().next_to_sign(signing, items, numbers)
            });
            let Some((sender, receipt)) = next else { return };
            let header = self.header_to_peer(Op::DeliveryAck, sender);
            let parts = vec![Part::Clear(Bytes::from(receipt.emit()))];
            self.emit(header, parts, AwaitJob::Receipt(sender));
        }
    }

    fn reserve_receipt_numbers(&mut self) {
        if self.store_rests() || self.link.session().is_none() {
            return;
        }
        if let Some(below) = self.receipt_numbers.reserve(self.config.limits.receipt_numbers) {
            let op = ClientOp::ReserveReceipts { below: *below.get() };
            self.out.store(op, AwaitStore::ReceiptNumbers(below));
        }
    }

    pub(in crate::client) fn on_receipt_numbers(
        &mut self,
        kept: Result<Durable<ReceiptId>, (ReceiptId, StoreError)>,
    ) {
        if let Ok(below) = kept {
            self.receipt_numbers.reserved(&below);
        } else {
            self.receipt_numbers.not_reserved();
            self.rest_store();
        }
    }

    pub(in crate::client) fn on_receipt_signed(
        &mut self,
        sender: UserId,
        made: Result<Packet, EmitError>,
    ) {
        let Ok(packet) = made else { return self.lose(OfflineReason::Local) };
        self.send(&packet);
        if let Some(session) = self.link.session_mut() {
            session.receipts_mut().signed(sender);
        }
    }

    /// Tells the server of receipts that were taken, once enough are gathered, or at once if the
    /// session is about to end. Otherwise the server is told when the alarm goes off.
    pub(in crate::client) fn tell_receipts_taken(&mut self) {
        let enough = self.config.limits.taken_items;
        let due = self
            .link
            .session()
            .is_some_and(|session| session.is_flushing() || session.receipts().untold() >= enough);
        if due {
            self.tell_receipts_taken_now();
        }
    }

    fn tell_receipts_taken_now(&mut self) {
        let session = self.link.open_session(Leaving::Flushing);
        let Some(taken) = session.and_then(|session| session.receipts_mut().next_to_tell()) else {
            return;
        };
        self.alarms.cancel(Alarm::ReceiptsTaken);
        self.emit_sealed(Op::DeliveryAck, taken.emit(), AwaitJob::ReceiptsTaken);
    }

    pub(in crate::client) fn on_receipts_taken_sealed(&mut self, made: Result<Packet, EmitError>) {
        let Ok(packet) = made else { return self.lose(OfflineReason::Local) };
        self.send(&packet);
        if let Some(session) = self.link.session_mut() {
            session.receipts_mut().told();
        }
        self.gather_receipts_taken();
    }

    /// The time for gathering is over.
    pub(in crate::client) fn on_receipts_taken_due(&mut self) {
        self.tell_receipts_taken_now();
        // If the connection is congested, or others are being told, the rest is told later.
        self.gather_receipts_taken();
    }

    /// Arms the alarm that tells the server of what it was not told yet.
    pub(in crate::client) fn gather_receipts_taken(&mut self) {
        let at = self.now.mono + self.config.limits.taken_gather;
        if self.link.session().is_some_and(|session| session.receipts().untold() > 0) {
            self.alarms.arm_if_idle(Alarm::ReceiptsTaken, at);
        }
    }
}
