//! People who lose their home, with their key and all that was in it, and register again; the
//! operator who takes the old account away; and those who notice that a key has changed.

use sealpost_core::client::store::Failure;
use sealpost_core::client::{Command, Notice, Refusal, RegistrationFailure};
use sealpost_core::frame::{Event, Input};
use sealpost_core::ids::{MessageId, Phone, UserRef};
use sealpost_core::keys::Fingerprint;
use sealpost_core::server::store::{StoreOp, StoreReply};
use sealpost_storage::Storage;
use sealpost_storage::client::{ClientStorage, MemoryClientStorage};

use super::model;
use super::plan::LastWrite;
use super::world::{Aim, App, Due, Who, World};

impl World {
    /// A client's home is gone. The next one is empty, and has another key. As long as there are
    /// keys left: a world has only so many.
    pub(super) fn lose_home(&mut self, client: usize, down_ms: u64) {
        let taken = self.attackers.key() + 1;
        if self.apps.get(client).is_none_or(|app| app.aim == Aim::Idle) || self.keys_left <= taken {
            return;
        }
        self.keys_left -= 1;
        self.fault("client: home lost");
        if self.clients[client].machine.is_some() {
            self.crash(Who::Client(client), LastWrite::Kept);
        }
        let (key, noise) = (self.keys_left, self.around.dice.number());
        let desk = &mut self.clients[client].desk;
        let identity = desk.disk.engine.identity().unwrap();
        desk.disk.engine = MemoryClientStorage::new(identity);
        desk.crypto = self.around.settings.crypto.runner(key, noise);
        let App { aim, user, .. } = self.apps[client];
        self.apps[client] = App { aim, user, ..App::new(key) };
        self.model.home_lost(client);
        self.around.agenda.after(down_ms * 1_000, Due::Boot(Who::Client(client)));
    }

    /// What an application does about keys that have changed, its own and others'.
    pub(super) fn heed_keys(&mut self, client: usize, notice: &Notice) {
        if self.script.is_some() {
            return;
        }
        match notice {
            Notice::RegistrationFailed(RegistrationFailure::PhoneTaken) => {
                let after = self.around.dice.between(50_000, 3_000_000);
                self.around.agenda.after(after, Due::Operator(client));
            }
            Notice::KeyChanged { phone, offered, .. } => {
                self.apps[client].offers.insert(*phone, *offered);
                // Some wait until they have something to say.
                if self.around.dice.chance(500) {
                    self.accept(client, *phone, *offered);
                }
            }
            Notice::SendRefused { refusal: Refusal::KeyChanged, token, .. } => {
                let phone = self.model.reader(token.0).map(model::phone);
                if let Some(phone) = phone
                    && let Some(offered) = self.offered(client, phone)
                {
                    self.accept(client, phone, offered);
                }
            }
            Notice::Failed { ids, failure: Failure::UnknownUser } => self.look_up(client, ids),
            Notice::KeyAccepted { phone, fingerprint } => {
                self.around.agenda.after(0, Due::Greet(client, *phone));
                if self.around.dice.chance(300) {
                    let verified =
                        Command::MarkVerified { phone: *phone, fingerprint: *fingerprint };
                    self.wish(client, verified);
                }
            }
            _ => {}
        }
    }

    fn accept(&mut self, client: usize, phone: Phone, fingerprint: Fingerprint) {
        self.wish(client, Command::AcceptKey { phone, fingerprint });
    }

    /// Those for whom messages have failed may have another key.
    fn look_up(&mut self, client: usize, ids: &[MessageId]) {
        let mut readers = self.model.readers(client, ids);
        readers.dedup();
        for reader in readers {
            self.wish(client, Command::Lookup { phone: model::phone(reader) });
        }
    }

    /// In a while, in this life of the process.
    fn wish(&mut self, client: usize, command: Command) {
        let life = self.clients[client].desk.life;
        let after = self.around.dice.between(50_000, 5_000_000);
        self.around.agenda.after(after, Due::Wish(client, life, command));
    }

    /// The key that is offered for a contact: told in this life, or in an earlier one.
    fn offered(&self, client: usize, phone: Phone) -> Option<Fingerprint> {
        let told = self.apps[client].offers.get(&phone).copied();
        told.or_else(|| {
            let contacts = self.clients[client].desk.disk.engine.load().unwrap().contacts;
            let contact = contacts.into_iter().find(|contact| contact.phone == phone)?;
            Some(*contact.offered?.public_key.fingerprint())
        })
    }

    /// Writes to somebody whose new key was accepted.
    pub(super) fn greet(&mut self, client: usize, phone: Phone) {
        if let Some(to) = self.client_of(phone) {
            self.write(client, to, 1, 30);
        }
    }

    /// The operator was told that an account's key is lost. No server may run while it is deleted.
    pub(super) fn call_operator(&mut self, client: usize) {
        self.condemned.insert(client);
        self.boot_server_after = self.around.dice.between(1_000, 500_000);
        self.input_server(Input::Event(Event::Shutdown));
    }

    /// Deletes the accounts whose people have another key now, before the server starts.
    pub(super) fn delete_accounts(&mut self) {
        for client in std::mem::take(&mut self.condemned) {
            let phone = model::phone(client);
            let store = &mut self.server.desk.disk.engine;
            let mut found = Vec::new();
            store.commit(&[StoreOp::FindUser(UserRef::Phone(phone))], &mut found);
            let Some(Ok(StoreReply::Found(Some(user)))) = found.pop() else { continue };
            if user.public_key == *self.clients[client].desk.crypto.public_key() {
                continue;
            }
            store.delete_user(phone);
            self.apps[client].user = None;
            self.model.account_deleted(client);
            self.fault("operator: account deleted");
            let now = self.around.agenda.now();
            self.around.trace.note(now, &[15, client as u64], || format!("{client} is deleted"));
            let (life, after) =
                (self.clients[client].desk.life, self.around.dice.between(100_000, 2_000_000));
            self.around.agenda.after(after, Due::GoOnline(client, life));
        }
    }

    /// In a world at rest, has everybody write to those whose new key they have not accepted. Returns
    /// whether somebody did.
    pub(super) fn write_to_strangers(&mut self) -> bool {
        let strangers: Vec<_> = (0..self.clients.len())
            .flat_map(|client| self.strangers(client).into_iter().map(move |to| (client, to)))
            .collect();
        for (client, to) in &strangers {
            self.write(*client, *to, 1, 30);
        }
        !strangers.is_empty()
    }

    /// The contacts of a client that have another account now than the one that is pinned.
    fn strangers(&self, client: usize) -> Vec<usize> {
        if self.keys_left == self.around.settings.crypto.keys() {
            return Vec::new();
        }
        let contacts = self.clients[client].desk.disk.engine.load().unwrap().contacts;
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
