//! The metrics: their names and texts. docs/OPERATING.md lists them all.

use std::fmt;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::{Registry, Unit};
use sealpost_core::server::Counters;
use sealpost_core::wire::{ErrorCode, Op};
use sealpost_mio::CommitTimes;

use super::page::Page;
use super::snapshot::Snapshot;

/// The type of the text that [`Snapshot::text`] returns.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

impl Snapshot {
    /// All metrics in the format of OpenMetrics.
    pub(super) fn text(self) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }

    fn build(page: &mut Page<'_>) -> fmt::Result {
        let labels = [
            ("version", env!("CARGO_PKG_VERSION")),
            ("commit", option_env!("SEALPOST_COMMIT").unwrap_or("unknown")),
            ("profile", if cfg!(debug_assertions) { "debug" } else { "release" }),
        ];
        page.info(("sealpost_build_info", "The program that runs"), labels)
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
        let ops = || Op::ALL.into_iter();
        let name = |op: Op| format!("{op:?}");
        page.counters(
            ("sealpost_packets_received", "Packets from clients, by the name of their operation"),
            "op",
            ops().map(|op| (name(op), counters.received.of(op))),
        )?;
        page.counters(
            ("sealpost_packets_sent", "Packets to clients, by the name of their operation"),
            "op",
            ops().map(|op| (name(op), counters.sent.of(op))),
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
        let (held, limits) = (&self.held, &self.memory_limits);
        page.gauges(
            ("sealpost_held", "Memory of packets that the server holds, by what bounds it"),
            Some(&Unit::Bytes),
            "what",
            [
                ("senders", held.all_sender_bytes as u64),
                ("in_flight", held.all_in_flight_bytes as u64),
                ("connections", held.all_connection_bytes as u64),
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

    fn store(&self, page: &mut Page<'_>) -> fmt::Result {
        if let Some(stored) = &self.stored {
            let pending = &stored.pending;
            page.gauge(("sealpost_users", "Registered users"), stored.users)?;
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
            CommitTimes::SIZES.into_iter().map(|bound| bound as f64),
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
        if let Some(free) = self.disk_free_bytes {
            page.gauge_of(("sealpost_disk_free", "Free space on the disk"), &Unit::Bytes, free)?;
        }
        let reserve = ("sealpost_disk_reserve", "Free space below which messages are refused");
        page.gauge_of(reserve, &Unit::Bytes, self.disk_reserve_bytes)
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

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        Self::build(&mut page)?;
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
