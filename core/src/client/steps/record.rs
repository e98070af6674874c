//! Recording facts that nobody tells us a second time: each operation is repeated until it
//! succeeds.

use alloc::vec::Vec;

use crate::client::Client;
use crate::client::alarm::Alarm;
use crate::client::awaits::AwaitStore;
use crate::client::notice::Notice;
use crate::client::store::{ClientOp, Failure, GivenUp};
use crate::frame::StoreError;
use crate::ids::{MessageId, UserId};
use crate::wire::InReplyTo;

impl Client {
    /// Records who we or others are.
    pub(in crate::client) fn pin(&mut self, op: ClientOp) {
        self.unrecorded.pin_asked();
        self.out.store(op.clone(), AwaitStore::Pinned(op));
    }

    pub(in crate::client) fn on_pinned(&mut self, op: ClientOp, pinned: Result<(), StoreError>) {
        if pinned.is_ok() {
            self.unrecorded.pin_recorded();
        } else {
            self.unrecorded.pin_failed(op);
            self.rest_store();
        }
    }

    pub(in crate::client) fn pin_again(&mut self) {
        if !self.store_rests() {
            for op in self.unrecorded.take_pins() {
                self.pin(op);
            }
        }
    }

    /// Records which messages the server holds.
    pub(in crate::client) fn mark_stored(&mut self) {
        if self.store_rests() {
            return;
        }
        let items = self.unrecorded.take_stored();
        if !items.is_empty() {
            self.out.store(ClientOp::MarkStored(items.clone()), AwaitStore::MarkedStored(items));
        }
    }

    pub(in crate::client) fn on_marked_stored(
        &mut self,
        items: Vec<(UserId, MessageId)>,
        marked: Result<Vec<MessageId>, StoreError>,
    ) {
        if let Ok(ids) = marked {
            let at = self.server_time();
            for (recipient, _) in items.iter().filter(|(_, id)| ids.contains(id)) {
                self.contacts.stored(*recipient, at);
            }
            self.out.notify(Notice::Stored { ids });
        } else {
            self.unrecorded.add_stored(items);
            self.rest_store();
        }
    }

    /// Records that messages were given up.
    pub(in crate::client) fn mark_failed(&mut self, messages: Vec<MessageId>, failure: Failure) {
        self.unrecorded.failure_asked();
        let op = ClientOp::MarkFailed { messages: messages.clone(), failure };
        self.out.store(op, AwaitStore::MarkedFailed { messages, failure });
    }

    pub(in crate::client) fn on_marked_failed(
        &mut self,
        messages: Vec<MessageId>,
        failure: Failure,
        marked: Result<GivenUp, StoreError>,
    ) {
        self.unrecorded.failure_ended();
        if let Ok(given_up) = marked {
            self.tell_given_up(given_up, failure);
        } else {
            self.unrecorded.add_failed(messages, failure);
            self.rest_store();
        }
    }

    pub(in crate::client) fn mark_failed_again(&mut self) {
        if !self.store_rests() {
            for (messages, failure) in self.unrecorded.take_failed() {
                self.mark_failed(messages, failure);
            }
        }
    }

    /// The server can't deliver a message that it had stored: its recipient's account was deleted.
    pub(in crate::client) fn on_stored_message_refused(&mut self, packet: InReplyTo) {
        self.unrecorded.add_undeliverable(packet);
    }

    /// Records which messages can't be delivered. Most are known to the store only, which finds them
    /// by their packets. After `mark_stored`, because it may be one of those.
    pub(in crate::client) fn mark_undeliverable(&mut self) {
        if self.store_rests() {
            return;
        }
        let packets = self.unrecorded.next_undeliverable();
        if !packets.is_empty() {
            let op = ClientOp::MarkUndeliverable(packets.clone());
            self.out.store(op, AwaitStore::MarkedUndeliverable(packets));
        }
    }

    pub(in crate::client) fn on_marked_undeliverable(
        &mut self,
        packets: Vec<InReplyTo>,
        marked: Result<GivenUp, StoreError>,
    ) {
        let Ok(given_up) = marked else {
            self.unrecorded.undeliverable_ended(packets);
            return self.rest_store();
        };
        self.unrecorded.undeliverable_ended(Vec::new());
        // One that was to be repeated, because its *stored* was lost, is not.
        for id in &given_up.ids {
            self.outbox.discard(*id);
        }
        if given_up.ids.is_empty() {
            return self.number_drafts();
        }
        self.on_progress();
        for (recipient, _) in &given_up.last_sent {
            self.look_up_unless_moved(*recipient);
        }
        self.tell_given_up(given_up, Failure::UnknownUser);
    }

    /// The store has recorded that messages have failed. None of them counts as the message before
    /// the next one (PROTOCOL 5.2).
    fn tell_given_up(&mut self, given_up: GivenUp, failure: Failure) {
        let GivenUp { ids, last_sent } = given_up;
        for (recipient, last) in last_sent {
            self.contacts.replace_last_sent(recipient, &ids, last);
            self.sealing.replace_previous(recipient, &ids, last);
        }
        self.out.notify(Notice::Failed { ids, failure });
        self.number_drafts();
    }

    /// The store has failed: what can wait is asked again after a pause, because asking at once
    /// does not help a store that is busy or full.
    pub(in crate::client) fn rest_store(&mut self) {
        let at = self.now.mono + self.config.limits.store_retry;
        self.unrecorded.rest_until(at);
        self.alarms.arm(Alarm::StoreRest, at);
    }

    pub(in crate::client) fn store_rests(&self) -> bool {
        self.unrecorded.rests(self.now.mono)
    }
}
