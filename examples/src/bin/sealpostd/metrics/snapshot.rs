//! The figures of one moment.

use std::time::{Duration, SystemTime};

use sealpost_core::server::{Counters, Stats, Totals};
use sealpost_mio::CommitTimes;
use sealpost_storage::Stats as Stored;

use super::health::{answer, ready};
use super::process::ProcessFigures;
use super::vitals::Reloads;
use crate::running::{MemoryLimits, Running};
use crate::tls::Expiry;

/// What every metric is made from.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) is_ready: bool,
    pub(super) stats: Stats,
    pub(super) totals: Totals,
    pub(super) counters: Counters,
    pub(super) memory_limits: MemoryLimits,
    /// Memory of what is queued for connections.
    pub(super) queued_bytes: u64,
    pub(super) store_waiting: u64,
    pub(super) commits: CommitTimes,
    /// `None` if the database could not be read.
    pub(super) stored: Option<Stored>,
    pub(super) disk_free_bytes: Option<u64>,
    pub(super) disk_reserve_bytes: u64,
    pub(super) disagreements: u64,
    pub(super) lost_log_lines: u64,
    pub(super) reloads: Reloads,
    /// Seconds since 1970.
    pub(super) certificate_expiry: Option<i64>,
    pub(super) since_1970: Duration,
    pub(super) process: ProcessFigures,
}

impl Snapshot {
    /// Reads all figures.
    ///
    /// # Errors
    /// The reason for people, if the thread that serves connections does not answer.
    pub(super) fn take(server: &Running) -> Result<Self, String> {
        let machine = server
            .handle
            .with_machine(|machine| (machine.stats(), machine.totals(), *machine.counters()));
        let (stats, totals, counters) = answer(&machine, "the thread that serves connections")?;
        let stored = server.data.inspect().and_then(|inspector| Ok(inspector.stats()?));
        if let Err(failure) = &stored {
            tracing::warn!(
                "no metrics of the store, because the database can't be read: {failure}"
            );
        }
        Ok(Self {
            is_ready: ready(server).is_ok(),
            stats,
            totals,
            counters,
            memory_limits: server.memory_limits,
            queued_bytes: server.handle.queued_bytes() as u64,
            store_waiting: server.store.waiting_requests() as u64,
            commits: server.store.commit_times(),
            stored: stored.ok(),
            disk_free_bytes: server.data.ballast().free_bytes(),
            disk_reserve_bytes: server.quota.current().disk_reserve_bytes,
            disagreements: server.provider.disagreements(),
            lost_log_lines: server.log.lost_lines(),
            reloads: server.vitals.reloads(),
            certificate_expiry: server.certificate.as_ref().and_then(Expiry::unix_secs),
            since_1970: server.since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(),
            process: server.process.figures(),
        })
    }
}
