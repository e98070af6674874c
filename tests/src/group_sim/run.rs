//! Runs a plan to its end, and makes a failing one small.

use std::panic::{AssertUnwindSafe, catch_unwind};

use sealpost_core::groups::{GroupCommand, Mine, Record};

use super::plan::Plan;
use super::world::{GROUP, World};

/// Outcome of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunResult {
    /// Digest of the trace: equal for equal runs.
    pub digest: u64,
    /// The first thing that did not hold.
    pub violation: Option<String>,
    /// What happened how often.
    pub tally: Tally,
}

/// Counts of what happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "counts of what their names say")]
pub struct Tally {
    pub steps: u64,
    pub delivered: u64,
    pub texts: u64,
    pub shown: u64,
    pub refused: u64,
    pub joined: u64,
    pub removed: u64,
    pub left: u64,
    pub undone: u64,
    pub two_states: u64,
    pub differs: u64,
    pub missed: u64,
    pub suspicious: u64,
    pub cheats: u64,
    pub crashes: u64,
    pub restored: u64,
    pub epochs: u64,
    pub apart: u64,
}

impl Tally {
    /// Adds the counts of another run.
    pub fn add(&mut self, other: &Self) {
        let Self { steps, delivered, texts, shown, refused, joined, removed, left, .. } = other;
        self.steps += steps;
        self.delivered += delivered;
        self.texts += texts;
        self.shown += shown;
        self.refused += refused;
        self.joined += joined;
        self.removed += removed;
        self.left += left;
        self.undone += other.undone;
        self.two_states += other.two_states;
        self.differs += other.differs;
        self.missed += other.missed;
        self.suspicious += other.suspicious;
        self.cheats += other.cheats;
        self.crashes += other.crashes;
        self.restored += other.restored;
        self.epochs += other.epochs;
        self.apart += other.apart;
    }

    /// The counts with their names.
    pub fn rows(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("steps", self.steps),
            ("messages delivered", self.delivered),
            ("states written in the winning branches", self.epochs),
            ("texts written", self.texts),
            ("texts shown", self.shown),
            ("texts refused", self.refused),
            ("users joined", self.joined),
            ("users removed", self.removed),
            ("users left", self.left),
            ("crashes", self.crashes),
            ("backups restored", self.restored),
            ("acts of cheating", self.cheats),
            ("branches undone", self.undone),
            ("proofs of two states by one writer", self.two_states),
            ("differences told by a text", self.differs),
            ("states refused as invalid", self.suspicious),
            ("gaps that a user had to accept", self.missed),
            ("runs with branches too far apart", self.apart),
        ]
        .into_iter()
    }
}

/// Runs a plan.
pub fn run(plan: &Plan) -> RunResult {
    run_traced(plan, false).0
}

/// Runs a plan, and returns a line for everything that happened.
pub fn run_with_trace(plan: &Plan) -> (RunResult, Vec<String>) {
    run_traced(plan, true)
}

fn run_traced(plan: &Plan, with_trace: bool) -> (RunResult, Vec<String>) {
    let mut world = World::new(plan, with_trace);
    let done = catch_unwind(AssertUnwindSafe(|| live(&mut world, plan)));
    let violation = match done {
        Ok(()) => world.witness.violation.clone(),
        Err(panic) => Some(format!("panic: {}", words(&*panic))),
    };
    world.tally.apart = u64::from(world.witness.apart);
    let result = RunResult { digest: world.digest(), violation, tally: world.tally };
    (result, world.into_trace())
}

fn live(world: &mut World, plan: &Plan) {
    world.found();
    for step in &plan.steps {
        world.step(*step);
        if world.witness.violation.is_some() {
            return;
        }
    }
    settle(world);
}

/// Everything works again, everybody accepts what is offered and writes, until all is quiet.
fn settle(world: &mut World) {
    world.heal();
    for _ in 0..ROUNDS {
        if !world.drain() {
            return world.witness.violated("messages without end".to_owned());
        }
        for user in 0..world.devices.len() {
            let record = world.devices[user].groups.group(GROUP);
            let offered = record.is_some_and(Record::has_offer);
            if offered || world.mine(user) == Some(Mine::Invited) {
                world.command(user, GroupCommand::Accept);
            }
            if world.mine(user) == Some(Mine::Joined) {
                world.write(user);
            }
        }
    }
    if !world.drain() {
        return world.witness.violated("messages without end".to_owned());
    }
    let epochs = world.devices.iter().filter_map(|device| device.groups.group(GROUP));
    world.tally.epochs = epochs.map(|record| record.state().epoch()).max().unwrap_or(0);
    world.witness.judge_agreement(world.devices.iter().map(|device| &device.groups));
}

/// Removes steps and users that a failure does not need.
pub fn shrink(plan: &Plan) -> Plan {
    let fails = |plan: &Plan| run(plan).violation.is_some();
    let mut smallest = plan.clone();
    let mut len = smallest.steps.len();
    while len > 0 {
        let mut from = 0;
        while from < smallest.steps.len() {
            let mut candidate = smallest.clone();
            candidate.steps.drain(from..(from + len).min(candidate.steps.len()));
            if fails(&candidate) {
                smallest = candidate;
            } else {
                from += len;
            }
        }
        len /= 2;
    }
    for noise in 0..50 {
        let candidate = Plan { noise, ..smallest.clone() };
        if fails(&candidate) && candidate.steps.len() < smallest.steps.len() {
            smallest = candidate;
        }
    }
    smallest
}

fn words(panic: &dyn std::any::Any) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without words")
}

/// Rounds of texts at the end. One makes differences known, the next ones settle them.
const ROUNDS: usize = 6;
