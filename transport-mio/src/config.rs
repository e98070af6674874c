//! Settings of a host, with the reason for each default.

use std::num::NonZeroUsize;
use std::time::Duration;

/// Settings of a host. The defaults suit production; a program changes only what it offers to its
/// operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostConfig {
    /// Most connections at once; a further one is closed as soon as it is accepted. `None` means
    /// the process's limit on open files, less a reserve for the store and for child processes.
    pub max_connections: Option<usize>,
    /// Threads that run cryptographic jobs in addition to the reactor's thread, which takes a
    /// share. `None` means one fewer than the number of cores, but at least one.
    pub crypto_workers: Option<NonZeroUsize>,
    /// What the host does on signals.
    pub signals: SignalHandling,
    /// Most bytes read from one connection before the other connections get their turn.
    pub read_budget: NonZeroUsize,
    /// Bytes queued for one connection above which the machine is told that the connection is
    /// congested. A few times the largest packet, so that an ordinary burst to a healthy peer does
    /// not count as congestion.
    pub high_water_bytes: usize,
    /// How long a peer may take to read what was queued for a connection that the machine closed.
    pub linger: Duration,
    /// How long to wait before accepting again after the system ran out of files or memory.
    pub accept_pause: Duration,
    /// How long dialling may take, name look-up included.
    pub dial_timeout: Duration,
    /// Bounds on one transaction of the store.
    pub transaction: TransactionLimit,
}

/// What a host does on signals. Signals belong to the whole process, so at most one host of a
/// process should handle them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalHandling {
    /// The first SIGTERM or SIGINT stops the host gracefully, the second one ends the process at
    /// once. For a program that ends with its terminal: SIGHUP keeps its default.
    Stop,
    /// As [`SignalHandling::Stop`]. In addition, SIGHUP, SIGUSR1 and SIGUSR2, whose default is to
    /// end the process at once, are logged and ignored. For a daemon: operators and their tools
    /// send SIGHUP to have it reload its configuration or reopen its log.
    Daemon,
    /// The host leaves signals alone.
    Ignore,
}

/// Bounds the requests that are committed together. Requests beyond them go into the next
/// transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionLimit {
    /// Most requests in one transaction.
    pub requests: NonZeroUsize,
    /// Most bytes in one transaction, as [`StoreRequest::weight`](crate::StoreRequest::weight)
    /// counts them. A single request is always accepted, whatever its size.
    pub bytes: usize,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self {
            max_connections: None,
            crypto_workers: None,
            signals: SignalHandling::Ignore,
            read_budget: READ_BUDGET,
            high_water_bytes: 256 * 1024,
            linger: Duration::from_secs(5),
            accept_pause: Duration::from_millis(100),
            dial_timeout: Duration::from_secs(10),
            transaction: TransactionLimit::default(),
        }
    }
}

impl Default for TransactionLimit {
    /// Beyond a thousand rows a larger transaction gains little and makes every request wait
    /// longer.
    fn default() -> Self {
        Self { requests: REQUESTS, bytes: 4 * 1024 * 1024 }
    }
}

impl HostConfig {
    /// The most connections that this host keeps.
    pub(crate) fn connection_cap(&self) -> usize {
        self.max_connections.unwrap_or_else(connections_allowed)
    }

    /// The number of crypto threads to start.
    pub fn worker_count(&self) -> NonZeroUsize {
        let others = || {
            let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
            NonZeroUsize::new(cores.saturating_sub(1)).unwrap_or(NonZeroUsize::MIN)
        };
        self.crypto_workers.unwrap_or_else(others)
    }
}

/// The number of connections that the process's limit on open files allows.
fn connections_allowed() -> usize {
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let files = files.and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX);
    files.saturating_sub(RESERVED_FILES).clamp(1, MOST_CONNECTIONS)
}

/// Open files kept free for the store, the log, the poll, and the application's child processes.
const RESERVED_FILES: usize = 64;
/// Memory is the limit where the number of open files is unlimited.
const MOST_CONNECTIONS: usize = 1_000_000;
const READ_BUDGET: NonZeroUsize = NonZeroUsize::new(64 * 1024).unwrap();
const REQUESTS: NonZeroUsize = NonZeroUsize::new(1_024).unwrap();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_cap_leaves_files_for_others() {
        let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let cap = HostConfig::default().connection_cap();
        assert!(cap >= 1);
        assert!(files.is_none_or(|files| cap as u64 + 64 <= files.max(65)));
    }

    #[test]
    fn explicit_settings_are_used() {
        let config = HostConfig {
            max_connections: Some(3),
            crypto_workers: NonZeroUsize::new(2),
            ..HostConfig::default()
        };
        assert_eq!((config.connection_cap(), config.worker_count().get()), (3, 2));
    }
}
