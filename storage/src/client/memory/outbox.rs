//! Drafts, and messages from here.

use std::collections::BTreeSet;

use sealpost_core::client::store::{
    Draft, DraftId, Failure, GivenUp, OutgoingMessage, QueuedMessage, Status, TokenUse,
};
use sealpost_core::ids::{MessageId, Phone, UserId};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::InReplyTo;

use super::{MemoryClientStorage, Sent};
use crate::client::history::{Place, SentMessage};

impl MemoryClientStorage {
    pub(super) fn unanswered_since(&self, recipient: UserId) -> Option<Timestamp> {
        let messages = self.outbox.values().map(|sent| &sent.message);
        let unanswered = messages
            .filter(|sent| sent.recipient == recipient && sent.status == Status::Stored)
            .map(|sent| sent.sent_at);
        unanswered.min()
    }

    pub(super) fn keep_draft(&mut self, draft: &Draft) {
        if self.drafts.contains_key(&draft.id) || self.tokens.contains_key(&draft.token) {
            return;
        }
        self.tokens.insert(draft.token, TokenUse::Draft);
        self.drafts.insert(draft.id, draft.clone());
    }

    pub(super) fn drop_draft(&mut self, id: DraftId) {
        if let Some(draft) = self.drafts.remove(&id) {
            self.tokens.remove(&draft.token);
        }
    }

    pub(super) fn enqueue(&mut self, message: &OutgoingMessage) {
        if let Some(draft) = message.draft {
            self.drop_draft(draft);
        }
        if self.outbox.contains_key(&message.id) || self.tokens.contains_key(&message.token) {
            return;
        }
        self.tokens.insert(message.token, TokenUse::Message(message.id));
        self.last_place += 1;
        let sent = SentMessage {
            place: Place(self.last_place),
            id: message.id,
            token: message.token,
            recipient: message.recipient,
            phone: message.phone,
            sent_at: message.packet.header().timestamp,
            content: message.content.clone(),
            status: Status::Queued,
        };
        let named = message.packet.request_hash().in_reply_to();
        let packet = Some(message.packet.clone());
        self.outbox.insert(message.id, Sent { message: sent, packet, named });
        self.base.last_message = self.base.last_message.max(Some(message.id));
        if let Some(contact) = self.contacts.get_mut(&message.phone)
            && contact.pinned.user == message.recipient
        {
            contact.last_sent = contact.last_sent.max(Some(message.id));
        }
    }

    pub(super) fn readdress(&mut self, message: &QueuedMessage) {
        let Some(sent) = self.outbox.get_mut(&message.id) else { return };
        if sent.message.status == Status::Queued {
            sent.message.recipient = message.recipient;
            sent.packet = Some(message.packet.clone());
            sent.named = message.packet.request_hash().in_reply_to();
        }
    }

    /// Advances a message to `next`. Returns whether its status changed.
    pub(super) fn mark(&mut self, id: MessageId, recipient: Option<UserId>, next: Status) -> bool {
        let Some(sent) = self.outbox.get_mut(&id) else { return false };
        if recipient.is_some_and(|recipient| recipient != sent.message.recipient)
            || !precedes(sent.message.status, next)
        {
            return false;
        }
        sent.message.status = next;
        sent.packet = None;
        true
    }

    pub(super) fn mark_undeliverable(&mut self, packet: InReplyTo) -> Option<MessageId> {
        let awaited = |sent: &&Sent| matches!(sent.message.status, Status::Queued | Status::Stored);
        let mut messages = self.outbox.values().filter(awaited);
        let id = messages.find(|sent| sent.named == packet)?.message.id;
        let sent = self.outbox.get_mut(&id)?;
        sent.message.status = Status::Failed(Failure::UnknownUser);
        sent.packet = None;
        Some(id)
    }

    /// Takes messages that have failed out of the chains of their contacts.
    pub(super) fn given_up(&mut self, ids: Vec<MessageId>) -> GivenUp {
        let messages = ids.iter().filter_map(|id| self.outbox.get(id));
        let named = messages.map(|sent| (sent.message.recipient, sent.message.phone));
        let named: BTreeSet<_> = named.collect();
        let mut last_sent = Vec::new();
        for (recipient, phone) in named {
            let last = self.last_sent(recipient, phone);
            if let Some(contact) = self.contacts.get_mut(&phone)
                && contact.pinned.user == recipient
                && contact.last_sent.is_some_and(|last_sent| ids.contains(&last_sent))
            {
                contact.last_sent = last;
            }
            last_sent.push((recipient, last));
        }
        GivenUp { ids, last_sent }
    }

    /// The last message enqueued for a user id that has not failed.
    fn last_sent(&self, recipient: UserId, phone: Phone) -> Option<MessageId> {
        let sent = self.outbox.values().map(|sent| &sent.message);
        let sent = sent.filter(|sent| sent.recipient == recipient && sent.phone == phone);
        let sent = sent.filter(|sent| !matches!(sent.status, Status::Failed(_)));
        sent.max_by_key(|sent| sent.place).map(|sent| sent.id)
    }
}

/// Whether the status of a message can change from `from` to `next`.
const fn precedes(from: Status, next: Status) -> bool {
    match next {
        Status::Queued => false,
        Status::Stored | Status::Failed(_) => matches!(from, Status::Queued),
        Status::Delivered => matches!(from, Status::Queued | Status::Stored),
    }
}
