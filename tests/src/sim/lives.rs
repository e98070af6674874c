//! Processes begin and die.

use sealpost_core::client::{self, Client, Command};
use sealpost_core::entropy::Entropy;
use sealpost_core::frame::{Event, Input};
use sealpost_core::server::Server;
use sealpost_storage::client::ClientStorage;

use super::plan::{End, LastWrite};
use super::world::{Aim, Due, Who, World};

impl World {
    pub(super) fn boot(&mut self, who: Who) {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.around.dice.number().to_le_bytes());
        let entropy = Entropy::from_seed(seed);
        match who {
            Who::Server if self.server.machine.is_none() => {
                self.stopped = false;
                self.delete_accounts();
                self.around.server_up = true;
                self.server.boot(Server::new(self.server_config.clone(), entropy));
                self.input_server(Input::Event(Event::Tick));
            }
            Who::Client(index) if self.clients[index].machine.is_none() => {
                let node = &mut self.clients[index];
                let config = client::Config {
                    profile: self.server_config.profile,
                    public_key: node.desk.crypto.public_key().clone(),
                    limits: self.client_limits.clone(),
                };
                let snapshot = node.desk.disk.engine.load().unwrap();
                node.boot(Client::new(config, snapshot, entropy));
                self.model.restarted(self.account(index));
                let app = &mut self.apps[index];
                (app.online, app.caught_up, app.will_try) = (false, false, false);
                app.offers.clear();
                if self.apps[index].aim == Aim::Online {
                    self.go_online(index);
                }
            }
            Who::Server | Who::Client(_) | Who::Puppet(_) => {}
        }
    }

    /// The process is gone, and its connections with it.
    pub(super) fn crash(&mut self, who: Who, last_write: LastWrite) {
        let now = self.around.agenda.now();
        self.around.trace.note(now, &[9], || format!("{who} dies"));
        match who {
            Who::Server => {
                self.around.server_up = false;
                let done = self.server.crash(now, last_write);
                self.watch_server_store(&done);
            }
            Who::Client(index) => {
                let done = self.clients[index].crash(now, last_write);
                self.watch_client_store(index, &done);
                self.apps[index].online = false;
            }
            Who::Puppet(_) => {}
        }
        for id in self.around.net.of(who) {
            let end = if who == Who::Server { End::Server } else { End::Client };
            let at_once = self.around.dice.chance(500);
            let after = if at_once { self.around.moment() } else { self.around.until_noticed() };
            let Some(line) = self.around.net.lines.get_mut(&id) else { continue };
            line.socket(end).open = false;
            if who == Who::Server && self.stopped && line.down.ended {
                // What a host sent before it stopped in order still arrives.
                continue;
            }
            line.up.lose();
            line.down.lose();
            self.around.agenda.after(after, Due::Lost(id, end.other()));
        }
    }

    /// The application makes sure that its client has an account and is online.
    pub(super) fn go_online(&mut self, client: usize) {
        if self.clients[client].machine.is_none() || self.apps[client].online {
            return;
        }
        let registered = self.clients[client].desk.disk.engine.user().is_some();
        self.command(client, if registered { Command::Connect } else { Command::Register });
    }
}
