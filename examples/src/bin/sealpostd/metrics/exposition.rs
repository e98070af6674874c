//! The metrics: their names and texts. docs/OPERATING.md lists them all.

use std::fmt;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::{Registry, Unit};
use sealpost_core::server::{Counters, Tally};
use sealpost_core::wire::{Direction, ErrorCode, Op};
use sealpost_mio::CommitTimes;

use super::page::Page;
use super::snapshot::Snapshot;
use crate::store::Link;

/// The type of the text that [`Snapshot::text`] returns.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

impl Snapshot {
    /// All metrics in the format of `OpenMetrics`.
    pub(super) fn text(self) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }

    fn build(&self, page: &mut Page<'_>) -> fmt::Result {
        let labels = [
            ("version", env!("CARGO_PKG_VERSION")),
            ("commit", env!("SEALPOST_COMMIT")),
            ("profile", if cfg!(debug_assertions) { "debug" } else { "release" }),
        ];
        page.info(("sealpost_build", "The program that runs"), labels)?;
        page.gauge(("sealpost_ready", "Whether the server is ready"), u64::from(self.is_ready))
    }

    fn connections(&self, page: &mut Page<'_>) -> fmt::Result {
        let (stats, counters) = (&self.stats, &self.counters);
        page.gauge(
            ("sealpost_connections", "Connections at the moment"),
            stats.connections as u64,
        )?;
        page.gauge(("sealpost_sessions", "Sessions at the moment"), stats.sessions as u64)?;
        let begun = ("sealpost_sessions_begun", "Sessions that began");
        page.counter(begun, counters.sessions_begun)?;
        page.counters(
            ("sealpost_disconnected", "Connections that the server closed without an answer"),
            "reason",
            [
                ("strangers", stats.shed),
                ("memory", stats.relieved),
                ("no_session", counters.too_slow),
                ("unresponsive", counters.unresponsive),
            ],
        )
    }

    fn traffic(counters: &Counters, page: &mut Page<'_>) -> fmt::Result {
        let count = |op: Op, tally: &Tally| (format!("{op:?}"), tally.of(op));
        let received = Op::ALL.into_iter().filter(|op| is_received(*op));
        let sent = Op::ALL.into_iter().filter(|op| is_sent(*op));
        page.counters(
            ("sealpost_packets_received", "Packets from clients, by the name of their operation"),
            "op",
            received.map(|op| count(op, &counters.received)),
        )?;
        page.counters(
            ("sealpost_packets_sent", "Packets to clients, by the name of their operation"),
            "op",
            sent.map(|op| count(op, &counters.sent)),
        )?;
        let received = ("sealpost_received", "Bytes from clients, inside TLS");
        page.counter_of(received, &Unit::Bytes, counters.received_bytes)?;
        let sent = ("sealpost_sent", "Bytes to clients, inside TLS");
        page.counter_of(sent, &Unit::Bytes, counters.sent_bytes)?;
        page.counters(
            ("sealpost_errors_sent", "Errors that clients were answered with, by their name"),
            "code",
            ErrorCode::ALL
                .into_iter()
                .map(|code| (format!("{code:?}"), counters.errors.of_error(code))),
        )?;
        let (messages, receipts) = (&counters.messages, &counters.receipts);
        page.counters_by_two(
            ("sealpost_items", "Messages and receipts: forwarded at once, stored, or drained"),
            ["kind", "path"],
            [
                (["message", "forwarded"], messages.forwarded),
                (["message", "stored"], messages.stored),
                (["message", "drained"], messages.drained),
                (["receipt", "forwarded"], receipts.forwarded),
                (["receipt", "stored"], receipts.stored),
                (["receipt", "drained"], receipts.drained),
            ],
        )
    }

    fn registration(counters: &Counters, page: &mut Page<'_>) -> fmt::Result {
        let registrations = ("sealpost_registrations", "Accounts that were created");
        page.counter(registrations, counters.registrations)?;
        page.counters(
            ("sealpost_otps", "Requests for a one-time password, by their outcome"),
            "outcome",
            [
                ("offered", counters.otps_offered),
                ("undelivered", counters.otps_undelivered),
                ("refused", counters.otps_refused),
            ],
        )?;
        let wrong = ("sealpost_otp_wrong_guesses", "Wrong guesses at one-time passwords");
        page.counter(wrong, counters.wrong_guesses)
    }

    fn verification(&self, page: &mut Page<'_>) -> fmt::Result {
        page.counters(
            ("sealpost_verifications", "Signatures of packets that were verified"),
            "outcome",
            [("accepted", self.counters.accepted), ("rejected", self.counters.rejected)],
        )?;
        let disagreements =
            ("sealpost_verification_disagreements", "Disagreements of aws-lc and the kernel");
        page.counter(disagreements, self.disagreements)
    }

    fn memory(&self, page: &mut Page<'_>) -> fmt::Result {
        let (held, limits) = (&self.totals, &self.memory_limits);
        page.gauges(
            ("sealpost_held", "Memory of packets that the server holds, by what bounds it"),
            Some(&Unit::Bytes),
            "what",
            [
                ("senders", held.sender_bytes as u64),
                ("in_flight", held.in_flight_bytes as u64),
                ("connections", held.connection_bytes as u64),
                ("unread", self.queued_bytes),
            ],
        )?;
        page.gauges(
            ("sealpost_held_limit", "Bounds of sealpost_held_bytes"),
            Some(&Unit::Bytes),
            "what",
            [
                ("senders", limits.senders),
                ("in_flight", limits.in_flight),
                ("connections", limits.connections),
                ("unread", limits.unread),
            ],
        )?;
        let mailboxes = ("sealpost_mailboxes", "Users with items on their way to them");
        page.gauge(mailboxes, held.mailboxes as u64)?;
        let awaited = ("sealpost_operations_awaited", "Cryptography and storage under way");
        page.gauge(awaited, held.awaited as u64)
    }

    #[expect(clippy::cast_precision_loss, reason = "a sum of counts is exact up to 2^53")]
    fn store(&self, page: &mut Page<'_>) -> fmt::Result {
        if let Some(users) = self.stored.users {
            page.gauge(("sealpost_users", "Registered users"), users)?;
        }
        if let Some(pending) = &self.stored.waiting {
            page.gauges(
                ("sealpost_waiting_items", "Messages and receipts in the store"),
                None,
                "kind",
                [("message", pending.messages), ("receipt", pending.receipts)],
            )?;
            page.gauges(
                ("sealpost_waiting", "Size of the messages and receipts in the store"),
                Some(&Unit::Bytes),
                "kind",
                [("message", pending.bytes), ("receipt", pending.receipt_bytes)],
            )?;
        }
        let requests = ("sealpost_store_requests_waiting", "Requests for the next commit");
        page.gauge(requests, self.store_waiting)?;
        let commits = &self.commits;
        page.histogram(
            ("sealpost_commit_requests", "Requests in each commit of the store"),
            None,
            commits.requests as f64,
            CommitTimes::SIZES.into_iter().map(f64::from),
            &commits.sizes,
        )?;
        page.histogram(
            ("sealpost_commit_duration", "Time that each commit of the store took"),
            Some(&Unit::Seconds),
            commits.total.as_secs_f64(),
            CommitTimes::BOUNDS.iter().map(Duration::as_secs_f64),
            &commits.histogram,
        )?;
        let failures = ("sealpost_store_failures", "Store operations that failed");
        page.counter(failures, self.counters.store_failures)?;
        if let Some(free) = self.stored.disk_free_bytes {
            page.gauge_of(("sealpost_disk_free", "Free space on the disk"), &Unit::Bytes, free)?;
        }
        if let Some(bytes) = self.stored.disk_reserve_bytes {
            let reserve = ("sealpost_disk_reserve", "Free space below which messages are refused");
            page.gauge_of(reserve, &Unit::Bytes, bytes)?;
        }
        self.stored.link.map_or(Ok(()), |link| engine(&link, page))
    }

    fn operation(&self, page: &mut Page<'_>) -> fmt::Result {
        let reloads = &self.reloads;
        page.counters(
            ("sealpost_config_reloads", "Reloads of the configuration"),
            "result",
            [("success", reloads.succeeded), ("failure", reloads.failed)],
        )?;
        let last = ("sealpost_config_last_reload_successful", "Whether the last reload succeeded");
        page.gauge(last, u64::from(!reloads.last_failed))?;
        let lost = ("sealpost_log_lines_dropped", "Log lines that could not be written");
        page.counter(lost, self.lost_log_lines)?;
        let clock = ("sealpost_clock_plausible", "Whether the clock fits the database");
        page.gauge(clock, u64::from(!self.stats.clock_is_implausible))?;
        if let Some(expiry) = self.certificate_expiry {
            let title = ("sealpost_certificate_expiry_timestamp", "When the certificate expires");
            page.gauge_of(title, &Unit::Seconds, expiry)?;
        }
        Ok(())
    }

    fn process(&self, page: &mut Page<'_>) -> fmt::Result {
        let start = ("process_start_time", "Start of the process, since 1970");
        page.gauge_of(start, &Unit::Seconds, self.since_1970.as_secs_f64())?;
        if let Some(seconds) = self.process.cpu_seconds {
            page.counter_of(("process_cpu", "CPU time of the process"), &Unit::Seconds, seconds)?;
        }
        if let Some(bytes) = self.process.resident_bytes {
            page.gauge_of(("process_resident_memory", "Resident memory"), &Unit::Bytes, bytes)?;
        }
        if let Some(files) = self.process.open_files {
            page.gauge(("process_open_fds", "Open files"), files)?;
        }
        Ok(())
    }
}

/// Writes what an operator of NATS looks for.
fn engine(link: &Link, page: &mut Page<'_>) -> fmt::Result {
    let connected = ("sealpost_nats_connected", "Whether there is a connection to NATS");
    page.gauge(connected, u64::from(link.is_connected))?;
    let reconnects = ("sealpost_nats_reconnects", "Connections to NATS after the first one");
    page.counter(reconnects, link.reconnects)?;
    let received = ("sealpost_nats_received", "Bytes from NATS, inside TLS");
    page.counter_of(received, &Unit::Bytes, link.received_bytes)?;
    let sent = ("sealpost_nats_sent", "Bytes to NATS, inside TLS");
    page.counter_of(sent, &Unit::Bytes, link.sent_bytes)
}

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        self.build(&mut page)?;
        self.connections(&mut page)?;
        Self::traffic(&self.counters, &mut page)?;
        Self::registration(&self.counters, &mut page)?;
        self.verification(&mut page)?;
        self.memory(&mut page)?;
        self.store(&mut page)?;
        self.operation(&mut page)?;
        self.process(&mut page)
    }
}

/// Whether clients send packets of this operation.
const fn is_received(op: Op) -> bool {
    match op.direction() {
        Direction::ToServerBeforeSession | Direction::ToServer | Direction::Both => true,
        Direction::ToClient => false,
    }
}

/// Whether the server sends packets of this operation.
const fn is_sent(op: Op) -> bool {
    match op.direction() {
        Direction::Both | Direction::ToClient => true,
        Direction::ToServerBeforeSession | Direction::ToServer => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use sealpost_core::server::{Stats, Totals};
    use sealpost_storage::Usage;

    use super::*;
    use crate::metrics::process::ProcessFigures;
    use crate::metrics::snapshot::Stored;
    use crate::metrics::vitals::Reloads;
    use crate::running::MemoryLimits;

    /// A snapshot in which nothing is missing.
    fn complete() -> Snapshot {
        Snapshot {
            is_ready: true,
            stats: Stats::default(),
            totals: Totals::default(),
            counters: Counters::default(),
            memory_limits: MemoryLimits::default(),
            queued_bytes: 0,
            store_waiting: 0,
            commits: CommitTimes::default(),
            stored: Stored {
                users: Some(3),
                waiting: Some(Usage::default()),
                disk_free_bytes: Some(1 << 30),
                disk_reserve_bytes: Some(1 << 28),
                link: Some(Link::default()),
            },
            disagreements: 0,
            lost_log_lines: 0,
            reloads: Reloads::default(),
            certificate_expiry: Some(1_800_000_000),
            since_1970: Duration::from_secs(1),
            process: ProcessFigures {
                cpu_seconds: Some(0.5),
                resident_bytes: Some(1),
                open_files: Some(1),
            },
        }
    }

    /// The metrics of a text by their names as Prometheus shows them, with their types.
    fn exported(text: &str) -> BTreeMap<String, &str> {
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        types
            .map(|line| {
                let (name, kind) = line.split_once(' ').unwrap();
                let suffix = match kind {
                    "counter" => "_total",
                    "info" => "_info",
                    _ => "",
                };
                (format!("{name}{suffix}"), kind)
            })
            .collect()
    }

    #[test]
    fn page_for_operators_lists_every_metric_and_no_other() {
        let text = complete().text().unwrap();
        let page = include_str!("../../../../../docs/OPERATING.md");
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `")).filter_map(|row| {
            let (name, rest) = row.split_once("` | ")?;
            Some((name.to_owned(), rest.split_once(" | ")?.0))
        });
        let ours = |name: &str| name.starts_with("sealpost_") || name.starts_with("process_");
        let listed: BTreeMap<_, _> = rows.filter(|(name, _)| ours(name)).collect();
        assert_eq!(listed, exported(&text));
    }

    #[test]
    fn alerts_and_dashboard_use_metrics_that_there_are() {
        let text = complete().text().unwrap();
        let exported = exported(&text);
        let alerts = include_str!("../../../../../packaging/prometheus/alerts.yml");
        let dashboard = include_str!("../../../../../packaging/grafana/sealpost.json");
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        for page in [alerts, dashboard] {
            let words = page.split(|c| !is_part(c));
            let used: BTreeSet<_> = words
                .filter(|word| word.starts_with("sealpost_") || word.starts_with("process_"))
                .map(|word| {
                    ["_bucket", "_sum", "_count"]
                        .iter()
                        .fold(word, |name, suffix| name.strip_suffix(suffix).unwrap_or(name))
                })
                .collect();
            assert!(used.len() > 5, "{used:?}");
            for name in used {
                assert!(exported.contains_key(name), "{name}");
            }
        }
    }

    #[test]
    fn what_cannot_be_read_is_left_out_and_the_rest_is_there() {
        let lacking = Snapshot {
            stored: Stored::default(),
            certificate_expiry: None,
            process: ProcessFigures::default(),
            ..complete()
        };
        let (all, rest) = (complete().text().unwrap(), lacking.text().unwrap());
        let (all, rest) = (exported(&all), exported(&rest));
        let missing: Vec<_> = all.keys().filter(|name| !rest.contains_key(*name)).collect();
        let expected = [
            "process_cpu_seconds_total",
            "process_open_fds",
            "process_resident_memory_bytes",
            "sealpost_certificate_expiry_timestamp_seconds",
            "sealpost_disk_free_bytes",
            "sealpost_disk_reserve_bytes",
            "sealpost_nats_connected",
            "sealpost_nats_received_bytes_total",
            "sealpost_nats_reconnects_total",
            "sealpost_nats_sent_bytes_total",
            "sealpost_users",
            "sealpost_waiting_bytes",
            "sealpost_waiting_items",
        ];
        assert_eq!(missing, expected);
    }

    /// Labels would multiply with users, and name them to whoever reads the page.
    #[test]
    fn labels_are_few_and_name_nobody() {
        let text = complete().text().unwrap();
        let labels = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let (_, labels) = line.split_once('{')?;
            Some(labels.split_once('}')?.0)
        });
        let names: BTreeSet<_> = labels
            .flat_map(|labels| labels.split(','))
            .filter_map(|label| Some(label.split_once('=')?.0))
            .collect();
        let expected = [
            "code", "commit", "kind", "le", "op", "outcome", "path", "profile", "reason", "result",
            "version", "what",
        ];
        assert!(names.iter().eq(&expected), "{names:?}");
    }
}
