//! Sealing messages and making them durable, in the order of their numbers.

use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::client::Client;
use crate::client::awaits::{AwaitJob, AwaitStore};
use crate::client::notice::{Notice, SendRefusal};
use crate::client::state::sealing_queue::SealedMessage;
use crate::client::store::{ClientOp, Content, QueuedMessage};
use crate::crypto::{EmitError, Part};
use crate::frame::{Durable, StoreError};
use crate::ids::{MessageId, UserRef};
use crate::wire::{ContentKind, Inner, MessageHead, Op};

impl Client {
    /// Has the next messages sealed and signed.
    pub(in crate::client) fn seal_next(&mut self) {
        while let Some(next) = self.sealing.start_next(self.config.limits.sealing) {
            let id = next.id();
            let kind = match next.content() {
                Content::Text(_) => ContentKind::Text,
                Content::Bytes(_) => ContentKind::Bytes,
                Content::Event(_) => ContentKind::Event,
            };
            let content = next.content().as_bytes().to_vec();
            let Ok(inner) = Inner::new(kind, next.previous(), content) else {
                return self.give_up_from(id, SendRefusal::SealFailed);
            };
            let head = MessageHead { message_id: id, suite: MessageHead::SUITE_1 };
            let to = next.to().clone();
            let parts = vec![
                Part::Clear(Bytes::from(head.emit())),
                Part::Envelope { to: to.public_key, inner: inner.emit() },
            ];
            let header = self.header_to_peer(Op::Message, to.user);
            self.emit(header, parts, AwaitJob::Message(id));
        }
    }

    pub(in crate::client) fn on_message_sealed(
        &mut self,
        id: MessageId,
        sealed: Result<SealedMessage, EmitError>,
    ) {
        match sealed {
            Ok(sealed) => self.sealing.complete(id, sealed),
            Err(EmitError) => self.give_up_from(id, SendRefusal::SealFailed),
        }
    }

    /// Makes what is sealed durable, in the order of numbers, one operation at a time. Not before
    /// everybody is pinned durably: after a crash, the receipt of a user whom the store does not
    /// know could not be told from a forged one.
    pub(in crate::client) fn enqueue_next(&mut self) {
        if self.store_rests() || !self.unrecorded.all_pinned() {
            return;
        }
        if let Some(batch) = self.sealing.next_batch(self.config.limits.enqueue_batch) {
            self.out.store(ClientOp::Enqueue(batch.messages), AwaitStore::Enqueued(batch.queued));
        }
    }

    pub(in crate::client) fn on_enqueued(
        &mut self,
        enqueued: Result<Vec<Durable<QueuedMessage>>, StoreError>,
    ) {
        match enqueued {
            Ok(messages) => {
                for (numbered, message) in self.sealing.take_batch().into_iter().zip(messages) {
                    debug_assert_eq!(numbered.id(), message.get().id);
                    self.outbox.insert(message);
                    let (token, id) = (numbered.token(), numbered.id());
                    self.out.notify(Notice::Queued { token, id });
                }
            }
            Err(StoreError::Busy | StoreError::Unavailable) => {
                self.sealing.retry_batch();
                self.rest_store();
            }
            // These pass only if somebody acts, so the application is told.
            Err(StoreError::DiskFull | StoreError::Io | StoreError::Corrupt) => {
                self.sealing.retry_batch();
                if let Some(first) = self.sealing.first() {
                    self.give_up_from(first, SendRefusal::StoreFailed);
                }
                // What was a draft is one again, and is numbered again after a pause.
                if self.drafts.recipients().next().is_some() {
                    self.rest_store();
                }
            }
        }
    }

    /// Refuses a message and all that follow it: their numbers and their `previous_id` depend on
    /// it.
    fn give_up_from(&mut self, id: MessageId, refusal: SendRefusal) {
        self.out.retain_jobs(|job| !matches!(job, AwaitJob::Message(sealing) if *sealing >= id));
        let given_up = self.sealing.give_up_from(id);
        // The last one first, so that each contact ends at the last message that is still there.
        for numbered in &given_up {
            let contact = self.contacts.find(UserRef::Phone(numbered.phone()));
            if contact.is_some_and(|contact| contact.pinned.user == numbered.to().user) {
                self.contacts.set_last_sent(numbered.phone(), numbered.previous());
            }
        }
        for numbered in given_up.into_iter().rev() {
            self.refuse_message(numbered.into_message(), refusal);
        }
    }
}
