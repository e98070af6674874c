//! Starts and crashes of processes.

use std::num::NonZeroUsize;

use sealpost_core::client::{self, Client, Command};
use sealpost_core::entropy::Entropy;
use sealpost_core::frame::{Event, Input};
use sealpost_core::server::Server;
use sealpost_storage::client::ClientStorage;

use super::application::Goal;
use super::applications::Asked;
use super::disk::LastWrite;
use super::event::SimEvent;
use super::invitations::Invitations;
use super::process::ProcessId;
use super::step::End;
use super::world::World;

impl World {
    pub(super) fn start(&mut self, who: ProcessId) {
        // Drawn even if the process runs already, so that a start without effect does not shift the
        // choices that follow it.
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.env.dice.number().to_le_bytes());
        match who {
            ProcessId::Server(index) if self.servers[index].machine.is_none() => {
                self.stopped[index] = false;
                self.delete_accounts();
                self.delete_lost_accounts();
                self.env.servers_up[index] = true;
                self.env.timeliness.disturb_all(self.env.queue.now());
                self.forget_debts();
                self.load_server_keys(index);
                let (entropy, watcher) = self.recordings.begin(&self.server_config, seed);
                let server = Server::new(self.server_config.clone(), entropy);
                self.servers[index].start_watched(server.expect("the limits are valid"), watcher);
                self.input_server(index, Input::Event(Event::Tick));
            }
            ProcessId::Client(index) if self.clients[index].machine.is_none() => {
                self.env.timeliness.disturb_client(index, self.env.queue.now());
                let node = &mut self.clients[index];
                let config = client::Config {
                    profile: self.server_config.profile,
                    public_key: node.host.crypto.public_key().clone(),
                    endpoints: NonZeroUsize::MIN,
                    limits: self.client_limits.clone(),
                };
                let snapshot = node.host.disk.engine.load().unwrap();
                node.start(Client::new(config, snapshot, Entropy::from_seed(seed)).unwrap());
                self.model.restarted(self.account(index));
                let app = &mut self.apps[index];
                (app.online, app.caught_up, app.retry_scheduled) = (false, false, false);
                app.offers.clear();
                app.asked = Asked::default();
                self.send_again(index);
                if self.apps[index].goal == Goal::Online {
                    self.go_online(index);
                }
            }
            ProcessId::Server(_)
            | ProcessId::Client(_)
            | ProcessId::Scripted(_)
            | ProcessId::Greedy(_) => {}
        }
    }

    /// Begins an orderly shutdown of every server.
    pub(super) fn stop_all_servers(&mut self) {
        for index in 0..self.servers.len() {
            self.input_server(index, Input::Event(Event::Shutdown));
        }
    }

    /// Has an application send again what it sent before the restart.
    fn send_again(&mut self, client: usize) {
        for message in self.apps[client].sent() {
            self.env.tally.state("client: message sent again");
            self.command(client, message.command());
        }
    }

    /// Crashes a process. Its connections break with it.
    pub(super) fn crash(&mut self, who: ProcessId, last_write: LastWrite) {
        let now = self.env.queue.now();
        self.env.trace.note(now, &[9], || format!("{who} crashes"));
        match who {
            ProcessId::Server(index) => {
                self.env.servers_up[index] = false;
                self.env.timeliness.disturb_all(now);
                if self.is_shared() {
                    self.lose_batch(index, last_write);
                }
                // What several servers share is not lost with one of them.
                let last_write = if self.is_shared() { LastWrite::Lost } else { last_write };
                let done = self.servers[index].crash(now, last_write);
                self.watch_server_store(index, &done);
            }
            ProcessId::Client(index) => {
                let done = self.clients[index].crash(now, last_write);
                self.watch_client_store(index, &done);
                self.apps[index].online = false;
                self.env.timeliness.client_crashed(index, now);
            }
            ProcessId::Scripted(_) | ProcessId::Greedy(_) => {}
        }
        for id in self.env.network.of(who) {
            let end = if who.is_server() { End::Server } else { End::Client };
            let at_once = self.env.dice.chance(500);
            let after = if at_once { self.env.short_delay() } else { self.env.detection_delay() };
            let Some(link) = self.env.network.links.get_mut(&id) else { continue };
            let dialler = link.dialler;
            link.socket(end).open = false;
            if let ProcessId::Server(index) = who
                && self.stopped[index]
                && link.down.ended
            {
                // An orderly shutdown closed the connection: what the host sent before still arrives.
                continue;
            }
            link.up.lose();
            link.down.lose();
            self.env.queue.schedule_after(after, SimEvent::Lost(id, end.other()));
            self.env.disturb_until_noticed(dialler, after);
        }
    }

    /// Has an application register its client, or connect it if it has an account.
    pub(super) fn go_online(&mut self, client: usize) {
        if self.clients[client].machine.is_none() || self.apps[client].online {
            return;
        }
        let registered = self.clients[client].host.disk.engine.user().is_some();
        if registered && !self.apps[client].denied {
            return self.command(client, Command::Connect);
        }
        let (asked, clients) = (self.invitations.is_some(), self.clients.len());
        let choose = || Invitations::choose(client, clients, &mut self.env.dice);
        let invitation = asked.then(choose).flatten();
        self.env.registering_at[client] = Some(client % self.servers.len());
        self.command(client, Command::Register { invitation });
    }
}
