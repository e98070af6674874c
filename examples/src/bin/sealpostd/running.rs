//! The running server, as other threads of the process reach it.

use std::sync::Arc;
use std::time::SystemTime;

use sealpost_core::crypto::Provider;
use sealpost_core::server::{Limits, Server};
use sealpost_mio::{Handle, StoreHandle};
use sealpost_programs::LogControl;
use sealpost_storage::SharedQuota;

use crate::data::DataFolder;
use crate::metrics::{Process, Vitals};
use crate::store::{ReadAccess, ServerStore};
use crate::supervisor::Reloader;
use crate::tls::Expiry;

/// The running server: what carries out an operator's commands, and what metrics are read from.
#[derive(Clone)]
pub(crate) struct Running {
    pub(crate) data: DataFolder,
    pub(crate) handle: Handle<Server>,
    pub(crate) store: StoreHandle<ServerStore>,
    pub(crate) reading: ReadAccess,
    pub(crate) log: LogControl,
    pub(crate) reloader: Reloader,
    pub(crate) since: SystemTime,
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) quota: SharedQuota,
    /// Those of memory stay the same until a restart.
    pub(crate) memory_limits: MemoryLimits,
    pub(crate) vitals: Arc<Vitals>,
    /// `None` if the server has no certificate.
    pub(crate) certificate: Option<Expiry>,
    pub(crate) process: Arc<Process>,
}

/// Bounds in bytes of what the server holds in memory.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MemoryLimits {
    /// For packets that are being verified or wait for the store.
    pub(crate) senders: u64,
    /// For items in flight to their recipients.
    pub(crate) in_flight: u64,
    /// For everything that connections hold, with what is in flight to them.
    pub(crate) connections: u64,
    /// For bytes that were sent and not yet taken by the network.
    pub(crate) unread: u64,
}

impl MemoryLimits {
    /// The bounds of the machine, and that of the host's queues.
    pub(crate) const fn new(limits: &Limits, queued_bytes: usize) -> Self {
        Self {
            senders: limits.held_bytes_in_all as u64,
            in_flight: limits.in_flight_bytes_in_all as u64,
            connections: limits.connection_bytes_in_all as u64,
            unread: queued_bytes as u64,
        }
    }
}
