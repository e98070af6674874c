//! `sealpost-sim`: runs the simulator over many seeds. See `--help`.
#![forbid(unsafe_code)]

mod args;
mod groups;
mod output;
mod recording;
mod table;

use std::fs;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use args::{Args, Replay, Run, Task};
use clap::Parser;
use output::{print, say};
use sealpost_recording::is_recording;
use sealpost_tests::sim::{FaultFamily, Plan, Tally, run, run_with_trace, shrink};
use table::{Table, grouped};

fn main() -> ExitCode {
    // A panic in a simulation is a violation, and is reported as one.
    std::panic::set_hook(Box::new(|_| {}));
    let done = match Args::try_parse() {
        Ok(Args { task: Task::Run(options) }) => run_many(&options),
        Ok(Args { task: Task::Replay(options) }) => replay(&options),
        Ok(Args { task: Task::Groups(task) }) => groups::run(&task),
        Err(message) => print_message(&message),
    };
    done.unwrap_or_else(|error| {
        say(format_args!("sealpost-sim: {error}\n"));
        ExitCode::from(2)
    })
}

/// Prints clap's help, version or error.
fn print_message(message: &clap::Error) -> Result<ExitCode, String> {
    if message.use_stderr() {
        say(message);
        return Ok(ExitCode::from(2));
    }
    print(message)?;
    Ok(ExitCode::SUCCESS)
}

/// State that the threads of a run share.
struct Shared<'a> {
    options: &'a Run,
    families: Vec<FaultFamily>,
    started: Instant,
    next: AtomicU64,
    done: AtomicU64,
    failed: AtomicU64,
    stop: AtomicBool,
    tally: Mutex<Tally>,
}

fn run_many(options: &Run) -> Result<ExitCode, String> {
    let jobs = options.jobs.or_else(|| thread::available_parallelism().ok());
    let jobs = jobs.map_or(1, std::num::NonZero::get);
    let shared = Shared {
        options,
        families: options.families(),
        started: Instant::now(),
        next: AtomicU64::new(0),
        done: AtomicU64::new(0),
        failed: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        tally: Mutex::new(Tally::default()),
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(|| shared.work())).collect();
        scope.spawn(|| shared.show_progress());
        let ended = workers.into_iter().map(|worker| {
            worker.join().unwrap_or_else(|_| Err("a worker ended unexpectedly".to_owned()))
        });
        let ended = ended.collect::<Result<Vec<()>, _>>();
        shared.stop.store(true, Ordering::Relaxed);
        ended
    })?;
    let (seeds, failed) =
        (shared.done.load(Ordering::Relaxed), shared.failed.load(Ordering::Relaxed));
    let tally = shared.tally.lock().unwrap_or_else(PoisonError::into_inner);
    let elapsed = shared.started.elapsed();
    print(Table { seeds, failed, tally: &tally, elapsed, jobs })?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Shared<'_> {
    fn work(&self) -> Result<(), String> {
        while !self.is_over() {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if index >= self.options.seeds {
                return Ok(());
            }
            self.run_seed(self.options.seed.wrapping_add(index))?;
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        let minutes = self.started.elapsed().as_secs_f64() / 60.0;
        self.stop.load(Ordering::Relaxed)
            || self.options.minutes.is_some_and(|most| minutes >= most)
    }

    fn run_seed(&self, seed: u64) -> Result<(), String> {
        let plan = self.options.plan(seed, &self.families);
        let result = run(&plan);
        let mut violation = result.violation.clone();
        if violation.is_none() && self.options.twice && run(&plan) != result {
            violation = Some("a second run of the same seed differs".to_owned());
        }
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).add(&result.tally);
        self.done.fetch_add(1, Ordering::Relaxed);
        match violation {
            None => Ok(()),
            Some(violation) => self.report(seed, &plan, &violation),
        }
    }

    /// Shrinks a failing seed, writes its plan to a file, and prints how to replay it.
    fn report(&self, seed: u64, plan: &Plan, violation: &str) -> Result<(), String> {
        self.failed.fetch_add(1, Ordering::Relaxed);
        if !self.options.keep_going {
            self.stop.store(true, Ordering::Relaxed);
        }
        say(format_args!("seed {seed}: {violation}\n"));
        let shrunk = shrink(plan, SHRINK_ATTEMPTS);
        let file = self.options.out.join(format!("seed-{seed}.json"));
        let written = fs::create_dir_all(&self.options.out)
            .and_then(|()| fs::write(&file, shrunk.to_string()));
        written.map_err(|error| format!("{}: {error}", file.display()))?;
        let (before, after) = (plan.steps.len(), shrunk.steps.len());
        say(format_args!(
            "  shrunk from {before} steps to {after}; replay with\n  sealpost-sim replay --trace {}\n",
            file.display()
        ));
        Ok(())
    }

    /// Prints the progress: on a terminal every second on the same line, otherwise every ten seconds.
    fn show_progress(&self) {
        let on_terminal = std::io::stderr().is_terminal();
        let pause = if on_terminal { 1 } else { 10 };
        let mut shown = Instant::now();
        while !self.stop.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(50));
            if shown.elapsed() < Duration::from_secs(pause) {
                continue;
            }
            shown = Instant::now();
            let done = self.done.load(Ordering::Relaxed);
            let failed = self.failed.load(Ordering::Relaxed);
            let (delivered, hours) = {
                let tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
                (tally.delivered, tally.micros / 3_600_000_000)
            };
            let line = format!(
                "{} of {} seeds run, {failed} failed; {} simulated hours, {} messages delivered",
                grouped(done),
                grouped(self.options.seeds),
                grouped(hours),
                grouped(delivered)
            );
            say(if on_terminal { format!("\r\x1b[K{line}") } else { format!("{line}\n") });
        }
        if on_terminal {
            say("\r\x1b[K");
        }
    }
}

fn replay(options: &Replay) -> Result<ExitCode, String> {
    let text = read(&options.file)?;
    if is_recording(&text) {
        return recording::replay(&text, options);
    }
    let plan = Plan::parse(&text).map_err(|error| named(&options.file, &error))?;
    let result = if options.trace {
        let (result, lines) = run_with_trace(&plan);
        for line in &lines {
            print(format_args!("{line}\n"))?;
        }
        result
    } else {
        run(&plan)
    };
    print(format_args!("trace digest: {:016x}\n", result.digest))?;
    match result.violation {
        None => {
            print("passed\n")?;
            Ok(ExitCode::SUCCESS)
        }
        Some(violation) => {
            print(format_args!("violation: {violation}\n"))?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| named(file, &error))
}

/// An error about a file.
fn named(file: &Path, error: &dyn std::fmt::Display) -> String {
    format!("{}: {error}", file.display())
}

/// Maximum number of runs to shrink one failing plan.
const SHRINK_ATTEMPTS: u32 = 1_000;
