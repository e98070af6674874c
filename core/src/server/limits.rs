//! Every bound of the server, each with its reason. A queue, buffer or loop that a stranger can make
//! grow is bounded by a name on this page.

use core::time::Duration;

/// So many events in a row, then one each interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Events that may come at once.
    pub burst: u32,
    /// The time after which one more may come; zero lifts the limit.
    pub every: Duration,
}

impl Rate {
    /// No limit.
    pub const UNLIMITED: Self = Self { burst: 0, every: Duration::ZERO };
}

/// What the server takes on. [`Limits::default`] suits a private server of some thousand users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once. The host's own limit on open files may be lower.
    pub connections: usize,
    /// From a connection's opening to its session. A stranger holds a socket no longer.
    pub time_to_session: Duration,
    /// Requests that may wait while one is answered before a session. Clients send one at a time.
    pub waiting_requests: usize,

    /// Registrations (100 and 101) per address. Each costs a private RSA operation or two.
    pub registrations_per_address: Rate,
    /// Reconnects (106) per address; generous, because many users may share one.
    pub reconnects_per_address: Rate,
    /// Errors said to those without a session, per address: each costs a signature. Over it the
    /// connection is closed without a word.
    pub refusals_per_address: Rate,
    /// One-time passwords per phone: each is a message to somebody, and a fresh chance to guess.
    pub otps_per_phone: Rate,
    /// Look-ups (105) per user: they tell who is registered.
    pub lookups_per_user: Rate,
    /// Messages (102) per user; over it the server reads no further from that connection.
    pub messages_per_user: Rate,
    /// Addresses, or phones, that a rate limiter remembers.
    pub remembered: usize,

    /// A one-time password's life (PROTOCOL 8).
    pub otp_ttl: Duration,
    /// Guesses that a one-time password takes (PROTOCOL 8).
    pub otp_attempts: u8,
    /// One-time passwords alive at once.
    pub otps: usize,
    /// How far a packet's time may be from the server's (PROTOCOL 8).
    pub clock_skew: Duration,
    /// How long messages are kept, and how old one may be when it arrives (PROTOCOL 8).
    pub retention: Duration,
    /// How often what is past retention is looked for.
    pub expire_every: Duration,
    /// Items that one operation expires, so that the store is not held up.
    pub expire_batch: u32,
    /// How long the server's signed key answer serves (PROTOCOL 4.1: up to 60 s).
    pub server_key_ttl: Duration,

    /// Packets of one connection whose signatures are being checked. Over it, reading pauses.
    pub checks_per_conn: usize,
    /// Messages of one user that wait for the store. Over it, reading pauses.
    pub unstored_per_user: usize,
    /// Answers to one connection that are being looked up or made; each costs a signature. Over it,
    /// reading pauses.
    pub replies_per_conn: usize,
    /// Messages of one session that were refused for now, and before whose repetition none to the
    /// same recipient goes. Over it the connection is closed, and its client begins anew.
    pub refused_messages: usize,
    /// Acknowledgements in one 203; 16 bytes each.
    pub acks_per_packet: usize,

    /// Items forwarded to one reader and not acknowledged. Over it, they are stored.
    pub in_flight_items: usize,
    /// The same in bytes.
    pub in_flight_bytes: usize,
    /// How long a reader may take to acknowledge before what it holds is stored (PROTOCOL 6.3).
    pub in_flight_timeout: Duration,
    /// Stored items sent ahead of their acknowledgements.
    pub drain_items: u32,
    /// The same in bytes.
    pub drain_bytes: u32,
    /// Items that one store operation appends.
    pub append_batch: usize,
    /// How long until an operation that the store refused is tried again.
    pub store_retry: Duration,
    /// How long an orderly stop may take.
    pub shutdown: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        const SECOND: Duration = Duration::from_secs(1);
        const DAY: Duration = Duration::from_hours(24);
        Self {
            connections: 16_384,
            time_to_session: 10 * SECOND,
            waiting_requests: 8,
            registrations_per_address: Rate { burst: 20, every: 6 * SECOND },
            reconnects_per_address: Rate { burst: 100, every: SECOND / 10 },
            refusals_per_address: Rate { burst: 50, every: SECOND / 2 },
            otps_per_phone: Rate { burst: 3, every: 120 * SECOND },
            lookups_per_user: Rate { burst: 200, every: SECOND / 2 },
            messages_per_user: Rate { burst: 2_000, every: SECOND / 200 },
            remembered: 65_536,
            otp_ttl: 300 * SECOND,
            otp_attempts: 5,
            otps: 65_536,
            clock_skew: 300 * SECOND,
            retention: 30 * DAY,
            expire_every: 600 * SECOND,
            expire_batch: 1_000,
            server_key_ttl: 50 * SECOND,
            checks_per_conn: 256,
            unstored_per_user: 1_024,
            replies_per_conn: 32,
            refused_messages: 4_096,
            acks_per_packet: 1_024,
            in_flight_items: 1_024,
            in_flight_bytes: 1024 * 1024,
            in_flight_timeout: 5 * SECOND,
            drain_items: 512,
            drain_bytes: 1024 * 1024,
            append_batch: 512,
            store_retry: SECOND,
            shutdown: 10 * SECOND,
        }
    }
}

impl Limits {
    /// The defaults without any rate: for tests and benchmarks on one machine.
    #[must_use]
    pub fn without_rates() -> Self {
        Self {
            registrations_per_address: Rate::UNLIMITED,
            reconnects_per_address: Rate::UNLIMITED,
            refusals_per_address: Rate::UNLIMITED,
            otps_per_phone: Rate::UNLIMITED,
            lookups_per_user: Rate::UNLIMITED,
            messages_per_user: Rate::UNLIMITED,
            ..Self::default()
        }
    }
}
