//! What an operator or a program may set, with the reason of each default.

use std::num::NonZeroUsize;
use std::time::Duration;

/// Settings of a host. The defaults serve; a program sets the few that it offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Connections at once; over it, a new one is closed as soon as it is accepted. `None`: what
    /// the process's limit on open files allows, less some for the store and for programs.
    pub max_connections: Option<usize>,
    /// Threads that do cryptography beside the reactor's own, which takes part. `None`: one for each
    /// core but one, and one at least.
    pub crypto_workers: Option<NonZeroUsize>,
    /// Whether SIGTERM and SIGINT stop the host.
    pub signals: Signals,
    /// Bytes read from one connection before the others get their turn.
    pub read_budget: NonZeroUsize,
    /// Bytes queued for one connection over which the machine is told that it is congested: a few
    /// of the largest packets, so that an ordinary burst to a healthy reader is not.
    pub high_water: usize,
    /// How long a connection that the machine closed may take to read what was queued for it.
    pub linger: Duration,
    /// How long no connection is accepted after the system ran out of files or memory.
    pub accept_pause: Duration,
    /// How long dialling may take, name look-up included.
    pub dial_timeout: Duration,
    /// What one transaction of the store may hold.
    pub transaction: TransactionLimit,
}

/// Whether the host stops on signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signals {
    /// The first SIGTERM or SIGINT stops the host in order, the second one ends the process at
    /// once. For programs; only one host of a process should.
    Stop,
    /// Signals are somebody else's business.
    Ignore,
}

/// Bounds the requests that are committed together: what gathers beyond them is in the next
/// transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionLimit {
    /// Requests at most.
    pub requests: NonZeroUsize,
    /// Bytes at most, as [`StoreRequest::weight`](crate::StoreRequest::weight) counts them. One request goes
    /// through whatever its size.
    pub bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_connections: None,
            crypto_workers: None,
            signals: Signals::Ignore,
            read_budget: READ_BUDGET,
            high_water: 256 * 1024,
            linger: Duration::from_secs(5),
            accept_pause: Duration::from_millis(100),
            dial_timeout: Duration::from_secs(10),
            transaction: TransactionLimit::default(),
        }
    }
}

impl Default for TransactionLimit {
    /// Beyond a thousand rows a larger transaction gains little, and keeps everyone waiting.
    fn default() -> Self {
        Self { requests: REQUESTS, bytes: 4 * 1024 * 1024 }
    }
}

impl Config {
    /// The cap on connections.
    pub(crate) fn connection_cap(&self) -> usize {
        self.max_connections.unwrap_or_else(connections_allowed)
    }

    /// The number of threads that do cryptography.
    pub(crate) fn worker_count(&self) -> NonZeroUsize {
        let others = || {
            let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
            NonZeroUsize::new(cores.saturating_sub(1)).unwrap_or(NonZeroUsize::MIN)
        };
        self.crypto_workers.unwrap_or_else(others)
    }
}

/// What the limit on open files leaves for connections.
fn connections_allowed() -> usize {
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let files = files.and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX);
    files.saturating_sub(HEADROOM).clamp(1, CONNECTIONS)
}

/// Files for the store, the log, the poll, and programs that deliver passwords.
const HEADROOM: usize = 64;
/// With an unlimited number of files, memory is the limit.
const CONNECTIONS: usize = 1_000_000;
const READ_BUDGET: NonZeroUsize = NonZeroUsize::new(64 * 1024).unwrap();
const REQUESTS: NonZeroUsize = NonZeroUsize::new(1_024).unwrap();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_cap_leaves_files_for_others() {
        let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let cap = Config::default().connection_cap();
        assert!(cap >= 1);
        assert!(files.is_none_or(|files| cap as u64 + 64 <= files.max(65)));
    }

    #[test]
    fn explicit_settings_stand() {
        let config = Config {
            max_connections: Some(3),
            crypto_workers: NonZeroUsize::new(2),
            ..Config::default()
        };
        assert_eq!((config.connection_cap(), config.worker_count().get()), (3, 2));
    }
}
