//! What the other threads of the server report for metrics and health.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Counts of reloads, and whether the server is on its way to its end.
#[derive(Debug, Default)]
pub(crate) struct Vitals {
    stopping: AtomicBool,
    reloaded: AtomicU64,
    not_reloaded: AtomicU64,
    last_reload_failed: AtomicBool,
}

/// Reloads of the configuration since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reloads {
    pub(super) succeeded: u64,
    pub(super) failed: u64,
    pub(super) last_failed: bool,
}

impl Vitals {
    /// The server begins to stop.
    pub(crate) fn stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// The configuration was reloaded, or could not be.
    pub(crate) fn reloaded<T, E>(&self, result: &Result<T, E>) {
        let count = if result.is_ok() { &self.reloaded } else { &self.not_reloaded };
        count.fetch_add(1, Ordering::Relaxed);
        self.last_reload_failed.store(result.is_err(), Ordering::Relaxed);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    pub(super) fn reloads(&self) -> Reloads {
        Reloads {
            succeeded: self.reloaded.load(Ordering::Relaxed),
            failed: self.not_reloaded.load(Ordering::Relaxed),
            last_failed: self.last_reload_failed.load(Ordering::Relaxed),
        }
    }
}
