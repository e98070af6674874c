//! Lost client directories: a client that loses its key and store registers again with a new key,
//! the operator deletes the old account, and other clients notice that the key has changed.

use sealpost_core::client::store::Failure;
use sealpost_core::client::{Command, Notice, RegistrationFailure, SendRefusal};
use sealpost_core::frame::{Event, Input};
use sealpost_core::ids::{MessageId, Phone, UserId, UserRef};
use sealpost_core::keys::Fingerprint;
use sealpost_core::server::store::{StoreOp, StoreReply};
use sealpost_core::server::{self, AccountChange};
use sealpost_storage::Storage;
use sealpost_storage::client::{ClientStorage, MemoryClientStorage};

use super::application::{App, Goal};
use super::disk::LastWrite;
use super::event::SimEvent;
use super::model;
use super::process::ProcessId;
use super::world::World;

impl World {
    /// Replaces a client's directory by an empty one with a new key. Does nothing if no key is left
    /// (the pool of keys is limited), or if the client has not been started by the plan yet.
    pub(super) fn lose_directory(&mut self, client: usize, down_ms: u64) {
        let taken = self.attackers.key() + self.greedy.len() + 1;
        if self.apps.get(client).is_none_or(|app| app.goal == Goal::Idle)
            || self.unused_keys <= taken
        {
            return;
        }
        self.unused_keys -= 1;
        self.fault("client: directory lost");
        if self.clients[client].machine.is_some() {
            self.crash(ProcessId::Client(client), LastWrite::Kept);
        }
        let (key, noise) = (self.unused_keys, self.env.dice.number());
        let host = &mut self.clients[client].host;
        let identity = host.disk.engine.identity().unwrap();
        host.disk.engine = MemoryClientStorage::new(identity);
        host.crypto = self.env.settings.crypto.runner(key, noise);
        let App { goal, user, .. } = self.apps[client];
        self.apps[client] = App { goal, user, ..App::new(key) };
        let fingerprint = *self.clients[client].host.crypto.public_key().fingerprint();
        self.model.directory_lost(client, fingerprint);
        self.env.queue.schedule_after(down_ms * 1_000, SimEvent::Start(ProcessId::Client(client)));
    }

    /// Reacts to notices about changed keys, as the application of a client.
    pub(super) fn handle_key_notice(&mut self, client: usize, notice: &Notice) {
        if self.script.is_some() {
            return;
        }
        match notice {
            Notice::RegistrationFailed { failure: RegistrationFailure::PhoneTaken } => {
                let after = self.env.dice.between(50_000, 3_000_000);
                self.env.queue.schedule_after(after, SimEvent::RequestDeletion(client));
            }
            Notice::KeyChanged { phone, offered, .. } => {
                self.apps[client].offers.insert(*phone, *offered);
                // Half of the applications accept a key only once they have a message to send.
                let at_once = self.env.dice.chance(500);
                if at_once || self.has_queued_for(client, *phone) {
                    self.accept(client, *phone, *offered);
                }
            }
            // It was a draft, and being sealed when the key was offered.
            Notice::Queued { token, .. } => {
                let recipient = self.model.recipient(token.0);
                let phone = recipient.map(|recipient| self.phone_of(recipient));
                let offered = phone.and_then(|phone| self.apps[client].offers.get(&phone).copied());
                if let (Some(phone), Some(offered)) = (phone, offered) {
                    self.accept(client, phone, offered);
                }
            }
            // It may be the acceptance that could not be stored.
            Notice::StoreFailed { .. } => self.accept_offers_with_messages(client),
            Notice::SendRefused { refusal: SendRefusal::KeyChanged, to, .. } => {
                if let UserRef::Phone(phone) = *to
                    && let Some(offered) = self.offered(client, phone)
                {
                    self.accept(client, phone, offered);
                }
            }
            Notice::Failed { ids, failure: Failure::UnknownUser } => self.look_up(client, ids),
            Notice::KeyAccepted { phone, fingerprint } => {
                self.apps[client].offers.remove(phone);
                self.env.queue.schedule_after(0, SimEvent::WriteToContact(client, *phone));
                if self.env.dice.chance(300) {
                    let verified =
                        Command::MarkVerified { phone: *phone, fingerprint: *fingerprint };
                    self.command_later(client, verified);
                }
            }
            _ => {}
        }
    }

    /// Whether a message of a client waits for the contact with a phone number.
    fn has_queued_for(&self, client: usize, phone: Phone) -> bool {
        let queued = self.model.queued_by(self.account(client));
        let mut recipients = queued.into_iter().filter_map(|number| self.model.recipient(number));
        recipients.any(|recipient| self.phone_of(recipient) == phone)
    }

    /// Accepts the keys on offer for contacts to whom messages of a client wait.
    fn accept_offers_with_messages(&mut self, client: usize) {
        for (phone, offered) in self.apps[client].offers.clone() {
            if self.has_queued_for(client, phone) {
                self.accept(client, phone, offered);
            }
        }
    }

    fn accept(&mut self, client: usize, phone: Phone, fingerprint: Fingerprint) {
        self.command_later(client, Command::AcceptKey { phone, fingerprint });
    }

    /// Looks up the recipients of failed messages, which may have another key.
    fn look_up(&mut self, client: usize, ids: &[MessageId]) {
        let mut recipients = self.model.recipients(client, ids);
        recipients.dedup();
        for recipient in recipients {
            self.command_later(client, Command::Lookup { phone: self.phone_of(recipient) });
        }
    }

    /// Gives a client a command after a while, unless its process restarts before.
    fn command_later(&mut self, client: usize, command: Command) {
        let incarnation = self.clients[client].host.incarnation;
        let after = self.env.dice.between(50_000, 5_000_000);
        self.env.queue.schedule_after(after, SimEvent::RunCommand(client, incarnation, command));
    }

    /// The changed key on offer for a contact, reported in this incarnation of the process or an
    /// earlier one.
    fn offered(&self, client: usize, phone: Phone) -> Option<Fingerprint> {
        let told = self.apps[client].offers.get(&phone).copied();
        told.or_else(|| {
            let contacts = self.clients[client].host.disk.engine.load().unwrap().contacts;
            let contact = contacts.into_iter().find(|contact| contact.phone == phone)?;
            Some(*contact.offered?.public_key.fingerprint())
        })
    }

    /// Sends a message to a contact whose new key was accepted.
    pub(super) fn write_to_contact(&mut self, client: usize, phone: Phone) {
        if let Some(to) = self.client_of(phone) {
            self.send_messages(client, to, 1, 30);
        }
    }

    /// Asks the operator to delete the account of a client that lost its key. One half of the
    /// operators do so while the server runs, the others stop it first.
    pub(super) fn request_deletion(&mut self, client: usize) {
        self.accounts_to_delete.insert(client);
        self.server_restart_delay = self.env.dice.between(1_000, 500_000);
        if self.is_shared() {
            for user in self.delete_accounts() {
                self.tell_account_changed(user, AccountChange::Deleted);
            }
        } else if client.is_multiple_of(2) && self.servers[0].machine.is_some() {
            for user in self.delete_accounts() {
                let command = server::Command::EndSession { user, why: AccountChange::Deleted };
                self.input_server(0, Input::Event(Event::Command(command)));
            }
        } else {
            self.stop_all_servers();
        }
    }

    /// Deletes the requested accounts, except for those whose clients have no new key. Returns the
    /// ids that they had.
    pub(super) fn delete_accounts(&mut self) -> Vec<UserId> {
        let mut deleted = Vec::new();
        for client in std::mem::take(&mut self.accounts_to_delete) {
            let phone = model::phone(client);
            let mut found = Vec::new();
            self.store.commit(&[StoreOp::FindUser(UserRef::Phone(phone))], &mut found);
            let Some(Ok(StoreReply::Found(Some(user)))) = found.pop() else { continue };
            if user.public_key == *self.clients[client].host.crypto.public_key() {
                continue;
            }
            deleted.extend(self.store.change().delete_user(phone));
            self.apps[client].user = None;
            self.model.account_deleted(client);
            self.fault("operator: account deleted");
            let now = self.env.queue.now();
            self.env.trace.note(now, &[15, client as u64], || {
                format!("account of client {client} is deleted")
            });
            let (incarnation, after) =
                (self.clients[client].host.incarnation, self.env.dice.between(100_000, 2_000_000));
            self.env.queue.schedule_after(after, SimEvent::GoOnline(client, incarnation));
        }
        deleted
    }

    /// At rest, has every client write to the contacts whose new key it has not accepted. Returns
    /// whether there were any.
    pub(super) fn write_to_contacts_with_new_accounts(&mut self) -> bool {
        let strangers: Vec<_> = (0..self.clients.len())
            .flat_map(|client| {
                self.contacts_with_new_accounts(client).into_iter().map(move |to| (client, to))
            })
            .collect();
        for (client, to) in &strangers {
            self.send_messages(*client, *to, 1, 30);
        }
        !strangers.is_empty()
    }

    /// Contacts of a client whose current account is not the pinned one.
    fn contacts_with_new_accounts(&self, client: usize) -> Vec<usize> {
        if self.unused_keys == self.env.settings.crypto.keys() {
            return Vec::new();
        }
        let contacts = self.clients[client].host.disk.engine.load().unwrap().contacts;
        let known = contacts.into_iter().filter_map(|contact| {
            let peer = self.client_of(contact.phone)?;
            Some((peer, self.apps[peer].user? != contact.pinned.user))
        });
        known.filter(|(_, strange)| *strange).map(|(peer, _)| peer).collect()
    }

    fn client_of(&self, phone: Phone) -> Option<usize> {
        (0..self.clients.len()).find(|index| model::phone(*index) == phone)
    }
}
