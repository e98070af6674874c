//! Settings of a host, with the reason for each default.

use std::num::NonZeroUsize;
use std::time::Duration;

use ipnet::IpNet;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sealpost_core::wire::Packet;

use crate::error::Error;
use crate::sockets::QueueLimits;
use crate::tls::TlsServer;

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
    /// Memory of everything that is queued. Above half of it, a connection is congested when more
    /// than a fair share of that half is queued for it. Above all of it, the connections with most
    /// are given up: their peers have read too little for too long.
    pub queued_bytes_in_all: usize,
    /// How long a peer may take to read what was queued for a connection that the machine closed.
    pub linger: Duration,
    /// How long to wait before accepting again after the system ran out of files or memory.
    pub accept_pause: Duration,
    /// How long dialling may take, name look-up included.
    pub dial_timeout: Duration,
    /// Bounds on one transaction of the store.
    pub transaction: TransactionLimit,
    /// Certificate with which accepted connections are encrypted. `None` means plain TCP. A host
    /// that dials does not use it.
    pub tls: Option<TlsServer>,
    /// Networks of proxies. A connection from them must begin with a header of the PROXY protocol,
    /// version 1 or 2, and counts as one from the address that the header names. A peer on a Unix
    /// socket has the address 127.0.0.1.
    pub trusted_proxies: Vec<IpNet>,
}

/// What a host does on signals. Signals belong to the whole process, so at most one host of a
/// process should handle them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalHandling {
    /// The first SIGTERM or SIGINT stops the host gracefully, the second one ends the process at
    /// once. For a program that ends with its terminal: SIGHUP keeps its default.
    Stop,
    /// As [`SignalHandling::Stop`]. In addition, SIGHUP calls
    /// [`Application::reload`](crate::Application::reload), and SIGUSR1 and SIGUSR2, whose default
    /// is to end the process at once, are logged and ignored. For a daemon.
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
            queued_bytes_in_all: 128 * 1024 * 1024,
            linger: Duration::from_secs(5),
            accept_pause: Duration::from_millis(100),
            dial_timeout: Duration::from_secs(10),
            transaction: TransactionLimit::default(),
            tls: None,
            trusted_proxies: Vec::new(),
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
    /// Bytes of memory that the host takes at most beside the machine, if no peer reads what is sent
    /// to it.
    ///
    /// A transaction may read a page for each of its requests. The machine counts pages that it asked
    /// for, but a page of one item may be longer than it asked.
    pub fn memory_bound(&self) -> u64 {
        let tls = if self.tls.is_some() { TLS_SESSION } else { 0 };
        let sockets = self.connection_cap().saturating_mul(SOCKET + tls);
        let queued = self.queued_bytes_in_all.saturating_add(Packet::MAX_LEN);
        let pages = self.transaction.requests.get().saturating_mul(Packet::MAX_LEN);
        let all = sockets.saturating_add(queued).saturating_add(pages);
        all.saturating_add(self.read_budget.get()) as u64
    }

    pub(crate) const fn queue_limits(&self) -> QueueLimits {
        QueueLimits { high_water_bytes: self.high_water_bytes, in_all: self.queued_bytes_in_all }
    }

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

/// Raises the process's soft limit on open files to what a server with this many connections
/// needs. Returns the number of connections for which there are files: fewer, if the hard limit is
/// lower.
///
/// There are some more files than connections, for those that the machine has closed and whose peer
/// has not ended yet. So the machine sees a connection above its limit, and can decide which one
/// has to give way.
pub fn raise_file_limit(connections: usize) -> Result<usize, Error> {
    let limit = getrlimit(Resource::Nofile);
    let raised = raised(limit, connections);
    if raised != limit {
        let error = |errno: rustix::io::Errno| Error::System {
            task: "raise the limit of open files",
            source: errno.into(),
        };
        setrlimit(Resource::Nofile, raised).map_err(error)?;
    }
    Ok(connections_for(raised).min(connections))
}

fn raised(limit: Rlimit, connections: usize) -> Rlimit {
    let needed = connections.saturating_add(connections / CLOSING_SHARE + RESERVED_FILES);
    let needed = u64::try_from(needed).unwrap_or(u64::MAX);
    let allowed = limit.maximum.map_or(needed, |most| most.min(needed));
    Rlimit { current: limit.current.map(|current| current.max(allowed)), ..limit }
}

/// The number of connections for which there are files, with some for closed connections.
fn connections_for(limit: Rlimit) -> usize {
    let files = files(limit).saturating_sub(RESERVED_FILES);
    (files - files / (CLOSING_SHARE + 1)).max(1)
}

/// The number of connections that the process's limit on open files allows.
fn connections_allowed() -> usize {
    let files = files(getrlimit(Resource::Nofile));
    files.saturating_sub(RESERVED_FILES).clamp(1, MOST_CONNECTIONS)
}

fn files(limit: Rlimit) -> usize {
    limit.current.and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX)
}

/// One closed connection that is still ending for this many open ones.
const CLOSING_SHARE: usize = 8;
/// Open files kept free for the store, the log, the poll, and the application's child processes.
const RESERVED_FILES: usize = 64;
/// Memory is the limit where the number of open files is unlimited.
const MOST_CONNECTIONS: usize = 1_000_000;
/// Bytes of a connection's entries in tables and lists.
const SOCKET: usize = 1_024;
/// Bytes of a TLS session, during its handshake too, without what is on its way, which counts as
/// queued.
const TLS_SESSION: usize = 6 * 1_024;
const READ_BUDGET: NonZeroUsize = NonZeroUsize::new(64 * 1024).unwrap();
const REQUESTS: NonZeroUsize = NonZeroUsize::new(1_024).unwrap();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_cap_leaves_files_for_others() {
        let files = getrlimit(Resource::Nofile).current;
        let cap = HostConfig::default().connection_cap();
        assert!(cap >= 1);
        assert!(files.is_none_or(|files| cap as u64 + 64 <= files.max(65)));
    }

    #[test]
    fn file_limit_is_raised_as_far_as_the_hard_limit_allows() {
        for (current, maximum, after, connections) in [
            (Some(1_024), Some(4_096), Some(1_024), 800),
            (Some(256), Some(4_096), Some(964), 800),
            (Some(256), None, Some(964), 800),
            (Some(256), Some(514), Some(514), 400),
            (None, None, None, 800),
        ] {
            let limit = raised(Rlimit { current, maximum }, 800);
            assert_eq!(limit, Rlimit { current: after, maximum });
            assert_eq!(connections_for(limit).min(800), connections, "{limit:?}");
        }
    }

    #[test]
    fn memory_bound_covers_all_queues_and_little_for_each_connection() {
        let bound = |connections, queued_bytes_in_all| {
            let max_connections = Some(connections);
            HostConfig { max_connections, queued_bytes_in_all, ..HostConfig::default() }
                .memory_bound()
        };
        assert_eq!(bound(11, 0) - bound(10, 0), 1_024);
        assert_eq!(bound(10, 1 << 30) - bound(10, 0), 1 << 30);
        assert!((64 << 20..128 << 20).contains(&bound(0, 0)), "{}", bound(0, 0));
        assert_eq!(bound(usize::MAX, 0), u64::MAX);
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
