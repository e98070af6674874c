//! The bed of the fuzz targets `server` and `client`: a machine, a store and job runners that the
//! input controls. It calls the observer around everything that the machine is told.

use std::collections::VecDeque;

use sealpost_core::crypto::Job;
use sealpost_core::frame::{Event, Host, Input, Machine, StoreError, pump};
use sealpost_core::ids::{ConnId, Phone, Ticket};
use sealpost_core::keys::{Plaintext, PublicKey};
use sealpost_core::time::{Mono, Now, Timestamp};
use sealpost_core::wire::{Packet, Profile};
use sealpost_storage::Storage;

use crate::arb::Arb;

/// A machine that a [`FuzzBed`] can drive.
pub(super) trait FuzzedMachine:
    Machine<StoreOutcome = Result<Self::StoreReply, StoreError>> + Sized
{
    /// Result of a successful store operation.
    type StoreReply;
    type Store: Storage<Op = Self::StoreOp, Outcome = Self::StoreOutcome>;
    type Observer: Observer<Self>;
    /// Errors that the store may report.
    const STORE_ERRORS: &'static [StoreError];
    /// Of this many job outcomes, one is a failure, one is arbitrary, and the others are correct.
    const JOB_OUTCOMES: u64;
}

/// The host of a fuzzed machine. It collects jobs and store operations, and checks every action
/// against what the machine promises.
pub(super) trait Observer<M: FuzzedMachine>: Host<M> {
    /// Store operations not carried out yet, in order.
    fn ops(&mut self) -> &mut VecDeque<(Ticket, M::StoreOp)>;
    /// Jobs not answered yet.
    fn jobs(&mut self) -> &mut Vec<(Ticket, Job)>;
    /// Whether this machine may ask for a job of this kind.
    fn may_request(job: &Job) -> bool;

    /// An input comes next: bytes of `reading`, or an event.
    fn before_input(&mut self, reading: Option<ConnId>);
    /// The machine took an input of `bytes` bytes.
    fn after_input(&self, machine: &M, bytes: usize);

    /// The store carried out an operation.
    fn committed(&mut self, op: &M::StoreOp, outcome: &M::StoreOutcome);
    /// The outcome of an operation is reported next.
    fn before_outcome(&mut self, _op: &M::StoreOp) {}

    /// The outcome of a job is reported next.
    fn before_job_outcome(&mut self, ticket: Ticket);
    /// A packet's signature is found valid.
    fn verified(&mut self, packet: &Packet);
    /// A packet is opened to this plaintext.
    fn opened(&mut self, packet: &Packet, plaintext: &Plaintext);
    /// A 100 asks for this phone.
    fn registers(&mut self, _request: &Packet, _phone: Phone) {}
}

pub(super) struct FuzzBed<'a, M: FuzzedMachine> {
    pub(super) arb: Arb<'a>,
    pub(super) profile: Profile,
    pub(super) keys: &'static [PublicKey],
    pub(super) machine: M,
    pub(super) store: M::Store,
    pub(super) now: Now,
    pub(super) observer: M::Observer,
    /// Outcomes of the store that were not reported yet.
    outcomes: VecDeque<(Ticket, M::StoreOp, M::StoreOutcome)>,
}

impl<'a, M: FuzzedMachine> FuzzBed<'a, M> {
    pub(super) const fn around(
        arb: Arb<'a>,
        profile: Profile,
        keys: &'static [PublicKey],
        machine: M,
        store: M::Store,
        observer: M::Observer,
    ) -> Self {
        Self {
            arb,
            profile,
            keys,
            machine,
            store,
            now: Now { mono: Mono(0), wall: Timestamp::from_unix_secs(1_795_437_296) },
            observer,
            outcomes: VecDeque::new(),
        }
    }

    /// Takes steps until the input is exhausted.
    pub(super) fn run(&mut self, step: impl Fn(&mut Self)) {
        for _ in 0..MAX_STEPS {
            if self.arb.is_empty() {
                break;
            }
            step(self);
        }
    }

    pub(super) fn event(&mut self, event: Event<M>) {
        self.observer.before_input(None);
        self.input(Input::Event(event), 0);
    }

    pub(super) fn bytes(&mut self, conn: ConnId, data: &[u8]) {
        self.observer.before_input(Some(conn));
        self.input(Input::Bytes { conn, data }, data.len());
    }

    fn input(&mut self, input: Input<'_, M>, bytes: usize) {
        pump(&mut self.machine, &mut self.observer, self.now, input);
        // The promises to the outside first: their violations are easier to read.
        self.observer.after_input(&self.machine, bytes);
        assert_eq!(self.machine.is_consistent(), Ok(()));
    }

    /// Carries out all store operations. Their outcomes are reported later.
    pub(super) fn commit(&mut self) {
        let (tickets, ops): (Vec<_>, Vec<_>) = self.observer.ops().drain(..).unzip();
        let mut outcomes = Vec::new();
        self.store.commit(&ops, &mut outcomes);
        // Durable now, reported later: in between the machine may be asked for anything.
        for ((ticket, op), outcome) in tickets.into_iter().zip(ops).zip(outcomes) {
            self.observer.committed(&op, &outcome);
            self.outcomes.push_back((ticket, op, outcome));
        }
    }

    /// Fails all store operations.
    pub(super) fn fail_store(&mut self) {
        let error = *self.arb.pick(M::STORE_ERRORS).expect("not empty");
        let failed = self.observer.ops().drain(..).map(|(ticket, op)| (ticket, op, Err(error)));
        self.outcomes.extend(failed);
    }

    pub(super) fn report_all(&mut self) {
        while !self.outcomes.is_empty() {
            self.report(0);
        }
    }

    /// Reports one outcome, possibly ahead of earlier ones.
    pub(super) fn report_one(&mut self) {
        let nth = self.arb.index(self.outcomes.len());
        self.report(nth);
    }

    fn report(&mut self, nth: usize) {
        if let Some((ticket, op, outcome)) = self.outcomes.remove(nth) {
            self.observer.before_outcome(&op);
            self.event(Event::Stored(ticket, outcome));
        }
    }

    /// Drops the outcomes that were not reported yet: the process that waits for them is dead.
    pub(super) fn forget_outcomes(&mut self) {
        self.outcomes.clear();
    }

    pub(super) fn tick(&mut self) {
        self.event(Event::Tick);
        let deadline = self.machine.deadline();
        assert!(deadline.is_none_or(|deadline| deadline.at > self.now.mono), "deadline stays due");
    }

    pub(super) fn jump_wall_clock(&mut self) {
        let secs = i64::from(self.arb.byte()) * 50 - 6_000;
        self.now.wall = self.now.wall.plus_secs(secs);
    }

    /// Lets job runners and store complete all work, correctly.
    pub(super) fn settle(&mut self) {
        for _ in 0..MAX_SETTLE_ROUNDS {
            if self.is_idle() {
                return;
            }
            self.answer_all_jobs();
            self.report_all();
            self.commit();
            self.report_all();
        }
        panic!("the machine keeps asking for work");
    }

    fn is_idle(&mut self) -> bool {
        self.observer.jobs().is_empty()
            && self.observer.ops().is_empty()
            && self.outcomes.is_empty()
    }
}

/// Bound on steps, so that one input takes milliseconds.
const MAX_STEPS: usize = 400;

/// Rounds of completed work after which the machine must be idle.
const MAX_SETTLE_ROUNDS: usize = 200;
