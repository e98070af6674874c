//! A disk: gathers requests, takes its time, fails on demand, and forgets what was not durable when
//! the power goes.

use sealpost_core::frame::StoreError;
use sealpost_core::ids::Ticket;
use sealpost_core::time::Mono;
use sealpost_storage::Storage;
use serde::{Deserialize, Serialize};

/// A store's engine, and what is asked of it.
#[derive(Debug)]
pub(super) struct Disk<S: Storage> {
    pub(super) engine: S,
    gathered: Vec<(Ticket, S::Op)>,
    under_way: Vec<(Ticket, S::Op)>,
    failing: Option<(DiskFault, Mono)>,
}

/// What a disk answers for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskFault {
    /// Somebody else holds the database.
    Busy,
    /// No space is left.
    Full,
    /// Reading and writing fail.
    Io,
}

/// Whether the transaction under way when the power goes turns out to be durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LastWrite {
    /// It is, though nobody was told.
    Kept,
    /// It is gone.
    Lost,
}

/// A request with its outcome.
pub(super) type Done<S> = (Ticket, <S as Storage>::Op, <S as Storage>::Outcome);

impl<R, S: Storage<Outcome = Result<R, StoreError>>> Disk<S> {
    pub(super) const fn new(engine: S) -> Self {
        Self { engine, gathered: Vec::new(), under_way: Vec::new(), failing: None }
    }

    /// Takes a request. Returns whether a transaction begins now.
    pub(super) fn ask(&mut self, ticket: Ticket, op: S::Op) -> bool {
        self.gathered.push((ticket, op));
        self.begin()
    }

    /// Begins a transaction with what has gathered, unless one is under way.
    pub(super) fn begin(&mut self) -> bool {
        if !self.under_way.is_empty() || self.gathered.is_empty() {
            return false;
        }
        std::mem::swap(&mut self.gathered, &mut self.under_way);
        true
    }

    /// The transaction under way comes to its end.
    pub(super) fn commit(&mut self, now: Mono) -> Vec<Done<S>> {
        self.failing = self.failing.filter(|(_, until)| *until > now);
        let (tickets, ops): (Vec<_>, Vec<_>) = self.under_way.drain(..).unzip();
        let mut outcomes = Vec::with_capacity(ops.len());
        match self.failing {
            Some((fault, _)) => outcomes.extend(ops.iter().map(|_| Err(fault.error()))),
            None => self.engine.commit(&ops, &mut outcomes),
        }
        tickets.into_iter().zip(ops).zip(outcomes).map(|((t, op), out)| (t, op, out)).collect()
    }

    /// Fails everything until then.
    pub(super) const fn fail_until(&mut self, fault: DiskFault, until: Mono) {
        self.failing = Some((fault, until));
    }

    /// Fails nothing any more.
    pub(super) const fn mend(&mut self) {
        self.failing = None;
    }

    /// The power goes. What had only gathered is gone; the transaction under way is whole or gone.
    pub(super) fn lose_power(&mut self, now: Mono, last_write: LastWrite) -> Vec<Done<S>> {
        self.gathered.clear();
        match last_write {
            LastWrite::Kept => self.commit(now),
            LastWrite::Lost => {
                self.under_way.clear();
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
