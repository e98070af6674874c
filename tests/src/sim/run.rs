//! Running plans, and making those that fail small.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::plan::{Plan, Settings, StepKind};
use super::tally::Tally;
use super::trace::Trace;
use super::world::World;

/// What came of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunResult {
    /// Everything that happened, as one number.
    pub digest: u64,
    /// What was met.
    pub tally: Tally,
    /// What was not as it must be.
    pub violation: Option<String>,
}

/// Runs a plan to its end. A panic is a violation.
pub fn run(plan: &Plan) -> RunResult {
    execute(plan, Trace::default()).0
}

/// The same, with a line for everything that happened.
pub fn run_with_trace(plan: &Plan) -> (RunResult, Vec<String>) {
    execute(plan, Trace::with_lines())
}

fn execute(plan: &Plan, trace: Trace) -> (RunResult, Vec<String>) {
    let mut world = World::new(plan, trace);
    let ended = catch_unwind(AssertUnwindSafe(|| world.run()));
    let panicked = ended.err().map(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        format!("panicked: {}", text.unwrap_or("without a word"))
    });
    let violation = panicked.or_else(|| world.violation().map(str::to_owned));
    (RunResult { digest: world.digest(), tally: world.tally(), violation }, world.take_lines())
}

/// Makes a plan that fails smaller, as long as it fails: fewer steps, then fewer clients, then
/// settings as they are by default. Gives up after so many attempts.
pub fn shrink(plan: &Plan, attempts: u32) -> Plan {
    let mut left = attempts;
    let kind = run(plan).violation.as_deref().map(kind);
    let mut fails = |candidate: &Plan| {
        if left == 0 {
            return false;
        }
        left -= 1;
        run(candidate).violation.as_deref().map(self::kind) == kind
    };
    let mut smallest = plan.clone();
    loop {
        let before = smallest.clone();
        fewer_steps(&mut smallest, &mut fails);
        smaller_steps(&mut smallest, &mut fails);
        plainer_settings(&mut smallest, &mut fails);
        if smallest == before {
            return smallest;
        }
    }
}

/// What a violation says but for its numbers, so that shrinking does not wander off to another one.
fn kind(violation: &str) -> String {
    let words = violation.split(['(', ':']).next().unwrap_or(violation);
    words.chars().filter(|c| !c.is_ascii_digit()).collect()
}

/// Leaves out stretches of steps, long ones first.
fn fewer_steps(plan: &mut Plan, fails: &mut impl FnMut(&Plan) -> bool) {
    let mut len = plan.steps.len();
    while len > 0 {
        let mut from = 0;
        while from < plan.steps.len() {
            let mut candidate = plan.clone();
            candidate.steps.drain(from..(from + len).min(plan.steps.len()));
            if fails(&candidate) {
                *plan = candidate;
            } else {
                from += len;
            }
        }
        len /= 2;
    }
}

/// Sends fewer and shorter messages.
fn smaller_steps(plan: &mut Plan, fails: &mut impl FnMut(&Plan) -> bool) {
    for index in 0..plan.steps.len() {
        while let StepKind::Send { count, size, .. } = plan.steps[index].what
            && (count > 1 || size > 0)
        {
            let mut candidate = plan.clone();
            if let StepKind::Send { count, size, .. } = &mut candidate.steps[index].what {
                (*count, *size) = ((*count).div_ceil(2), *size / 2);
            }
            if !fails(&candidate) {
                break;
            }
            *plan = candidate;
        }
    }
}

/// Ends sooner, and takes every setting back to its default that does not matter.
fn plainer_settings(plan: &mut Plan, fails: &mut impl FnMut(&Plan) -> bool) {
    let plain = |plan: &Plan| serde_json::to_value(&plan.settings).unwrap_or_default();
    let default = serde_json::to_value(Settings::default()).unwrap_or_default();
    let last = plan.steps.last().map_or(0, |step| step.at_ms);
    let mut sooner = plan.clone();
    sooner.settings.end_ms = last + 1_000;
    if sooner != *plan && fails(&sooner) {
        *plan = sooner;
    }
    let Some(fields) = default.as_object() else { return };
    for (field, value) in fields.iter().filter(|(field, _)| *field != "clients") {
        let mut settings = plain(plan);
        if settings.get(field) == Some(value) {
            continue;
        }
        settings[field] = value.clone();
        let Ok(settings) = serde_json::from_value(settings) else { continue };
        let candidate = Plan { settings, ..plan.clone() };
        if fails(&candidate) {
            *plan = candidate;
        }
    }
    for clients in 2..plan.settings.clients {
        let mut candidate = plan.clone();
        candidate.settings.clients = clients;
        if fails(&candidate) {
            *plan = candidate;
            return;
        }
    }
}
