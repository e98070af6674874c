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
}

#[derive(Debug)]
struct Contact {
    pinned: Known,
    /// Every user id that was ever pinned, in order.
    accepted: Vec<UserId>,
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
                    contact.accepted.push(accepted.user);
                    // A comparison of safety numbers is one of keys, whatever id has the key.
                    let is_same_key = former.fingerprint == contact.pinned.fingerprint;
                    if is_same_key && contact.verified.contains(&former.user) {
                        contact.verified.push(accepted.user);
                    }
                }
            }
            ClientOp::ForgetContact { phone } => drop(self.contacts.remove(phone)),
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
        let accepted = vec![pinned.user];
        let pin = || Contact { pinned, accepted, verified: Vec::new() };
        self.contacts.entry(phone).or_insert_with(pin);
    }

    /// Checks that the user for whom a message is sealed was accepted for the phone.
    pub(super) fn sealed(&self, phone: Phone, recipient: UserId) -> Verdict {
        if self.accepted(phone).contains(&recipient) {
            return Ok(());
        }
        Err(format!("a message to {phone:?} is sealed for {recipient:?}, who was never accepted"))
    }

    /// Checks the trust that a received message is shown with.
    pub(super) fn shown(&self, message: &IncomingMessage) -> Verdict {
        let IncomingMessage { phone, sender, trust, .. } = message;
        let accepted = self.accepted(*phone);
        let contact = self.contacts.get(phone);
        let holds = match trust {
            // Trust on first use holds even if the contact could not be recorded yet.
            Trust::FirstUse => accepted.is_empty() || accepted.contains(sender),
            Trust::Verified => contact.is_some_and(|contact| contact.verified.contains(sender)),
            Trust::Changed => accepted.first().is_none_or(|first| first != sender),
        };
        if holds {
            return Ok(());
        }
        Err(format!("a message of {sender:?} is shown as from {phone:?} with trust {trust:?}"))
    }

    fn accepted(&self, phone: Phone) -> &[UserId] {
        self.contacts.get(&phone).map_or(&[], |contact| &contact.accepted)
    }
}
