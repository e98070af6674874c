//! `storm`: what a storm of registrations does to the latency of messages.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sealpost_core::crypto::PrivateKey;
use sealpost_programs::{CryptoName, Failure, Format, Line};
use serde::Serialize;

use crate::args::Common;
use crate::daemon::Daemon;
use crate::figures::per_second;
use crate::fleet::{Fleet, OnlineRun, Pace};
use crate::online::{PairArgs, WARM_UP};
use crate::parallel;
use crate::progress::say;
use crate::registration::{Newcomer, Registry};

/// What a storm of registrations does to the latency of messages.
///
/// Messages at a fixed rate, first alone, then while strangers register one after the other on
/// several connections at once. Both latencies and their ratio are reported. What the strangers
/// must compute meanwhile, they do on this machine with the lowest priority; what the server said
/// to them is checked afterwards.
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

    /// How long to measure each, in seconds
    #[arg(long, value_name = "S", default_value_t = 5.0)]
    pub(crate) seconds: f64,

    #[command(flatten)]
    pub(crate) common: Common,
}

const EXAMPLES: &str = "Examples:
  sealpost-load storm
  sealpost-load storm --rate 1000 --at-once 32 --json";

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StormRun {
    pub(crate) without: OnlineRun,
    pub(crate) with: OnlineRun,
    pub(crate) at_once: u16,
    pub(crate) registrations: u64,
    pub(crate) registrations_per_second: f64,
    /// Latencies with the storm by those without.
    pub(crate) p50_ratio: f64,
    pub(crate) p99_ratio: f64,
}

/// Measures, and reports.
pub(crate) fn run(args: &StormArgs) -> Result<(), Failure> {
    let ring = args.shape.ring(Some(args.rate))?;
    let daemon = Daemon::start(&args.common.server)?;
    let registry = Registry::open(CryptoName::AwsLc.provider(), daemon.address())?;
    let (pairs, size) = (args.shape.pairs.into(), args.shape.size);
    say(format_args!("registering {} users, signing", 2 * pairs));
    let mut fleet = Fleet::prepare(&registry, daemon.pid(), pairs, size, ring)?;
    let span = Duration::try_from_secs_f64(args.seconds)?;
    let run = measure(&registry, &mut fleet, args.rate, args.at_once, span)?;
    drop(fleet);
    daemon.stop()?;
    match args.common.format.format() {
        Format::Json => Line::json(&run),
        Format::Text => Line::text(text(&run)),
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
    say("messages alone");
    let without = fleet.run(Pace::Rate(rate), WARM_UP, span)?;
    say("messages in a storm of registrations");
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

/// Registers one user after the other until it is over.
fn register_on(
    registry: &Registry,
    key: &Arc<dyn PrivateKey>,
    over: &AtomicBool,
) -> Result<Vec<Newcomer>, Failure> {
    // Of this thread only. Strangers compute elsewhere: here they get what the others leave.
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
        "alone      {} at {:.0} messages/s\nin a storm {} at {:.0} messages/s, with {registrations_per_second:.0} registrations/s, {at_once} at once\nratio      p50 {p50_ratio:.2}, p99 {p99_ratio:.2}",
        without.latency, without.messages_per_second, with.latency, with.messages_per_second
    )
}
