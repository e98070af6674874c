//! `sealpost-sim groups`: simulations of groups.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sealpost_tests::group_sim::{Plan, Tally, run as run_plan, run_with_trace, shrink};

use crate::args::{Groups, GroupsRun, Replay};
use crate::output::{print, say};
use crate::table::grouped;

pub(crate) fn run(task: &Groups) -> Result<ExitCode, String> {
    match task {
        Groups::Run(options) => run_many(options),
        Groups::Replay(options) => replay(options),
    }
}

fn run_many(options: &GroupsRun) -> Result<ExitCode, String> {
    let jobs = options.jobs.or_else(|| thread::available_parallelism().ok());
    let jobs = jobs.map_or(1, std::num::NonZero::get);
    let (next, done, failed) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let (stop, started) = (AtomicBool::new(false), Instant::now());
    let (tally, trouble) = (Mutex::new(Tally::default()), Mutex::new(None));
    let deadline = options.minutes.map(|minutes| Duration::from_secs_f64(minutes * 60.0));
    let work = || {
        while !stop.load(Ordering::Relaxed) && deadline.is_none_or(|most| started.elapsed() < most)
        {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= options.seeds {
                return;
            }
            let seed = options.seed.wrapping_add(index);
            let plan = Plan::from_seed(seed);
            let result = run_plan(&plan);
            if let Ok(mut tally) = tally.lock() {
                tally.add(&result.tally);
            }
            done.fetch_add(1, Ordering::Relaxed);
            let Some(violation) = result.violation else { continue };
            failed.fetch_add(1, Ordering::Relaxed);
            stop.fetch_or(!options.keep_going, Ordering::Relaxed);
            if let (Err(error), Ok(mut trouble)) =
                (report(seed, &plan, &violation, &options.out), trouble.lock())
            {
                *trouble = Some(error);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(work);
        }
    });
    if let Ok(Some(error)) = trouble.into_inner() {
        return Err(error);
    }
    let (done, failed) = (done.into_inner(), failed.into_inner());
    let rate = u128::from(done) * 1_000 / started.elapsed().as_millis().max(1);
    let rows = [("seeds run", done), ("seeds failed", failed)];
    let rate = [("seeds per second", u64::try_from(rate).unwrap_or(u64::MAX))];
    let tally = tally.into_inner().unwrap_or_default();
    for (name, count) in rows.into_iter().chain(rate).chain(tally.rows()) {
        print(format_args!("  {name:<48} {:>16}\n", grouped(count)))?;
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Shrinks a failing seed, writes its plan to a file, and prints how to replay it.
fn report(seed: u64, plan: &Plan, violation: &str, out: &Path) -> Result<(), String> {
    let shrunk = shrink(plan);
    let file = out.join(format!("groups-seed-{seed}.json"));
    let text = serde_json::to_string_pretty(&shrunk).map_err(|error| error.to_string())?;
    let written = fs::create_dir_all(out).and_then(|()| fs::write(&file, text));
    written.map_err(|error| format!("{}: {error}", file.display()))?;
    let (before, after) = (plan.steps.len(), shrunk.steps.len());
    say(format_args!(
        "seed {seed}: {violation}\n  shrunk from {before} steps to {after}; replay with\n  \
         sealpost-sim groups replay --trace {}\n",
        file.display()
    ));
    Ok(())
}

fn replay(options: &Replay) -> Result<ExitCode, String> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", options.file.display());
    let text = fs::read_to_string(&options.file).map_err(|error| named(&error))?;
    let plan: Plan = serde_json::from_str(&text).map_err(|error| named(&error))?;
    let (result, lines) = run_with_trace(&plan);
    for line in lines.iter().filter(|_| options.trace) {
        print(format_args!("{line}\n"))?;
    }
    print(format_args!("trace digest: {:016x}\n", result.digest))?;
    let Some(violation) = result.violation else {
        print("passed\n")?;
        return Ok(ExitCode::SUCCESS);
    };
    print(format_args!("violation: {violation}\n"))?;
    Ok(ExitCode::FAILURE)
}
