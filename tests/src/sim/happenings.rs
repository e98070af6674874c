//! What a step of the plan does to the world.

use sealpost_core::client::{Command, Token};
use sealpost_core::frame::{Event, Input};
use sealpost_core::ids::UserRef;
use sealpost_core::server::limits::Limits;
use sealpost_core::time::Mono;

use super::model;
use super::plan::{DiskFault, End, Happening, LastWrite};
use super::world::{Aim, Due, Who, World};

impl World {
    /// Something happens. What names a client that there is not is nothing.
    pub(super) fn begin(&mut self, what: &Happening) {
        let now = self.around.agenda.now();
        self.around.trace.note(now, &[12], || format!("step: {what:?}"));
        match what {
            Happening::Register { client } | Happening::Connect { client } => {
                self.aim(*client, Aim::Online);
            }
            Happening::Disconnect { client } => self.aim(*client, Aim::Offline),
            Happening::Send { from, to, count, size } => self.write(*from, *to, *count, *size),
            Happening::Cut { client } => self.cut(*client),
            Happening::HalfOpen { client, unaware } => self.half_open(*client, *unaware),
            Happening::Stall { client, from, ms } => self.stall(*client, *from, *ms),
            Happening::Unreachable { client, ms } => {
                self.fault("network: unreachable");
                if let Some(until) = self.around.unreachable.get_mut(*client) {
                    *until = Mono(now.0 + ms * 1_000);
                }
            }
            Happening::CrashClient { client, down_ms, last_write } => {
                self.crash_client(*client, *down_ms, *last_write);
            }
            Happening::LoseHome { client, down_ms } => self.lose_home(*client, *down_ms),
            Happening::CrashServer { down_ms, last_write } => {
                self.crash_server(*down_ms, *last_write);
            }
            Happening::StopServer { down_ms } => {
                self.fault("server: orderly stop");
                self.boot_server_after = down_ms * 1_000;
                self.input_server(Input::Event(Event::Shutdown));
            }
            Happening::ClientDisk { client, fault, ms } => {
                self.fault(disk_fault(*fault));
                if let Some(node) = self.clients.get_mut(*client) {
                    node.desk.disk.fail_until(*fault, Mono(now.0 + ms * 1_000));
                }
            }
            Happening::ServerDisk { fault, ms } => {
                self.fault(disk_fault(*fault));
                self.server.desk.disk.fail_until(*fault, Mono(now.0 + ms * 1_000));
            }
            Happening::ClientClock { client, secs } => {
                self.fault("clock: a client's jumps");
                if let Some(node) = self.clients.get_mut(*client) {
                    node.desk.skew += secs;
                }
            }
            Happening::ServerClock { secs } => {
                self.fault("clock: the server's jumps");
                self.server.desk.skew += secs;
            }
            Happening::Tamper { client, from, how } => {
                self.tampered = true;
                for id in self.around.net.of(Who::Client(*client)) {
                    if let Some(line) = self.around.net.lines.get_mut(&id) {
                        line.way(*from).tampering = Some(*how);
                    }
                }
            }
            Happening::Ghost { client } => self.summon_ghost(*client),
            Happening::Attack { how, victim } => self.attack(*how, *victim),
            Happening::Dishonest { client, how } => {
                self.tampered = true;
                for id in self.around.net.of(Who::Client(*client)) {
                    if let Some(line) = self.around.net.lines.get_mut(&id) {
                        line.down.mischief = Some(*how);
                    }
                }
            }
        }
    }

    pub(super) fn fault(&mut self, kind: &'static str) {
        self.around.tally.fault(kind);
    }

    fn aim(&mut self, client: usize, aim: Aim) {
        let Some(app) = self.apps.get_mut(client) else { return };
        app.aim = aim;
        match aim {
            Aim::Online => self.go_online(client),
            Aim::Offline | Aim::Idle => self.command(client, Command::Disconnect),
        }
    }

    pub(super) fn write(&mut self, from: usize, to: usize, count: u32, size: u32) {
        let clients = self.clients.len();
        if from >= clients || to >= clients || from == to || self.clients[from].machine.is_none() {
            return;
        }
        for _ in 0..count {
            let (number, content) = self.model.write(from, to, size as usize);
            self.around.tally.messages += 1;
            let to = UserRef::Phone(model::phone(to));
            self.command(from, Command::Send { token: Token(number), to, content });
        }
    }

    fn cut(&mut self, client: usize) {
        for id in self.around.net.of(Who::Client(client)) {
            self.fault("network: cut");
            let aware = if self.around.dice.chance(500) { End::Client } else { End::Server };
            let after = self.around.moment();
            self.around.cut(id, aware, after);
        }
    }

    fn half_open(&mut self, client: usize, unaware: End) {
        for id in self.around.net.of(Who::Client(client)) {
            self.fault("network: half-open");
            let after = self.around.until_noticed();
            self.around.cut(id, unaware.other(), after);
        }
    }

    fn stall(&mut self, client: usize, from: End, ms: u64) {
        let until = Mono(self.around.agenda.now().0 + ms * 1_000);
        for id in self.around.net.of(Who::Client(client)) {
            self.fault(match from {
                End::Client => "network: sender stalls",
                End::Server => "network: slow reader",
            });
            if let Some(line) = self.around.net.lines.get_mut(&id) {
                line.way(from).stalled_until = until;
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
        self.crash(Who::Client(client), last_write);
        self.around.agenda.after(down_ms * 1_000, Due::Boot(Who::Client(client)));
    }

    fn crash_server(&mut self, down_ms: u64, last_write: LastWrite) {
        if self.server.machine.is_none() {
            return;
        }
        self.fault(match last_write {
            LastWrite::Kept => "server: power lost",
            LastWrite::Lost => "server: power lost, last write lost",
        });
        self.crash(Who::Server, last_write);
        self.around.agenda.after(down_ms * 1_000, Due::Boot(Who::Server));
    }
}

const fn disk_fault(fault: DiskFault) -> &'static str {
    match fault {
        DiskFault::Busy => "disk: busy",
        DiskFault::Full => "disk: full",
        DiskFault::Io => "disk: failing",
    }
}

/// What one input may be followed by: each part of the work has a limit, and an input may end what
/// several inputs began.
pub(super) fn most_actions(limits: &Limits) -> usize {
    let drained = usize::try_from(limits.drain_items).unwrap_or(usize::MAX);
    let per_session = limits.in_flight_items
        + drained
        + limits.append_batch
        + limits.checks_per_conn
        + limits.unstored_per_user
        + limits.replies_per_conn;
    4 * per_session + 256
}
