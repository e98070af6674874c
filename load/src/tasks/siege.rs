//! `siege`: what ordinary users notice while others attack.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::{ValueEnum, value_parser};
use sealpost_programs::{CryptoName, Failure, Format, Line, Verify};

use crate::clients::registration::Registry;
use crate::options::{Common, span_of};
use crate::progress::{print_lines, say};
use crate::siege::cast::{Cast, Enemies};
use crate::siege::footprint::{Bounds, Disk, Footprint};
use crate::siege::horde::{Band, Horde};
use crate::siege::report::{Attack, SiegeRun};
use crate::siege::town::{Plan, Town};
use crate::siege::{greedy, stranger};
use crate::system::daemon::{Daemon, Rates};
use crate::system::process::{Pid, allow_files};

/// What ordinary users notice while others attack a server with its default limits.
///
/// Ordinary users write to each other at a low rate, to recipients who are connected and to others
/// who are away, first undisturbed and then while greedy users and strangers attack. At the end of
/// the attack the absent recipients come back, half of them from addresses of attackers. Every
/// message must arrive, in order. The report compares latencies under attack with those before, and
/// the server's memory and disk with the bounds that it logs when it starts.
///
/// Everybody has a local address of their own. Users are registered by a server without rate limits,
/// which then starts again with its default limits. The attackers run with a low priority, because
/// on other machines they would not take the server's processor time. What they send is limited by
/// what this machine leaves them; the report says how much it was.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SiegeArgs {
    /// How long to measure before and during the attack, in seconds each
    #[arg(long, value_name = "S", default_value_t = 20.0)]
    pub(crate) seconds: f64,

    /// Pairs of ordinary users who are both connected
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) live: u16,

    /// Pairs of ordinary users whose recipient is away
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub(crate) absent: u16,

    /// Messages a second from each ordinary sender
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = value_parser!(u16).range(1..=1_000))]
    pub(crate) rate: u16,

    /// Content of an ordinary message, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 512)]
    pub(crate) size: usize,

    /// Kinds of greedy users [default: all]
    #[arg(long, value_name = "KINDS", value_enum, value_delimiter = ',')]
    pub(crate) greedy: Vec<greedy::Kind>,

    /// Greedy users, dealt over the kinds in turn
    #[arg(long, value_name = "N", default_value_t = 9)]
    pub(crate) greedy_users: u16,

    /// Kinds of strangers [default: all]
    #[arg(long, value_name = "KINDS", value_enum, value_delimiter = ',')]
    pub(crate) strangers: Vec<stranger::Kind>,

    /// Addresses of strangers, dealt over the kinds in turn
    #[arg(long, value_name = "N", default_value_t = 250)]
    pub(crate) addresses: u16,

    /// How long recipients try to come back, and how long to wait for messages at the end, in
    /// seconds each
    #[arg(long, value_name = "S", default_value_t = 30.0)]
    pub(crate) patience: f64,

    /// Fail with exit status 1 if a floor is missed: median latency of live messages at most
    /// doubled, 99 % of messages to absent recipients stored within 100 ms, nothing lost, no
    /// session of an ordinary user lost, everybody back, memory and disk within the server's bounds
    #[arg(long)]
    pub(crate) check: bool,

    #[command(flatten)]
    pub(crate) common: Common,
}

const EXAMPLES: &str = "Examples:
  sealpost-load siege --check
  sealpost-load siege --greedy fill --addresses 0            only greedy users who fill mailboxes
  sealpost-load siege --greedy-users 0 --strangers forged    strangers who forge signatures";

/// Measures and prints the report.
pub(crate) fn run(args: &SiegeArgs) -> Result<(), Failure> {
    let run = measure(args)?;
    match args.common.format.format() {
        Format::Json => Line::json(&run)?,
        Format::Text => print_lines(&run.text())?,
    }
    if args.check && !run.missed.is_empty() {
        return Err(Failure::new(run.missed.join("; ")));
    }
    Ok(())
}

/// Registers everybody, and measures before and during the attack.
fn measure(args: &SiegeArgs) -> Result<SiegeRun, Failure> {
    let (plan, patience) = (plan(args)?, span_of(args.patience)?);
    let daemon = Daemon::start(&args.common.server)?;
    say(format_args!("registering {} ordinary users and the attackers", 2 * plan.pairs()));
    let registry = Registry::open(CryptoName::AwsLc.provider(Verify::Auto), daemon.address())?;
    let cast = Cast::register(&registry, 2 * plan.pairs(), args.enemies())?;
    let daemon = daemon.restart(&args.common.server, Rates::Default)?;
    // Only now: the server starts with as few files as it would without us.
    allow_files()?;
    let registry = Registry::open(CryptoName::AwsLc.provider(Verify::Auto), daemon.address())?;
    say("signing the messages of ordinary users");
    let (ordinary, attackers) = cast.part();
    let mut town = Town::prepare(&registry, ordinary, plan)?;
    town.assemble()?;
    say(format_args!("measuring before the attack, for {} s", args.seconds));
    town.write(plan.span)?;
    let bands = attackers.bands(&registry, args.enemies(), &town)?;
    say(format_args!("measuring during the attack, for {} s", args.seconds));
    let attack = attack(&mut town, &registry, bands, &daemon, (plan.span, patience))?;
    say("waiting until every message has arrived");
    let settled = town.settle(patience)?;
    let footprint = Footprint {
        peak_bytes: daemon.pid().map(Pid::peak_bytes).transpose()?,
        disk: attack.disk,
        bounds: Bounds::of(&daemon),
    };
    daemon.stop()?;
    let phases = <[_; 2]>::try_from(town.latencies());
    let phases = phases.map_err(|_| Failure::new("a siege has two phases"))?;
    Ok(SiegeRun::new(phases, settled, footprint, attack))
}

fn plan(args: &SiegeArgs) -> Result<Plan, Failure> {
    let span = span_of(args.seconds)?;
    if span > LONGEST {
        return Err(Failure::usage(format_args!(
            "--seconds must be at most {}",
            LONGEST.as_secs()
        )));
    }
    if args.live == 0 || args.absent == 0 {
        return Err(Failure::usage("--live and --absent must be at least 1"));
    }
    let (live, absent) = (args.live.into(), args.absent.into());
    Ok(Plan { live, absent, rate: args.rate, size: args.size, span, phases: 2 })
}

/// Attacks while ordinary users write for `span`, and then until the absent recipients have come
/// back.
fn attack(
    town: &mut Town<'_>,
    registry: &Registry,
    bands: [Vec<Band>; 2],
    daemon: &Daemon,
    (span, patience): (Duration, Duration),
) -> Result<Attack, Failure> {
    let hordes = bands.map(|bands| Horde::new(registry, bands));
    let cpu = daemon.pid().map(Pid::cpu_time).transpose()?;
    let (data, over) = (daemon.data(), AtomicBool::new(false));
    let begin = Instant::now();
    thread::scope(|scope| {
        let hordes = hordes.map(|horde| scope.spawn(|| horde?.run(&over)));
        let disk = data.map(|folder| {
            let over = &over;
            scope.spawn(move || Disk::watch(&folder, over))
        });
        let back = town.write(span).and_then(|()| town.come_back(patience));
        let time = begin.elapsed();
        let cpu = daemon.pid().zip(cpu).map(|(pid, before)| pid.cpu_time_since(before)).transpose();
        over.store(true, Ordering::Relaxed);
        let panicked = |_| Failure::new("a thread panicked");
        let mut deeds = BTreeMap::new();
        for horde in hordes {
            deeds.extend(horde.join().map_err(panicked)??);
        }
        let disk = disk.map(|disk| disk.join().map_err(panicked)?).transpose()?;
        let server_cores = cpu?.map(|cpu| cpu.as_secs_f64() / time.as_secs_f64());
        Ok(Attack { time, back: back?, deeds, disk, server_cores })
    })
}

impl SiegeArgs {
    fn enemies(&self) -> Enemies<'_> {
        fn all<K: ValueEnum>(kinds: &[K]) -> &[K] {
            if kinds.is_empty() { K::value_variants() } else { kinds }
        }
        Enemies {
            greedy: all(&self.greedy),
            greedy_users: self.greedy_users.into(),
            strangers: all(&self.strangers),
            addresses: self.addresses.into(),
        }
    }
}

/// Longest phase: receipts are signed before the first one and must be at most 300 s old.
const LONGEST: Duration = Duration::from_secs(100);
