//! The end of a run: faults stop, everything drains, and the world goes quiet.

use sealpost_core::time::Mono;
use sealpost_storage::client::ClientStorage;

use super::application::Goal;
use super::event::SimEvent;
use super::node::Node;
use super::process::ProcessId;
use super::step::End;
use super::world::World;

impl World {
    /// Runs a plan to its end, then without faults until the world is at rest, and checks that.
    pub fn run(&mut self) {
        self.run_until(Mono(self.env.settings.end_ms * 1_000));
        // A packet dated by a fast clock waits until the server's clock has caught up with it.
        let skews = self.clients.iter().map(|node| node.host.skew);
        let servers = self.servers.iter().map(|node| node.host.skew);
        let ahead = skews.chain(servers).max().unwrap_or(0);
        let ahead = u64::try_from(ahead).unwrap_or(0) * 2_000_000;
        self.stop_faults();
        self.come_to_rest(ahead);
        if self.violation().is_none() {
            self.model.forget_former_contacts();
            self.write_in_calm();
            self.come_to_rest(ahead);
        }
        self.check_rest();
    }

    /// Runs until the world is at rest and quiet, and every new key is accepted. It may take `ahead`
    /// microseconds longer than usual.
    fn come_to_rest(&mut self, ahead: u64) {
        let patience = Mono(self.env.queue.now().0 + PATIENCE + ahead);
        let mut rounds = 0;
        loop {
            self.wait_for_rest(patience);
            if self.violation().is_some() {
                break;
            }
            if self.is_quiet() && self.is_at_rest() && !self.write_under_new_keys(&mut rounds) {
                break;
            }
        }
    }

    /// Has clients write to contacts with new keys. Returns whether there were any, so that the world
    /// has to come to rest again.
    fn write_under_new_keys(&mut self, rounds: &mut u32) -> bool {
        if !self.model.is_honest() || !self.write_to_contacts_with_new_accounts() {
            return false;
        }
        *rounds += 1;
        if *rounds > WRITING_ROUNDS {
            self.env.violate(|| "a new key is never accepted".to_owned());
        }
        true
    }

    /// Checks that everything has arrived, every receipt came back, and nothing is held or stored.
    fn check_rest(&mut self) {
        if self.violation().is_some() || !self.model.is_honest() {
            return;
        }
        let verdict = self.model.at_rest();
        self.check(verdict);
        self.check_applications();
        self.let_reads_end();
        self.check_nothing_held();
        self.check_sessions();
        self.check_invitations();
        // Greedy users are gone, with what is stored for them.
        let store = self.store.read();
        let stored =
            store.packets().filter(|(owner, _)| !self.env.fairness.is_greedy(*owner)).count();
        if stored > 0 && !self.env.capture {
            self.env.violate(|| format!("{stored} items are still stored at rest"));
        }
    }

    /// Waits until no server is reading a mailbox again.
    fn let_reads_end(&mut self) {
        for _ in 0..1_000 {
            if !self.is_shared() || !self.servers.iter().any(Node::is_storing) {
                return;
            }
            self.run_until(Mono(self.env.queue.now().0 + 1_000));
        }
    }

    /// Ends all faults. Every client that was to register goes online.
    fn stop_faults(&mut self) {
        let now = self.env.queue.now();
        self.env.trace.note(now, &[13], || "faults stop".to_owned());
        self.env.timeliness.disturb_all(now);
        self.engine.mend();
        for server in &mut self.servers {
            server.host.disk.mend();
            server.host.skew = 0;
        }
        self.attackers.retire();
        for index in 0..self.servers.len() {
            if self.servers[index].machine.is_none() {
                self.start(ProcessId::Server(index));
            }
        }
        for (id, link) in &mut self.env.network.links {
            if link.up.broken || self.tampered {
                // An end that has not noticed that a link is broken notices now. A link from which
                // bytes were removed is useless, and might not be noticed for days.
                link.up.lose();
                link.down.lose();
                self.env.queue.schedule_after(0, SimEvent::Lost(*id, End::Client));
                self.env.queue.schedule_after(0, SimEvent::Lost(*id, End::Server));
            }
            for pipe in [&mut link.up, &mut link.down] {
                (pipe.tampering, pipe.misbehaviour) = (None, None);
                pipe.stalled_until = pipe.stalled_until.min(now);
            }
        }
        for index in 0..self.clients.len() {
            // Their users set clocks that are so wrong that the clients say so and stay away.
            if self.clients[index].host.skew.unsigned_abs() >= CLOCK_SET_AT {
                self.clients[index].host.skew = 0;
            }
            self.env.unreachable[index] = now;
            self.clients[index].host.disk.mend();
            if self.clients[index].machine.is_none() {
                self.start(ProcessId::Client(index));
            }
            if self.apps[index].goal == Goal::Offline {
                self.apps[index].goal = Goal::Online;
            }
            if self.apps[index].goal == Goal::Online {
                self.env.queue.schedule_after(
                    0,
                    SimEvent::GoOnline(index, self.clients[index].host.incarnation),
                );
            }
        }
        self.close_scripted();
        self.retire_greedy_users();
    }

    /// Runs until every client is online and nothing is left to do, in growing steps.
    fn wait_for_rest(&mut self, patience: Mono) {
        let mut step = 1_000_000;
        while self.violation().is_none() && !self.is_at_rest() {
            let now = self.env.queue.now();
            if now > patience {
                let why = self.unfinished();
                return self.env.violate(|| format!("the world does not come to rest: {why}"));
            }
            self.run_until(Mono(now.0 + step));
            step = (step * 5 / 4).min(60_000_000);
        }
    }

    fn is_at_rest(&self) -> bool {
        self.apps.iter().enumerate().all(|(index, app)| {
            if app.goal != Goal::Online {
                return true;
            }
            let waits = self.outbox(index);
            app.online && app.caught_up && (waits == 0 || !self.model.is_honest())
        })
    }

    /// Number of a client's messages whose status can still change.
    fn outbox(&self, client: usize) -> u64 {
        let counts = self.clients[client].host.disk.engine.outbox().unwrap_or_default();
        if self.model.is_restored(client) {
            // Receipts that it took before it was restored do not come again. For somebody who takes
            // nothing, messages wait before a full mailbox, too.
            return counts.queued.saturating_sub(self.model.undeliverable(client));
        }
        (counts.queued + counts.stored).saturating_sub(self.model.undeliverable(client))
    }

    fn unfinished(&self) -> String {
        let of = |index: usize| {
            let app = &self.apps[index];
            let counts = self.clients[index].host.disk.engine.outbox();
            format!(
                "client {index}: {:?}, online {}, caught up {}, {counts:?}",
                app.goal, app.online, app.caught_up
            )
        };
        let unfinished = (0..self.clients.len()).filter(|index| {
            let app = &self.apps[*index];
            app.goal == Goal::Online && (!app.online || !app.caught_up || self.outbox(*index) > 0)
        });
        unfinished.map(of).collect::<Vec<_>>().join("; ")
    }

    /// Whether a world at rest stays at rest: no packet is sent for a minute.
    fn is_quiet(&mut self) -> bool {
        // Receipts taken are gathered for a second before they are sent; let them go out first.
        self.run_until(Mono(self.env.queue.now().0 + 10_000_000));
        let before = self.env.tally.packets;
        self.run_until(Mono(self.env.queue.now().0 + 60_000_000));
        self.env.tally.packets == before
    }
}

/// Seconds by which a clock is wrong when its user sets it: less than what clients refuse, because
/// the server's clock is set too.
const CLOCK_SET_AT: u64 = 40_000;
/// Rounds of messages to contacts with new keys, after which every key must be accepted. Processes
/// no longer crash, so no command is lost.
const WRITING_ROUNDS: u32 = 4;
/// Time within which the world must come to rest, in microseconds: longer than every pause of an
/// honest party. A phone whose passwords were lost waits for a day.
const PATIENCE: u64 = 30 * 3_600 * 1_000_000;
