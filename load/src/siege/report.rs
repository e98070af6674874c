//! What came of a siege, and the floors that a good server reaches.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;

use crate::figures::{Latency, float};
use crate::siege::attacker::Deeds;
use crate::siege::footprint::{Disk, Footprint};
use crate::siege::phase::PhaseRun;
use crate::siege::town::{Back, TownRun};

/// Report of a siege.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SiegeRun {
    pub(crate) quiet: PhaseRun,
    pub(crate) siege: PhaseRun,
    /// Latencies under siege divided by those before.
    pub(crate) live_p50_ratio: f64,
    pub(crate) live_p99_ratio: f64,
    pub(crate) stored_p50_ratio: f64,
    pub(crate) stored_p99_ratio: f64,
    pub(crate) back: Back,
    pub(crate) town: TownRun,
    /// Messages that were sent and never arrived.
    pub(crate) lost: u64,
    pub(crate) footprint: Footprint,
    pub(crate) server_cores: Option<f64>,
    /// What the attackers did, by kind.
    pub(crate) attackers: BTreeMap<&'static str, Deeds>,
    pub(crate) attack_seconds: f64,
    /// Floors that were missed.
    pub(crate) missed: Vec<String>,
}

/// What came of an attack, before every message has arrived.
pub(crate) struct Attack {
    pub(crate) time: Duration,
    pub(crate) back: Back,
    pub(crate) deeds: BTreeMap<&'static str, Deeds>,
    pub(crate) disk: Option<Disk>,
    /// `None` if the server's process is not known.
    pub(crate) server_cores: Option<f64>,
}

impl SiegeRun {
    pub(crate) fn new(
        [quiet, siege]: [PhaseRun; 2],
        town: TownRun,
        footprint: Footprint,
        attack: Attack,
    ) -> Self {
        let mut run = Self {
            quiet,
            siege,
            live_p50_ratio: siege.live.p50_us / quiet.live.p50_us,
            live_p99_ratio: siege.live.p99_us / quiet.live.p99_us,
            stored_p50_ratio: siege.stored.p50_us / quiet.stored.p50_us,
            stored_p99_ratio: siege.stored.p99_us / quiet.stored.p99_us,
            back: attack.back,
            lost: town.messages.sent - town.messages.arrived,
            town,
            footprint,
            server_cores: attack.server_cores,
            attackers: attack.deeds,
            attack_seconds: attack.time.as_secs_f64(),
            missed: Vec::new(),
        };
        run.missed = run.floors();
        run
    }

    /// Compares with the floors, and returns those that were missed.
    fn floors(&self) -> Vec<String> {
        let mut missed = Vec::new();
        let mut floor = |is_met: bool, what: String| {
            if !is_met {
                missed.push(what);
            }
        };
        let messages = self.town.messages;
        let Back { absent, seconds, shared_seconds } = &self.back;
        let back = seconds.len() + shared_seconds.len();
        let Footprint { peak_bytes, disk, bounds } = self.footprint;
        let stored_p99_ms = self.siege.stored.p99_us / 1e3;
        floor(self.lost == 0, format!("{} messages lost", self.lost));
        floor(
            messages.out_of_order == 0 && messages.foreign == 0,
            format!("{} out of order, {} foreign", messages.out_of_order, messages.foreign),
        );
        floor(
            self.live_p50_ratio <= LIVE_P50_RATIO,
            format!("live p50 {:.1} times that before", self.live_p50_ratio),
        );
        floor(stored_p99_ms < STORED_P99_MS, format!("stored p99 {stored_p99_ms:.0} ms"));
        floor(
            self.town.lost_sessions == 0,
            format!("{} sessions of ordinary users lost", self.town.lost_sessions),
        );
        floor(
            back == *absent,
            format!("{} of {absent} recipients did not come back", absent - back),
        );
        let within = |taken: Option<u64>, bound: Option<u64>| {
            taken.is_none_or(|taken| bound.is_some_and(|bound| taken <= bound))
        };
        floor(
            within(peak_bytes, bounds.memory_bytes),
            format!("memory {}", of_bound(peak_bytes, bounds.memory_bytes)),
        );
        let disk = disk.map(|disk| disk.peak_bytes);
        floor(
            within(disk, bounds.store_bytes),
            format!("data folder {}", of_bound(disk, bounds.store_bytes)),
        );
        missed
    }

    /// The report for people.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, rest: String| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name:<10} {rest}");
        };
        for (name, phase) in [("quiet", &self.quiet), ("siege", &self.siege)] {
            line(name, format!("live   {}", brief(&phase.live)));
            line("", format!("stored {}", brief(&phase.stored)));
        }
        line(
            "ratios",
            format!(
                "live p50 {:.2}, p99 {:.2}; stored p50 {:.2}, p99 {:.2}",
                self.live_p50_ratio,
                self.live_p99_ratio,
                self.stored_p50_ratio,
                self.stored_p99_ratio
            ),
        );
        let cores = self.server_cores.unwrap_or_default();
        let Footprint { peak_bytes, disk, bounds } = self.footprint;
        let memory = of_bound(peak_bytes, bounds.memory_bytes);
        line("server", format!("memory {memory}; {cores:.2} cores"));
        if let Some(disk) = disk {
            let growth = disk.growth_bytes_per_minute / MEBIBYTE;
            let folder = of_bound(Some(disk.peak_bytes), bounds.store_bytes);
            line("disk", format!("data folder {folder}; {growth:.0} MiB a minute"));
        }
        let Back { absent, seconds, shared_seconds } = &self.back;
        let slowest = |seconds: &[f64]| seconds.iter().copied().fold(0.0, f64::max);
        line(
            "back",
            format!(
                "of {absent} recipients {} from addresses of their own, in {:.2} s at most, and {} \
                 from addresses of attackers, in {:.2} s at most",
                seconds.len(),
                slowest(seconds),
                shared_seconds.len(),
                slowest(shared_seconds),
            ),
        );
        let TownRun { messages, lost_sessions, failed_dials } = &self.town;
        line(
            "checked",
            format!(
                "{} sent, {} arrived, {} receipted; {} repeated, {} out of order, {} foreign, {} \
                 refused for now; {lost_sessions} sessions lost, {failed_dials} dials failed",
                messages.sent,
                messages.arrived,
                messages.receipted,
                messages.repeated,
                messages.out_of_order,
                messages.foreign,
                messages.refused
            ),
        );
        for (kind, deeds) in &self.attackers {
            line(kind, self.deeds(deeds));
        }
        for missed in &self.missed {
            line("MISSED", missed.clone());
        }
        text.trim_end().to_owned()
    }

    fn deeds(&self, deeds: &Deeds) -> String {
        let each = |count: u64| float(count) / self.attack_seconds;
        let Deeds { connections, packets, bytes, answers, errors, disclosures, sessions } = *deeds;
        format!(
            "a second: {:.0} connections, {:.0} packets, {:.1} MiB sent, {:.0} answers, {:.0} of \
             them errors; in all: {sessions} sessions, {disclosures} keys of others",
            each(connections),
            each(packets),
            each(bytes) / MEBIBYTE,
            each(answers),
            each(errors)
        )
    }
}

fn brief(latency: &Latency) -> String {
    format!("{latency} ({} messages)", latency.count)
}

fn of_bound(taken: Option<u64>, bound: Option<u64>) -> String {
    let mebibytes = |bytes: Option<u64>| {
        bytes.map_or_else(|| "unknown".to_owned(), |bytes| format!("{} MiB", bytes >> 20))
    };
    format!("{} (bound {})", mebibytes(taken), mebibytes(bound))
}

const MEBIBYTE: f64 = 1_048_576.0;
/// The most that the median latency of live messages may rise under siege.
const LIVE_P50_RATIO: f64 = 2.0;
const STORED_P99_MS: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::siege::footprint::Bounds;
    use crate::siege::letters::Counts;

    fn good() -> SiegeRun {
        let latency = Latency { count: 9, p50_us: 200.0, p99_us: 9e3, p99_9_us: 1e4, max_us: 2e4 };
        let phase = PhaseRun { live: latency, stored: latency };
        let disk = Disk { before_bytes: 1, peak_bytes: 50, growth_bytes_per_minute: 3.0 };
        let bounds = Bounds { memory_bytes: Some(100), store_bytes: Some(50) };
        let messages = Counts { sent: 9, arrived: 9, receipted: 9, ..Counts::default() };
        SiegeRun::new(
            [phase, phase],
            TownRun { messages, lost_sessions: 0, failed_dials: 3 },
            Footprint { peak_bytes: Some(100), disk: Some(disk), bounds },
            Attack {
                time: Duration::from_secs(2),
                back: Back { absent: 2, seconds: vec![0.5], shared_seconds: vec![0.5] },
                deeds: BTreeMap::new(),
                disk: Some(disk),
                server_cores: None,
            },
        )
    }

    #[test]
    fn good_run_misses_nothing() {
        assert_eq!(good().missed, Vec::<String>::new());
    }

    #[test]
    fn each_floor_is_missed_alone() {
        type Spoil = fn(&mut SiegeRun);
        let spoils: [(Spoil, &str); 9] = [
            (|run| run.lost = 1, "1 messages lost"),
            (|run| run.town.messages.out_of_order = 2, "2 out of order, 0 foreign"),
            (|run| run.town.messages.foreign = 2, "0 out of order, 2 foreign"),
            (|run| run.live_p50_ratio = 2.3, "live p50 2.3 times that before"),
            (|run| run.siege.stored.p99_us = 1e5, "stored p99 100 ms"),
            (|run| run.town.lost_sessions = 1, "1 sessions of ordinary users lost"),
            (|run| run.back.shared_seconds.clear(), "1 of 2 recipients did not come back"),
            (|run| run.footprint.peak_bytes = Some(101), "memory 0 MiB (bound 0 MiB)"),
            (|run| run.footprint.bounds.store_bytes = None, "data folder 0 MiB (bound unknown)"),
        ];
        for (spoil, missed) in spoils {
            let mut run = good();
            spoil(&mut run);
            assert_eq!(run.floors(), [missed]);
        }
    }

    #[test]
    fn report_for_people_names_what_was_missed() {
        let mut run = good();
        run.missed = vec!["something".to_owned()];
        let text = run.text();
        assert!(
            text.contains("ratios     live p50 1.00") && text.ends_with("MISSED     something")
        );
    }
}
