//! Sending, the application's side: a message is accepted and numbered, or refused.

use crate::client::Client;
use crate::client::notice::{Notice, SendRefusal};
use crate::client::state::new_message::NewMessage;
use crate::client::store::{Content, Token};
use crate::ids::UserRef;
use crate::keys::Fingerprint;
use crate::wire::Inner;

impl Client {
    /// [`Command::Send`](crate::client::Command::Send), and
    /// [`Command::SendToKey`](crate::client::Command::SendToKey) with a key.
    pub(in crate::client) fn send_message(
        &mut self,
        token: Token,
        to: UserRef,
        key: Option<Fingerprint>,
        content: Content,
    ) {
        if self.was_sent_in_this_process(token) {
            return;
        }
        let message = NewMessage { token, to, key, draft: None, content };
        if self.account.user().is_none() {
            return self.refuse_message(message, SendRefusal::NotRegistered);
        }
        if message.bytes() > Inner::MAX_CONTENT {
            return self.refuse_message(message, SendRefusal::TooLong);
        }
        if !self.has_room_for(&message) {
            return self.refuse_message(message, SendRefusal::OutboxFull);
        }
        self.token_checks.add(message);
    }

    /// Numbers a message that was not sent before, or keeps it as a draft.
    pub(in crate::client) fn accept_message(&mut self, message: NewMessage) {
        let to = message.to;
        // A key that changed is not accepted by waiting.
        let refused = self.contacts.find(to).is_some_and(|contact| contact.offered.is_some());
        if refused || self.can_number(to) {
            return self.send_to_contact(message);
        }
        self.drafts.add(message);
    }

    /// Whether a message can be numbered, and so dated and sealed, at once: there is a session, whose
    /// clock is known, its recipient is known, none before it to the same person waits, and it is
    /// known which message is the one before it.
    fn can_number(&self, to: UserRef) -> bool {
        let Some(contact) = self.contacts.find(to) else { return false };
        let phone = contact.phone;
        let is_same = |other| self.contacts.find(other).is_some_and(|other| other.phone == phone);
        self.link.session().is_some()
            && !self.unrecorded.has_failures()
            && !self.drafts.any_for(is_same)
    }

    fn has_room_for(&self, message: &NewMessage) -> bool {
        let limits = &self.config.limits;
        let waiting = [
            self.token_checks.size(),
            self.drafts.size(),
            self.sealing.size(),
            self.outbox.size(),
            self.readdressing.size(),
        ];
        let messages: usize = waiting.iter().map(|(messages, _)| messages).sum();
        let bytes: usize = waiting.iter().map(|(_, bytes)| bytes).sum();
        messages < limits.outbox_messages && bytes + message.bytes() <= limits.outbox_bytes
    }

    /// Gives a message its number. From here on it follows all that were sent before it.
    pub(in crate::client) fn send_to_contact(&mut self, message: NewMessage) {
        let Some(contact) = self.contacts.find(message.to) else {
            return self.refuse_message(message, SendRefusal::LookupFailed);
        };
        // Neither key is right to seal for: the old one may be lost, the new one an attacker's.
        if contact.offered.is_some() {
            return self.refuse_message(message, SendRefusal::KeyChanged);
        }
        let pinned = contact.pinned.public_key.fingerprint();
        if message.key.is_some_and(|key| key != *pinned) {
            return self.refuse_message(message, SendRefusal::OtherKey);
        }
        let (phone, binding) = (contact.phone, contact.pinned.clone());
        let overdue = self.config.limits.receipt_overdue.as_secs();
        let since = contact.unanswered_since.map(|since| self.server_time().secs_since(since));
        if since.is_some_and(|secs| secs >= overdue.cast_signed()) {
            // The server may have lost the account, and with it what it held.
            self.look_up_again(phone);
        }
        let previous = self.contacts.set_last_sent(phone, Some(self.sealing.next_id()));
        self.sealing.number(message, phone, binding, previous);
    }

    pub(in crate::client) fn refuse_message(&mut self, message: NewMessage, refusal: SendRefusal) {
        if let Some(id) = message.draft {
            // The store holds it, and may soon work again.
            if refusal == SendRefusal::StoreFailed {
                return self.drafts.put_back(id, message);
            }
            self.drop_draft(id);
        }
        self.tell_refused(message, refusal);
    }

    pub(in crate::client) fn tell_refused(&mut self, message: NewMessage, refusal: SendRefusal) {
        let NewMessage { token, to, content, .. } = message;
        self.out.notify(Notice::SendRefused { token, to, refusal, content });
    }
}
