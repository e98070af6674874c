//! `storm`: how a storm of registrations affects the latency of messages.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sealpost_core::crypto::PrivateKey;
use sealpost_programs::{CryptoName, Failure, Format, Line, Verify};
use serde::Serialize;

use crate::clients::fleet::{Fleet, OnlineRun, Pace};
use crate::clients::registration::{Newcomer, Registry};
use crate::figures::per_second;
use crate::options::{Common, span_of};
use crate::progress::{print_lines, say};
use crate::system::daemon::Daemon;
use crate::system::parallel;
use crate::tasks::online::{PairArgs, WARM_UP};

/// How a storm of registrations affects the latency of messages.
///
/// Messages are sent at a fixed rate, first alone, then while new users register one after the
/// other on several connections at once. The report has both latencies and their ratio. The new
/// users compute on this machine with the lowest priority; the server's answers to them are
/// verified afterwards.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StormArgs {
    #[command(flatten)]
    pub(crate) shape: PairArgs,

    /// Messages a second over all pairs
    #[arg(long, value_name = "N", default_value_t = 5_000.0)]
    pub(crate) rate: f64,

    /// Registrations under way at any time
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub(crate) at_once: u16,

    /// How long to measure without and with the storm, in seconds each
    #[arg(long, value_name = "S", default_value_t = 5.0)]
    pub(crate) seconds: f64,

    #[command(flatten)]
    pub(crate) common: Common,
}

const EXAMPLES: &str = "Examples:
  sealpost-load storm
  sealpost-load storm --rate 1000 --at-once 32 --json";

/// Report of the measurement.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StormRun {
    pub(crate) without: OnlineRun,
    pub(crate) with: OnlineRun,
    pub(crate) at_once: u16,
    pub(crate) registrations: u64,
    pub(crate) registrations_per_second: f64,
    /// Median latency with the storm, divided by that without.
    pub(crate) p50_ratio: f64,
    /// p99 latency with the storm, divided by that without.
    pub(crate) p99_ratio: f64,
}

/// Measures and prints the report.
pub(crate) fn run(args: &StormArgs) -> Result<(), Failure> {
    let ring = args.shape.ring(Some(args.rate))?;
    let daemon = Daemon::start(&args.common.server)?;
    let registry = Registry::open(CryptoName::AwsLc.provider(Verify::Auto), daemon.address())?;
    let (pairs, size) = (args.shape.pairs.into(), args.shape.size);
    say(format_args!("registering {} users, signing their packets", 2 * pairs));
    let mut fleet = Fleet::prepare(&registry, daemon.pid(), pairs, size, ring)?;
    let span = span_of(args.seconds)?;
    let run = measure(&registry, &mut fleet, args.rate, args.at_once, span)?;
    drop(fleet);
    daemon.stop()?;
    match args.common.format.format() {
        Format::Json => Line::json(&run),
        Format::Text => print_lines(&text(&run)),
    }
}

/// Runs pairs twice: alone, and in a storm.
pub(crate) fn measure(
    registry: &Registry,
    fleet: &mut Fleet,
    rate: f64,
    at_once: u16,
    span: Duration,
) -> Result<StormRun, Failure> {
    say("measuring messages alone");
    let without = fleet.run(Pace::Rate(rate), WARM_UP, span)?;
    say("measuring messages in a storm of registrations");
    let keys = registry.keys(at_once.into())?;
    let over = AtomicBool::new(false);
    let start = Instant::now();
    let (with, newcomers) = thread::scope(|scope| {
        let strangers: Vec<_> =
            keys.iter().map(|key| scope.spawn(|| register_on(registry, key, &over))).collect();
        let with = fleet.run(Pace::Rate(rate), WARM_UP, span);
        over.store(true, Ordering::Relaxed);
        let mut newcomers = Vec::new();
        for stranger in strangers {
            newcomers.extend(stranger.join().map_err(|_| Failure::new("a thread panicked"))??);
        }
        Ok::<_, Failure>((with?, newcomers))
    })?;
    let time = start.elapsed();
    let registrations = parallel::map(newcomers, Newcomer::check)?.len() as u64;
    Ok(StormRun {
        at_once,
        registrations,
        registrations_per_second: per_second(registrations, time),
        p50_ratio: with.latency.p50_us / without.latency.p50_us,
        p99_ratio: with.latency.p99_us / without.latency.p99_us,
        without,
        with,
    })
}

/// Registers one user after the other until `over` is set.
fn register_on(
    registry: &Registry,
    key: &Arc<dyn PrivateKey>,
    over: &AtomicBool,
) -> Result<Vec<Newcomer>, Failure> {
    // This affects only the current thread. Real clients compute on other machines, so here they
    // get only the processor time that everything else leaves.
    rustix::process::nice(19)?;
    let mut newcomers = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let (newcomer, _) = registry.register_unchecked(key)?;
        newcomers.push(newcomer);
    }
    Ok(newcomers)
}

fn text(run: &StormRun) -> String {
    let StormRun { without, with, at_once, registrations_per_second, p50_ratio, p99_ratio, .. } =
        run;
    format!(
        "alone      {} at {:.0} messages/s\n\
         in a storm {} at {:.0} messages/s, with {registrations_per_second:.0} registrations/s, \
         {at_once} at once\n\
         ratio      p50 {p50_ratio:.2}, p99 {p99_ratio:.2}",
        without.latency, without.messages_per_second, with.latency, with.messages_per_second
    )
}
