//! Taking receipts from peers: verified under the key that our messages were sealed for, and
//! recorded.

use alloc::vec::Vec;

use crate::client::Client;
use crate::client::awaits::{AwaitJob, AwaitStore};
use crate::client::notice::{Notice, OfflineReason, Suspicion};
use crate::client::state::outbox::Withdrawn;
use crate::client::state::peer_packet::{ForgedReceipt, PeerPacket, PeerReceipt, TakenReceipt};
use crate::client::state::suspects::Suspect;
use crate::client::store::ClientOp;
use crate::frame::{Durable, Judged, Pending, StoreError, Unverified, Verified};
use crate::ids::{MessageId, UserId};
use crate::wire::{Packet, Receipt};

impl Client {
    /// 203 from a peer. It counts only under the key that our messages were sealed for, even if
    /// another one was accepted since: nobody else could read them.
    pub(in crate::client) fn on_peer_receipt(
        &mut self,
        packet: Packet,
        recipient: UserId,
        receipt: Receipt,
    ) {
        let signer = self.contacts.recipient_key(recipient).cloned();
        let Some(session) = self.link.session_mut() else { return };
        let slot = session.push_peer(recipient);
        let Some(signer) = signer else {
            let forged = ForgedReceipt { recipient, id: receipt.receipt_id };
            return self.complete_peer(recipient, slot, PeerPacket::ForgedReceipt(forged));
        };
        session.begin_verifying();
        let receipt = PeerReceipt { slot, recipient, receipt, packet };
        let (job, receipt) = Unverified::verify(receipt, signer);
        self.out.compute(job, AwaitJob::PeerReceipt(receipt));
    }

    pub(in crate::client) fn on_receipt_verified(&mut self, judged: Judged<PeerReceipt, ()>) {
        if let Some(session) = self.link.session_mut() {
            session.end_verifying();
        }
        let (recipient, slot, packet) = match judged {
            Ok((receipt, ())) => {
                let PeerReceipt { recipient, slot, .. } = *receipt.get();
                (recipient, slot, PeerPacket::Receipt(receipt))
            }
            Err(PeerReceipt { recipient, slot, receipt, .. }) => {
                let forged = ForgedReceipt { recipient, id: receipt.receipt_id };
                (recipient, slot, PeerPacket::ForgedReceipt(forged))
            }
        };
        self.complete_peer(recipient, slot, packet);
    }

    /// A receipt whose turn has come: records what was delivered. The store knows which of the
    /// messages there are; most were acknowledged by the server long before, and are not in the
    /// outbox any more.
    pub(in crate::client) fn record_delivery(&mut self, receipt: Verified<PeerReceipt>) {
        let (receipt, messages) = TakenReceipt::new(receipt);
        let recipient = receipt.recipient();
        let withdrawn = messages.iter().filter_map(|id| self.outbox.take(*id, recipient)).collect();
        self.on_progress();
        let then = AwaitStore::MarkedDelivered { receipt: Pending::new(receipt), withdrawn };
        self.out.store(ClientOp::MarkDelivered { recipient, messages }, then);
    }

    pub(in crate::client) fn on_marked_delivered(
        &mut self,
        withdrawn: Vec<Withdrawn>,
        marked: Result<(Durable<TakenReceipt>, Vec<MessageId>), StoreError>,
    ) {
        let Ok((receipt, ids)) = marked else {
            // Not taken, so the server brings the receipt again, though not on this connection. If
            // it has lost the receipt, sending the message again leads to another one.
            for message in withdrawn {
                self.outbox.put_back(message);
            }
            return self.lose(OfflineReason::Local);
        };
        if !ids.is_empty() {
            let recipient = receipt.get().recipient();
            if let Some(phone) = self.contacts.answered(recipient) {
                self.rechecks.forget(phone);
            }
            self.out.notify(Notice::Delivered { recipient, ids });
        }
        if let Some(session) = self.link.session_mut() {
            session.receipts_mut().take(&receipt);
        }
        self.gather_receipts_taken();
    }

    /// A receipt in the name of a recipient who did not sign it.
    pub(in crate::client) fn on_forged_receipt(&mut self, receipt: ForgedReceipt) {
        let suspicion = Suspicion::ForgedReceipt { recipient: receipt.recipient };
        self.out.notify(Notice::Suspicious { suspicion });
        if self.suspect(receipt.item()) == Suspect::First {
            return;
        }
        if let Some(session) = self.link.session_mut() {
            session.receipts_mut().dismiss(receipt);
        }
        self.gather_receipts_taken();
    }
}
