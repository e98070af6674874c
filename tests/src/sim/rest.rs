//! The end of a plan: faults stop, everything drains, and the world goes quiet.

use sealpost_core::time::Mono;
use sealpost_storage::client::ClientStorage;

use super::plan::End;
use super::world::{Aim, Due, Who, World};

impl World {
    /// Runs a plan to its end, and through what must follow.
    pub fn run(&mut self) {
        self.run_until(Mono(self.around.settings.end_ms * 1_000));
        // What was dated by a clock that was fast waits until its time has come.
        let skews = self.clients.iter().map(|node| node.desk.skew);
        let ahead = skews.chain([self.server.desk.skew]).max().unwrap_or(0);
        let ahead = u64::try_from(ahead).unwrap_or(0) * 2_000_000;
        self.heal();
        let patience = Mono(self.around.agenda.now().0 + PATIENCE + ahead);
        let mut rounds = 0;
        loop {
            self.come_to_rest(patience);
            if self.violation().is_some() {
                break;
            }
            if self.is_quiet() && self.is_at_rest() && !self.go_on_writing(&mut rounds) {
                break;
            }
        }
        self.check_rest();
    }

    /// Whether somebody still has to notice that somebody else has another key, and does.
    fn go_on_writing(&mut self, rounds: &mut u32) -> bool {
        if !self.model.is_honest() || !self.write_to_strangers() {
            return false;
        }
        *rounds += 1;
        if *rounds > WRITING_ROUNDS {
            self.around.violate(|| "somebody's new key is never accepted".to_owned());
        }
        true
    }

    /// Everything has arrived, every receipt came back, and nobody holds anything.
    fn check_rest(&mut self) {
        if self.violation().is_some() || !self.model.is_honest() {
            return;
        }
        let verdict = self.model.at_rest();
        self.judge(verdict);
        self.check_nothing_held();
        let stored = self.server.desk.disk.engine.packets().count();
        if stored > 0 && !self.around.watched {
            self.around.violate(|| format!("{stored} items are stored in a world at rest"));
        }
    }

    /// Faults stop. Everybody who has an account, or wanted one, is to be online.
    fn heal(&mut self) {
        let now = self.around.agenda.now();
        self.around.trace.note(now, &[13], || "faults stop".to_owned());
        self.server.desk.disk.mend();
        self.server.desk.skew = 0;
        self.attackers.retire();
        if self.server.machine.is_none() {
            self.boot(Who::Server);
        }
        for (id, line) in &mut self.around.net.lines {
            if line.up.void || self.tampered {
                // Whoever has not noticed that a connection is gone does so now. One from which
                // somebody took bytes is good for nothing more, and may not be noticed for days.
                line.up.lose();
                line.down.lose();
                self.around.agenda.after(0, Due::Lost(*id, End::Client));
                self.around.agenda.after(0, Due::Lost(*id, End::Server));
            }
            for way in [&mut line.up, &mut line.down] {
                (way.tampering, way.mischief) = (None, None);
                way.stalled_until = way.stalled_until.min(now);
            }
        }
        for index in 0..self.clients.len() {
            self.around.unreachable[index] = now;
            self.clients[index].desk.disk.mend();
            if self.clients[index].machine.is_none() {
                self.boot(Who::Client(index));
            }
            if self.apps[index].aim == Aim::Offline {
                self.apps[index].aim = Aim::Online;
            }
            if self.apps[index].aim == Aim::Online {
                self.around.agenda.after(0, Due::GoOnline(index, self.clients[index].desk.life));
            }
        }
        self.close_puppets();
    }

    /// Waits until everybody is online and nothing is left to do, in steps that grow.
    fn come_to_rest(&mut self, patience: Mono) {
        let mut step = 1_000_000;
        while self.violation().is_none() && !self.is_at_rest() {
            let now = self.around.agenda.now();
            if now > patience {
                let why = self.restless();
                return self.around.violate(|| format!("the world does not come to rest: {why}"));
            }
            self.run_until(Mono(now.0 + step));
            step = (step * 5 / 4).min(60_000_000);
        }
    }

    fn is_at_rest(&self) -> bool {
        self.apps.iter().enumerate().all(|(index, app)| {
            if app.aim != Aim::Online {
                return true;
            }
            let waits = self.outbox(index);
            app.online && app.caught_up && (waits == 0 || !self.model.is_honest())
        })
    }

    /// How many messages of a client await something that may still come.
    fn outbox(&self, client: usize) -> u64 {
        let counts = self.clients[client].desk.disk.engine.outbox().unwrap_or_default();
        (counts.queued + counts.stored).saturating_sub(self.model.stranded(client))
    }

    fn restless(&self) -> String {
        let of = |index: usize| {
            let app = &self.apps[index];
            let counts = self.clients[index].desk.disk.engine.outbox();
            format!(
                "client {index}: {:?}, online {}, caught up {}, {counts:?}",
                app.aim, app.online, app.caught_up
            )
        };
        let restless = (0..self.clients.len()).filter(|index| {
            let app = &self.apps[*index];
            app.aim == Aim::Online && (!app.online || !app.caught_up || self.outbox(*index) > 0)
        });
        restless.map(of).collect::<Vec<_>>().join("; ")
    }

    /// Whether a world at rest stays so: nobody sends anything for a while.
    fn is_quiet(&mut self) -> bool {
        // What is gathered for a second has gone out by then.
        self.run_until(Mono(self.around.agenda.now().0 + 10_000_000));
        let before = self.around.tally.packets;
        self.run_until(Mono(self.around.agenda.now().0 + 60_000_000));
        self.around.tally.packets == before
    }
}

/// How often somebody writes to a contact with another key, until it is accepted. Wishes may be lost
/// with a process, but nothing dies any more.
const WRITING_ROUNDS: u32 = 4;
/// Longer than every pause that an honest party makes, in microseconds.
const PATIENCE: u64 = 5 * 3_600 * 1_000_000;
