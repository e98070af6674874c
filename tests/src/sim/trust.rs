//! A model of a client's trust in its contacts, according to its store: which user a message may be
//! sealed for, and which trust a received message may be shown with.

use std::collections::BTreeMap;

use sealpost_core::client::store::{Binding, ClientOp, IncomingMessage, Trust};
use sealpost_core::ids::{Phone, UserId};
use sealpost_core::keys::Fingerprint;

/// Result of a check; the error describes the violation.
pub(super) type Verdict = Result<(), String>;

/// Contacts of a client.
#[derive(Debug, Default)]
pub(super) struct Trusted {
    contacts: BTreeMap<Phone, Contact>,
    /// Contacts that were forgotten. What was under way to or from them may still be as if they were
    /// not.
    former: BTreeMap<Phone, Contact>,
}

#[derive(Debug)]
struct Contact {
    pinned: Known,
    /// Every user id and key that was ever pinned, in order.
    accepted: Vec<Known>,
    /// User ids whose safety numbers were compared.
    verified: Vec<UserId>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    user: UserId,
    fingerprint: Fingerprint,
}

impl Known {
    fn of(binding: &Binding) -> Self {
        Self { user: binding.user, fingerprint: *binding.public_key.fingerprint() }
    }
}

impl Trusted {
    /// Applies a successful store operation.
    pub(super) fn apply(&mut self, op: &ClientOp) {
        match op {
            ClientOp::PinContact { phone, binding } => self.pin(*phone, binding),
            ClientOp::AcceptKey { phone, accepted } => {
                self.pin(*phone, accepted);
                if let Some(contact) = self.contacts.get_mut(phone) {
                    let former = std::mem::replace(&mut contact.pinned, Known::of(accepted));
                    contact.accepted.push(Known::of(accepted));
                    // A comparison of safety numbers is one of keys, whatever id has the key.
                    let is_same_key = former.fingerprint == contact.pinned.fingerprint;
                    if is_same_key && contact.verified.contains(&former.user) {
                        contact.verified.push(accepted.user);
                    }
                }
            }
            ClientOp::ForgetContact { phone } => {
                self.former.extend(self.contacts.remove_entry(phone));
            }
            ClientOp::MarkVerified { phone, fingerprint } => {
                if let Some(contact) = self.contacts.get_mut(phone)
                    && contact.pinned.fingerprint == *fingerprint
                {
                    contact.verified.push(contact.pinned.user);
                }
            }
            ClientOp::PinServerKey(_)
            | ClientOp::ChangeServerKey { .. }
            | ClientOp::KeepReplyKey(_)
            | ClientOp::SetUser(_)
            | ClientOp::UseReconnectTime(_)
            | ClientOp::SetClockOffset { .. }
            | ClientOp::ReserveReceipts { .. }
            | ClientOp::OfferKey { .. }
            | ClientOp::WithdrawOffer { .. }
            | ClientOp::FindTokens(_)
            | ClientOp::KeepDrafts(_)
            | ClientOp::DropDrafts(_)
            | ClientOp::MarkUndeliverable(_)
            | ClientOp::Enqueue(_)
            | ClientOp::Readdress(_)
            | ClientOp::MarkStored(_)
            | ClientOp::MarkDelivered { .. }
            | ClientOp::MarkFailed { .. }
            | ClientOp::Receive(_)
            | ClientOp::Unshown { .. }
            | ClientOp::MarkShown { .. } => {}
        }
    }

    fn pin(&mut self, phone: Phone, binding: &Binding) {
        let pinned = Known::of(binding);
        let accepted = vec![pinned];
        let pin = || Contact { pinned, accepted, verified: Vec::new() };
        self.contacts.entry(phone).or_insert_with(pin);
    }

    /// Nothing is under way any more that was begun before a contact was forgotten.
    pub(super) fn forget_former(&mut self) {
        self.former.clear();
    }

    /// The contacts, with the ids that are pinned.
    pub(super) fn pinned(&self) -> BTreeMap<Phone, UserId> {
        self.contacts.iter().map(|(phone, contact)| (*phone, contact.pinned.user)).collect()
    }

    /// Every id that was pinned for a contact.
    pub(super) fn ids_of(&self, phone: Phone) -> Vec<UserId> {
        self.accepted(phone).iter().map(|known| known.user).collect()
    }

    /// Checks that the user for whom a message is sealed was accepted for the phone, and has the key
    /// that the message is for.
    pub(super) fn sealed(
        &self,
        phone: Phone,
        recipient: UserId,
        key: Option<&Fingerprint>,
    ) -> Verdict {
        let mut known = self.accepted(phone).iter().chain(self.former(phone));
        if known
            .any(|known| known.user == recipient && key.is_none_or(|key| *key == known.fingerprint))
        {
            return Ok(());
        }
        Err(format!(
            "a message to {phone:?} is sealed for {recipient:?}, who was never accepted, or has \
             another key than the one that it is for"
        ))
    }

    /// Checks the trust that a received message is shown with.
    pub(super) fn shown(&self, message: &IncomingMessage) -> Verdict {
        let IncomingMessage { phone, sender, trust, .. } = message;
        let accepted = self.accepted(*phone);
        let is_sender = |known: &Known| known.user == *sender;
        let verifies = |contact: &Contact| contact.verified.contains(sender);
        let mut contacts = self.contacts.get(phone).into_iter().chain(self.former.get(phone));
        let holds = match trust {
            // Trust on first use holds even if the contact could not be recorded yet.
            Trust::FirstUse => {
                let mut known = accepted.iter().chain(self.former(*phone));
                accepted.is_empty() || known.any(is_sender)
            }
            Trust::Verified => contacts.any(verifies),
            Trust::Changed => {
                let is_first = accepted.first().is_some_and(is_sender);
                !is_first || self.former.contains_key(phone)
            }
        };
        if holds {
            return Ok(());
        }
        Err(format!("a message of {sender:?} is shown as from {phone:?} with trust {trust:?}"))
    }

    fn accepted(&self, phone: Phone) -> &[Known] {
        self.contacts.get(&phone).map_or(&[], |contact| &contact.accepted)
    }

    fn former(&self, phone: Phone) -> &[Known] {
        self.former.get(&phone).map_or(&[], |contact| &contact.accepted)
    }
}
