//! A simulated disk: it gathers operations, takes its time, fails on demand, and loses what was not
//! durable when the power is cut.

use sealpost_core::frame::StoreError;
use sealpost_core::ids::Ticket;
use sealpost_core::time::Mono;
use sealpost_storage::Storage;
use serde::{Deserialize, Serialize};

/// A store, and the operations that wait for it.
#[derive(Debug)]
pub(super) struct Disk<S: Storage> {
    pub(super) engine: S,
    /// Operations of the next transaction.
    gathered: Vec<(Ticket, S::Op)>,
    /// Operations of the transaction in progress.
    in_progress: Vec<(Ticket, S::Op)>,
    failing: Option<(DiskFault, Mono)>,
}

/// Error that a disk reports for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskFault {
    /// Another process holds the database.
    Busy,
    /// No space is left.
    Full,
    /// Reading and writing fail.
    Io,
}

/// Fate of the transaction in progress when the power is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LastWrite {
    /// It is durable, although its outcomes were never reported.
    Kept,
    /// It is lost.
    Lost,
}

/// An operation with its outcome.
pub(super) type Done<S> = (Ticket, <S as Storage>::Op, <S as Storage>::Outcome);

impl<R, S: Storage<Outcome = Result<R, StoreError>>> Disk<S> {
    pub(super) const fn new(engine: S) -> Self {
        Self { engine, gathered: Vec::new(), in_progress: Vec::new(), failing: None }
    }

    /// Adds an operation. Returns whether a transaction begins now.
    pub(super) fn add(&mut self, ticket: Ticket, op: S::Op) -> bool {
        self.gathered.push((ticket, op));
        self.begin()
    }

    /// Begins a transaction of the gathered operations, unless one is in progress. Returns whether it
    /// did.
    pub(super) fn begin(&mut self) -> bool {
        if !self.in_progress.is_empty() || self.gathered.is_empty() {
            return false;
        }
        std::mem::swap(&mut self.gathered, &mut self.in_progress);
        true
    }

    /// Completes the transaction in progress.
    pub(super) fn commit(&mut self, now: Mono) -> Vec<Done<S>> {
        self.failing = self.failing.filter(|(_, until)| *until > now);
        let (tickets, ops): (Vec<_>, Vec<_>) = self.in_progress.drain(..).unzip();
        let mut outcomes = Vec::with_capacity(ops.len());
        match self.failing {
            Some((fault, _)) => outcomes.extend(ops.iter().map(|_| Err(fault.error()))),
            None => self.engine.commit(&ops, &mut outcomes),
        }
        tickets.into_iter().zip(ops).zip(outcomes).map(|((t, op), out)| (t, op, out)).collect()
    }

    /// Operations of the transaction in progress.
    pub(super) fn in_progress(&self) -> &[(Ticket, S::Op)] {
        &self.in_progress
    }

    /// The transaction in progress has ended elsewhere.
    pub(super) fn finish(&mut self) {
        self.in_progress.clear();
    }

    /// The error that the disk reports now.
    pub(super) fn error(&self, now: Mono) -> Option<StoreError> {
        self.failing.filter(|(_, until)| *until > now).map(|(fault, _)| fault.error())
    }

    /// Makes every transaction fail until a time.
    pub(super) const fn fail_until(&mut self, fault: DiskFault, until: Mono) {
        self.failing = Some((fault, until));
    }

    /// Ends the fault.
    pub(super) const fn mend(&mut self) {
        self.failing = None;
    }

    /// Cuts the power: gathered operations are lost, and the transaction in progress is durable as a
    /// whole or lost as a whole.
    pub(super) fn lose_power(&mut self, now: Mono, last_write: LastWrite) -> Vec<Done<S>> {
        self.gathered.clear();
        match last_write {
            LastWrite::Kept => self.commit(now),
            LastWrite::Lost => {
                self.in_progress.clear();
                Vec::new()
            }
        }
    }
}

impl DiskFault {
    const fn error(self) -> StoreError {
        match self {
            Self::Busy => StoreError::Busy,
            Self::Full => StoreError::DiskFull,
            Self::Io => StoreError::Io,
        }
    }
}
