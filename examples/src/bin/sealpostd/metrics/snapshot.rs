//! The figures of one moment.

use std::time::{Duration, SystemTime};

use sealpost_core::server::{Counters, Stats, Totals};
use sealpost_mio::CommitTimes;
use sealpost_programs::Failure;
use sealpost_storage::Usage;

use super::health::{answer, ready};
use super::process::ProcessFigures;
use super::vitals::Reloads;
use crate::running::{MemoryLimits, Running};
use crate::store::{Link, ReadAccess};
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
    pub(super) stored: Stored,
    pub(super) disagreements: u64,
    pub(super) lost_log_lines: u64,
    pub(super) reloads: Reloads,
    /// Seconds since 1970.
    pub(super) certificate_expiry: Option<i64>,
    pub(super) since_1970: Duration,
    pub(super) process: ProcessFigures,
}

/// What the store tells. Parts are missing that it does not have, or could not be read.
#[derive(Clone, Debug, Default)]
pub(super) struct Stored {
    pub(super) users: Option<u64>,
    /// Usage of all mailboxes. In an engine it takes a read of every one.
    pub(super) waiting: Option<Usage>,
    pub(super) disk_free_bytes: Option<u64>,
    pub(super) disk_reserve_bytes: Option<u64>,
    /// The connection to the engine.
    pub(super) link: Option<Link>,
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
        let is_ready = ready(server).is_ok();
        Ok(Self {
            is_ready,
            stats,
            totals,
            counters,
            memory_limits: server.memory_limits,
            queued_bytes: server.handle.queued_bytes() as u64,
            store_waiting: server.store.waiting_requests() as u64,
            commits: server.store.commit_times(),
            stored: Stored::read(server, is_ready),
            disagreements: server.provider.disagreements(),
            lost_log_lines: server.log.lost_lines(),
            reloads: server.vitals.reloads(),
            certificate_expiry: server.certificate.as_ref().and_then(Expiry::unix_secs),
            since_1970: server.since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(),
            process: server.process.figures(),
        })
    }
}

impl Stored {
    /// Asks an engine only if the server `is_ready`: one that does not answer would hold up the scrape.
    fn read(server: &Running, is_ready: bool) -> Self {
        let unreadable = |failure: &Failure| {
            tracing::warn!("no metrics of the store, because it can't be read: {failure}");
        };
        match &server.reading {
            ReadAccess::Database(data) => {
                let stats = data.inspect().and_then(|inspector| Ok(inspector.stats()?));
                let stats = stats.inspect_err(unreadable).ok();
                Self {
                    users: stats.map(|stats| stats.users),
                    waiting: stats.map(|stats| stats.pending),
                    disk_free_bytes: data.ballast().free_bytes(),
                    disk_reserve_bytes: Some(server.quota.current().disk_reserve_bytes),
                    link: None,
                }
            }
            ReadAccess::Engine(reader) => {
                let users = is_ready.then(|| reader.count_users().inspect_err(unreadable).ok());
                Self { users: users.flatten(), link: Some(reader.link()), ..Self::default() }
            }
        }
    }
}
