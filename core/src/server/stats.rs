//! Counters since the start, for logs and displays.

/// What a server has done and holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections at the moment.
    pub connections: usize,
    /// Sessions at the moment.
    pub sessions: usize,
    /// Messages and receipts forwarded at once.
    pub forwarded: u64,
    /// Messages and receipts that were stored.
    pub stored: u64,
}
