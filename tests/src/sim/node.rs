//! A node: a simulated process, with its machine and the host that carries out its actions.

use std::collections::BTreeMap;

use bytes::Bytes;
use sealpost_core::crypto::{Crypto, Job};
use sealpost_core::frame::{Flow, Host, Input, Machine, Seen, StoreError, pump};
use sealpost_core::ids::{ConnId, EndpointIndex, Ticket};
use sealpost_core::time::{Mono, Now, Timestamp};
use sealpost_storage::Storage;

use super::disk::{Disk, Done, LastWrite};
use super::environment::Environment;
use super::event::SimEvent;
use super::process::ProcessId;
use crate::recorded::Watcher;

/// A process that runs or does not, and what outlives it: its disk and its clock.
pub(super) struct Node<M: Machine, S: Storage> {
    /// `None` while the process does not run.
    pub(super) machine: Option<M>,
    pub(super) host: NodeHost<M, S>,
}

/// Everything of a node but its machine.
pub(super) struct NodeHost<M: Machine, S: Storage> {
    who: ProcessId,
    /// Changes at every start and crash, so that events for an earlier process are ignored.
    pub(super) incarnation: u32,
    pub(super) crypto: Crypto,
    pub(super) disk: Disk<S>,
    /// Seconds by which the wall clock is ahead of the true time.
    pub(super) skew: i64,
    jobs: BTreeMap<Ticket, Job>,
    outcomes: BTreeMap<Ticket, S::Outcome>,
    /// Time of the scheduled tick that counts; other scheduled ticks are ignored.
    tick_at: Option<Mono>,
    /// Outputs since the last [`Node::take_outputs`].
    outputs: Vec<Output<M>>,
    /// Actions since the last input.
    actions: usize,
    /// Records the machine that runs.
    watcher: Option<Watcher<M>>,
}

/// What a machine tells its application.
pub(super) enum Output<M: Machine> {
    Delivery(M::Delivery),
    Notice(M::Notice),
}

/// A store for a machine on a simulated disk.
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
    pub(super) const fn new(who: ProcessId, crypto: Crypto, engine: S) -> Self {
        Self {
            machine: None,
            host: NodeHost {
                who,
                incarnation: 0,
                crypto,
                disk: Disk::new(engine),
                skew: 0,
                jobs: BTreeMap::new(),
                outcomes: BTreeMap::new(),
                tick_at: None,
                outputs: Vec::new(),
                actions: 0,
                watcher: None,
            },
        }
    }

    /// Starts the process.
    pub(super) fn start(&mut self, machine: M) {
        self.start_watched(machine, None);
    }

    /// Starts the process, and shows the watcher what its machine does.
    pub(super) fn start_watched(&mut self, machine: M, watcher: Option<Watcher<M>>) {
        self.host.watcher = watcher;
        self.host.incarnation += 1;
        self.machine = Some(machine);
    }

    /// Crashes the process. Returns the operations that turned out to be durable.
    pub(super) fn crash(&mut self, now: Mono, last_write: LastWrite) -> Vec<Done<S>> {
        self.machine = None;
        self.host.incarnation += 1;
        self.host.jobs.clear();
        self.host.outcomes.clear();
        self.host.tick_at = None;
        self.host.outputs.clear();
        self.host.disk.lose_power(now, last_write)
    }

    /// Gives the machine an input if it runs, and carries out its actions. Returns their number.
    pub(super) fn input(&mut self, env: &mut Environment, input: Input<'_, M>) -> usize {
        let Self { machine: Some(machine), host } = self else { return 0 };
        let now = host.now(env.queue.now());
        host.actions = 0;
        env.tally.inputs += 1;
        let deadline = pump(machine, &mut ActionRunner { host, env }, now, input);
        if let Err(broken) = machine.is_consistent() {
            env.violate(|| format!("{} is inconsistent: {broken}", host.who));
        }
        host.schedule_tick(env, deadline.map(|deadline| deadline.at));
        host.actions
    }

    /// Runs a job of this incarnation, and reports its outcome.
    pub(super) fn computed(
        &mut self,
        env: &mut Environment,
        incarnation: u32,
        ticket: Ticket,
    ) -> usize {
        if incarnation != self.host.incarnation {
            return 0;
        }
        let Some(job) = self.host.jobs.remove(&ticket) else { return 0 };
        let outcome = self.host.crypto.run(job);
        self.input(env, Input::Event(sealpost_core::frame::Event::Computed(ticket, outcome)))
    }

    /// Commits the transaction of this incarnation. Returns its operations with their outcomes.
    pub(super) fn committed(&mut self, now: Mono, incarnation: u32) -> Vec<Done<S>> {
        if incarnation != self.host.incarnation {
            return Vec::new();
        }
        self.host.disk.commit(now)
    }

    /// Schedules the outcomes of a transaction, and begins the next one.
    pub(super) fn report(
        &mut self,
        env: &mut Environment,
        outcomes: impl Iterator<Item = (Ticket, S::Outcome)>,
    ) {
        let NodeHost { who, incarnation, .. } = self.host;
        let delay = env.outcome_delay(who);
        for (ticket, outcome) in outcomes {
            self.host.outcomes.insert(ticket, outcome);
            let after = env.dice.below(delay + 1);
            env.queue.schedule_after(after, SimEvent::Stored(who, incarnation, ticket));
        }
        if self.host.disk.begin() {
            env.schedule_commit(who, incarnation);
        }
    }

    /// Reports an outcome to the machine.
    pub(super) fn stored(
        &mut self,
        env: &mut Environment,
        incarnation: u32,
        ticket: Ticket,
    ) -> usize {
        if incarnation != self.host.incarnation {
            return 0;
        }
        let Some(outcome) = self.host.outcomes.remove(&ticket) else { return 0 };
        self.input(env, Input::Event(sealpost_core::frame::Event::Stored(ticket, outcome)))
    }

    /// Whether an operation is not answered yet.
    pub(super) fn is_storing(&self) -> bool {
        !self.host.disk.in_progress().is_empty() || !self.host.outcomes.is_empty()
    }

    /// Ticks at the machine's deadline, unless the deadline has moved since.
    pub(super) fn tick(&mut self, env: &mut Environment, incarnation: u32) -> usize {
        if incarnation != self.host.incarnation || self.host.tick_at != Some(env.queue.now()) {
            return 0;
        }
        self.host.tick_at = None;
        self.input(env, Input::Event(sealpost_core::frame::Event::Tick))
    }

    /// Outputs since the last call.
    pub(super) fn take_outputs(&mut self) -> Vec<Output<M>> {
        std::mem::take(&mut self.host.outputs)
    }
}

impl<M: Machine, S: Storage> NodeHost<M, S> {
    /// Current time of the node's clocks.
    pub(super) const fn now(&self, mono: Mono) -> Now {
        let secs = (mono.0 / 1_000_000).cast_signed();
        Now { mono, wall: Timestamp::from_unix_secs(START + secs + self.skew) }
    }

    fn schedule_tick(&mut self, env: &mut Environment, deadline: Option<Mono>) {
        let Some(deadline) = deadline.map(|at| at.max(env.queue.now())) else {
            self.tick_at = None;
            return;
        };
        if self.tick_at != Some(deadline) {
            self.tick_at = Some(deadline);
            env.queue.schedule_at(deadline, SimEvent::Tick(self.who, self.incarnation));
        }
    }
}

/// Carries out a machine's actions.
struct ActionRunner<'a, M: Machine, S: Storage> {
    host: &'a mut NodeHost<M, S>,
    env: &'a mut Environment,
}

impl<R, M, S> Host<M> for ActionRunner<'_, M, S>
where
    M: Machine<StoreOutcome = Result<R, StoreError>>,
    S: Engine<M>,
{
    fn send(&mut self, conn: ConnId, bytes: Bytes) {
        self.host.actions += 1;
        self.env.send(self.host.who, conn, bytes);
    }

    fn store(&mut self, ticket: Ticket, op: S::Op) {
        self.host.actions += 1;
        if self.host.disk.add(ticket, op) {
            self.env.schedule_commit(self.host.who, self.host.incarnation);
        }
    }

    fn compute(&mut self, ticket: Ticket, job: Job) {
        self.host.actions += 1;
        if let Job::Emit(draft) = &job {
            self.env.check_retry_after(draft);
        }
        if self.host.who.is_server() {
            self.env.charge(&job);
        }
        self.host.jobs.insert(ticket, job);
        let after = 1 + self.env.dice.below(self.env.settings.job);
        self.env.queue.schedule_after(
            after,
            SimEvent::Computed(self.host.who, self.host.incarnation, ticket),
        );
    }

    fn deliver(&mut self, delivery: M::Delivery) {
        self.host.actions += 1;
        self.host.outputs.push(Output::Delivery(delivery));
    }

    fn notify(&mut self, notice: M::Notice) {
        self.host.outputs.push(Output::Notice(notice));
    }

    fn flow(&mut self, conn: ConnId, flow: Flow) {
        self.host.actions += 1;
        self.env.flow(self.host.who, conn, flow);
    }

    fn close(&mut self, conn: ConnId) {
        self.host.actions += 1;
        self.env.close(self.host.who, conn);
    }

    fn dial(&mut self, conn: ConnId, _: EndpointIndex) {
        self.host.actions += 1;
        self.env.dial(self.host.who, conn);
    }

    fn watch(&mut self, seen: &Seen<'_, '_, M>) {
        if let Some(watcher) = &mut self.host.watcher {
            watcher(seen);
        }
    }
}

/// Wall-clock time at which every simulation starts: a moment in November 2026.
const START: i64 = 1_795_437_296;
