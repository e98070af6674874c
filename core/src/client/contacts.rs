//! Contacts: whom phone numbers stand for, trusted on first use.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::store::{Binding, Contact, Trust, Verification};
use crate::ids::{MessageId, Phone, UserId, UserRef};
use crate::keys::{Fingerprint, PublicKey};

/// Every contact, by phone number and by each user id that was ever named for it and is in use.
#[derive(Debug)]
pub(super) struct Contacts {
    by_phone: BTreeMap<Phone, Contact>,
    /// Pinned and offered ids.
    by_user: BTreeMap<UserId, Phone>,
    /// Ids that were pinned before others were accepted. As many as people have decided.
    former: BTreeMap<UserId, PublicKey>,
    limit: usize,
}

/// What an answer of the server did to the contacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Learnt {
    /// A new contact, pinned.
    New,
    /// What is pinned, or is offered already.
    Known,
    /// What is pinned; another binding was offered meanwhile, and is not any more.
    OfferWithdrawn,
    /// Another binding than the pinned one: it is offered now.
    Changed {
        /// Of the pinned key.
        pinned: Fingerprint,
    },
    /// This id belongs to another phone number. Nothing was changed.
    Contradiction,
    /// There are too many contacts. Nothing was changed.
    Full,
}

/// A key under which a contact may sign.
#[derive(Clone, Debug)]
pub(super) struct Signer {
    pub(super) phone: Phone,
    pub(super) public_key: PublicKey,
    pub(super) trust: Trust,
}

impl Contacts {
    pub(super) fn new(contacts: Vec<Contact>, former: Vec<Binding>, limit: usize) -> Self {
        let (by_phone, by_user) = (BTreeMap::new(), BTreeMap::new());
        let former = former.into_iter().map(|former| (former.user, former.public_key)).collect();
        let mut this = Self { by_phone, by_user, former, limit };
        for contact in contacts {
            this.by_user.insert(contact.pinned.user, contact.phone);
            if let Some(offered) = &contact.offered {
                this.by_user.insert(offered.user, contact.phone);
            }
            this.by_phone.insert(contact.phone, contact);
        }
        this
    }

    pub(super) fn find(&self, who: UserRef) -> Option<&Contact> {
        match who {
            UserRef::Phone(phone) => self.by_phone.get(&phone),
            UserRef::Id(user) => self.by_phone.get(self.by_user.get(&user)?),
        }
    }

    /// The key for which messages to a user id were sealed: the pinned one, or one that was.
    pub(super) fn reader_key(&self, user: UserId) -> Option<&PublicKey> {
        let pinned = self.find(UserRef::Id(user)).map(|contact| &contact.pinned);
        let pinned = pinned.filter(|pinned| pinned.user == user).map(|pinned| &pinned.public_key);
        pinned.or_else(|| self.former.get(&user))
    }

    /// Who may have signed a message of this user, the trusted key first, leaving out keys that
    /// were tried.
    pub(super) fn next_signer(&self, user: UserId, tried: &[Fingerprint]) -> Option<Signer> {
        let contact = self.find(UserRef::Id(user))?;
        let pinned_trust = match contact.verification {
            Verification::FirstUse => Trust::FirstUse,
            Verification::Verified => Trust::Verified,
        };
        let pinned = core::iter::once((&contact.pinned, pinned_trust));
        let offered = contact.offered.iter().map(|offered| (offered, Trust::Changed));
        let is_next = |binding: &Binding| {
            binding.user == user && !tried.contains(binding.public_key.fingerprint())
        };
        let (binding, trust) = pinned.chain(offered).find(|(binding, _)| is_next(binding))?;
        Some(Signer { phone: contact.phone, public_key: binding.public_key.clone(), trust })
    }

    /// Takes in what the server says of a phone number.
    pub(super) fn learn(&mut self, phone: Phone, binding: &Binding) -> Learnt {
        if self.by_user.get(&binding.user).is_some_and(|known| *known != phone) {
            return Learnt::Contradiction;
        }
        let Some(contact) = self.by_phone.get_mut(&phone) else {
            return self.pin(phone, binding.clone());
        };
        let formerly_offered = contact.offered.as_ref().map(|offered| offered.user);
        if contact.pinned == *binding {
            contact.offered = None;
            self.forget_unless_used(formerly_offered, phone);
            return match formerly_offered {
                Some(_) => Learnt::OfferWithdrawn,
                None => Learnt::Known,
            };
        }
        if contact.offered.as_ref() == Some(binding) {
            return Learnt::Known;
        }
        contact.offered = Some(binding.clone());
        let pinned = *contact.pinned.public_key.fingerprint();
        self.by_user.insert(binding.user, phone);
        self.forget_unless_used(formerly_offered, phone);
        Learnt::Changed { pinned }
    }

    /// What is offered for the contact, if it is this key.
    pub(super) fn offered(&self, phone: Phone, fingerprint: &Fingerprint) -> Option<&Binding> {
        let offered = self.by_phone.get(&phone)?.offered.as_ref();
        offered.filter(|offered| offered.public_key.fingerprint() == fingerprint)
    }

    /// Pins what was offered when somebody accepted it; what the server has offered since stays
    /// offered. Returns the id that was pinned before.
    pub(super) fn accept(&mut self, phone: Phone, accepted: Binding) -> Option<UserId> {
        let contact = self.by_phone.get_mut(&phone)?;
        contact.offered.take_if(|offered| *offered == accepted);
        self.by_user.insert(accepted.user, phone);
        let former = core::mem::replace(&mut contact.pinned, accepted);
        if former.user != contact.pinned.user {
            contact.last_sent = None;
            self.former.insert(former.user, former.public_key);
        }
        contact.verification = Verification::FirstUse;
        self.forget_unless_used(Some(former.user), phone);
        Some(former.user)
    }

    /// Whether this key is the one pinned for the contact.
    pub(super) fn is_pinned(&self, phone: Phone, fingerprint: &Fingerprint) -> bool {
        let contact = self.by_phone.get(&phone);
        contact.is_some_and(|contact| contact.pinned.public_key.fingerprint() == fingerprint)
    }

    /// Marks a contact as verified.
    pub(super) fn mark_verified(&mut self, phone: Phone) {
        if let Some(contact) = self.by_phone.get_mut(&phone) {
            contact.verification = Verification::Verified;
        }
    }

    /// Sets the last message to a contact, and returns the one before.
    pub(super) fn set_last_sent(
        &mut self,
        phone: Phone,
        last: Option<MessageId>,
    ) -> Option<MessageId> {
        let contact = self.by_phone.get_mut(&phone)?;
        core::mem::replace(&mut contact.last_sent, last)
    }

    fn pin(&mut self, phone: Phone, binding: Binding) -> Learnt {
        if self.by_phone.len() >= self.limit {
            return Learnt::Full;
        }
        self.by_user.insert(binding.user, phone);
        let contact = Contact {
            phone,
            pinned: binding,
            verification: Verification::FirstUse,
            offered: None,
            last_sent: None,
        };
        self.by_phone.insert(phone, contact);
        Learnt::New
    }

    /// Takes an id out of the index if its contact has no use for it any more.
    fn forget_unless_used(&mut self, user: Option<UserId>, phone: Phone) {
        let (Some(user), Some(contact)) = (user, self.by_phone.get(&phone)) else { return };
        let offered = contact.offered.as_ref().map(|offered| offered.user);
        if contact.pinned.user != user && offered != Some(user) {
            self.by_user.remove(&user);
        }
    }
}
