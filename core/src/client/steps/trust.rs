//! Trusting keys: what the server says, and what the user decides about a key that changed.

use alloc::collections::BTreeMap;

use crate::client::Client;
use crate::client::alarm::Alarm;
use crate::client::awaits::AwaitStore;
use crate::client::notice::{LookupFailure, Notice, Suspicion};
use crate::client::state::contacts::{Acceptance, Comparison, Learnt};
use crate::client::store::{Binding, ClientOp, Failure};
use crate::frame::{Durable, Pending, StoreError};
use crate::ids::{Phone, UserRef};
use crate::keys::Fingerprint;

impl Client {
    /// Handles the id and key that the server names for a phone number.
    pub(in crate::client) fn learn(
        &mut self,
        phone: Phone,
        binding: Binding,
    ) -> Result<(), LookupFailure> {
        match self.contacts.learn(phone, &binding) {
            Learnt::Known => {}
            Learnt::New => self.pin(ClientOp::PinContact { phone, binding }),
            Learnt::OfferWithdrawn => {
                self.out.store(ClientOp::WithdrawOffer { phone }, AwaitStore::Kept);
                self.out.notify(Notice::OfferWithdrawn { phone });
                if let Some(contact) = self.contacts.find(UserRef::Phone(phone)) {
                    self.outbox.release(contact.pinned.user);
                }
            }
            Learnt::Moved { before } => {
                let user = binding.user;
                self.pin(ClientOp::AcceptKey { phone, accepted: binding });
                self.out.notify(Notice::Moved { phone, user });
                self.outbox.release(before);
                self.alarms.cancel(Alarm::Hold(before));
            }
            Learnt::Changed { pinned } => {
                let offered = *binding.public_key.fingerprint();
                let op = ClientOp::OfferKey { phone, offered: binding };
                self.out.store(op, AwaitStore::Kept);
                self.out.notify(Notice::KeyChanged { phone, pinned, offered });
            }
            Learnt::Contradiction { other } => {
                let suspicion = Suspicion::Contradiction { user: binding.user };
                self.out.notify(Notice::Suspicious { suspicion });
                // The other one may have registered again.
                self.look_up_again(other);
                return Err(LookupFailure::Contradiction);
            }
            Learnt::Full => return Err(LookupFailure::Busy),
        }
        Ok(())
    }

    /// Tells the application of the keys on offer for contacts to whom messages wait: an earlier
    /// process may have ended before its user saw that. Comes with the actions of the first input.
    pub(in crate::client) fn repeat_offers(&mut self) {
        let named = self.drafts.recipients().chain(self.outbox.recipients().map(UserRef::Id));
        let contacts = named.filter_map(|to| self.contacts.find(to));
        let offers = contacts.filter_map(|contact| {
            let offered = *contact.offered.as_ref()?.public_key.fingerprint();
            Some((contact.phone, (*contact.pinned.public_key.fingerprint(), offered)))
        });
        // Many messages may wait for one contact.
        let offers: BTreeMap<_, _> = offers.collect();
        for (phone, (pinned, offered)) in offers {
            self.out.notify(Notice::KeyChanged { phone, pinned, offered });
        }
    }

    /// [`Command::AcceptKey`](crate::client::Command::AcceptKey).
    pub(in crate::client) fn accept_key(&mut self, phone: Phone, fingerprint: Fingerprint) {
        // The server may have offered yet another key since the user looked at this one.
        let Some(accepted) = self.contacts.offered(phone, &fingerprint).cloned() else {
            return self.out.notify(Notice::KeyMismatch { phone });
        };
        let op = ClientOp::AcceptKey { phone, accepted: accepted.clone() };
        let acceptance = Pending::new(Acceptance { phone, accepted });
        self.out.store(op, AwaitStore::KeyAccepted(acceptance));
    }

    pub(in crate::client) fn on_key_accepted(
        &mut self,
        kept: Result<Durable<Acceptance>, (Acceptance, StoreError)>,
    ) {
        // After a failure the key is still offered, and the user may accept it again.
        let Ok(acceptance) = kept else { return };
        let Some(accepted) = self.contacts.accept(acceptance) else { return };
        let (phone, fingerprint) = (accepted.phone, accepted.fingerprint);
        self.out.notify(Notice::KeyAccepted { phone, fingerprint });
        let sealed_for_old_key = self.outbox.for_recipient(accepted.before);
        self.fail(sealed_for_old_key, Failure::KeyReplaced);
    }

    /// [`Command::Forget`](crate::client::Command::Forget).
    pub(in crate::client) fn forget_contact(&mut self, phone: Phone) {
        let op = ClientOp::ForgetContact { phone };
        self.out.store(op, AwaitStore::ContactForgotten(Pending::new(phone)));
    }

    pub(in crate::client) fn on_contact_forgotten(
        &mut self,
        kept: Result<Durable<Phone>, (Phone, StoreError)>,
    ) {
        // After a failure it is known as before, and the user may try again.
        let Ok(phone) = kept else { return };
        // Otherwise they would make it a contact again.
        let contacts = &self.contacts;
        let is_theirs = |to| contacts.find(to).is_some_and(|contact| contact.phone == *phone.get());
        self.drafts.cancel_for(is_theirs);
        if let Some(user) = self.contacts.forget(&phone) {
            // Nobody decides any more whether what is held back goes on.
            self.outbox.release(user);
            self.alarms.cancel(Alarm::Hold(user));
        }
        self.out.notify(Notice::Forgotten { phone: phone.into_inner() });
    }

    /// [`Command::MarkVerified`](crate::client::Command::MarkVerified).
    pub(in crate::client) fn mark_verified(&mut self, phone: Phone, fingerprint: Fingerprint) {
        if !self.contacts.is_pinned(phone, &fingerprint) {
            return self.out.notify(Notice::KeyMismatch { phone });
        }
        let op = ClientOp::MarkVerified { phone, fingerprint };
        let comparison = Pending::new(Comparison { phone, fingerprint });
        self.out.store(op, AwaitStore::ContactVerified(comparison));
    }

    pub(in crate::client) fn on_contact_verified(
        &mut self,
        kept: Result<Durable<Comparison>, (Comparison, StoreError)>,
    ) {
        let Ok(comparison) = kept else { return };
        if let Some(phone) = self.contacts.mark_verified(&comparison) {
            self.out.notify(Notice::Verified { phone });
        }
    }
}
