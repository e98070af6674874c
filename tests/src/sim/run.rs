//! Runs plans, and shrinks failing ones.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::plan::Plan;
use super::settings::Settings;
use super::step::StepKind;
use super::tally::Tally;
use super::trace::Trace;
use super::world::World;

/// Result of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunResult {
    /// Digest of the trace.
    pub digest: u64,
    /// Counts of faults and states.
    pub tally: Tally,
    /// First violation.
    pub violation: Option<String>,
}

/// Runs a plan to its end. A panic is a violation.
pub fn run(plan: &Plan) -> RunResult {
    execute(plan, Trace::default()).0
}

/// Runs a plan to its end, and returns the lines of its trace as well.
pub fn run_with_trace(plan: &Plan) -> (RunResult, Vec<String>) {
    execute(plan, Trace::with_lines())
}

fn execute(plan: &Plan, trace: Trace) -> (RunResult, Vec<String>) {
    let mut world = World::new(plan, trace);
    let ended = catch_unwind(AssertUnwindSafe(|| world.run()));
    let panicked = ended.err().map(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        format!("panicked: {}", text.unwrap_or("without a message"))
    });
    let violation = panicked.or_else(|| world.violation().map(str::to_owned));
    (RunResult { digest: world.digest(), tally: world.tally(), violation }, world.take_lines())
}

/// Shrinks a failing plan as long as it fails with the same kind of violation: fewer and smaller
/// steps, default settings, then fewer clients. Stops after `attempts` runs.
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
        simpler_settings(&mut smallest, &mut fails);
        if smallest == before {
            return smallest;
        }
    }
}

/// Kind of a violation: its text without numbers. Shrinking must not end at another kind.
fn kind(violation: &str) -> String {
    let words = violation.split(['(', ':']).next().unwrap_or(violation);
    words.chars().filter(|c| !c.is_ascii_digit()).collect()
}

/// Removes ranges of steps, long ones first.
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
        while let StepKind::Send { count, size, .. } = plan.steps[index].kind
            && (count > 1 || size > 0)
        {
            let mut candidate = plan.clone();
            if let StepKind::Send { count, size, .. } = &mut candidate.steps[index].kind {
                (*count, *size) = ((*count).div_ceil(2), *size / 2);
            }
            if !fails(&candidate) {
                break;
            }
            *plan = candidate;
        }
    }
}

/// Ends the plan earlier, and resets every setting that the failure does not need to its default.
fn simpler_settings(plan: &mut Plan, fails: &mut impl FnMut(&Plan) -> bool) {
    let settings_of = |plan: &Plan| serde_json::to_value(&plan.settings).unwrap_or_default();
    let default = serde_json::to_value(Settings::default()).unwrap_or_default();
    let last = plan.steps.last().map_or(0, |step| step.at_ms);
    let mut sooner = plan.clone();
    sooner.settings.end_ms = last + 1_000;
    if sooner != *plan && fails(&sooner) {
        *plan = sooner;
    }
    let Some(fields) = default.as_object() else { return };
    for (field, value) in fields.iter().filter(|(field, _)| *field != "clients") {
        let mut settings = settings_of(plan);
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
    // Steps name clients by index: fewer clients turn the steps of the others into no-ops, so the
    // smallest number that still fails is tried first.
    for clients in 2..plan.settings.clients {
        let mut candidate = plan.clone();
        candidate.settings.clients = clients;
        if fails(&candidate) {
            *plan = candidate;
            return;
        }
    }
}
