//! `compare`: every workload compared with what the machine can do.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sealpost_programs::{CryptoName, Failure, Format, Line, Verify};

use crate::clients::fleet::{Fleet, OnlineRun, Pace};
use crate::clients::registration::Registry;
use crate::clients::ring::Shape;
use crate::options::{Common, span_of};
use crate::progress::{print_lines, say};
use crate::system::broker;
use crate::system::daemon::Daemon;
use crate::tasks::ceiling::{self, Ceiling, CeilingArgs};
use crate::tasks::comparison::{Comparison, Row, table};
use crate::tasks::idle::{self, IdleArgs};
use crate::tasks::mosquitto::{self, BrokerLoad};
use crate::tasks::offline::{self, OfflineArgs};
use crate::tasks::online::WARM_UP;
use crate::tasks::reconnect::{self, ReconnectArgs};
use crate::tasks::storm;

/// Every workload compared with what the machine can do, measured in turns.
///
/// Each round measures the ceiling, then every workload with a new server. Messages online are
/// measured right after mosquitto, if it is installed, under the same load. The table shows the
/// median of each figure over all rounds, and whether it meets the project's target. The targets
/// assume a processor with AVX-512 IFMA. No round is dropped.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CompareArgs {
    /// How often to measure everything
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) rounds: u16,

    /// How long to measure each workload, in seconds
    #[arg(long, value_name = "S", default_value_t = 4.0)]
    pub(crate) seconds: f64,

    /// Measure only these rows
    #[arg(long, value_name = "NAME", num_args = 1.., value_enum)]
    pub(crate) only: Vec<Row>,

    /// mosquitto program to compare with [default: mosquitto in PATH, then in /usr/sbin]
    #[arg(long, value_name = "PATH")]
    pub(crate) mosquitto: Option<PathBuf>,

    /// Print the table as Markdown
    #[arg(long)]
    pub(crate) markdown: bool,

    #[command(flatten)]
    pub(crate) common: Common,
}

const EXAMPLES: &str = "Examples:
  sealpost-load compare
  sealpost-load compare --rounds 3 --only cpu throughput
  sealpost-load compare --only mosquitto
  sealpost-load compare --markdown --data-dir /var/tmp";

impl CompareArgs {
    fn wants(&self, row: Row) -> bool {
        self.only.is_empty() || self.only.contains(&row)
    }
}

/// Measures and prints the report.
pub(crate) fn run(args: &CompareArgs) -> Result<(), Failure> {
    if args.common.server.connect.is_some() {
        return Err(Failure::usage("compare starts its own servers: leave out --connect"));
    }
    let mosquitto = args.mosquitto.clone().or_else(broker::installed);
    let mut comparison = Comparison::default();
    if args.wants(Row::Mosquitto) && mosquitto.is_none() {
        comparison.miss(Row::Mosquitto, "mosquitto is not installed");
    }
    for round in 1..=args.rounds {
        say(format_args!("round {round} of {}", args.rounds));
        Round { args, mosquitto: mosquitto.as_deref(), comparison: &mut comparison }.run()?;
    }
    let outcomes = comparison.outcomes();
    match args.common.format.format() {
        Format::Json => outcomes.iter().try_for_each(Line::json),
        Format::Text => print_lines(&table(&outcomes, args.markdown)),
    }
}

struct Round<'a> {
    args: &'a CompareArgs,
    mosquitto: Option<&'a Path>,
    comparison: &'a mut Comparison,
}

impl Round<'_> {
    fn run(&mut self) -> Result<(), Failure> {
        let ceiling = ceiling::measure(&CeilingArgs {
            seconds: self.args.seconds.min(1.0),
            packet: PACKET,
            data_dir: self.args.common.server.data_dir.clone(),
            format: self.args.common.format,
        })?;
        if let Some(together) = ceiling.verify_together_one_core {
            self.add(Row::Kernel, together, Some(ceiling.verify_one_core));
        } else if self.wants(Row::Kernel) {
            self.comparison.miss(Row::Kernel, "no AVX-512 IFMA");
        }
        if self.wants_any(&ONLINE) || self.wants_any(&STORM) {
            self.online(&ceiling)?;
        }
        if self.wants(Row::Store) {
            self.store(&ceiling)?;
        }
        if self.wants(Row::Drain) {
            let run = self.offline(1, 10_000)?;
            self.add(Row::Drain, run.drained_per_second, None);
        }
        if self.wants(Row::Reconnect) {
            self.reconnect(&ceiling)?;
        }
        if self.wants(Row::Idle) {
            let args = IdleArgs { connections: 15_000, keys: 64, common: self.args.common.clone() };
            self.add(Row::Idle, idle::measure(&args)?.bytes_per_connection / 1024.0, None);
        }
        Ok(())
    }

    fn wants(&self, row: Row) -> bool {
        self.args.wants(row)
    }

    fn wants_any(&self, rows: &[Row]) -> bool {
        rows.iter().any(|row| self.wants(*row))
    }

    /// Adds a figure, if its row is wanted. `against` is `None` if the figure is not a ratio.
    fn add(&mut self, row: Row, measured: f64, against: Option<f64>) {
        if self.wants(row) {
            self.comparison.add(row, measured, against);
        }
    }

    fn span(&self) -> Result<Duration, Failure> {
        span_of(self.args.seconds)
    }

    /// Messages a second through mosquitto, under the load of [`online`](Self::online). `None` if
    /// the row is not wanted or mosquitto is not installed.
    fn mosquitto(&self) -> Result<Option<f64>, Failure> {
        let Some(program) = self.mosquitto.filter(|_| self.wants(Row::Mosquitto)) else {
            return Ok(None);
        };
        say("measuring messages through mosquitto, as fast as possible");
        let load = BrokerLoad {
            pairs: PAIRS,
            packet: PACKET,
            window: WINDOW,
            pace: Pace::Window,
            span: self.span()?,
        };
        Ok(Some(mosquitto::measure(program, load)?.messages_per_second))
    }

    fn online(&mut self, ceiling: &Ceiling) -> Result<(), Failure> {
        let mosquitto = self.mosquitto()?;
        let (daemon, registry) = self.server()?;
        let shape = Shape::new(WINDOW.into(), 32, 4)?;
        say(format_args!("registering {PAIRS} pairs, signing their packets"));
        let mut fleet = Fleet::prepare(&registry, daemon.pid(), PAIRS.into(), SIZE, shape)?;
        let span = self.span()?;
        let mut at = |pace| fleet.run(pace, WARM_UP, span);
        say("measuring messages online, as fast as possible");
        let OnlineRun { messages_per_second: highest, server_cpu_us_per_message, .. } =
            at(Pace::Window)?;
        self.add(Row::Throughput, highest, Some(ceiling.verify_all_cores));
        if let Some(mosquitto) = mosquitto {
            self.add(Row::Mosquitto, highest, Some(mosquitto));
        }
        if let Some(cpu) = server_cpu_us_per_message {
            self.add(Row::Cpu, cpu, Some(ceiling.verify_cpu_us));
        }
        if self.wants(Row::BusyLatency) {
            say("measuring messages online, 40,000 a second");
            let run = at(Pace::Rate(HIGH_RATE))?;
            self.add(Row::BusyLatency, run.latency.p99_us / 1e3, None);
        }
        if self.wants(Row::HalfLoad) {
            say("measuring messages online, half as fast");
            let run = at(Pace::Rate(highest / 2.0))?;
            self.add(Row::HalfLoad, run.latency.p99_us / 1e3, None);
        }
        if self.wants_any(&STORM) {
            let run = storm::measure(&registry, &mut fleet, LOW_RATE, STRANGERS, span)?;
            let (with, without) = (run.with.latency, run.without.latency);
            self.add(Row::Latency, without.p99_us / 1e3, None);
            self.add(Row::StormMedian, with.p50_us, Some(without.p50_us));
            self.add(Row::Storm, with.p99_us, Some(without.p99_us));
        } else if self.wants(Row::Latency) {
            say("measuring messages online, 5,000 a second");
            let run = at(Pace::Rate(LOW_RATE))?;
            self.add(Row::Latency, run.latency.p99_us / 1e3, None);
        }
        drop(fleet);
        daemon.stop()
    }

    fn store(&mut self, ceiling: &Ceiling) -> Result<(), Failure> {
        let run = self.offline(50, 40_000)?;
        self.add(Row::Store, run.stored_per_second, ceiling.group_commits(512));
        Ok(())
    }

    fn offline(&self, recipients: u16, messages: u32) -> Result<offline::OfflineRun, Failure> {
        let (daemon, registry) = self.server()?;
        let args = OfflineArgs {
            recipients,
            messages,
            size: SIZE,
            window: 512,
            receipt_batch: 64,
            common: self.args.common.clone(),
        };
        let run = offline::measure(&args, &registry, daemon.pid())?;
        daemon.stop()?;
        Ok(run)
    }

    fn reconnect(&mut self, ceiling: &Ceiling) -> Result<(), Failure> {
        let (daemon, registry) = self.server()?;
        let args = ReconnectArgs {
            users: 1_000,
            at_once: 64,
            seconds: self.args.seconds,
            keys: 64,
            common: self.args.common.clone(),
        };
        let run = reconnect::measure(&args, &registry, daemon.pid())?;
        daemon.stop()?;
        let most = ceiling.reconnects_per_second();
        self.add(Row::Reconnect, run.reconnects_per_second, Some(most));
        Ok(())
    }

    fn server(&self) -> Result<(Daemon, Registry), Failure> {
        let daemon = Daemon::start(&self.args.common.server)?;
        let registry = Registry::open(CryptoName::AwsLc.provider(Verify::Auto), daemon.address())?;
        Ok((daemon, registry))
    }
}

/// Bytes of content in a message, and bytes of its packet.
const SIZE: usize = 512;
const PACKET: usize = 1_587;
/// Number of pairs online, and messages that each sender may have under way.
const PAIRS: u16 = 50;
const WINDOW: u16 = 64;
const LOW_RATE: f64 = 5_000.0;
const HIGH_RATE: f64 = 40_000.0;
const STRANGERS: u16 = 8;
/// The rows that messages online measure without a storm.
const ONLINE: [Row; 6] =
    [Row::Cpu, Row::Throughput, Row::Mosquitto, Row::Latency, Row::BusyLatency, Row::HalfLoad];
/// The rows that a storm of registrations measures.
const STORM: [Row; 2] = [Row::StormMedian, Row::Storm];
