//! The table of `compare`: its rows, their targets, and the medians over all rounds.

use clap::ValueEnum;
use serde::Serialize;

use crate::figures::median;

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Row {
    /// Verifications a second, eight at once, divided by those one at a time
    Kernel,
    /// Server's processor time per message, divided by that of one verification
    Cpu,
    /// Messages a second online, divided by verifications a second on all cores
    Throughput,
    /// Messages a second online, divided by those of mosquitto under the same load
    Mosquitto,
    /// p99 latency at 5,000 messages a second
    Latency,
    /// p99 latency at 40,000 messages a second
    BusyLatency,
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
            Self::Kernel => "verifications on one core, eight at once / by aws-lc",
            Self::Cpu => "server's processor time per message / one verification by aws-lc",
            Self::Throughput => "messages online, 50 pairs / aws-lc's verifications on all cores",
            Self::Mosquitto => "messages online, 50 pairs / mosquitto with QoS 1, same load",
            Self::Latency => "p99 latency at 5,000 messages/s over 50 pairs, ms",
            Self::BusyLatency => "p99 latency at 40,000 messages/s over 50 pairs, ms",
            Self::HalfLoad => "p99 latency at half of the highest load, ms",
            Self::Store => "messages stored durably / SQLite rows, 512 per commit",
            Self::Drain => "drain of 10,000 messages to one recipient, messages/s",
            Self::Reconnect => "reconnects / what private operations allow",
            Self::Idle => "memory of an idle connection among 15,000, KiB",
            Self::StormMedian => "median latency in a storm of registrations / without",
            Self::Storm => "p99 latency in a storm of registrations / without",
        }
    }

    /// The project's target, on a processor with AVX-512 IFMA.
    const fn target(self) -> Target {
        match self {
            Self::Kernel => Target::AtLeast(3.50),
            Self::Cpu => Target::AtMost(0.65),
            Self::Throughput => Target::AtLeast(1.30),
            Self::Mosquitto => Target::AtLeast(1.20),
            Self::Latency | Self::Idle => Target::AtMost(1.0),
            Self::BusyLatency | Self::HalfLoad => Target::AtMost(4.0),
            Self::Store => Target::AtLeast(0.80),
            Self::Drain => Target::AtLeast(20_000.0),
            Self::Reconnect => Target::AtLeast(0.70),
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

/// What has been measured in all rounds so far.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    measured: Vec<Measured>,
    /// Rows that can't be measured on this machine, and why.
    missing: Vec<(Row, &'static str)>,
}

/// One figure of one round, and its parts.
#[derive(Debug)]
struct Measured {
    row: Row,
    figure: f64,
    /// The measured value, and the value by which it is divided if the figure is a ratio.
    parts: (f64, Option<f64>),
}

/// A row over all rounds.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Outcome {
    Median(Median),
    Missing { row: Row, title: &'static str, target: String, missing: &'static str },
}

/// The figures of a row over all rounds.
#[derive(Debug, Serialize)]
pub(super) struct Median {
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

impl Comparison {
    /// Adds a figure of one round. `against` is `None` if the figure is not a ratio.
    pub(super) fn add(&mut self, row: Row, measured: f64, against: Option<f64>) {
        let figure = against.map_or(measured, |against| measured / against);
        self.measured.push(Measured { row, figure, parts: (measured, against) });
    }

    /// Has the table say why this row is not measured.
    pub(super) fn miss(&mut self, row: Row, why: &'static str) {
        self.missing.push((row, why));
    }

    /// Every row that was measured or is missing, in the order of the table.
    pub(super) fn outcomes(&self) -> Vec<Outcome> {
        Row::value_variants().iter().filter_map(|row| self.outcome(*row)).collect()
    }

    fn outcome(&self, row: Row) -> Option<Outcome> {
        let (title, target) = (row.title(), row.target().text());
        if let Some((_, missing)) = self.missing.iter().find(|(missing, _)| *missing == row) {
            return Some(Outcome::Missing { row, title, target, missing });
        }
        let of = |part: fn(&Measured) -> Option<f64>| -> Vec<f64> {
            self.measured.iter().filter(|measured| measured.row == row).filter_map(part).collect()
        };
        let rounds = of(|measured| Some(measured.figure));
        let figure = median(&rounds)?;
        Some(Outcome::Median(Median {
            row,
            title,
            target,
            figure,
            met: row.target().is_met_by(figure),
            measured: median(&of(|measured| Some(measured.parts.0)))?,
            against: median(&of(|measured| measured.parts.1)),
            rounds,
        }))
    }
}

impl Outcome {
    /// The cells of this row in the table.
    fn cells(&self) -> [String; 6] {
        match self {
            Self::Missing { row: _, title, target, missing } => {
                [title, target.as_str(), "–", missing, "", "–"].map(str::to_owned)
            }
            Self::Median(median) => {
                let parts = median.against.map_or_else(String::new, |against| {
                    format!("{} / {}", short(median.measured), short(against))
                });
                let rounds: Vec<_> = median.rounds.iter().map(|figure| short(*figure)).collect();
                [
                    median.title.to_owned(),
                    median.target.clone(),
                    short(median.figure),
                    parts,
                    rounds.join(" "),
                    if median.met { "yes" } else { "no" }.to_owned(),
                ]
            }
        }
    }
}

/// The table for people.
pub(super) fn table(outcomes: &[Outcome], is_markdown: bool) -> String {
    let mut rows = vec![["", "target", "median", "of", "rounds", "met"].map(str::to_owned)];
    rows.extend(outcomes.iter().map(Outcome::cells));
    if is_markdown { markdown(&rows) } else { aligned(&rows) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_has_the_median_of_its_rounds_and_is_compared_with_its_target() {
        let mut comparison = Comparison::default();
        comparison.add(Row::Cpu, 26.0, Some(26.0));
        comparison.add(Row::Throughput, 80.0, Some(100.0));
        comparison.add(Row::Cpu, 13.0, Some(26.0));
        comparison.add(Row::Cpu, 15.0, Some(24.0));
        let outcomes = comparison.outcomes();
        let [Outcome::Median(cpu), Outcome::Median(throughput)] = &outcomes[..] else {
            panic!("{outcomes:?}")
        };
        assert_eq!((cpu.row, throughput.row), (Row::Cpu, Row::Throughput));
        assert_eq!((cpu.figure, cpu.met), (0.625, true));
        assert_eq!(cpu.rounds, [1.0, 0.5, 0.625]);
        assert_eq!((cpu.measured, cpu.against), (15.0, Some(26.0)));
        assert_eq!((throughput.figure, throughput.met), (0.8, false));
        assert!(!Target::AtMost(1.2).is_met_by(1.25) && !Target::AtLeast(0.9).is_met_by(0.8));
    }

    #[test]
    fn missing_row_keeps_its_place_and_says_why() {
        let mut comparison = Comparison::default();
        comparison.add(Row::Latency, 0.5, None);
        comparison.add(Row::Throughput, 130.0, Some(100.0));
        comparison.miss(Row::Mosquitto, "not installed");
        let table = table(&comparison.outcomes(), true);
        let ends = [
            "| ≥ 1.30 | 1.30 | 130 / 100 | 1.30 | yes |",
            "| ≥ 1.20 | – | not installed |  | – |",
            "| ≤ 1.00 | 0.50 |  | 0.50 | yes |",
        ];
        let rows: Vec<_> = table.lines().skip(2).collect();
        assert_eq!(rows.len(), ends.len(), "{table}");
        assert!(rows.iter().zip(ends).all(|(row, end)| row.ends_with(end)), "{table}");
    }

    #[test]
    fn columns_are_aligned_by_characters_and_markdown_has_its_rule() {
        let row = |first: &str| [first, "2", "3", "4", "5", "6"].map(str::to_owned);
        let rows = [row("µµ"), row("long")];
        assert_eq!(aligned(&rows), "µµ    2  3  4  5  6\nlong  2  3  4  5  6");
        assert_eq!(markdown(&rows).lines().nth(1), Some("|---|---|---|---|---|---|"));
    }
}
