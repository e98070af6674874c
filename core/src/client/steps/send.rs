//! Sending, the application's side: a message is accepted and numbered, or refused.

use crate::client::Client;
use crate::client::command::Token;
use crate::client::notice::{Notice, SendRefusal};
use crate::client::state::drafts::TakenDraft;
use crate::client::state::sealing_queue::{NewMessage, Origin};
use crate::client::store::Content;
use crate::ids::UserRef;
use crate::wire::Inner;

impl Client {
    /// [`Command::Send`](crate::client::Command::Send).
    pub(in crate::client) fn send_message(&mut self, token: Token, to: UserRef, content: Content) {
        let message = NewMessage { origin: Origin::Command(token), content };
        if self.account.user().is_none() {
            return self.refuse_message(message, SendRefusal::NotRegistered);
        }
        if message.content.as_bytes().len() > Inner::MAX_CONTENT {
            return self.refuse_message(message, SendRefusal::TooLong);
        }
        if !self.has_room_for(&message) {
            return self.refuse_message(message, SendRefusal::OutboxFull);
        }
        // A key that changed is not accepted by waiting.
        let refused = self.contacts.find(to).is_some_and(|contact| contact.offered.is_some());
        if refused || self.can_number(to) {
            return self.send_to_contact(to, message);
        }
        self.drafts.add(token, to, message.content);
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
        let (queued, queued_bytes) = self.outbox.size();
        let (sealing, sealing_bytes) = self.sealing.size();
        let (drafts, draft_bytes) = self.drafts.size();
        let (again, again_bytes) = self.readdressing.size();
        let bytes = queued_bytes + sealing_bytes + draft_bytes + again_bytes;
        let bytes = bytes + message.content.as_bytes().len();
        queued + sealing + drafts + again < limits.outbox_messages && bytes <= limits.outbox_bytes
    }

    /// Gives a message its number. From here on it follows all that were sent before it.
    pub(in crate::client) fn send_to_contact(&mut self, to: UserRef, message: NewMessage) {
        let Some(contact) = self.contacts.find(to) else {
            return self.refuse_message(message, SendRefusal::LookupFailed);
        };
        // Neither key is right to seal for: the old one may be lost, the new one an attacker's.
        if contact.offered.is_some() {
            return self.refuse_message(message, SendRefusal::KeyChanged);
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
        let NewMessage { origin, content } = message;
        match origin {
            Origin::Command(token) => {
                self.out.notify(Notice::SendRefused { token, refusal, content });
            }
            Origin::Draft { id, to, token } => {
                let draft = TakenDraft { id, to, token, content };
                // The store holds it, and may soon work again.
                if refusal == SendRefusal::StoreFailed {
                    return self.drafts.put_back(draft);
                }
                self.drop_draft(id);
                self.tell_draft_refused(draft, refusal);
            }
        }
    }
}
