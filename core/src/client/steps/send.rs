//! Sending, the application's side: a message is accepted and numbered, or refused.

use crate::client::Client;
use crate::client::command::Token;
use crate::client::notice::{Notice, SendRefusal};
use crate::client::state::lookups::Asker;
use crate::client::state::sealing_queue::NewMessage;
use crate::client::store::Content;
use crate::ids::UserRef;
use crate::wire::Inner;

impl Client {
    /// [`Command::Send`](crate::client::Command::Send).
    pub(in crate::client) fn send_message(&mut self, token: Token, to: UserRef, content: Content) {
        let message = NewMessage { token, content };
        if self.account.user().is_none() {
            return self.refuse_message(message, SendRefusal::NotRegistered);
        }
        if message.content.as_bytes().len() > Inner::MAX_CONTENT {
            return self.refuse_message(message, SendRefusal::TooLong);
        }
        if !self.has_room_for(&message) {
            return self.refuse_message(message, SendRefusal::OutboxFull);
        }
        if self.contacts.find(to).is_some() {
            return self.send_to_contact(to, message);
        }
        self.sealing.park(to, message);
        self.lookups.want(to, Asker::Client);
    }

    fn has_room_for(&self, message: &NewMessage) -> bool {
        let limits = &self.config.limits;
        let (queued, queued_bytes) = self.outbox.size();
        let (sealing, sealing_bytes) = self.sealing.size();
        let bytes = queued_bytes + sealing_bytes + message.content.as_bytes().len();
        queued + sealing < limits.outbox_messages && bytes <= limits.outbox_bytes
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
        let previous = self.contacts.set_last_sent(phone, Some(self.sealing.next_id()));
        self.sealing.number(message, phone, binding, previous);
    }

    pub(in crate::client) fn refuse_message(&mut self, message: NewMessage, refusal: SendRefusal) {
        let NewMessage { token, content } = message;
        self.out.notify(Notice::SendRefused { token, refusal, content });
    }
}
