//! Accounts that the server loses: the operator deletes them, or restores the server's store from an
//! earlier copy of it. Their clients keep their directories, and register again with the same key.

use std::collections::BTreeSet;

use sealpost_core::ids::{MessageId, UserRef};
use sealpost_core::server::store::{StoreOp, StoreReply};
use sealpost_core::wire::{ItemId, ItemKind};
use sealpost_storage::Storage;

use super::application::Goal;
use super::disk::LastWrite;
use super::event::SimEvent;
use super::model;
use super::process::ProcessId;
use super::world::World;

impl World {
    /// Stops the server, so that the operator can delete an account.
    pub(super) fn lose_account(&mut self, client: usize) {
        if self.apps.get(client).is_some_and(|app| app.goal != Goal::Idle) {
            self.fault("operator: account of a client deleted");
            self.accounts_to_lose.insert(client);
            self.server_restart_delay = self.env.dice.between(1_000, 500_000);
            self.stop_all_servers();
        }
    }

    /// Deletes the accounts that are to be lost, before the server starts.
    pub(super) fn delete_lost_accounts(&mut self) {
        let lost = std::mem::take(&mut self.accounts_to_lose);
        if !lost.is_empty() {
            for client in lost {
                self.store.change().delete_user(model::phone(client));
            }
            self.read_accounts();
        }
    }

    /// Copies the server's store.
    pub(super) fn back_up_server(&mut self) {
        self.server_backup = Some(self.store.read().clone());
    }

    /// Replaces the server's store by the copy, if there is one, and starts the server again. User ids
    /// that were given since are not given again.
    pub(super) fn restore_server(&mut self, down_ms: u64) {
        let Some(backup) = self.server_backup.clone() else { return };
        self.fault("server: store restored from a backup");
        for index in 0..self.servers.len() {
            if self.servers[index].machine.is_some() {
                self.crash(ProcessId::Server(index), LastWrite::Kept);
            }
        }
        let newer = std::mem::replace(&mut *self.store.change(), backup);
        self.store.change().skip_user_ids_of(&newer);
        if let Some(invitations) = &mut self.invitations {
            invitations.restored(&self.store.read().invitations());
        }
        self.read_accounts();
        for index in 0..self.servers.len() {
            let start = SimEvent::Start(ProcessId::Server(index));
            self.env.queue.schedule_after(down_ms * 1_000, start);
        }
    }

    /// Compares what is known of the server's accounts and of stored messages with its store.
    fn read_accounts(&mut self) {
        for client in 0..self.clients.len() {
            let mut found = Vec::new();
            let find = StoreOp::FindUser(UserRef::Phone(model::phone(client)));
            self.store.commit(&[find], &mut found);
            let user = match found.pop() {
                Some(Ok(StoreReply::Found(user))) => user.map(|user| user.id),
                _ => None,
            };
            self.apps[client].user = user;
            self.model.account_is(client, user);
        }
        let store = self.store.read();
        let items = store.packets().filter_map(|(_, packet)| ItemId::of(packet));
        let messages = items.filter(|item| item.kind == ItemKind::Message);
        let stored: BTreeSet<_> = messages.map(|item| (item.origin, MessageId(item.id))).collect();
        self.model.stored_messages_are(&stored);
        self.allowances.forget_answers();
    }
}
