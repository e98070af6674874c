//! The server's keys: the operator gives the server another one, and for a while it has both.

use sealpost_core::keys::Fingerprint;
use sealpost_storage::client::ClientStorage;

use super::step::KeyStep;
use super::world::World;

/// The server's key files. Keys are indices; a start of the server reads them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ServerKeys {
    first: usize,
    successor: Option<usize>,
    /// Successors made so far. None is made twice.
    made: usize,
}

impl World {
    /// The operator changes the key files, and restarts the server.
    pub(super) fn change_server_key(&mut self, how: KeyStep, down_ms: u64) {
        let ServerKeys { first, successor, made } = self.server_keys;
        let keys = match (how, successor) {
            (KeyStep::Rotate, None) if made < self.env.settings.crypto.successors() => {
                let successor = Some(self.env.settings.crypto.successor(made));
                ServerKeys { successor, made: made + 1, ..self.server_keys }
            }
            (KeyStep::Retire, Some(successor)) if self.all_clients_know(successor) => {
                ServerKeys { first: successor, successor: None, made }
            }
            // A backup of the files is restored that was made before the successor.
            (KeyStep::Restore, Some(_)) => ServerKeys { first, successor: None, made },
            (KeyStep::Rotate | KeyStep::Retire | KeyStep::Restore, _) => return,
        };
        self.fault(match how {
            KeyStep::Rotate => "operator: server's key rotated",
            KeyStep::Retire => "operator: server's old key retired",
            KeyStep::Restore => "operator: server restored to before the rotation",
        });
        self.server_keys = keys;
        self.server_restart_delay = down_ms * 1_000;
        self.stop_all_servers();
    }

    /// Gives the server that starts the keys in its files.
    pub(super) fn load_server_keys(&mut self, server: usize) {
        let ServerKeys { first, successor, .. } = self.server_keys;
        let crypto = self.env.settings.crypto;
        let is_loaded = self.server_config.server_key == *crypto.public_key(first)
            && self.server_config.successor.as_ref()
                == successor.map(|index| crypto.public_key(index));
        if is_loaded {
            return;
        }
        self.server_config.server_key = crypto.public_key(first).clone();
        self.server_config.successor = successor.map(|index| crypto.public_key(index).clone());
        let runner = crypto.runner(first, self.env.dice.number());
        self.servers[server].host.crypto = match successor {
            Some(successor) => runner.with_successor(crypto.private_key(successor)),
            None => runner,
        };
    }

    /// Whether every client would find its server without the old key. The others would be locked
    /// out, as the operator is told.
    fn all_clients_know(&self, key: usize) -> bool {
        let fingerprint: &Fingerprint = self.env.settings.crypto.public_key(key).fingerprint();
        self.clients.iter().all(|client| {
            let account = client.host.disk.engine.load().expect("it is in memory").account;
            account.successor.as_ref() == Some(fingerprint)
        })
    }
}
