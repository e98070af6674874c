//! The bed that both machines share.

use std::time::Duration;

use sealpost_core::crypto::{Crypto, Job};
use sealpost_core::frame::{Deadline, Event, Input, StoreError, pump};
use sealpost_core::ids::{ConnId, Ticket};
use sealpost_core::keys::PublicKey;
use sealpost_core::time::{Mono, Now, Timestamp};
use sealpost_core::wire::{Packet, Profile};
use sealpost_storage::{Faulty, Storage};

use super::machine::TestedMachine;
use super::recorder::Recorder;

/// A machine and its surroundings: store, cryptography, clocks and connections.
pub struct Bed<M: TestedMachine> {
    pub(super) machine: M,
    crypto: Crypto,
    pub(super) profile: Profile,
    pub(super) now: Now,
    pub(super) recorder: Recorder<M>,
    pub(super) setup: M::Setup,
    /// Store of the machine, for tests to inspect and to make fail.
    pub store: Faulty<M::Store>,
    /// Store operations wait for [`Bed::release_store`].
    pub hold_store: bool,
    /// Jobs wait for [`Bed::release_jobs`].
    pub hold_jobs: bool,
    /// Deliveries are not answered by the bed.
    pub hold_deliveries: bool,
}

impl<M: TestedMachine> Bed<M> {
    pub(super) fn around(
        machine: M,
        crypto: Crypto,
        profile: Profile,
        store: Faulty<M::Store>,
        setup: M::Setup,
    ) -> Self {
        Self {
            machine,
            crypto,
            profile,
            now: Now { mono: Mono(0), wall: Timestamp::from_unix_secs(1_795_437_296) },
            recorder: Recorder::new(profile),
            setup,
            store,
            hold_store: false,
            hold_jobs: false,
            hold_deliveries: false,
        }
    }

    /// Public key of the machine.
    pub fn public_key(&self) -> &PublicKey {
        self.crypto.public_key()
    }

    /// Profile of the deployment.
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// Current time of both clocks.
    pub const fn now(&self) -> Now {
        self.now
    }

    /// Sets both clocks. No deadline fires.
    pub const fn set_now(&mut self, now: Now) {
        self.now = now;
    }

    /// The machine's next deadline.
    pub fn deadline(&self) -> Option<Mono> {
        self.machine.deadline().map(|deadline| deadline.at)
    }

    /// Advances both clocks, with a tick at every deadline on the way.
    pub fn advance(&mut self, time: Duration) {
        let end = self.now.mono + time;
        while let Some(Deadline { at, .. }) =
            self.machine.deadline().filter(|deadline| deadline.at <= end)
        {
            self.set_mono(at.max(self.now.mono));
            self.input_event(Event::Tick);
        }
        self.set_mono(end);
    }

    /// Advances both clocks to the next deadline, with a tick there.
    pub fn advance_to_deadline(&mut self) {
        let at = self.deadline().expect("a deadline");
        self.advance(at.since(self.now.mono));
    }

    /// Moves the wall clock only.
    pub fn jump_wall_clock(&mut self, secs: i64) {
        self.now.wall = self.now.wall.plus_secs(secs);
    }

    fn set_mono(&mut self, mono: Mono) {
        let before = self.now.mono.0 / 1_000_000;
        let secs = i64::try_from(mono.0 / 1_000_000 - before).unwrap();
        self.now = Now { mono, wall: self.now.wall.plus_secs(secs) };
    }

    /// Gives the machine bytes from a connection.
    pub fn input_bytes(&mut self, conn: ConnId, data: &[u8]) {
        self.input(Input::Bytes { conn, data });
        self.complete_pending();
    }

    /// Gives the machine a packet from a connection.
    pub fn input_packet(&mut self, conn: ConnId, packet: &Packet) {
        self.input_bytes(conn, packet.bytes());
    }

    /// Gives the machine an event.
    pub fn input_event(&mut self, event: Event<M>) {
        self.recorder.observe(&event);
        self.input(Input::Event(event));
        self.complete_pending();
    }

    /// Ends a connection from the peer's side.
    pub fn cut(&mut self, conn: ConnId) {
        self.input_event(Event::Closed { conn });
    }

    fn input(&mut self, input: Input<'_, M>) {
        pump(&mut self.machine, &mut self.recorder, self.now, input);
        assert_eq!(self.machine.is_consistent(), Ok(()));
    }

    /// Commits the waiting store operations in one transaction, and reports their outcomes.
    pub fn release_store(&mut self) {
        let (tickets, ops): (Vec<_>, Vec<_>) = self.recorder.ops.drain(..).unzip();
        let mut outcomes = Vec::new();
        self.store.commit(&ops, &mut outcomes);
        for (ticket, outcome) in tickets.into_iter().zip(outcomes) {
            self.input(Input::Event(Event::Stored(ticket, outcome)));
        }
        self.complete_pending();
    }

    /// Commits the waiting store operations, and reports their outcomes except that of the first one.
    /// Returns that outcome, to be reported later.
    pub fn release_store_behind_the_first(&mut self) -> Event<M> {
        let (tickets, ops): (Vec<_>, Vec<_>) = self.recorder.ops.drain(..).unzip();
        let mut outcomes = Vec::new();
        self.store.commit(&ops, &mut outcomes);
        let mut stored = tickets.into_iter().zip(outcomes).map(|(t, o)| Event::Stored(t, o));
        let first = stored.next().expect("a waiting operation");
        for event in stored {
            self.input(Input::Event(event));
        }
        self.complete_pending();
        first
    }

    /// Commits the waiting store operations without reporting their outcomes, as if the process
    /// died right after the commit.
    pub fn commit_without_outcomes(&mut self) {
        let ops: Vec<_> = self.recorder.ops.drain(..).map(|(_, op)| op).collect();
        self.store.commit(&ops, &mut Vec::new());
    }

    /// Runs the waiting jobs, and reports their outcomes in the order that `order` arranges.
    pub fn release_jobs(&mut self, order: impl FnOnce(&mut Vec<(Ticket, Job)>)) {
        let mut jobs: Vec<_> = self.recorder.jobs.drain(..).collect();
        order(&mut jobs);
        for (ticket, job) in jobs {
            self.run_job(ticket, job);
        }
        self.complete_pending();
    }

    /// Answers the store operation that has waited longest, which is not carried out.
    pub fn answer_op(&mut self, reply: M::StoreReply) {
        let (ticket, _) = self.recorder.ops.pop_front().expect("an operation waits");
        self.input(Input::Event(Event::Stored(ticket, Ok(reply))));
        self.complete_pending();
    }

    /// Makes the next `commits` commits fail.
    pub const fn fail_store(&mut self, commits: u32, error: StoreError) {
        self.store.fail_next(commits, error);
    }

    /// Carries out what the test does not hold back, and what follows from it. Jobs go first, so
    /// that the store operations of several packets gather in one transaction.
    fn complete_pending(&mut self) {
        loop {
            if !self.hold_jobs
                && let Some((ticket, job)) = self.recorder.jobs.pop_front()
            {
                self.run_job(ticket, job);
            } else if !self.hold_deliveries
                && let Some(command) = self.recorder.answers.pop_front()
            {
                self.input(Input::Event(Event::Command(command)));
            } else if !self.hold_store && !self.recorder.ops.is_empty() {
                return self.release_store();
            } else {
                return;
            }
        }
    }

    fn run_job(&mut self, ticket: Ticket, job: Job) {
        let outcome = self.crypto.run(job);
        self.input(Input::Event(Event::Computed(ticket, outcome)));
    }

    /// Whether the machine closed a connection.
    pub fn is_closed(&self, conn: ConnId) -> bool {
        self.recorder.closed.contains(&conn)
    }

    /// Whether the machine paused reading from a connection.
    pub fn is_paused(&self, conn: ConnId) -> bool {
        self.recorder.paused.contains(&conn)
    }

    /// Store operations that wait.
    pub fn waiting_ops(&self) -> impl Iterator<Item = &M::StoreOp> {
        self.recorder.ops.iter().map(|(_, op)| op)
    }

    /// Number of jobs that wait.
    pub fn waiting_jobs(&self) -> usize {
        self.recorder.jobs.len()
    }

    /// Notices since the last call.
    pub fn take_notices(&mut self) -> Vec<M::Notice> {
        std::mem::take(&mut self.recorder.notices)
    }
}
