//! The figures of `stats`: of the database always, of the server if it runs.

use std::fmt;
use std::time::{Duration, SystemTime};

use sealpost_core::server::{Stats as MachineStats, Totals};
use sealpost_core::time::Timestamp;
use sealpost_mio::CommitTimes;
use sealpost_programs::utc;
use sealpost_storage::{Stats as StoreStats, Usage};
use serde::{Deserialize, Serialize};

/// Figures about the store and the server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Figures {
    pub(super) users: u64,
    pub(super) last_user_id: u64,
    pub(super) pending_messages: u64,
    pub(super) pending_receipts: u64,
    pub(super) pending_bytes: u64,
    pub(super) pending_receipt_bytes: u64,
    pub(super) oldest: Option<String>,
    pub(super) running: Option<Live>,
}

/// Figures about the running server. Counts are since its start.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Live {
    pub(super) version: String,
    pub(super) since: String,
    pub(super) uptime_secs: u64,
    pub(super) connections: usize,
    pub(super) sessions: usize,
    pub(super) forwarded: u64,
    pub(super) stored: u64,
    pub(super) shed: u64,
    pub(super) relieved: u64,
    /// Bytes of packets that are held in memory.
    pub(super) held_bytes: usize,
    pub(super) commits: Commits,
}

/// Commits of the store.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Commits {
    pub(super) count: u64,
    pub(super) requests: u64,
    pub(super) total_micros: u64,
    /// Counts of commits by the time that they took.
    pub(super) histogram: Vec<Bucket>,
}

/// Commits that took at most a time, and longer than that of the bucket before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Bucket {
    /// Upper bound of the time; `None` for the last bucket.
    pub(super) at_most_micros: Option<u64>,
    pub(super) count: u64,
}

/// What `top` shows of one moment.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Sample {
    #[serde(flatten)]
    pub(super) figures: Figures,
    /// The largest mailboxes, largest first. They are not named.
    pub(super) largest: Vec<Mailbox>,
}

/// Usage of one mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Mailbox {
    pub(super) messages: u64,
    pub(super) receipts: u64,
    pub(super) bytes: u64,
    pub(super) receipt_bytes: u64,
}

impl From<Usage> for Mailbox {
    fn from(usage: Usage) -> Self {
        let Usage { messages, receipts, bytes, receipt_bytes } = usage;
        Self { messages, receipts, bytes, receipt_bytes }
    }
}

impl Figures {
    pub(super) fn new(stored: StoreStats, running: Option<Live>) -> Self {
        let StoreStats { users, last_user_id, pending, oldest } = stored;
        Self {
            users,
            last_user_id,
            pending_messages: pending.messages,
            pending_receipts: pending.receipts,
            pending_bytes: pending.bytes,
            pending_receipt_bytes: pending.receipt_bytes,
            oldest: oldest.map(utc),
            running,
        }
    }
}

impl Live {
    pub(super) fn new(
        since: SystemTime,
        stats: MachineStats,
        totals: Totals,
        commits: CommitTimes,
    ) -> Self {
        let MachineStats { connections, sessions, shed, relieved, forwarded, stored, .. } = stats;
        let since_1970 = since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let secs = i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX);
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            since: utc(Timestamp::from_unix_secs(secs)),
            uptime_secs: since.elapsed().unwrap_or_default().as_secs(),
            connections,
            sessions,
            forwarded,
            stored,
            shed,
            relieved,
            held_bytes: totals.connection_bytes.saturating_add(totals.sender_bytes),
            commits: commits.into(),
        }
    }
}

impl From<CommitTimes> for Commits {
    fn from(times: CommitTimes) -> Self {
        let bounds = CommitTimes::BOUNDS.iter().map(|bound| Some(micros(*bound)));
        let histogram = bounds
            .chain([None])
            .zip(times.histogram)
            .map(|(at_most_micros, count)| Bucket { at_most_micros, count })
            .collect();
        Self {
            count: times.commits,
            requests: times.requests,
            total_micros: micros(times.total),
            histogram,
        }
    }
}

impl Commits {
    /// Time that a commit took on average; 0 if there was none.
    pub(super) const fn mean_micros(&self) -> u64 {
        match self.total_micros.checked_div(self.count) {
            Some(mean) => mean,
            None => 0,
        }
    }
}

/// Displays a time in microseconds as milliseconds, with one decimal.
pub(super) struct Millis(pub(super) u64);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{} ms", self.0 / 1_000, self.0 % 1_000 / 100)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
