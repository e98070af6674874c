//! Delivering messages to the application: once they are durable, and in the order of the inbox.

use alloc::vec::Vec;

use crate::client::Client;
use crate::client::awaits::AwaitStore;
use crate::client::notice::OfflineReason;
use crate::client::state::inbox::{Batch, DeliveredBy};
use crate::client::store::{ClientOp, InboxId, InboxItem, IncomingMessage, Page, Placement};
use crate::frame::{Durable, Pending, StoreError};

impl Client {
    /// Makes what has arrived durable, one operation at a time.
    pub(in crate::client) fn store_arrived(&mut self) {
        if let Some((messages, batch)) = self.inbox.next_batch(self.config.limits.receive_batch) {
            let op = ClientOp::Receive(messages.clone());
            self.out.store(op, AwaitStore::Received(batch, Pending::new(messages)));
        }
    }

    /// The store has answered for a batch: receipts are owed for all of it, because the inbox holds
    /// all of it, and what is new is delivered.
    pub(in crate::client) fn on_received(
        &mut self,
        batch: Batch,
        received: Result<Vec<(Durable<IncomingMessage>, Placement)>, StoreError>,
    ) {
        self.inbox.batch_ended();
        let Ok(received) = received else {
            // The messages are not acknowledged, so the server sends them again: on a new
            // connection, because nothing behind them may be delivered before them.
            self.inbox.forget_arrived();
            return self.lose(OfflineReason::Local);
        };
        let delivered_by = self.inbox.delivered_by(batch);
        for (message, placement) in received {
            if let Some(session) = self.link.session_mut() {
                session.receipts_mut().owe(&message);
            }
            if let Placement::Appended { place, continuity, arrival } = placement
                && delivered_by == DeliveredBy::Batch
            {
                let message = message.into_inner();
                self.out.deliver(InboxItem { place, message, continuity, arrival });
            }
        }
    }

    /// Reads what the application has not been shown, from the start of the client on.
    pub(in crate::client) fn read_inbox(&mut self) {
        if self.store_rests() {
            return;
        }
        if let Some(after) = self.inbox.next_page() {
            let limit = self.config.limits.unshown_page;
            self.out.store(ClientOp::Unshown { after, limit }, AwaitStore::Page(after));
        }
    }

    pub(in crate::client) fn on_page(&mut self, after: InboxId, page: Result<Page, StoreError>) {
        let Ok(Page { items, more }) = page else {
            self.inbox.page_failed(after);
            return self.rest_store();
        };
        let up_to = items.last().map_or(after, |last| last.place);
        self.inbox.page_read(up_to, more);
        for item in items {
            self.out.deliver(item);
        }
    }
}
