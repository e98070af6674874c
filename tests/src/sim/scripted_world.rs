//! A world under a scenario instead of a plan: applications do nothing on their own, and their
//! observations go to the scenario. There are no faults but those that the scenario causes. The
//! model checks everything as usual.

use std::collections::VecDeque;
use std::time::Duration;

use sealpost_core::client::Command;
use sealpost_core::ids::{Phone, UserRef};
use sealpost_core::keys::Fingerprint;
use sealpost_core::time::Mono;
use sealpost_storage::Usage;
use sealpost_storage::client::{ClientStorage, HistoryEntry};

use super::application::App;
use super::disk::LastWrite;
use super::model;
use super::node::Node;
use super::plan::Plan;
use super::process::ProcessId;
use super::script::Script;
use super::settings::Settings;
use super::step::StepKind;
use super::trace::Trace;
use super::world::World;
use crate::content::text_of;
use crate::scenarios::{Deployment, Device, Observation, Reachability};

impl World {
    /// A world for a scenario. `noise` seeds the choices that the scenario does not make.
    pub fn scripted(settings: &Settings, noise: u64) -> Self {
        let settings = Settings { unmarked_per_mille: 1_000, ..settings.clone() };
        let accounts = (0..settings.clients).collect();
        let plan = Plan { noise, settings, steps: Vec::new() };
        let mut world = Self::new(&plan, Trace::with_lines());
        world.script = Some(Script { observations: VecDeque::new(), accounts });
        world.server_restart_delay = u64::MAX;
        world
    }

    /// Moves the wall clock of a device.
    pub fn jump_wall_clock(&mut self, device: Device, secs: i64) {
        self.apply_step(&StepKind::ClientClock { client: device.0, secs });
    }

    /// Reports an observation to the scenario. Returns false if there is none.
    pub(super) fn tell_script(&mut self, observation: impl FnOnce() -> Observation) -> bool {
        if let Some(script) = &mut self.script {
            script.observations.push_back(observation());
        }
        self.script.is_some()
    }

    /// Client whose account a client uses: itself, or the one that it is a second device of.
    pub(super) fn account(&self, client: usize) -> usize {
        self.script.as_ref().map_or(client, |script| script.accounts[client])
    }

    fn run_to(&mut self, end: Mono) {
        self.run_until(end);
        if let Some(violation) = self.violation().map(str::to_owned) {
            let lines = self.take_lines();
            let last = &lines[lines.len().saturating_sub(60)..];
            panic!("{violation}\n{}", last.join("\n"));
        }
    }
}

impl Deployment for World {
    fn devices(&self) -> usize {
        self.clients.len()
    }

    fn phone(&self, device: Device) -> Phone {
        model::phone(self.account(device.0))
    }

    fn fingerprint(&self, device: Device) -> Fingerprint {
        *self.clients[device.0].host.crypto.public_key().fingerprint()
    }

    fn now(&self) -> Duration {
        Duration::from_micros(self.env.queue.now().0)
    }

    fn timeout(&self) -> Duration {
        Duration::from_hours(1)
    }

    fn next_observation(&mut self, until: Duration) -> Option<Observation> {
        loop {
            if let Some(observations) = self.script.as_mut()?.observations.pop_front() {
                return Some(observations);
            }
            if self.now() >= until {
                return None;
            }
            self.run_to(Mono(self.env.queue.now().0 + POLL_INTERVAL));
        }
    }

    fn let_settle(&mut self) {
        self.run_to(Mono(self.env.queue.now().0 + SETTLE_TIME));
    }

    fn command(&mut self, device: Device, command: Command) {
        if let Command::Send { to: UserRef::Phone(to), content, .. } = &command
            && let Some(text) = text_of(content)
            && let Some(to) = (0..self.clients.len()).find(|index| model::phone(*index) == *to)
            && self.clients[device.0].machine.is_some()
        {
            self.model.add_scripted(self.account(device.0), to, text);
        }
        World::command(self, device.0, command);
    }

    fn set_reachability(&mut self, device: Device, reachability: Reachability) {
        self.env.unreachable[device.0] = match reachability {
            Reachability::Reachable => self.env.queue.now(),
            Reachability::Unreachable => Mono(u64::MAX),
        };
    }

    fn cut(&mut self, device: Device) {
        self.apply_step(&StepKind::Cut { client: device.0 });
    }

    fn kill(&mut self, device: Device) {
        self.crash(ProcessId::Client(device.0), LastWrite::Lost);
    }

    fn start(&mut self, device: Device) {
        self.start(ProcessId::Client(device.0));
    }

    fn second_device(&mut self, device: Device) -> Device {
        let (second, account) = (self.clients.len(), self.account(device.0));
        let store = self.clients[device.0].host.disk.engine.clone();
        let noise = self.env.dice.number();
        let crypto = self.env.settings.crypto.runner(account + 1, noise);
        self.clients.push(Node::new(ProcessId::Client(second), crypto, store));
        let user = self.apps[device.0].user;
        self.apps.push(App { user, ..App::new(account + 1) });
        self.env.unreachable.push(Mono(0));
        self.env.registering_at.push(None);
        if let Some(script) = &mut self.script {
            script.accounts.push(account);
        }
        self.start(ProcessId::Client(second));
        Device(second)
    }

    fn stop_server(&mut self) {
        self.stop_all_servers();
        while !self.stopped[0] {
            self.run_to(Mono(self.env.queue.now().0 + POLL_INTERVAL));
        }
    }

    fn kill_server(&mut self) {
        self.crash(ProcessId::Server(0), LastWrite::Lost);
    }

    fn start_server(&mut self) {
        self.start(ProcessId::Server(0));
    }

    fn history(&self, device: Device, peer: Phone) -> Vec<HistoryEntry> {
        self.clients[device.0].host.disk.engine.history(peer, None, u32::MAX).unwrap()
    }

    fn pending(&self) -> Usage {
        let store = self.store.read();
        let usage = self.apps.iter().filter_map(|app| app.user).map(|user| store.usage(user));
        usage.fold(Usage::default(), |sum, usage| Usage {
            messages: sum.messages + usage.messages,
            receipts: sum.receipts + usage.receipts,
            bytes: sum.bytes + usage.bytes,
            receipt_bytes: sum.receipt_bytes + usage.receipt_bytes,
        })
    }
}

/// Simulated time that passes between two looks at the observations, in microseconds.
const POLL_INTERVAL: u64 = 1_000;
/// Time in which all work in progress finishes, in microseconds.
const SETTLE_TIME: u64 = 600_000_000;
