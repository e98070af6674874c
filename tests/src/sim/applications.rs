//! What applications do beside sending to a person: they send to the owner of a key, give messages up,
//! and forget contacts.

use std::collections::BTreeSet;

use sealpost_core::client::store::Token;
use sealpost_core::client::{Command, Notice, SendRefusal};
use sealpost_core::ids::{Phone, UserRef};
use sealpost_storage::client::ClientStorage;

use super::world::World;

/// What an application has asked of its client in this incarnation of the process.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// Messages to be given up, whose command was not answered yet.
    cancelled: BTreeSet<Token>,
    /// Messages that the application has asked to give up.
    ever_cancelled: BTreeSet<Token>,
    /// Contacts to be forgotten.
    forgotten: BTreeSet<Phone>,
}

impl Asked {
    /// Whether the application wants a message to be given up.
    fn has_given_up(&self, token: Token, to: UserRef) -> bool {
        let is_forgotten = matches!(to, UserRef::Phone(phone) if self.forgotten.contains(&phone));
        is_forgotten || self.ever_cancelled.contains(&token)
    }
}

impl World {
    /// Sends a message to the phone number of a client, for the key that `owner` has now.
    pub(super) fn send_to_key(&mut self, from: usize, to: usize, owner: usize, size: u32) {
        let clients = self.clients.len();
        if to >= clients || owner >= clients {
            return;
        }
        let key = *self.clients[owner].host.crypto.public_key().fingerprint();
        self.send_message(from, to, Some(key), size);
    }

    /// Has an application give up the message that it sent `back` messages before its last one.
    pub(super) fn cancel(&mut self, client: usize, back: usize) {
        if self.clients.get(client).is_none_or(|node| node.machine.is_none()) {
            return;
        }
        let Some(token) = self.apps[client].sent_before(back) else { return };
        let asked = &mut self.apps[client].asked;
        asked.cancelled.insert(token);
        asked.ever_cancelled.insert(token);
        self.command(client, Command::Cancel { token });
    }

    /// Has an application forget a contact.
    pub(super) fn forget(&mut self, client: usize, contact: usize) {
        let runs = self.clients.get(client).is_some_and(|node| node.machine.is_some());
        if !runs || contact >= self.clients.len() || client == contact {
            return;
        }
        let phone = self.phone_of(contact);
        self.apps[client].asked.forgotten.insert(phone);
        self.command(client, Command::Forget { phone });
    }

    /// Takes the answers to these commands.
    pub(super) fn take_answer(&mut self, client: usize, notice: &Notice) {
        if self.script.is_some() {
            return;
        }
        match notice {
            Notice::NotCancelled { token } => {
                self.apps[client].asked.cancelled.remove(token);
            }
            Notice::SendRefused { token, refusal: SendRefusal::Cancelled, to, .. } => {
                let asked = &mut self.apps[client].asked;
                asked.cancelled.remove(token);
                if !asked.has_given_up(*token, *to) {
                    self.env.violate(|| format!("client {client} gives {token:?} up by itself"));
                }
                let verdict = self.model.cancelled(token.0);
                self.check(verdict);
            }
            Notice::Forgotten { phone } => {
                self.apps[client].offers.remove(phone);
            }
            _ => {}
        }
    }

    /// Checks, at rest, that every command was answered, and that each client has exactly the contacts
    /// that it pinned and did not forget.
    pub(super) fn check_applications(&mut self) {
        for client in 0..self.clients.len() {
            if let Some(token) = self.apps[client].asked.cancelled.first().copied() {
                self.env.violate(|| {
                    format!("client {client} does not say whether {token:?} is given up")
                });
            }
            let snapshot = self.clients[client].host.disk.engine.load().unwrap();
            let pinned =
                snapshot.contacts.iter().map(|contact| (contact.phone, contact.pinned.user));
            let verdict = self.model.contacts_are(client, &pinned.collect());
            self.check(verdict);
        }
    }
}
