//! Applies the steps of a plan to the world.

use sealpost_core::client::{Command, Token};
use sealpost_core::frame::{Event, Input};
use sealpost_core::keys::Fingerprint;
use sealpost_core::time::Mono;

use super::application::{Goal, SentMessage};
use super::disk::{DiskFault, LastWrite};
use super::engine::EngineFault;
use super::event::SimEvent;
use super::process::ProcessId;
use super::step::{End, StepKind};
use super::world::World;

impl World {
    /// Applies one step. Steps that name an unknown client are ignored.
    pub(super) fn apply_step(&mut self, step: &StepKind) {
        let now = self.env.queue.now();
        self.env.trace.note(now, &[12], || format!("step: {step:?}"));
        self.env.disturb(step);
        match step {
            StepKind::Register { client } | StepKind::Connect { client } => {
                self.goal(*client, Goal::Online);
            }
            StepKind::Disconnect { client } => self.goal(*client, Goal::Offline),
            StepKind::Send { from, to, count, size } => {
                self.send_messages(*from, *to, *count, *size);
            }
            StepKind::SendToKey { from, to, owner, size } => {
                self.send_to_key(*from, *to, *owner, *size);
            }
            StepKind::Cancel { client, back } => self.cancel(*client, *back),
            StepKind::Forget { client, contact } => self.forget(*client, *contact),
            StepKind::Cut { client } => self.cut(*client),
            StepKind::HalfOpen { client, unaware } => self.half_open(*client, *unaware),
            StepKind::Stall { client, from, ms } => self.stall(*client, *from, *ms),
            StepKind::Unreachable { client, ms } => {
                self.fault("network: unreachable");
                if let Some(until) = self.env.unreachable.get_mut(*client) {
                    *until = Mono(now.0 + ms * 1_000);
                }
            }
            StepKind::CrashClient { client, down_ms, last_write } => {
                self.crash_client(*client, *down_ms, *last_write);
            }
            StepKind::LoseDirectory { client, down_ms } => self.lose_directory(*client, *down_ms),
            StepKind::BackUp { client } => self.back_up(*client),
            StepKind::Restore { client, down_ms } => self.restore(*client, *down_ms),
            StepKind::LoseAccount { client } => self.lose_account(*client),
            StepKind::BackUpServer => self.back_up_server(),
            StepKind::RestoreServer { down_ms } => self.restore_server(*down_ms),
            StepKind::ChangeServerKey { how, down_ms } => self.change_server_key(*how, *down_ms),
            StepKind::SkipIds { client, ids } => self.skip_ids(*client, *ids),
            StepKind::CrashServer { down_ms, last_write } => {
                self.crash_server(*down_ms, *last_write);
            }
            StepKind::StopServer { down_ms } => {
                self.fault("server: orderly stop");
                self.server_restart_delay = down_ms * 1_000;
                let server = self.env.choose_server();
                self.input_server(server, Input::Event(Event::Shutdown));
            }
            StepKind::ClientDisk { client, fault, ms } => {
                self.fault(disk_fault(*fault));
                if let Some(node) = self.clients.get_mut(*client) {
                    node.host.disk.fail_until(*fault, Mono(now.0 + ms * 1_000));
                }
            }
            StepKind::Engine { fault, ms } => self.fail_engine(*fault, *ms),
            StepKind::ServerDisk { fault, ms } => {
                self.fault(disk_fault(*fault));
                let server = self.env.choose_server();
                let until = Mono(now.0 + ms * 1_000);
                self.servers[server].host.disk.fail_until(*fault, until);
            }
            StepKind::ClientClock { client, secs } => {
                self.fault("clock: a client's jumps");
                if let Some(node) = self.clients.get_mut(*client) {
                    node.host.skew += secs;
                }
            }
            StepKind::ServerClock { secs } => {
                self.fault("clock: the server's jumps");
                let server = self.env.choose_server();
                self.servers[server].host.skew += secs;
            }
            StepKind::Tamper { client, from, how } => {
                self.tampered = true;
                for id in self.env.network.of(ProcessId::Client(*client)) {
                    if let Some(link) = self.env.network.links.get_mut(&id) {
                        link.pipe(*from).tampering = Some(*how);
                    }
                }
            }
            StepKind::SecondConnection { client } => {
                let user = self.apps.get(*client).and_then(|app| app.user);
                self.open_second_connection(*client, user);
            }
            StepKind::Attack { how, victim } => self.attack(*how, *victim),
            StepKind::Greed { user, how, ms } => self.be_greedy(*user, *how, *ms),
            StepKind::Dishonest { client, how } => {
                self.tampered = true;
                for id in self.env.network.of(ProcessId::Client(*client)) {
                    if let Some(link) = self.env.network.links.get_mut(&id) {
                        link.down.misbehaviour = Some(*how);
                    }
                }
            }
        }
    }

    pub(super) fn fault(&mut self, kind: &'static str) {
        self.env.tally.fault(kind);
    }

    fn goal(&mut self, client: usize, goal: Goal) {
        let Some(app) = self.apps.get_mut(client) else { return };
        app.goal = goal;
        match goal {
            Goal::Online => self.go_online(client),
            Goal::Offline | Goal::Idle => self.command(client, Command::Disconnect),
        }
    }

    pub(super) fn send_messages(&mut self, from: usize, to: usize, count: u32, size: u32) {
        for _ in 0..count {
            self.send_message(from, to, None, size);
        }
    }

    /// Sends a message, to whoever has a phone number or to the owner of a key.
    pub(super) fn send_message(
        &mut self,
        from: usize,
        to: usize,
        key: Option<Fingerprint>,
        size: u32,
    ) {
        let people = self.clients.len() + self.greedy.len();
        let runs = self.clients.get(from).is_some_and(|node| node.machine.is_some());
        if !runs || to >= people || from == to {
            return;
        }
        let (number, content) = self.model.write(from, to, key, size as usize);
        self.env.tally.messages += 1;
        let message = SentMessage { token: Token(number), to: self.phone_of(to), key, content };
        self.apps[from].sends(message.clone());
        self.command(from, message.command());
        self.expect_queued(from, number);
    }

    fn cut(&mut self, client: usize) {
        for id in self.env.network.of(ProcessId::Client(client)) {
            self.fault("network: cut");
            let aware = if self.env.dice.chance(500) { End::Client } else { End::Server };
            let after = self.env.short_delay();
            self.env.cut(id, aware, after);
        }
    }

    fn half_open(&mut self, client: usize, unaware: End) {
        for id in self.env.network.of(ProcessId::Client(client)) {
            self.fault("network: half-open");
            let after = self.env.detection_delay();
            self.env.cut(id, unaware.other(), after);
        }
    }

    fn stall(&mut self, client: usize, from: End, ms: u64) {
        let until = Mono(self.env.queue.now().0 + ms * 1_000);
        for id in self.env.network.of(ProcessId::Client(client)) {
            self.fault(match from {
                End::Client => "network: sender stalls",
                End::Server => "network: slow receiver",
            });
            if let Some(link) = self.env.network.links.get_mut(&id) {
                link.pipe(from).stalled_until = until;
            }
        }
    }

    fn crash_client(&mut self, client: usize, down_ms: u64, last_write: LastWrite) {
        if self.clients.get(client).is_none_or(|node| node.machine.is_none()) {
            return;
        }
        self.fault(match last_write {
            LastWrite::Kept => "client: crash",
            LastWrite::Lost => "client: crash, last write lost",
        });
        self.crash(ProcessId::Client(client), last_write);
        self.env.queue.schedule_after(down_ms * 1_000, SimEvent::Start(ProcessId::Client(client)));
    }

    fn fail_engine(&mut self, fault: EngineFault, ms: u64) {
        if !self.is_shared() {
            return;
        }
        self.fault(engine_fault(fault));
        let until = Mono(self.env.queue.now().0 + ms * 1_000);
        let part = match fault {
            EngineFault::Partition => self.env.choose_server(),
            _ => self.env.dice.index(self.clients.len()),
        };
        self.engine.fail(fault, part, until);
        let cut_off = match fault {
            EngineFault::Partition => part..part + 1,
            EngineFault::Down => 0..self.servers.len(),
            _ => 0..0,
        };
        for server in cut_off {
            let back = SimEvent::ReachAgain(self.server_name(server));
            self.env.queue.schedule_at(until, back);
        }
    }

    fn crash_server(&mut self, down_ms: u64, last_write: LastWrite) {
        let server = self.env.choose_server();
        if self.servers[server].machine.is_none() {
            return;
        }
        self.fault(match last_write {
            LastWrite::Kept => "server: power lost",
            LastWrite::Lost => "server: power lost, last write lost",
        });
        let who = ProcessId::Server(server);
        self.crash(who, last_write);
        self.env.queue.schedule_after(down_ms * 1_000, SimEvent::Start(who));
    }
}

const fn engine_fault(fault: EngineFault) -> &'static str {
    match fault {
        EngineFault::LeaderChange => "engine: leader changes",
        EngineFault::Down => "engine: down",
        EngineFault::Partition => "engine: server cut off",
        EngineFault::LostAnswers => "engine: answers lost",
        EngineFault::LostHints => "engine: hints lost",
        EngineFault::LateHints => "engine: hints late",
        EngineFault::StalePages => "engine: pages stale",
    }
}

const fn disk_fault(fault: DiskFault) -> &'static str {
    match fault {
        DiskFault::Busy => "disk: busy",
        DiskFault::Full => "disk: full",
        DiskFault::Io => "disk: failing",
    }
}
