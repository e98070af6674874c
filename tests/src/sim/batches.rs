//! Batches of operations on their way from a server to the engine that it shares with others.
//!
//! A server has one batch under way at a time, as with a disk. Operations of a batch that concern
//! different users run at once, and those of different servers in any case. Each takes effect at a
//! moment of its own, and all answers of a batch come together.

use std::ops::Range;

use sealpost_core::frame::StoreError;
use sealpost_core::ids::{Ticket, UserId};
use sealpost_core::server::store::{Page, SessionOutcome, StoreOp, StoreOutcome, StoreReply};
use sealpost_core::time::Mono;

use super::disk::LastWrite;
use super::engine::{EngineFault, PATIENCE_MS, ServerName, carry_out, changed, page_of, wave_len};
use super::event::SimEvent;
use super::world::World;

/// Batches under way, by server.
pub(super) struct Batches(Vec<Option<Batch>>);

struct Batch {
    ops: Vec<(Ticket, StoreOp)>,
    outcomes: Vec<Option<StoreOutcome>>,
    /// Operations that run at once now.
    wave: Range<usize>,
    /// How many of these are not answered yet.
    unanswered: usize,
    /// Time at which they began.
    began: Mono,
    /// Longest duration of an operation that nothing holds up, in microseconds.
    longest: u64,
}

/// What happens to an operation of a batch.
#[derive(Clone, Copy, Debug)]
pub(super) enum OpStep {
    /// It takes effect, or fails.
    Run,
    /// It is answered.
    Answer,
}

/// An operation whose server has given it up.
pub(super) struct LateOp {
    name: ServerName,
    ticket: Ticket,
    op: StoreOp,
    /// The mailbox that it changes, and the version on which it depends.
    owner: UserId,
    version: u64,
}

impl Batches {
    pub(super) fn new(servers: usize) -> Self {
        Self((0..servers).map(|_| None).collect())
    }
}

impl World {
    /// Whether several servers share the store.
    pub(super) const fn is_shared(&self) -> bool {
        self.servers.len() > 1
    }

    /// A batch of a server is on its way to the engine.
    pub(super) fn begin_batch(&mut self, server: usize, incarnation: u32) {
        if self.servers[server].host.incarnation != incarnation {
            return;
        }
        let ops = self.servers[server].host.disk.in_progress().to_vec();
        let (mut waves, mut at) = (0, 0);
        while at < ops.len() {
            at += wave_len(ops[at..].iter().map(|(_, op)| op));
            waves += 1;
        }
        let outcomes = ops.iter().map(|_| None).collect();
        let longest = self.env.settings.commit / waves.max(1);
        let (wave, unanswered, began) = (0..0, 0, Mono(0));
        let batch = Batch { ops, outcomes, wave, unanswered, began, longest };
        self.batches.0[server] = Some(batch);
        self.begin_wave(server);
    }

    /// Begins the operations that can run at once; or ends the batch if none is left, or one has
    /// failed. Each of those behind it would wait as long for the same answer.
    fn begin_wave(&mut self, server: usize) {
        let (now, name) = (self.env.queue.now(), self.server_name(server));
        let Some(batch) = &mut self.batches.0[server] else { return };
        let is_unavailable = batch.outcomes.contains(&Some(Err(StoreError::Unavailable)));
        let from = batch.wave.end;
        if from == batch.ops.len() || is_unavailable {
            return self.end_batch(server);
        }
        batch.wave = from..from + wave_len(batch.ops[from..].iter().map(|(_, op)| op));
        batch.unanswered = batch.wave.len();
        batch.began = now;
        for index in batch.wave.clone() {
            let after = 1 + self.env.dice.below(batch.longest);
            let run = SimEvent::Operation(name, index, OpStep::Run);
            self.env.queue.schedule_after(after, run);
        }
    }

    fn end_batch(&mut self, server: usize) {
        let Some(batch) = self.batches.0[server].take() else { return };
        self.servers[server].host.disk.finish();
        let outcomes = batch.ops.into_iter().zip(batch.outcomes).map(|((ticket, _), outcome)| {
            (ticket, outcome.unwrap_or(Err(StoreError::Unavailable)))
        });
        self.servers[server].report(&mut self.env, outcomes);
    }

    pub(super) fn step_operation(&mut self, name: ServerName, index: usize, step: OpStep) {
        if self.server_name(name.server) != name {
            return;
        }
        match step {
            OpStep::Run => self.run_operation(name, index),
            OpStep::Answer => {
                let Some(batch) = &mut self.batches.0[name.server] else { return };
                batch.unanswered -= 1;
                if batch.unanswered == 0 {
                    self.begin_wave(name.server);
                }
            }
        }
    }

    fn run_operation(&mut self, name: ServerName, index: usize) {
        let now = self.env.queue.now();
        let Some(batch) = &self.batches.0[name.server] else { return };
        let (ticket, op) = batch.ops[index].clone();
        let given_up_at = Mono(batch.began.0 + PATIENCE_MS * 1_000);
        if let Some(error) = self.servers[name.server].host.disk.error(now) {
            return self.has_failed(name, index, error);
        }
        if let Some(until) = self.engine.waits_until(name.server, &op, now) {
            if now >= given_up_at {
                self.may_run_late(name, ticket, op);
                return self.has_failed(name, index, StoreError::Unavailable);
            }
            let at = until.min(given_up_at).0 + self.env.dice.below(50_000);
            let again = SimEvent::Operation(name, index, OpStep::Run);
            return self.env.queue.schedule_at(Mono(at), again);
        }
        if self.engine.has(EngineFault::LostAnswers, now) && self.env.dice.chance(300) {
            self.env.tally.state("engine: answer lost");
            match self.env.dice.below(3) {
                0 => self.run_unknown(name, ticket, &op),
                1 => {
                    if let Some(half) = first_half(&op) {
                        self.run_unknown(name, ticket, &half);
                    }
                }
                _ => {}
            }
            return self.has_failed(name, index, StoreError::Unavailable);
        }
        let (outcome, wait) = self.run_known(name, ticket, &op);
        self.has_outcome(name, index, outcome, wait);
    }

    fn has_failed(&mut self, name: ServerName, index: usize, error: StoreError) {
        if let Some(batch) = &self.batches.0[name.server] {
            let (ticket, op) = batch.ops[index].clone();
            self.watch_server_store(name.server, &[(ticket, op, Err(error))]);
        }
        self.has_outcome(name, index, Err(error), 0);
    }

    fn has_outcome(&mut self, name: ServerName, index: usize, outcome: StoreOutcome, wait: u64) {
        if let Some(batch) = &mut self.batches.0[name.server] {
            batch.outcomes[index] = Some(outcome);
            let answer = SimEvent::Operation(name, index, OpStep::Answer);
            self.env.queue.schedule_after(wait, answer);
        }
    }

    /// Carries an operation out that its server will know to be carried out. Returns how long the
    /// answer waits.
    fn run_known(&mut self, name: ServerName, ticket: Ticket, op: &StoreOp) -> (StoreOutcome, u64) {
        let before = match op {
            StoreOp::BeginSession { user, .. } => self.engine.session(*user),
            _ => None,
        };
        let (outcome, changed) = self.perform(name, ticket, op);
        for owner in changed {
            self.engine.has_written(name, owner);
        }
        let wait = match (op, &outcome) {
            (
                StoreOp::BeginSession { user, place },
                Ok(StoreReply::SessionBegun(SessionOutcome::Begun(_))),
            ) => self.displace(name, *user, before, *place),
            _ => 0,
        };
        (outcome, wait)
    }

    /// Carries an operation out of which its server does not learn.
    fn run_unknown(&mut self, name: ServerName, ticket: Ticket, op: &StoreOp) {
        let _ = self.perform(name, ticket, op);
    }

    /// Carries an operation out. Returns the mailboxes that it has changed.
    fn perform(
        &mut self,
        name: ServerName,
        ticket: Ticket,
        op: &StoreOp,
    ) -> (StoreOutcome, Vec<UserId>) {
        let now = self.env.queue.now();
        let mailboxes = changed(op);
        for owner in &mailboxes {
            self.engine.keep(&mut self.store, *owner, now);
        }
        let outcome = match op {
            StoreOp::RecordReconnect { .. } => self.record_reconnect(op),
            StoreOp::BeginSession { user, place } => self.record_session(name, *user, *place),
            StoreOp::Page { .. } => Ok(StoreReply::Page(self.read_page(name, op))),
            StoreOp::CreateUser { .. } => self.create_user(name, op),
            _ => carry_out(&mut self.store, op.clone()),
        };
        let begins = matches!(op, StoreOp::BeginSession { .. });
        let mut changed = mailboxes;
        changed.retain(|owner| begins || self.engine.has_changed(&mut self.store, *owner));
        self.watch_server_store(name.server, &[(ticket, op.clone(), outcome.clone())]);
        if matches!(op, StoreOp::Append { .. } | StoreOp::Settle(_)) {
            for owner in &changed {
                self.tell_appended(name, *owner);
            }
        }
        (outcome, changed)
    }

    fn read_page(&mut self, name: ServerName, op: &StoreOp) -> Page {
        let now = self.env.queue.now();
        let StoreOp::Page { recipient, after, limit } = *op else {
            return Page { items: Vec::new(), more: false };
        };
        let is_stale = self.engine.has(EngineFault::StalePages, now);
        if !is_stale || self.env.dice.chance(500) {
            self.tell_found(name, recipient);
        }
        if is_stale {
            let states = self.engine.stale_states(name, recipient, now);
            let changes = self.env.dice.index(states + 1);
            if let Some(page) = self.engine.stale_page(recipient, changes, after, limit) {
                self.env.tally.state("engine: stale page");
                return page;
            }
        }
        page_of(&mut self.store, recipient, after, limit)
    }

    /// A request may have reached the engine although its server has given it up. It takes effect only if
    /// nothing has changed meanwhile.
    fn may_run_late(&mut self, name: ServerName, ticket: Ticket, op: StoreOp) {
        let [owner] = *changed(&op) else { return };
        if self.env.dice.chance(300) {
            let version = self.engine.version(owner);
            let after = self.env.dice.below(2_000_000);
            let late = LateOp { name, ticket, op, owner, version };
            self.env.queue.schedule_after(after, SimEvent::LateOperation(Box::new(late)));
        }
    }

    pub(super) fn run_late(&mut self, late: LateOp) {
        let LateOp { name, ticket, op, owner, version } = late;
        if self.engine.version(owner) == version {
            self.env.tally.state("engine: operation late");
            self.run_unknown(name, ticket, &op);
        }
    }

    /// The process of a server ends. Operations under way may have taken effect.
    pub(super) fn lose_batch(&mut self, server: usize, last_write: LastWrite) {
        let name = self.server_name(server);
        let Some(batch) = self.batches.0[server].take() else { return };
        if last_write == LastWrite::Lost {
            return;
        }
        for index in batch.wave {
            let (ticket, op) = batch.ops[index].clone();
            let waits = self.engine.waits_until(server, &op, self.env.queue.now()).is_some();
            if batch.outcomes[index].is_none() && !waits {
                self.run_unknown(name, ticket, &op);
            }
        }
    }
}

/// What the first of two transactions does, if an operation takes two.
fn first_half(op: &StoreOp) -> Option<StoreOp> {
    match op {
        StoreOp::Append { recipient, packets, at } if packets.len() > 1 => {
            let packets = packets[..packets.len() / 2].to_vec();
            Some(StoreOp::Append { recipient: *recipient, packets, at: *at })
        }
        StoreOp::Settle(settlement) => Some(StoreOp::Append {
            recipient: settlement.receipt.header().recipient?,
            packets: vec![settlement.receipt.clone()],
            at: settlement.at,
        }),
        _ => None,
    }
}
