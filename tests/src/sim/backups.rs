//! Restored client directories: a client whose store is replaced by an older copy of it. It uses
//! numbers again, for other messages and receipts, and has forgotten what it received.

use sealpost_storage::client::MemoryClientStorage;

use super::application::Goal;
use super::disk::LastWrite;
use super::event::SimEvent;
use super::process::ProcessId;
use super::world::World;

impl World {
    /// Copies a client's directory.
    pub(super) fn back_up(&mut self, client: usize) {
        if let Some(node) = self.clients.get(client) {
            self.backups.insert(client, node.host.disk.engine.clone());
        }
    }

    /// Replaces a client's directory by the copy, if there is one, and starts the client again.
    pub(super) fn restore(&mut self, client: usize, down_ms: u64) {
        if self.apps.get(client).is_none_or(|app| app.goal == Goal::Idle) {
            return;
        }
        let Some(backup) = self.backups.get(&client).cloned() else { return };
        self.fault("client: directory restored from a backup");
        self.replace_directory(client, down_ms, |engine| *engine = backup);
        self.apps[client].forget_sent();
        self.model.directory_restored(client);
    }

    /// Has a client number its next messages from far above the last one.
    pub(super) fn skip_ids(&mut self, client: usize, ids: u64) {
        if client < self.clients.len() {
            self.replace_directory(client, 1, |engine| engine.skip_message_ids(ids));
        }
    }

    /// Changes a client's directory while the client does not run.
    fn replace_directory(
        &mut self,
        client: usize,
        down_ms: u64,
        change: impl FnOnce(&mut MemoryClientStorage),
    ) {
        if self.clients[client].machine.is_some() {
            self.crash(ProcessId::Client(client), LastWrite::Kept);
        }
        change(&mut self.clients[client].host.disk.engine);
        self.env.queue.schedule_after(down_ms * 1_000, SimEvent::Start(ProcessId::Client(client)));
    }
}
