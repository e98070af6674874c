//! `compare`: every workload compared with what the machine can do.

use std::time::Duration;

use clap::ValueEnum;
use sealpost_programs::{CryptoName, Failure, Format, Line, Verify};
use serde::Serialize;

use crate::clients::fleet::{Fleet, OnlineRun, Pace};
use crate::clients::registration::Registry;
use crate::clients::ring::Shape;
use crate::figures::median;
use crate::options::{Common, span_of};
use crate::progress::{print_lines, say};
use crate::system::daemon::Daemon;
use crate::tasks::ceiling::{self, Ceiling, CeilingArgs};
use crate::tasks::idle::{self, IdleArgs};
use crate::tasks::offline::{self, OfflineArgs};
use crate::tasks::online::WARM_UP;
use crate::tasks::reconnect::{self, ReconnectArgs};
use crate::tasks::storm;

/// Every workload compared with what the machine can do, measured in turns.
///
/// Each round measures the ceiling, then every workload with a new server. The table shows the
/// median of each figure over all rounds, and whether it meets the project's target. No round is
/// dropped.
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

    /// Print the table as Markdown
    #[arg(long)]
    pub(crate) markdown: bool,

    #[command(flatten)]
    pub(crate) common: Common,
}

const EXAMPLES: &str = "Examples:
  sealpost-load compare
  sealpost-load compare --rounds 3 --only cpu throughput
  sealpost-load compare --markdown --data-dir /var/tmp";

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Row {
    /// Server's processor time per message, divided by that of one verification
    Cpu,
    /// Messages a second online, divided by verifications a second on all cores
    Throughput,
    /// p99 latency at 5,000 messages a second
    Latency,
    /// p99 latency at half of the highest load
    HalfLoad,
    /// Messages stored a second, divided by SQLite's group commits of the same rows
    Store,
    /// Messages a second that one recipient drains
    Drain,
    /// Reconnects a second, divided by what private operations allow
    Reconnect,
    /// Server's memory for an idle connection
    Idle,
    /// Median latency in a storm of registrations, divided by that without a storm
    StormMedian,
    /// p99 latency in a storm of registrations, divided by that without a storm
    Storm,
}

/// The bound that a figure must keep.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Target {
    AtMost(f64),
    AtLeast(f64),
}

impl Row {
    const fn title(self) -> &'static str {
        match self {
            Self::Cpu => "server's processor time per message / one verification",
            Self::Throughput => "messages online, 50 pairs / verifications on all cores",
            Self::Latency => "p99 latency at 5,000 messages/s over 50 pairs, ms",
            Self::HalfLoad => "p99 latency at half of the highest load, ms",
            Self::Store => "messages stored durably / SQLite rows, 512 per commit",
            Self::Drain => "drain of 10,000 messages to one recipient, messages/s",
            Self::Reconnect => "reconnects / what private operations allow",
            Self::Idle => "memory of an idle connection among 15,000, KiB",
            Self::StormMedian => "median latency in a storm of registrations / without",
            Self::Storm => "p99 latency in a storm of registrations / without",
        }
    }

    const fn target(self) -> Target {
        match self {
            Self::Cpu => Target::AtMost(1.30),
            Self::Throughput | Self::Reconnect => Target::AtLeast(0.70),
            Self::Latency | Self::Idle => Target::AtMost(1.0),
            Self::HalfLoad => Target::AtMost(4.0),
            Self::Store => Target::AtLeast(0.50),
            Self::Drain => Target::AtLeast(20_000.0),
            Self::StormMedian | Self::Storm => Target::AtMost(2.0),
        }
    }
}

impl Target {
    fn is_met_by(self, figure: f64) -> bool {
        match self {
            Self::AtMost(most) => figure <= most,
            Self::AtLeast(least) => figure >= least,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtMost(most) => format!("≤ {}", short(most)),
            Self::AtLeast(least) => format!("≥ {}", short(least)),
        }
    }
}

/// One figure of one round, and its parts.
struct Measured {
    row: Row,
    figure: f64,
    /// The measured value, and the value by which it is divided if the figure is a ratio.
    parts: (f64, Option<f64>),
}

/// A row over all rounds.
#[derive(Debug, Serialize)]
struct Median {
    row: Row,
    title: &'static str,
    target: String,
    /// The median over all rounds.
    figure: f64,
    met: bool,
    /// Medians of the figure's parts.
    measured: f64,
    against: Option<f64>,
    /// The figure of every round.
    rounds: Vec<f64>,
}

/// Measures and prints the report.
pub(crate) fn run(args: &CompareArgs) -> Result<(), Failure> {
    if args.common.server.connect.is_some() {
        return Err(Failure::usage("compare starts its own servers: leave out --connect"));
    }
    let mut measured = Vec::new();
    for round in 1..=args.rounds {
        say(format_args!("round {round} of {}", args.rounds));
        Round { args, measured: &mut measured }.run()?;
    }
    let lines = lines(&measured);
    match args.common.format.format() {
        Format::Json => lines.iter().try_for_each(Line::json),
        Format::Text => print_lines(&table(&lines, args)),
    }
}

struct Round<'a> {
    args: &'a CompareArgs,
    measured: &'a mut Vec<Measured>,
}

impl Round<'_> {
    fn run(&mut self) -> Result<(), Failure> {
        let ceiling = ceiling::measure(&CeilingArgs {
            seconds: self.args.seconds.min(1.0),
            packet: PACKET,
            data_dir: self.args.common.server.data_dir.clone(),
            format: self.args.common.format,
        })?;
        let online = [Row::Cpu, Row::Throughput, Row::Latency, Row::HalfLoad];
        if self.wants_any(&online) || self.wants_any(&STORM) {
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
        self.args.only.is_empty() || self.args.only.contains(&row)
    }

    fn wants_any(&self, rows: &[Row]) -> bool {
        rows.iter().any(|row| self.wants(*row))
    }

    /// Adds a figure, if its row is wanted. `against` is `None` if the figure is not a ratio.
    fn add(&mut self, row: Row, measured: f64, against: Option<f64>) {
        if self.wants(row) {
            let figure = against.map_or(measured, |against| measured / against);
            self.measured.push(Measured { row, figure, parts: (measured, against) });
        }
    }

    fn span(&self) -> Result<Duration, Failure> {
        span_of(self.args.seconds)
    }

    fn online(&mut self, ceiling: &Ceiling) -> Result<(), Failure> {
        let (daemon, registry) = self.server()?;
        let shape = Shape::new(64, 32, 4)?;
        say("registering 50 pairs, signing their packets");
        let mut fleet = Fleet::prepare(&registry, daemon.pid(), 50, SIZE, shape)?;
        let span = self.span()?;
        let mut at = |pace| fleet.run(pace, WARM_UP, span);
        say("measuring messages online, as fast as possible");
        let OnlineRun { messages_per_second: highest, server_cpu_us_per_message, .. } =
            at(Pace::Window)?;
        self.add(Row::Throughput, highest, Some(ceiling.verify_all_cores));
        if let Some(cpu) = server_cpu_us_per_message {
            self.add(Row::Cpu, cpu, Some(ceiling.verify_cpu_us));
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

/// The median of every measured row.
fn lines(measured: &[Measured]) -> Vec<Median> {
    let line = |&row: &Row| {
        let of = |part: fn(&Measured) -> Option<f64>| -> Vec<f64> {
            measured.iter().filter(|measured| measured.row == row).filter_map(part).collect()
        };
        let rounds = of(|measured| Some(measured.figure));
        let figure = median(&rounds)?;
        Some(Median {
            row,
            title: row.title(),
            target: row.target().text(),
            figure,
            met: row.target().is_met_by(figure),
            measured: median(&of(|measured| Some(measured.parts.0)))?,
            against: median(&of(|measured| measured.parts.1)),
            rounds,
        })
    };
    Row::value_variants().iter().filter_map(line).collect()
}

fn table(lines: &[Median], args: &CompareArgs) -> String {
    let mut rows = vec![["", "target", "median", "of", "rounds", "met"].map(str::to_owned)];
    for line in lines {
        let parts = line.against.map_or_else(String::new, |against| {
            format!("{} / {}", short(line.measured), short(against))
        });
        let rounds = line.rounds.iter().map(|figure| short(*figure)).collect::<Vec<_>>().join(" ");
        let met = if line.met { "yes" } else { "no" };
        rows.push([
            line.title.to_owned(),
            line.target.clone(),
            short(line.figure),
            parts,
            rounds,
            met.to_owned(),
        ]);
    }
    if args.markdown { markdown(&rows) } else { aligned(&rows) }
}

fn markdown(rows: &[[String; 6]]) -> String {
    let mut out: Vec<String> = rows.iter().map(|row| format!("| {} |", row.join(" | "))).collect();
    out.insert(1, "|---|---|---|---|---|---|".to_owned());
    out.join("\n")
}

fn aligned(rows: &[[String; 6]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let line = |row: &[String; 6]| {
        let cells = row.iter().enumerate().map(|(at, cell)| format!("{cell:<0$}", width(at)));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A figure with about three significant digits.
fn short(figure: f64) -> String {
    if figure >= 100.0 {
        format!("{figure:.0}")
    } else if figure >= 10.0 {
        format!("{figure:.1}")
    } else {
        format!("{figure:.2}")
    }
}

/// Bytes of content in a message, and bytes of its packet.
const SIZE: usize = 512;
const PACKET: usize = 1_587;
const LOW_RATE: f64 = 5_000.0;
const STRANGERS: u16 = 8;
/// The rows that a storm of registrations measures.
const STORM: [Row; 2] = [Row::StormMedian, Row::Storm];

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(row: Row, measured: f64, against: f64) -> Measured {
        Measured { row, figure: measured / against, parts: (measured, Some(against)) }
    }

    #[test]
    fn row_has_the_median_of_its_rounds_and_is_compared_with_its_target() {
        let rounds = [
            measured(Row::Cpu, 26.0, 13.0),
            measured(Row::Throughput, 80.0, 100.0),
            measured(Row::Cpu, 13.0, 13.0),
            measured(Row::Cpu, 15.0, 12.0),
        ];
        let lines = lines(&rounds);
        let [cpu, throughput] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!((cpu.row, throughput.row), (Row::Cpu, Row::Throughput));
        assert_eq!((cpu.figure, cpu.met), (1.25, true));
        assert_eq!(cpu.rounds, [2.0, 1.0, 1.25]);
        assert_eq!((cpu.measured, cpu.against), (15.0, Some(13.0)));
        assert_eq!((throughput.figure, throughput.met), (0.8, true));
        assert!(!Target::AtMost(1.2).is_met_by(1.25) && !Target::AtLeast(0.9).is_met_by(0.8));
    }

    #[test]
    fn columns_are_aligned_by_characters_and_markdown_has_its_rule() {
        let row = |first: &str| [first, "2", "3", "4", "5", "6"].map(str::to_owned);
        let rows = [row("µµ"), row("long")];
        assert_eq!(aligned(&rows), "µµ    2  3  4  5  6\nlong  2  3  4  5  6");
        assert_eq!(markdown(&rows).lines().nth(1), Some("|---|---|---|---|---|---|"));
    }
}
