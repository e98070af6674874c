//! Sending: from the application's wish to the reader's receipt (PROTOCOL 6).

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::awaits::{AwaitJob, AwaitStore};
use super::lookups::Asker;
use super::notice::{Notice, OfflineReason, Refusal};
use super::sealing::Outgoing;
use super::session::Leaving;
use super::store::{ClientOp, Content, Failure, QueuedMessage};
use super::{Alarm, Client, Signing, Token};
use crate::crypto::{EmitError, Part};
use crate::frame::StoreError;
use crate::ids::{MessageId, ReceiptId, UserId, UserRef};
use crate::wire::{
    ContentKind, ErrorCode, ErrorReply, Header, Inner, MessageHead, Op, Packet, Receipt, StoredAck,
};

impl Client {
    /// [`Command::Send`](super::Command::Send).
    pub(super) fn on_send(&mut self, token: Token, to: UserRef, content: Content) {
        let message = Outgoing { token, content };
        if self.account.user.is_none() {
            return self.refuse(message, Refusal::NotRegistered);
        }
        if message.content.as_bytes().len() > Inner::MAX_CONTENT {
            return self.refuse(message, Refusal::TooLong);
        }
        if !self.has_room_for(&message) {
            return self.refuse(message, Refusal::OutboxFull);
        }
        if self.contacts.find(to).is_some() {
            return self.send_to_contact(to, message);
        }
        self.sealing.park(to, message);
        self.lookups.want(to, Asker::Client);
    }

    fn has_room_for(&self, message: &Outgoing) -> bool {
        let limits = &self.config.limits;
        let (queued, queued_bytes) = self.outbox.size();
        let (sealing, sealing_bytes) = self.sealing.size();
        let bytes = queued_bytes + sealing_bytes + message.content.as_bytes().len();
        queued + sealing < limits.outbox_messages && bytes <= limits.outbox_bytes
    }

    /// Gives a message its number. From here on it is sent after all that were sent before it.
    pub(super) fn send_to_contact(&mut self, to: UserRef, message: Outgoing) {
        let Some(contact) = self.contacts.find(to) else {
            return self.refuse(message, Refusal::LookupFailed);
        };
        if contact.offered.is_some() {
            return self.refuse(message, Refusal::KeyChanged);
        }
        let (phone, binding) = (contact.phone, contact.pinned.clone());
        let previous = self.contacts.set_last_sent(phone, Some(self.sealing.next_id()));
        self.sealing.number(message, phone, binding, previous);
    }

    pub(super) fn refuse(&mut self, message: Outgoing, refusal: Refusal) {
        let Outgoing { token, content } = message;
        self.notify(Notice::SendRefused { token, refusal, content });
    }

    /// Has the next messages sealed and signed.
    pub(super) fn seal_next(&mut self) {
        let timestamp = self.account.server_time(self.now);
        while let Some(next) = self.sealing.start_next(self.config.limits.sealing) {
            let id = next.id;
            let kind = match next.message.content {
                Content::Text(_) => ContentKind::Text,
                Content::Bytes(_) => ContentKind::Bytes,
            };
            let content = next.message.content.as_bytes().to_vec();
            let Ok(inner) = Inner::new(kind, next.previous, content) else {
                return self.give_up_from(id, Refusal::SealFailed);
            };
            let head = MessageHead { message_id: id, suite: MessageHead::SUITE_1 };
            let parts = vec![
                Part::Clear(Bytes::from(head.emit())),
                Part::Envelope { to: next.to.public_key.clone(), inner: inner.emit() },
            ];
            let recipient = Some(next.to.user);
            let header =
                Header { sender: self.account.user, recipient, timestamp, op: Op::Message };
            self.emit(header, parts, Signing::Signed, AwaitJob::Message(id));
        }
    }

    pub(super) fn on_sealed(&mut self, id: MessageId, made: Result<Packet, EmitError>) {
        match made {
            Ok(packet) => self.sealing.complete(id, packet),
            Err(EmitError) => self.give_up_from(id, Refusal::SealFailed),
        }
    }

    /// Has what is sealed made durable, in the order of numbers, one operation at a time.
    pub(super) fn enqueue_next(&mut self) {
        if self.store_rests() || !self.is_pinned() {
            return;
        }
        let batch = self.sealing.next_batch(self.config.limits.enqueue_batch);
        if !batch.is_empty() {
            self.store(ClientOp::Enqueue(batch), AwaitStore::Enqueued);
        }
    }

    pub(super) fn on_enqueued(&mut self, enqueued: Result<(), StoreError>) {
        match enqueued {
            Ok(()) => {
                for numbered in self.sealing.take_batch() {
                    if let Some(packet) = numbered.packet() {
                        self.outbox.insert(numbered.id, numbered.to.user, packet.clone());
                    }
                    let (token, id) = (numbered.message.token, numbered.id);
                    self.notify(Notice::Queued { token, id });
                }
            }
            Err(StoreError::Busy) => {
                self.sealing.retry_batch();
                self.rest_store();
            }
            Err(StoreError::DiskFull | StoreError::Io | StoreError::Corrupt) => {
                self.sealing.retry_batch();
                if let Some(first) = self.sealing.first() {
                    self.give_up_from(first, Refusal::StoreFailed);
                }
            }
        }
    }

    /// Refuses a message and all that follow it: their numbers and their `previous_id` counted on
    /// it.
    fn give_up_from(&mut self, id: MessageId, refusal: Refusal) {
        self.jobs.retain(|_, job| !matches!(job, AwaitJob::Message(sealing) if *sealing >= id));
        let given_up = self.sealing.give_up_from(id);
        for numbered in &given_up {
            let contact = self.contacts.find(UserRef::Phone(numbered.phone));
            if contact.is_some_and(|contact| contact.pinned.user == numbered.to.user) {
                self.contacts.set_last_sent(numbered.phone, numbered.previous);
            }
        }
        for numbered in given_up.into_iter().rev() {
            self.refuse(numbered.message, refusal);
        }
    }

    /// Sends what is ready, as far as the window allows.
    pub(super) fn send_ready(&mut self) {
        let retention = i64::try_from(self.config.limits.retention.as_secs()).unwrap_or(i64::MAX);
        let oldest = self.account.server_time(self.now).plus_secs(retention.saturating_neg());
        while self.link.open_session(Leaving::No).is_some()
            && let Some((id, packet)) = self.outbox.next_ready(&self.config.limits)
        {
            if packet.header().timestamp < oldest {
                self.fail(vec![id], Failure::Expired);
                continue;
            }
            let packet = packet.clone();
            self.outbox.launch(id);
            self.send(&packet);
            let at = self.now.mono + self.config.limits.ack_timeout;
            self.timers.arm_if_idle(Alarm::Acknowledgement, at);
        }
    }

    /// 203 from the server: these are durable there.
    pub(super) fn on_stored(&mut self, ack: StoredAck) {
        let mut items = ack.items;
        items.retain(|(recipient, id)| self.outbox.take(*id, *recipient).is_some());
        self.on_progress();
        self.unmarked.extend(items);
    }

    /// Has it recorded which messages the server holds, until the store has taken it: the server
    /// does not say it again.
    pub(super) fn mark_stored(&mut self) {
        if self.unmarked.is_empty() || self.store_rests() {
            return;
        }
        let items = core::mem::take(&mut self.unmarked);
        self.store(ClientOp::MarkStored(items.clone()), AwaitStore::Stored(items));
    }

    pub(super) fn on_marked_stored(
        &mut self,
        items: Vec<(UserId, MessageId)>,
        marked: Result<Vec<MessageId>, StoreError>,
    ) {
        if let Ok(ids) = marked {
            self.notify(Notice::Stored(ids));
        } else {
            self.unmarked.extend(items);
            self.rest_store();
        }
    }

    /// A reader has signed for messages of ours. Which they are the store knows: most were stored
    /// at the server long before.
    pub(super) fn on_delivered(&mut self, reader: UserId, receipt: Receipt) {
        let Receipt { receipt_id, message_ids: messages } = receipt;
        let done = messages.iter().filter_map(|id| self.outbox.take(*id, reader)).collect();
        self.on_progress();
        let awaits = AwaitStore::Delivered { reader, receipt: receipt_id, done };
        self.store(ClientOp::MarkDelivered { reader, messages }, awaits);
    }

    /// Only what is durable is told to the server: else it would forget the receipt.
    pub(super) fn on_delivered_kept(
        &mut self,
        reader: UserId,
        receipt: ReceiptId,
        done: Vec<QueuedMessage>,
        marked: Result<Vec<MessageId>, StoreError>,
    ) {
        let Ok(ids) = marked else {
            // Not taken, so the server brings the receipt again if it can; but not on this
            // connection. If it has lost the receipt, the message leads to another one.
            for QueuedMessage { id, recipient, packet } in done {
                self.outbox.insert(id, recipient, packet);
            }
            return self.lose(OfflineReason::Local);
        };
        if !ids.is_empty() {
            self.notify(Notice::Delivered { reader, ids });
        }
        self.take_receipt(reader, receipt);
    }

    /// Receipts are being made durable.
    pub(super) fn marks_delivered(&self) -> bool {
        self.stores.values().any(|awaits| matches!(awaits, AwaitStore::Delivered { .. }))
    }

    /// Something was acknowledged: what else is in flight gets its time anew.
    fn on_progress(&mut self) {
        self.timers.cancel(Alarm::Acknowledgement);
        if self.outbox.awaits_acknowledgement() {
            let at = self.now.mono + self.config.limits.ack_timeout;
            self.timers.arm(Alarm::Acknowledgement, at);
        }
    }

    pub(super) fn on_acknowledgement_overdue(&mut self) {
        if !self.outbox.awaits_acknowledgement() {
            return;
        }
        match self.silent_until(self.config.limits.ack_timeout) {
            Some(at) => self.timers.arm(Alarm::Acknowledgement, at),
            None => self.lose(OfflineReason::TimedOut),
        }
    }

    /// A 244 that answers a message of ours.
    pub(super) fn on_message_refused(&mut self, id: MessageId, reply: &ErrorReply) {
        let pause = self.named_pause(reply.retry_after_secs.into());
        match reply.code {
            ErrorCode::UnknownUser => self.fail(vec![id], Failure::UnknownUser),
            ErrorCode::MailboxFull | ErrorCode::RateLimited | ErrorCode::Unavailable => {
                self.hold(id, pause);
            }
            ErrorCode::ClockSkew => self.on_message_misdated(id, reply),
            // These end the session, whatever was in flight.
            ErrorCode::NotAuthenticated | ErrorCode::Displaced | ErrorCode::ShuttingDown => {}
            // It would be refused, and the connection closed, each time.
            ErrorCode::Malformed
            | ErrorCode::BadSignature
            | ErrorCode::OtpRejected
            | ErrorCode::OtpExpired
            | ErrorCode::ServerFull
            | ErrorCode::KeyRejected => self.fail(vec![id], Failure::Refused),
        }
    }

    /// A message dated in the future waits for its time; one that is too old has had it.
    fn on_message_misdated(&mut self, id: MessageId, reply: &ErrorReply) {
        let Some((_, queued)) = self.outbox.in_flight(reply.in_reply_to) else { return };
        let ahead_secs = queued.packet.header().timestamp.secs_since(reply.server_time);
        match u64::try_from(ahead_secs) {
            Ok(ahead_secs) => self.hold(id, self.named_pause(ahead_secs)),
            Err(_) => self.fail(vec![id], Failure::Expired),
        }
    }

    fn hold(&mut self, id: MessageId, at_least: Duration) {
        let held = self.outbox.hold(id, &self.config.limits, &mut self.entropy);
        if let Some((recipient, Some(pause))) = held {
            let at = self.now.mono + pause.max(at_least);
            self.timers.arm(Alarm::Hold(recipient), at);
        }
        self.on_progress();
    }

    /// Gives messages up.
    pub(super) fn fail(&mut self, messages: Vec<MessageId>, failure: Failure) {
        if messages.is_empty() {
            return;
        }
        for id in &messages {
            self.outbox.discard(*id);
        }
        self.on_progress();
        self.mark_failed(messages, failure);
    }

    fn mark_failed(&mut self, messages: Vec<MessageId>, failure: Failure) {
        let op = ClientOp::MarkFailed { messages: messages.clone(), failure };
        self.store(op, AwaitStore::Failed { messages, failure });
    }

    /// Nobody says again that they failed: it is recorded as soon as the store takes it.
    pub(super) fn on_marked_failed(
        &mut self,
        messages: Vec<MessageId>,
        failure: Failure,
        marked: Result<Vec<MessageId>, StoreError>,
    ) {
        if let Ok(ids) = marked {
            self.notify(Notice::Failed { ids, failure });
        } else {
            self.unfailed.push((messages, failure));
            self.rest_store();
        }
    }

    pub(super) fn mark_failed_again(&mut self) {
        if !self.store_rests() {
            for (messages, failure) in core::mem::take(&mut self.unfailed) {
                self.mark_failed(messages, failure);
            }
        }
    }
}
