//! A process: a machine, and the host that carries out its actions in the world.

use std::collections::BTreeMap;

use bytes::Bytes;
use sealpost_core::crypto::{Crypto, Job};
use sealpost_core::frame::{Flow, Host, Input, Machine, StoreError, pump};
use sealpost_core::ids::{ConnId, Ticket};
use sealpost_core::time::{Mono, Now, Timestamp};
use sealpost_storage::Storage;

use super::around::Around;
use super::disk::{Disk, Done, LastWrite};
use super::world::{Due, Who};

/// A process that may be up or down, and what outlives it: its disk and its clock.
pub(super) struct Node<M: Machine, S: Storage> {
    /// `None` while it is down.
    pub(super) machine: Option<M>,
    pub(super) desk: Desk<M, S>,
}

/// All of a process but the machine.
pub(super) struct Desk<M: Machine, S: Storage> {
    who: Who,
    /// How often it was started: what was begun in an earlier life ends nowhere.
    pub(super) life: u32,
    pub(super) crypto: Crypto,
    pub(super) disk: Disk<S>,
    /// How far the wall clock is ahead of the true time, in seconds.
    pub(super) skew: i64,
    jobs: BTreeMap<Ticket, Job>,
    outcomes: BTreeMap<Ticket, S::Outcome>,
    /// The earliest tick that there is an appointment for.
    tick_at: Option<Mono>,
    /// What it said since somebody listened.
    said: Vec<Said<M>>,
    /// Actions since the last input.
    actions: usize,
}

/// What a machine says to its surroundings.
pub(super) enum Said<M: Machine> {
    Delivery(M::Delivery),
    Notice(M::Notice),
}

/// A kind of store that a simulated disk can hold.
pub(super) trait Engine<M: Machine>:
    Storage<Op = M::StoreOp, Outcome = M::StoreOutcome>
{
}

impl<M: Machine, S: Storage<Op = M::StoreOp, Outcome = M::StoreOutcome>> Engine<M> for S {}

impl<R, M, S> Node<M, S>
where
    M: Machine<StoreOutcome = Result<R, StoreError>>,
    S: Engine<M>,
{
    pub(super) const fn new(who: Who, crypto: Crypto, engine: S) -> Self {
        Self {
            machine: None,
            desk: Desk {
                who,
                life: 0,
                crypto,
                disk: Disk::new(engine),
                skew: 0,
                jobs: BTreeMap::new(),
                outcomes: BTreeMap::new(),
                tick_at: None,
                said: Vec::new(),
                actions: 0,
            },
        }
    }

    /// The process starts.
    pub(super) fn boot(&mut self, machine: M) {
        self.desk.life += 1;
        self.machine = Some(machine);
    }

    /// The process dies. Returns what turned out to be durable.
    pub(super) fn crash(&mut self, now: Mono, last_write: LastWrite) -> Vec<Done<S>> {
        self.machine = None;
        self.desk.life += 1;
        self.desk.jobs.clear();
        self.desk.outcomes.clear();
        self.desk.tick_at = None;
        self.desk.said.clear();
        self.desk.disk.lose_power(now, last_write)
    }

    /// Gives the machine an input, if it is up, and carries out what follows. Returns how many
    /// actions followed.
    pub(super) fn input(&mut self, around: &mut Around, input: Input<'_, M>) -> usize {
        let Self { machine: Some(machine), desk } = self else { return 0 };
        let now = desk.now(around.agenda.now());
        desk.actions = 0;
        around.tally.inputs += 1;
        let deadline = pump(machine, &mut Hands { desk, around }, now, input);
        desk.arrange_tick(around, deadline.map(|deadline| deadline.at));
        desk.actions
    }

    /// What a job that was begun in this life comes to.
    pub(super) fn computed(&mut self, around: &mut Around, life: u32, ticket: Ticket) -> usize {
        if life != self.desk.life {
            return 0;
        }
        let Some(job) = self.desk.jobs.remove(&ticket) else { return 0 };
        let outcome = self.desk.crypto.run(job);
        self.input(around, Input::Event(sealpost_core::frame::Event::Computed(ticket, outcome)))
    }

    /// A transaction that was begun in this life ends. Returns what it did.
    pub(super) fn committed(&mut self, now: Mono, life: u32) -> Vec<Done<S>> {
        if life != self.desk.life {
            return Vec::new();
        }
        self.desk.disk.commit(now)
    }

    /// The outcomes of a transaction are on their way; the next one begins.
    pub(super) fn report(
        &mut self,
        around: &mut Around,
        outcomes: impl Iterator<Item = (Ticket, S::Outcome)>,
    ) {
        let Desk { who, life, .. } = self.desk;
        let delay = around.outcome_delay(who);
        for (ticket, outcome) in outcomes {
            self.desk.outcomes.insert(ticket, outcome);
            let after = around.dice.below(delay + 1);
            around.agenda.after(after, Due::Stored(who, life, ticket));
        }
        if self.desk.disk.begin() {
            around.arrange_commit(who, life);
        }
    }

    /// An outcome has come.
    pub(super) fn stored(&mut self, around: &mut Around, life: u32, ticket: Ticket) -> usize {
        if life != self.desk.life {
            return 0;
        }
        let Some(outcome) = self.desk.outcomes.remove(&ticket) else { return 0 };
        self.input(around, Input::Event(sealpost_core::frame::Event::Stored(ticket, outcome)))
    }

    /// An alarm goes off, if it was set in this life and not moved.
    pub(super) fn tick(&mut self, around: &mut Around, life: u32) -> usize {
        if life != self.desk.life || self.desk.tick_at != Some(around.agenda.now()) {
            return 0;
        }
        self.desk.tick_at = None;
        self.input(around, Input::Event(sealpost_core::frame::Event::Tick))
    }

    /// What it said since the last call.
    pub(super) fn listen(&mut self) -> Vec<Said<M>> {
        std::mem::take(&mut self.desk.said)
    }
}

impl<M: Machine, S: Storage> Desk<M, S> {
    /// What the clocks show.
    pub(super) const fn now(&self, mono: Mono) -> Now {
        let secs = (mono.0 / 1_000_000).cast_signed();
        Now { mono, wall: Timestamp::from_unix_secs(START + secs + self.skew) }
    }

    fn arrange_tick(&mut self, around: &mut Around, deadline: Option<Mono>) {
        let Some(deadline) = deadline.map(|at| at.max(around.agenda.now())) else {
            self.tick_at = None;
            return;
        };
        if self.tick_at != Some(deadline) {
            self.tick_at = Some(deadline);
            around.agenda.at(deadline, Due::Tick(self.who, self.life));
        }
    }
}

/// What carries out actions.
struct Hands<'a, M: Machine, S: Storage> {
    desk: &'a mut Desk<M, S>,
    around: &'a mut Around,
}

impl<R, M, S> Host<M> for Hands<'_, M, S>
where
    M: Machine<StoreOutcome = Result<R, StoreError>>,
    S: Engine<M>,
{
    fn send(&mut self, conn: ConnId, bytes: Bytes) {
        self.desk.actions += 1;
        self.around.send(self.desk.who, conn, bytes);
    }

    fn store(&mut self, ticket: Ticket, op: S::Op) {
        self.desk.actions += 1;
        if self.desk.disk.ask(ticket, op) {
            self.around.arrange_commit(self.desk.who, self.desk.life);
        }
    }

    fn compute(&mut self, ticket: Ticket, job: Job) {
        self.desk.actions += 1;
        self.desk.jobs.insert(ticket, job);
        let after = 1 + self.around.dice.below(self.around.settings.job);
        self.around.agenda.after(after, Due::Computed(self.desk.who, self.desk.life, ticket));
    }

    fn deliver(&mut self, delivery: M::Delivery) {
        self.desk.actions += 1;
        self.desk.said.push(Said::Delivery(delivery));
    }

    fn notify(&mut self, notice: M::Notice) {
        self.desk.said.push(Said::Notice(notice));
    }

    fn flow(&mut self, conn: ConnId, flow: Flow) {
        self.desk.actions += 1;
        self.around.flow(self.desk.who, conn, flow);
    }

    fn close(&mut self, conn: ConnId) {
        self.desk.actions += 1;
        self.around.close(self.desk.who, conn);
    }

    fn dial(&mut self, conn: ConnId) {
        self.desk.actions += 1;
        self.around.dial(self.desk.who, conn);
    }
}

/// When every world begins: a moment in November 2026.
const START: i64 = 1_795_437_296;
