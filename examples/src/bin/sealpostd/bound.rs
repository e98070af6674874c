//! How much memory and disk the server takes at most.

use sealpost_core::server::limits::Limits;
use sealpost_mio::HostConfig;

use crate::config::Config;
use crate::recording;
use crate::size::Size;

/// Logs the bounds.
pub(crate) fn announce(limits: &Limits, host: &HostConfig, config: &Config) {
    let recording = config.record.file.as_ref().map_or(0, |_| recording::MEMORY);
    tracing::info!(
        "memory bound: {}, if each of {} connections is used against the server; store bound: {} \
         of packets, {} of disk left free",
        Size(memory_bound(limits, host).saturating_add(recording)),
        limits.connections,
        config.storage.store_size,
        config.storage.disk_reserve,
    );
}

/// Bytes of memory that the process takes at most.
fn memory_bound(limits: &Limits, host: &HostConfig) -> u64 {
    let machine = limits.memory_bound(host.read_budget.get());
    machine.saturating_add(host.memory_bound()).saturating_add(PROGRAM)
}

/// Memory of the program itself: its code, its threads, and the caches of the database.
const PROGRAM: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_memory_bound_is_one_that_an_operator_can_use() {
        let bound = |connections| {
            let limits = Limits { connections, ..Limits::default() };
            let host = HostConfig { max_connections: Some(connections), ..HostConfig::default() };
            memory_bound(&limits, &host) >> 20
        };
        assert!(bound(16_384) < 1_024, "{} MiB", bound(16_384));
        assert!(bound(4_096) < 1_024 - 48, "{} MiB", bound(4_096));
    }
}
