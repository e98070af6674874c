//! Contacts: the ids and keys behind phone numbers, trusted on first use.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::client::store::{Binding, Contact, Trust, Verification};
use crate::frame::Durable;
use crate::ids::{MessageId, Phone, UserId, UserRef};
use crate::keys::{Fingerprint, PublicKey};
use crate::time::Timestamp;

/// Every contact, by phone number and by each user id that is pinned or offered for it.
#[derive(Debug)]
pub(in crate::client) struct Contacts {
    by_phone: BTreeMap<Phone, Contact>,
    /// Pinned and offered ids, and former ids of the pinned keys.
    by_user: BTreeMap<UserId, Phone>,
    /// Ids that were pinned until another one took their place, or offered until another one with the
    /// same key did.
    former: BTreeMap<UserId, PublicKey>,
    /// Bound of the contacts, and of the former ids.
    limit: usize,
}

/// How an answer of the server has changed the contacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::client) enum Learnt {
    /// There is a new contact, pinned.
    New,
    /// It names what is pinned, or is offered already.
    Known,
    /// It names what is pinned; the other binding, offered meanwhile, is withdrawn.
    OfferWithdrawn,
    /// It names another id for the pinned key: the person registered again. The id is pinned now.
    Moved {
        /// The id that was pinned before.
        before: UserId,
    },
    /// It names another key than the pinned one, which is offered now.
    Changed {
        /// Fingerprint of the pinned key.
        pinned: Fingerprint,
    },
    /// Its id is pinned or offered for another phone number. Nothing was changed.
    Contradiction {
        /// The other phone number.
        other: Phone,
    },
    /// There are too many contacts, or former ids. Nothing was changed.
    Full,
}

/// A key under which a contact may sign.
#[derive(Clone, Debug)]
pub(in crate::client) struct Signer {
    pub(in crate::client) phone: Phone,
    pub(in crate::client) public_key: PublicKey,
    pub(in crate::client) trust: Trust,
}

/// A key that the user has accepted. It becomes the pinned one once that is durable: until then a
/// crash would bring the old one back, and with it messages sealed for two keys.
#[derive(Debug)]
pub(in crate::client) struct Acceptance {
    pub(in crate::client) phone: Phone,
    pub(in crate::client) accepted: Binding,
}

/// A comparison of safety numbers. It counts once it is durable, and only for the key that was
/// compared.
#[derive(Debug)]
pub(in crate::client) struct Comparison {
    pub(in crate::client) phone: Phone,
    pub(in crate::client) fingerprint: Fingerprint,
}

/// The effect of an accepted key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::client) struct Accepted {
    pub(in crate::client) phone: Phone,
    pub(in crate::client) fingerprint: Fingerprint,
    /// The id that was pinned before; messages to it are sealed for the old key.
    pub(in crate::client) before: UserId,
}

impl Contacts {
    pub(in crate::client) fn new(
        contacts: Vec<Contact>,
        former: Vec<Binding>,
        limit: usize,
    ) -> Self {
        let (by_phone, by_user) = (BTreeMap::new(), BTreeMap::new());
        let former = former.into_iter().map(|former| (former.user, former.public_key)).collect();
        let mut this = Self { by_phone, by_user, former, limit };
        let mut keys = BTreeMap::new();
        for contact in contacts {
            this.by_user.insert(contact.pinned.user, contact.phone);
            if let Some(offered) = &contact.offered {
                this.by_user.insert(offered.user, contact.phone);
            }
            keys.insert(*contact.pinned.public_key.fingerprint(), contact.phone);
            this.by_phone.insert(contact.phone, contact);
        }
        for (user, key) in &this.former {
            if let Some(phone) = keys.get(key.fingerprint()) {
                this.by_user.entry(*user).or_insert(*phone);
            }
        }
        this
    }

    pub(in crate::client) fn find(&self, who: UserRef) -> Option<&Contact> {
        match who {
            UserRef::Phone(phone) => self.by_phone.get(&phone),
            UserRef::Id(user) => self.by_phone.get(self.by_user.get(&user)?),
        }
    }

    /// The id under which messages to this user id arrive: that of the same key now.
    pub(in crate::client) fn present_id(&self, user: UserId) -> UserId {
        // The usual case, and asked for every message in flight.
        if self.former.is_empty() {
            return user;
        }
        let contact = self.find(UserRef::Id(user));
        contact.filter(|contact| self.is_former(contact, user)).map_or(user, |it| it.pinned.user)
    }

    /// The key for which messages to a user id were sealed: the pinned one, or one pinned before.
    pub(in crate::client) fn recipient_key(&self, user: UserId) -> Option<&PublicKey> {
        let pinned = self.find(UserRef::Id(user)).map(|contact| &contact.pinned);
        let pinned = pinned.filter(|pinned| pinned.user == user).map(|pinned| &pinned.public_key);
        pinned.or_else(|| self.former.get(&user))
    }

    /// The next key that may have signed a message of this user: the pinned one first, because it
    /// is trusted, and none of those that were tried.
    pub(in crate::client) fn next_signer(
        &self,
        user: UserId,
        tried: &[Fingerprint],
    ) -> Option<Signer> {
        let contact = self.find(UserRef::Id(user))?;
        let pinned_trust = match contact.verification {
            Verification::FirstUse => Trust::FirstUse,
            Verification::Verified => Trust::Verified,
        };
        let pinned = core::iter::once((&contact.pinned, pinned_trust));
        let offered = contact.offered.iter().map(|offered| (offered, Trust::Changed));
        // Messages that were sent under a former id may still arrive.
        let is_former = self.is_former(contact, user);
        let is_next = |binding: &Binding| {
            (binding.user == user || (is_former && *binding == contact.pinned))
                && !tried.contains(binding.public_key.fingerprint())
        };
        let (binding, trust) = pinned.chain(offered).find(|(binding, _)| is_next(binding))?;
        Some(Signer { phone: contact.phone, public_key: binding.public_key.clone(), trust })
    }

    /// Compares the binding that the server names for a phone number with what is known. It is
    /// pinned on first contact only; later, another key is offered to the user, who alone can tell
    /// a new phone from an attack. Another id with the pinned key is pinned at once: nobody else can
    /// read what is sealed for the key.
    pub(in crate::client) fn learn(&mut self, phone: Phone, binding: &Binding) -> Learnt {
        if let Some(other) = self.rival(phone, binding.user) {
            return Learnt::Contradiction { other };
        }
        let Some(contact) = self.by_phone.get_mut(&phone) else {
            return self.pin_new(phone, binding.clone());
        };
        let formerly_offered = contact.offered.as_ref().map(|offered| offered.user);
        if contact.pinned.public_key == binding.public_key && contact.pinned != *binding {
            if self.former.len() >= self.limit {
                return Learnt::Full;
            }
            let before = core::mem::replace(&mut contact.pinned.user, binding.user);
            contact.offered = None;
            // One that was refused does not count as the message before the next.
            contact.last_sent = None;
            contact.unanswered_since = None;
            self.former.insert(before, binding.public_key.clone());
            self.by_user.insert(binding.user, phone);
            self.forget_unless_used(formerly_offered, phone);
            return Learnt::Moved { before };
        }
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
        if let Some(before) = &contact.offered
            && before.public_key == binding.public_key
        {
            if self.former.len() >= self.limit {
                return Learnt::Full;
            }
            self.former.insert(before.user, before.public_key.clone());
        }
        contact.offered = Some(binding.clone());
        let pinned = *contact.pinned.public_key.fingerprint();
        self.by_user.insert(binding.user, phone);
        self.forget_unless_used(formerly_offered, phone);
        Learnt::Changed { pinned }
    }

    /// The binding that is offered for the contact, if it has this key.
    pub(in crate::client) fn offered(
        &self,
        phone: Phone,
        fingerprint: &Fingerprint,
    ) -> Option<&Binding> {
        let offered = self.by_phone.get(&phone)?.offered.as_ref();
        offered.filter(|offered| offered.public_key.fingerprint() == fingerprint)
    }

    /// Pins a key that the user has accepted. If the server has offered yet another one since, that
    /// one stays offered: nobody has accepted it.
    pub(in crate::client) fn accept(
        &mut self,
        acceptance: Durable<Acceptance>,
    ) -> Option<Accepted> {
        let Acceptance { phone, accepted } = acceptance.into_inner();
        let contact = self.by_phone.get_mut(&phone)?;
        contact.offered.take_if(|offered| *offered == accepted);
        self.by_user.insert(accepted.user, phone);
        let fingerprint = *accepted.public_key.fingerprint();
        let former = core::mem::replace(&mut contact.pinned, accepted);
        let before = former.user;
        if before != contact.pinned.user {
            // Ids of messages are told apart by recipient, so the chain starts over.
            contact.last_sent = None;
            contact.unanswered_since = None;
            self.former.insert(before, former.public_key);
        }
        contact.verification = Verification::FirstUse;
        // Among them former ids of the former key.
        let theirs = self.by_user.iter().filter(|(_, owner)| **owner == phone);
        let theirs: Vec<_> = theirs.map(|(user, _)| *user).collect();
        for user in theirs {
            self.forget_unless_used(Some(user), phone);
        }
        Some(Accepted { phone, fingerprint, before })
    }

    /// Forgets a contact. What was pinned and offered is a former id now: what its owner has signed
    /// may still arrive. Returns the id that was pinned.
    pub(in crate::client) fn forget(&mut self, phone: &Durable<Phone>) -> Option<UserId> {
        let contact = self.by_phone.remove(phone.get())?;
        let user = contact.pinned.user;
        self.by_user.retain(|_, owner| owner != phone.get());
        for binding in [Some(contact.pinned), contact.offered].into_iter().flatten() {
            self.former.insert(binding.user, binding.public_key);
        }
        Some(user)
    }

    /// Whether this key is the one pinned for the contact.
    pub(in crate::client) fn is_pinned(&self, phone: Phone, fingerprint: &Fingerprint) -> bool {
        let contact = self.by_phone.get(&phone);
        contact.is_some_and(|contact| contact.pinned.public_key.fingerprint() == fingerprint)
    }

    /// Marks a contact as verified. `None` if another key has been pinned since the comparison.
    pub(in crate::client) fn mark_verified(
        &mut self,
        comparison: &Durable<Comparison>,
    ) -> Option<Phone> {
        let Comparison { phone, fingerprint } = comparison.get();
        if !self.is_pinned(*phone, fingerprint) {
            return None;
        }
        self.by_phone.get_mut(phone)?.verification = Verification::Verified;
        Some(*phone)
    }

    /// Sets the last message sent to a contact, and returns the one before.
    pub(in crate::client) fn set_last_sent(
        &mut self,
        phone: Phone,
        last: Option<MessageId>,
    ) -> Option<MessageId> {
        let contact = self.by_phone.get_mut(&phone)?;
        core::mem::replace(&mut contact.last_sent, last)
    }

    /// Replaces the last message sent to a user id, if it is one of those that have failed.
    pub(in crate::client) fn replace_last_sent(
        &mut self,
        user: UserId,
        failed: &[MessageId],
        last: Option<MessageId>,
    ) {
        let Some(contact) = self.pinned_mut(user) else { return };
        // Otherwise a later one is on its way into the store.
        if contact.last_sent.is_some_and(|last_sent| failed.contains(&last_sent)) {
            contact.last_sent = last;
        }
    }

    /// The server holds a message to a user id since this time.
    pub(in crate::client) fn stored(&mut self, user: UserId, at: Timestamp) {
        if let Some(contact) = self.pinned_mut(user) {
            contact.unanswered_since.get_or_insert(at);
        }
    }

    /// The owner of a user id has signed a receipt. Returns the owner's phone number.
    pub(in crate::client) fn answered(&mut self, user: UserId) -> Option<Phone> {
        let contact = self.pinned_mut(user)?;
        contact.unanswered_since = None;
        Some(contact.phone)
    }

    fn pinned_mut(&mut self, user: UserId) -> Option<&mut Contact> {
        let contact = self.by_phone.get_mut(self.by_user.get(&user)?)?;
        (contact.pinned.user == user).then_some(contact)
    }

    fn pin_new(&mut self, phone: Phone, binding: Binding) -> Learnt {
        if self.by_phone.len() >= self.limit {
            return Learnt::Full;
        }
        self.by_user.insert(binding.user, phone);
        // Of a person who was a contact before.
        for (user, _) in self.former.iter().filter(|(_, key)| **key == binding.public_key) {
            self.by_user.entry(*user).or_insert(phone);
        }
        let contact = Contact {
            phone,
            pinned: binding,
            verification: Verification::FirstUse,
            offered: None,
            last_sent: None,
            unanswered_since: None,
        };
        self.by_phone.insert(phone, contact);
        Learnt::New
    }

    /// Takes an id out of the index if the contact does not use it any more.
    fn forget_unless_used(&mut self, user: Option<UserId>, phone: Phone) {
        let (Some(user), Some(contact)) = (user, self.by_phone.get(&phone)) else { return };
        if !is_named(contact, user) && !self.is_former(contact, user) {
            self.by_user.remove(&user);
        }
    }

    /// Another phone number for which this id is pinned or offered. A former id may have been given
    /// to somebody else by a server that was restored.
    fn rival(&self, phone: Phone, user: UserId) -> Option<Phone> {
        let contact = self.find(UserRef::Id(user)).filter(|contact| contact.phone != phone)?;
        is_named(contact, user).then_some(contact.phone)
    }

    /// Whether the pinned key of a contact had this id before.
    fn is_former(&self, contact: &Contact, user: UserId) -> bool {
        !is_named(contact, user) && self.former.get(&user) == Some(&contact.pinned.public_key)
    }

    pub(in crate::client) fn is_consistent(&self) -> Result<(), &'static str> {
        let offered = |contact: &Contact| contact.offered.as_ref().map(|offered| offered.user);
        let uses = |contact: &Contact, user: UserId| {
            is_named(contact, user) || self.is_former(contact, user)
        };
        let indexed = |user: UserId, phone: Phone| self.by_user.get(&user) == Some(&phone);
        for contact in self.by_phone.values() {
            let known = indexed(contact.pinned.user, contact.phone)
                && offered(contact).is_none_or(|user| indexed(user, contact.phone));
            if !known {
                return Err("an id of a contact is not in the index");
            }
        }
        for (user, phone) in &self.by_user {
            if !self.by_phone.get(phone).is_some_and(|contact| uses(contact, *user)) {
                return Err("the index has an id that its contact does not use");
            }
        }
        Ok(())
    }
}

/// Whether this id is pinned or offered for a contact.
fn is_named(contact: &Contact, user: UserId) -> bool {
    let offered = contact.offered.as_ref().map(|offered| offered.user);
    contact.pinned.user == user || offered == Some(user)
}
