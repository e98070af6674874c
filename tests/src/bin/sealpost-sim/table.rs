//! The summary of a run.

use std::fmt;
use std::time::Duration;

use sealpost_tests::sim::Tally;

/// Table of a run's counts.
pub(crate) struct Table<'a> {
    pub(crate) seeds: u64,
    pub(crate) failed: u64,
    pub(crate) tally: &'a Tally,
    pub(crate) elapsed: Duration,
    pub(crate) jobs: usize,
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seeds, failed, tally, elapsed, jobs } = self;
        let hours = tally.micros / 3_600_000_000;
        let minutes = elapsed.as_secs_f64() / 60.0;
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate for display"
        )]
        let rate = (tally.delivered as f64 / minutes / *jobs as f64) as u64;
        let rows = [
            ("seeds run", *seeds),
            ("seeds failed", *failed),
            ("simulated hours", hours),
            ("messages sent", tally.messages),
            ("messages delivered", tally.delivered),
            ("messages delivered per minute and core", rate),
            ("packets sent", tally.packets),
            ("inputs to machines", tally.inputs),
        ];
        for (name, count) in rows {
            row(f, name, count)?;
        }
        writeln!(f, "\nfaults")?;
        for (name, count) in &tally.faults {
            row(f, name, *count)?;
        }
        writeln!(f, "\nstates reached")?;
        for (name, count) in &tally.states {
            row(f, name, *count)?;
        }
        Ok(())
    }
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, count: u64) -> fmt::Result {
    writeln!(f, "  {name:<48} {:>16}", grouped(count))
}

/// A number with a comma between thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
