//! Acknowledgements by clients: of messages, which become receipts for their senders, and of
//! receipts (PROTOCOL 6.1).

use alloc::vec::Vec;

use super::awaits::{Await, AwaitReceiptsDropped, AwaitSettled};
use super::mailbox::{Acknowledgement, Released};
use super::proof::{Authenticated, Verified};
use super::reply::Refusal;
use super::{Notice, Server, Timer};
use crate::ids::UserId;
use crate::keys::Plaintext;
use crate::server::store::{Settlement, StoreOp, StoreOutcome};
use crate::time::Now;
use crate::wire::{ErrorCode, ItemId, ItemKind, Packet, Receipt, ReceiptsTaken};

/// What the store failed to do, and must do.
#[derive(Debug)]
pub(super) enum Unfinished {
    Settle(AwaitSettled),
    DropReceipts(AwaitReceiptsDropped),
}

impl Server {
    /// A reader's receipt for messages of one sender.
    pub(super) fn receipt(
        &mut self,
        now: Now,
        who: Authenticated,
        packet: Verified<Packet>,
        sender: UserId,
        receipt: &Receipt,
    ) {
        let key = |id: u64| ItemId { kind: ItemKind::Message, origin: sender, id };
        let keys: Vec<ItemId> = receipt.message_ids.iter().map(|id| key(id.0)).collect();
        self.acknowledge(
            now,
            who.user(),
            Acknowledgement::Messages { keys, receipt: packet, sender },
        );
    }

    /// A client's word that it has taken receipts.
    pub(super) fn receipts_taken(
        &mut self,
        now: Now,
        who: Authenticated,
        packet: &Verified<Packet>,
        opened: &Plaintext,
    ) {
        let Ok(taken) = ReceiptsTaken::parse(opened.expose()) else {
            let refusal = Refusal::new(ErrorCode::Malformed).answering(packet.get());
            return self.refuse(now, who.conn(), refusal, None);
        };
        let key = |(origin, id): (UserId, crate::ids::ReceiptId)| ItemId {
            kind: ItemKind::Receipt,
            origin,
            id: id.0,
        };
        let keys = taken.items.into_iter().map(key).collect();
        self.acknowledge(now, who.user(), Acknowledgement::Receipts(keys));
    }

    /// Releases what was acknowledged. A receipt goes on to its sender only if something was
    /// awaited (PROTOCOL 6.1).
    pub(super) fn acknowledge(
        &mut self,
        now: Now,
        reader: UserId,
        acknowledgement: Acknowledgement,
    ) {
        let limits = &self.config.limits;
        let Some(mailbox) = self.mailboxes.get_mut(&reader) else { return };
        let Some((acknowledgement, released)) = mailbox.acknowledge(limits, acknowledgement) else {
            return;
        };
        let Released { from_memory, stored } = released;
        match acknowledgement {
            Acknowledgement::Messages { receipt, sender, .. } if !stored.is_empty() => {
                let settlement = Settlement {
                    recipient: reader,
                    delivered: stored,
                    receipt: receipt.into_inner(),
                    at: now.wall,
                };
                self.settle(AwaitSettled { settlement, sender });
            }
            Acknowledgement::Messages { receipt, sender, .. } if from_memory > 0 => {
                if let Some(key) = ItemId::of(receipt.get()) {
                    self.route(now, sender, key, receipt);
                }
            }
            Acknowledgement::Receipts(_) if !stored.is_empty() => {
                self.drop_receipts(AwaitReceiptsDropped { recipient: reader, keys: stored });
            }
            Acknowledgement::Messages { .. } | Acknowledgement::Receipts(_) => {}
        }
        self.advance(now, Some(reader));
    }

    fn settle(&mut self, awaited: AwaitSettled) {
        self.out.store(StoreOp::Settle(awaited.settlement.clone()), Await::Settled(awaited));
    }

    /// Messages are out of the store, and their receipt is in it: it goes on to their sender.
    pub(super) fn settled(&mut self, now: Now, awaited: AwaitSettled, outcome: &StoreOutcome) {
        if outcome.is_err() {
            return self.retry_later(now, outcome, Unfinished::Settle(awaited));
        }
        let AwaitSettled {
            settlement: Settlement { recipient: reader, delivered, receipt, .. },
            sender,
        } = awaited;
        if let Some(mailbox) = self.mailboxes.get_mut(&reader) {
            mailbox.settled(&delivered);
        }
        self.advance(now, Some(reader));
        if let Some(key) = ItemId::of(&receipt) {
            let (mailbox, mut cx) = self.mailbox(now, sender);
            mailbox.receipt_stored(&mut cx, key, receipt);
            self.advance(now, Some(sender));
        }
    }

    fn drop_receipts(&mut self, awaited: AwaitReceiptsDropped) {
        let op = StoreOp::DropReceipts { recipient: awaited.recipient, keys: awaited.keys.clone() };
        self.out.store(op, Await::ReceiptsDropped(awaited));
    }

    pub(super) fn receipts_dropped(
        &mut self,
        now: Now,
        awaited: AwaitReceiptsDropped,
        outcome: &StoreOutcome,
    ) {
        if outcome.is_err() {
            return self.retry_later(now, outcome, Unfinished::DropReceipts(awaited));
        }
        if let Some(mailbox) = self.mailboxes.get_mut(&awaited.recipient) {
            mailbox.settled(&awaited.keys);
        }
        self.advance(now, Some(awaited.recipient));
    }

    /// What was acknowledged must come to pass, however often the store fails.
    fn retry_later(&mut self, now: Now, outcome: &StoreOutcome, unfinished: Unfinished) {
        if let Err(error) = outcome {
            self.out.notify(Notice::StoreFailed(*error));
        }
        self.retries.push(unfinished);
        self.timers.arm_if_idle(Timer::Retry, now.mono + self.config.limits.store_retry);
    }

    pub(super) fn retry(&mut self) {
        for unfinished in core::mem::take(&mut self.retries) {
            match unfinished {
                Unfinished::Settle(awaited) => self.settle(awaited),
                Unfinished::DropReceipts(awaited) => self.drop_receipts(awaited),
            }
        }
    }
}
