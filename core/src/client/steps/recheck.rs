//! Looking contacts up again whom the server does not know under the id that we have pinned: they
//! may have registered again (PROTOCOL 6.2).

use alloc::vec;

use crate::client::Client;
use crate::client::notice::SendRefusal;
use crate::client::state::lookups::Asker;
use crate::client::state::rechecks::Begun;
use crate::client::store::Failure;
use crate::ids::{MessageId, Phone, UserId, UserRef};

impl Client {
    /// The server does not know the recipient of a message in flight. All that is for the recipient
    /// waits until the server has said who has the phone number now.
    pub(in crate::client) fn on_recipient_unknown(&mut self, id: MessageId) {
        let recipient = self.outbox.recipient(id);
        let contact = recipient.and_then(|recipient| self.contacts.find(UserRef::Id(recipient)));
        let (Some(recipient), Some(contact)) = (recipient, contact) else {
            return self.fail(vec![id], Failure::UnknownUser);
        };
        let (phone, offered) = (contact.phone, contact.offered.is_some());
        let moved = self.contacts.present_id(recipient) != recipient;
        let waits = moved || offered || self.look_up_again(phone) == Begun::Asking;
        if !waits {
            return self.fail(vec![id], Failure::UnknownUser);
        }
        // Without an alarm: the answer, or the user, decides when it goes on.
        self.outbox.hold(id, &self.config.limits, &mut self.entropy);
        self.on_progress();
        if moved {
            self.outbox.release(recipient);
        }
    }

    /// The account of this user id was deleted, with messages of ours. If nobody has learnt another
    /// id of the contact, the server is asked for it.
    pub(in crate::client) fn look_up_unless_moved(&mut self, user: UserId) {
        let contact = self.contacts.find(UserRef::Id(user));
        let contact = contact.filter(|it| it.pinned.user == user && it.offered.is_none());
        if let Some(phone) = contact.map(|contact| contact.phone) {
            self.look_up_again(phone);
        }
    }

    /// Asks the server who has the phone number of a contact now.
    pub(in crate::client) fn look_up_again(&mut self, phone: Phone) -> Begun {
        let who = UserRef::Phone(phone);
        let Some(contact) = self.contacts.find(who) else { return Begun::TooSoon };
        let (denied, now) = (contact.pinned.user, self.now.mono);
        let pauses = (&self.config.limits, &mut self.entropy);
        let begun = self.rechecks.begin(phone, denied, now, pauses);
        if begun == Begun::Asking {
            self.lookups.want(who, Asker::Client);
        }
        begun
    }

    /// The server was asked who has the phone number of a contact now.
    pub(in crate::client) fn end_recheck(&mut self, phone: Phone, found: Result<(), SendRefusal>) {
        let Some(denied) = self.rechecks.end(phone) else { return };
        let Some(contact) = self.contacts.find(UserRef::Phone(phone)) else { return };
        // What waits goes to another id already, or until the user has accepted the other key.
        if contact.pinned.user != denied || contact.offered.is_some() {
            return;
        }
        match found {
            Err(SendRefusal::UnknownUser) => {
                self.fail(self.outbox.for_recipient(denied), Failure::UnknownUser);
            }
            // The same id once more: nothing may have been refused, because no receipt had come or a
            // stored message was lost. What was refused goes once more; if it is refused again, that
            // is soon, and it fails.
            Ok(())
            | Err(
                SendRefusal::NotRegistered
                | SendRefusal::OutboxFull
                | SendRefusal::TooLong
                | SendRefusal::KeyChanged
                | SendRefusal::OtherKey
                | SendRefusal::LookupFailed
                | SendRefusal::StoreFailed
                | SendRefusal::SealFailed
                | SendRefusal::Cancelled,
            ) => self.outbox.release(denied),
        }
    }
}
