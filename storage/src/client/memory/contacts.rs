//! Contacts, and the keys that they have or had.

use std::{iter, mem};

use sealpost_core::client::store::{Binding, Contact, Verification};
use sealpost_core::ids::{Phone, UserId};
use sealpost_core::keys::PublicKey;

use super::MemoryClientStorage;

impl MemoryClientStorage {
    pub(super) fn pin(&mut self, phone: Phone, binding: &Binding) {
        self.contacts.entry(phone).or_insert_with(|| Contact {
            phone,
            pinned: binding.clone(),
            verification: Verification::FirstUse,
            offered: None,
            last_sent: None,
            unanswered_since: None,
        });
    }

    pub(super) fn offer(&mut self, phone: Phone, offered: &Binding) {
        let Some(contact) = self.contacts.get_mut(&phone) else { return };
        let before = contact.offered.replace(offered.clone());
        if let Some(before) = before
            && before.public_key == offered.public_key
            && before.user != offered.user
        {
            self.former.insert(before.user, before.public_key);
        }
    }

    pub(super) fn accept(&mut self, phone: Phone, accepted: &Binding) {
        self.pin(phone, accepted);
        let Some(contact) = self.contacts.get_mut(&phone) else { return };
        contact.offered = None;
        if contact.pinned == *accepted {
            return;
        }
        let former = mem::replace(&mut contact.pinned, accepted.clone());
        if former.public_key != accepted.public_key {
            contact.verification = Verification::FirstUse;
        }
        if former.user != accepted.user {
            // A message to the former id may have been refused, and what was signed under that id
            // may still arrive.
            contact.last_sent = None;
            self.former.insert(former.user, former.public_key);
        }
    }

    /// The keys that a user id of a person has or had.
    pub(super) fn keys(&self, phone: Phone, user: UserId) -> impl Iterator<Item = &PublicKey> {
        let contact = self.contacts.get(&phone).into_iter();
        let named = contact.flat_map(|contact| iter::once(&contact.pinned).chain(&contact.offered));
        let named = named.filter(move |binding| binding.user == user);
        named.map(|binding| &binding.public_key).chain(self.former.get(&user))
    }
}
