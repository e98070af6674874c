//! What a server has done and what it holds: for logs, displays and tests.

/// What a server has done since its start, and how many are connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections at the moment.
    pub connections: usize,
    /// Sessions at the moment.
    pub sessions: usize,
    /// Strangers who were disconnected without an answer, because they were too many, or asked too
    /// often.
    pub shed: u64,
    /// Connections that were closed because all together held too much memory, and they the most.
    pub relieved: u64,
    /// Messages and receipts forwarded at once.
    pub forwarded: u64,
    /// Messages and receipts stored.
    pub stored: u64,
    /// The clock was implausible when the store last judged it: nothing expires.
    pub clock_is_implausible: bool,
}

/// What a server holds in memory at the moment, in total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Users with items on their way to them or to the store, or with a drain under way.
    pub mailboxes: usize,
    /// Jobs and store operations whose outcome is awaited.
    pub awaited: usize,
    /// Memory of all packets that are being verified or wait for the store, and of answers that are
    /// being made.
    pub sender_bytes: usize,
    /// Memory of what all connections hold, and of what is in flight to them.
    pub connection_bytes: usize,
    /// Memory of what is in flight to all recipients, pages that are being read among it.
    pub in_flight_bytes: usize,
}

/// What a server holds in memory at the moment, by what bounds it ([`Limits`](super::Limits)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// What is counted in total.
    pub totals: Totals,
    /// Store operations that failed and are to be repeated.
    pub unfinished: usize,
    /// One-time passwords of the last 24 hours.
    pub otps: usize,
    /// One-time passwords whose delivery the host has not answered.
    pub deliveries: usize,
    /// Connections without a session.
    pub strangers: usize,
    /// Jobs with the private key for strangers whose outcome is awaited.
    pub stranger_jobs: usize,
    /// Addresses or users in the largest of the rate limiters.
    pub remembered: usize,
    /// Bytes of an incomplete packet: the most of any connection.
    pub incomplete_bytes: usize,
    /// Bytes that wait until their user is no longer over the rate: the most of any connection.
    pub unread_bytes: usize,
    /// Requests that wait: the most of any connection.
    pub waiting_requests: usize,
    /// Packets that are being verified: the most of any connection.
    pub checks: usize,
    /// Answers that are being made: the most of any connection.
    pub replies: usize,
    /// Messages that were refused for now: the most of any session.
    pub refused: usize,
    /// Packets that wait for the store: the most of any sender.
    pub unstored: usize,
    /// Bytes of packets that are being verified or wait for the store: the most of any session.
    pub sender_bytes: usize,
    /// Items in flight: the most to any recipient.
    pub in_flight_items: usize,
    /// Bytes in flight: the most to any recipient.
    pub in_flight_bytes: usize,
    /// Items named by acknowledgements that wait for an append: the most of any recipient.
    pub deferred: usize,
}
