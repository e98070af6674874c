//! Every bound of the server, each with its reason. A queue, buffer or loop that a stranger can
//! make grow is bounded by a name on this page.

use core::time::Duration;

use crate::frame::InvalidLimits;
use crate::wire::{Packet, SIGNATURE_LEN, StoredAck};

/// A rate: a burst of events at once, then one each interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Events that may come at once.
    pub burst: u32,
    /// Time after which one more event may come; zero lifts the limit.
    pub every: Duration,
}

impl Rate {
    /// No limit.
    pub const UNLIMITED: Self = Self { burst: 0, every: Duration::ZERO };

    /// At most this many events, but at least one, in any 24 hours: half of them at once, the others
    /// spread over the day.
    #[must_use]
    pub fn per_day(events: u32) -> Self {
        let burst = (events / 2).max(1);
        // Longer than a day if the burst is all.
        let every = DAY.checked_div(events.saturating_sub(burst)).unwrap_or(2 * DAY);
        Self { burst, every }
    }
}

/// How much the server accepts and holds. [`Limits::default`] suits a private server of some
/// thousand users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once. The host's own limit on open files may be lower.
    pub connections: usize,
    /// Connections without a session at once. Over it, or when all connections are taken, the
    /// oldest of the address with the most gives way to the new one.
    pub strangers: usize,
    /// Connections without a session per address. Over it, the oldest of the address gives way.
    /// Generous, because many users may share an address; each needs it only until its session.
    pub strangers_per_address: usize,
    /// Jobs with the private key for strangers at once, a fraction of a second of work. Over it, a
    /// stranger who needs another one is disconnected without an answer.
    pub stranger_jobs: usize,
    /// From a connection's opening to its session. A stranger holds a socket no longer.
    pub time_to_session: Duration,
    /// Jobs and store operations under way above which no request of a stranger begins: those of
    /// strangers who have left go on. Many more than sessions cause before they are slowed down.
    pub under_way: usize,
    /// Requests that may wait while one is answered before a session. Clients send one at a time.
    pub waiting_requests: usize,

    /// Registrations (100 and 101) per address. Each costs a private RSA operation or two.
    pub registrations_per_address: Rate,
    /// Reconnects (106) per address that name no id, each of which costs a private operation, or
    /// that fail. One that names an id and succeeds is charged to its user, so that a stranger
    /// behind a shared address keeps nobody out.
    pub reconnects_per_address: Rate,
    /// Requests for the server's key (105) per address. Over it, the connection is closed without
    /// an answer.
    pub key_requests_per_address: Rate,
    /// Errors sent to connections without a session, per address: each costs a signature. Over it
    /// the connection is closed without an answer.
    pub refusals_per_address: Rate,
    /// Reconnects (106) per user; each costs two private operations.
    pub reconnects_per_user: Rate,
    /// Pause that the client of a suspended account is told to make between its attempts: a person
    /// notices within minutes that the account is resumed.
    pub suspended_retry: Duration,
    /// Look-ups (105) per user, by phone and by id.
    pub lookups_per_user: Rate,
    /// Look-ups by phone per user and day, whether they find someone or not: they reveal who is
    /// registered. The store counts them, so that neither a reconnect nor a restart renews them.
    pub lookups_per_day: u32,
    /// Packets per user, whatever becomes of them; an error or the answer to a look-up counts as
    /// twenty more, because it is signed, and each 4 KiB of a message that is stored as one more. Over
    /// it, reading pauses.
    pub packets_per_user: Rate,
    /// Bytes that arrived on a connection before its reading paused; they wait as long as reading
    /// does. A host reads 64 KiB at a time, and one that pauses late reads twice.
    pub unread_bytes: usize,
    /// Addresses or users that each rate limiter remembers. Over it, it forgets those who owe
    /// nothing, and refuses new ones if there are none. Every user of the compact profile has room.
    pub remembered: usize,

    /// Lifetime of a one-time password (PROTOCOL 8); at most 65,535 seconds.
    pub otp_ttl: Duration,
    /// Wrong guesses after which a one-time password is void (PROTOCOL 8).
    pub otp_attempts: u8,
    /// One-time passwords that a phone may be sent in 24 hours: each is a message to someone, and
    /// fresh attempts to guess. Passwords that were used do not count.
    pub otps_per_phone: usize,
    /// How many of them one address (IPv6: one /64 network) may ask for, so that one stranger
    /// cannot use up all that a phone is sent.
    pub otps_per_phone_and_address: usize,
    /// One-time passwords of the last 24 hours that the server remembers. Once there are so many,
    /// no more are issued.
    pub otps: usize,
    /// One-time passwords issued, over all phones and addresses: a sweep through phone numbers
    /// stops registration and costs no more messages than this.
    pub otps_issued: Rate,
    /// Wrong guesses at one-time passwords, over all phones and addresses: some 3,000 a day hit
    /// one of a million passwords about once a year.
    pub wrong_guesses: Rate,
    /// The largest difference between a packet's date and the server's clock (PROTOCOL 8).
    pub clock_skew: Duration,
    /// How long messages are kept, and how old one may be when it arrives (PROTOCOL 8).
    pub retention: Duration,
    /// Pause between two searches for items past retention.
    pub expire_every: Duration,
    /// How far the wall clock may be ahead of the newest time in the store; over it nothing expires,
    /// because a clock that runs ahead would delete messages before their time. A search records the
    /// time, so this also bounds how long a server may be down before the operator must confirm the
    /// clock.
    pub clock_step: Duration,
    /// Items that one operation deletes, so that the store is not held up.
    pub expire_batch: u32,
    /// How long the server's signed key answer is served again; at most 60 s (PROTOCOL 4.1).
    pub server_key_ttl: Duration,

    /// Packets of one connection that are being verified. Over it, reading pauses.
    pub checks_per_conn: usize,
    /// Packets of one user that wait for the store. Over it, reading pauses.
    pub unstored_per_user: usize,
    /// Bytes of one user's packets that are being verified or wait for the store. Over it, reading
    /// pauses. Sixteen of the largest packets keep the processor and the disk busy.
    pub held_bytes: usize,
    /// Memory of all users' packets that are being verified or wait for the store, and of answers
    /// that are being made. Over it, reading pauses from connections whose user holds more than a
    /// fair share of it; at twice as much, no packet is taken from anybody.
    pub held_bytes_in_all: usize,
    /// Memory of what all connections hold: incomplete packets, what waits unread, requests and
    /// lists that wait, and what is in flight. Over it, those that hold most are closed. Honest
    /// clients take what is sent to them, and finish packets that they began, within seconds.
    pub connection_bytes_in_all: usize,
    /// Bytes of messages that one user may have stored in a day: as many at once, and again as many
    /// spread over each day. [`u64::MAX`] lifts the limit.
    pub stored_bytes_per_day: u64,
    /// Bytes of receipts that are stored for one user. Over it the user's messages are refused,
    /// because each leads to another receipt, until the user has taken some.
    pub receipt_bytes: u64,
    /// Answers to one connection that are being looked up or made; each costs a signature, for which
    /// the acknowledgements of others wait. Over it, reading pauses.
    pub replies_per_conn: usize,
    /// Messages of one session that were refused for now. Until such a message is repeated, no
    /// other to the same recipient is accepted. Over it the connection is closed; its client starts
    /// over. A client has 256 messages under way.
    pub refused_messages: usize,
    /// Settlements of acknowledged items that failed and are repeated. Over it, a further one is given
    /// up, and its recipient's session is closed: the items come again in the next one.
    pub unfinished: usize,
    /// Acknowledgements in one 203; 16 bytes each.
    pub acks_per_packet: usize,

    /// Items forwarded to one recipient and not acknowledged. Over it, items are stored.
    pub in_flight_items: usize,
    /// Bytes of their packets.
    pub in_flight_bytes: usize,
    /// Memory of what is in flight to all recipients, and of pages on their way out of the store. Over
    /// it, each recipient's window is a fair share of it, and items beyond are stored; at twice as
    /// much, the window is one item.
    pub in_flight_bytes_in_all: usize,
    /// How long a recipient may take to acknowledge before its items are stored (PROTOCOL 6.3).
    pub in_flight_timeout: Duration,
    /// How long a client may take nothing of what waits for it, before its connection is closed. A
    /// phone in a tunnel gets through; a client that never takes anything does not hold its window.
    pub unresponsive: Duration,
    /// Stored items sent ahead of their acknowledgements.
    pub drain_items: u32,
    /// Bytes of their packets.
    pub drain_bytes: u32,
    /// Items that one store operation appends.
    pub append_batch: usize,
    /// Pause before a store operation that failed is repeated.
    pub store_retry: Duration,
    /// How long an orderly stop may take.
    pub shutdown: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        const SECOND: Duration = Duration::from_secs(1);
        Self {
            connections: 16_384,
            strangers: 8_192,
            strangers_per_address: 256,
            stranger_jobs: 128,
            time_to_session: 10 * SECOND,
            under_way: 32_768,
            waiting_requests: 8,
            registrations_per_address: Rate { burst: 20, every: 6 * SECOND },
            reconnects_per_address: Rate { burst: 50, every: SECOND },
            key_requests_per_address: Rate { burst: 100, every: SECOND / 5 },
            refusals_per_address: Rate { burst: 50, every: SECOND / 2 },
            reconnects_per_user: Rate { burst: 20, every: 5 * SECOND },
            suspended_retry: 600 * SECOND,
            lookups_per_user: Rate { burst: 200, every: SECOND / 2 },
            lookups_per_day: 500,
            packets_per_user: Rate { burst: 2_000, every: SECOND / 400 },
            unread_bytes: 128 * 1024,
            remembered: 65_536,
            otp_ttl: 300 * SECOND,
            otp_attempts: 5,
            otps_per_phone: 5,
            otps_per_phone_and_address: 3,
            otps: 65_536,
            otps_issued: Rate { burst: 200, every: 5 * SECOND },
            wrong_guesses: Rate { burst: 100, every: 30 * SECOND },
            clock_skew: 300 * SECOND,
            retention: 30 * DAY,
            expire_every: 600 * SECOND,
            clock_step: DAY,
            expire_batch: 1_000,
            server_key_ttl: 50 * SECOND,
            checks_per_conn: 64,
            unstored_per_user: 1_024,
            held_bytes: 1024 * 1024,
            held_bytes_in_all: 32 * 1024 * 1024,
            connection_bytes_in_all: 128 * 1024 * 1024,
            stored_bytes_per_day: 256 * 1024 * 1024,
            receipt_bytes: 8 * 1024 * 1024,
            replies_per_conn: 4,
            refused_messages: 1_024,
            unfinished: 1_024,
            acks_per_packet: 512,
            in_flight_items: 1_024,
            in_flight_bytes: 1024 * 1024,
            in_flight_bytes_in_all: 32 * 1024 * 1024,
            in_flight_timeout: 5 * SECOND,
            unresponsive: 120 * SECOND,
            drain_items: 512,
            drain_bytes: 1024 * 1024,
            append_batch: 512,
            store_retry: SECOND,
            shutdown: 10 * SECOND,
        }
    }
}

impl Limits {
    /// Checks that a server can work with these limits. Zero connections or an empty batch, for
    /// example, would leave everyone waiting for ever.
    ///
    /// # Errors
    /// [`InvalidLimits`], which names the first field that is out of its bounds.
    pub fn validate(&self) -> Result<(), InvalidLimits> {
        const KEY_TTL: Duration = Duration::from_mins(1);
        const OTP_TTL: Duration = Duration::from_secs(u16::MAX as u64);
        let some =
            |count: u64, field| InvalidLimits::unless(count > 0, field, "must be at least 1");
        let time = |duration: Duration, field| {
            InvalidLimits::unless(!duration.is_zero(), field, "must be longer than zero")
        };
        some(self.connections as u64, "connections")?;
        some(self.strangers as u64, "strangers")?;
        some(self.strangers_per_address as u64, "strangers_per_address")?;
        some(self.stranger_jobs as u64, "stranger_jobs")?;
        some(self.under_way as u64, "under_way")?;
        some(self.unread_bytes as u64, "unread_bytes")?;
        some(self.remembered as u64, "remembered")?;
        some(self.otp_attempts.into(), "otp_attempts")?;
        some(self.otps_per_phone as u64, "otps_per_phone")?;
        some(self.otps_per_phone_and_address as u64, "otps_per_phone_and_address")?;
        some(self.otps as u64, "otps")?;
        some(self.expire_batch.into(), "expire_batch")?;
        some(self.acks_per_packet as u64, "acks_per_packet")?;
        some(self.in_flight_items as u64, "in_flight_items")?;
        some(self.in_flight_bytes as u64, "in_flight_bytes")?;
        some(self.held_bytes as u64, "held_bytes")?;
        some(self.held_bytes_in_all as u64, "held_bytes_in_all")?;
        some(self.in_flight_bytes_in_all as u64, "in_flight_bytes_in_all")?;
        some(self.drain_items.into(), "drain_items")?;
        some(self.drain_bytes.into(), "drain_bytes")?;
        some(self.append_batch as u64, "append_batch")?;
        time(self.time_to_session, "time_to_session")?;
        time(self.otp_ttl, "otp_ttl")?;
        time(self.retention, "retention")?;
        time(self.expire_every, "expire_every")?;
        time(self.in_flight_timeout, "in_flight_timeout")?;
        time(self.unresponsive, "unresponsive")?;
        time(self.store_retry, "store_retry")?;
        time(self.shutdown, "shutdown")?;
        let fits = self.acks_per_packet <= StoredAck::MAX_ITEMS;
        InvalidLimits::unless(fits, "acks_per_packet", "must fit in one packet")?;
        // Otherwise a recipient could be closed for one page of what is stored, again and again.
        let least = self.in_flight_bytes_in_all.saturating_add(self.window_memory());
        let fits = self.connection_bytes_in_all >= least;
        let must = "must have room for in_flight_bytes_in_all and a window";
        InvalidLimits::unless(fits, "connection_bytes_in_all", must)?;
        let exceeds = self.clock_step > self.expire_every;
        InvalidLimits::unless(exceeds, "clock_step", "must be longer than expire_every")?;
        let fits = self.otp_ttl <= OTP_TTL;
        InvalidLimits::unless(fits, "otp_ttl", "must be at most 65,535 seconds")?;
        let fits = self.server_key_ttl <= KEY_TTL;
        InvalidLimits::unless(fits, "server_key_ttl", "must be at most 60 seconds")
    }

    /// Bytes of memory that the machine takes at most, and its jobs and store operations with it, if
    /// every connection is used against it. The host gives it at most `input_bytes` at once.
    ///
    /// Each total may be exceeded by what one input adds before it is looked at. What is in flight to
    /// connections that are closed goes to the store, while others may fill the total again.
    pub fn memory_bound(&self, input_bytes: usize) -> u64 {
        let senders = self.held_bytes_in_all.saturating_mul(HELD_AT_MOST);
        let input = input_bytes.max(self.unread_bytes).saturating_mul(2);
        let items_of_window = self.in_flight_items.max(self.drain_items as usize);
        let added = self.window_memory().saturating_add(input);
        let connections = self.connection_bytes_in_all.saturating_add(added).saturating_mul(2);
        let settlement = items_of_window.saturating_mul(SETTLED).saturating_add(PACKET_COST);
        let all = senders
            .saturating_add(packet_memory(Packet::MAX_LEN))
            .saturating_add(connections)
            .saturating_add(self.under_way.saturating_mul(REQUEST))
            .saturating_add(self.unfinished.saturating_mul(settlement))
            .saturating_add(self.remembered.saturating_mul(METERS * MAP_ENTRY))
            .saturating_add(self.otps.saturating_mul(OTP))
            .saturating_add(self.connections.saturating_mul(CONNECTION));
        all as u64
    }

    /// Memory of what is in flight to one recipient whose window is full.
    fn window_memory(&self) -> usize {
        let bytes = self.in_flight_bytes.max(self.drain_bytes as usize);
        let items = self.in_flight_items.max(self.drain_items as usize);
        bytes.saturating_add(items.saturating_mul(PACKET_COST))
    }

    /// Whether so much is held of all users that nothing more is taken.
    pub(super) const fn is_full(&self, held: usize) -> bool {
        held >= self.held_bytes_in_all.saturating_mul(HELD_AT_MOST)
    }

    /// The most memory that one user's packets may take before reading pauses, while those of all users
    /// take `held` bytes and `sessions` of them are connected.
    pub(super) fn held_share(&self, held: usize, sessions: usize) -> usize {
        if held <= self.held_bytes_in_all {
            return usize::MAX;
        }
        self.held_bytes_in_all / sessions.max(1)
    }

    /// The defaults without any rate, and without bounds that strangers at one address share: for
    /// tests and benchmarks on one machine.
    #[must_use]
    pub fn without_rates() -> Self {
        let defaults = Self::default();
        Self {
            strangers: defaults.connections,
            strangers_per_address: defaults.connections,
            stranger_jobs: defaults.connections,
            registrations_per_address: Rate::UNLIMITED,
            reconnects_per_address: Rate::UNLIMITED,
            key_requests_per_address: Rate::UNLIMITED,
            refusals_per_address: Rate::UNLIMITED,
            otps_issued: Rate::UNLIMITED,
            wrong_guesses: Rate::UNLIMITED,
            reconnects_per_user: Rate::UNLIMITED,
            lookups_per_user: Rate::UNLIMITED,
            lookups_per_day: u32::MAX,
            packets_per_user: Rate::UNLIMITED,
            stored_bytes_per_day: u64::MAX,
            ..defaults
        }
    }
}

/// Bytes of memory that a packet of this length takes: its bytes; its entries in the lists of its
/// session, its mailbox and its job; and the receipt that it leads to, if that has to wait.
pub const fn packet_memory(len: usize) -> usize {
    len.saturating_add(PACKET_COST)
}

/// Bytes of memory that a packet takes beside its own.
const PACKET_COST: usize = 1_024;
/// Multiple of the total of senders' packets at which nothing more is taken.
const HELD_AT_MOST: usize = 2;
/// Bytes of an answer that is being made, its entries in lists apart. No more than the smallest
/// packet, so that packets that are all refused take no more memory than before.
pub(super) const ANSWER: usize = SIGNATURE_LEN;
/// Bytes of an item in a settlement: its name, and twice its number in a receipt.
const SETTLED: usize = 48;
/// Bytes of a request before a session, which waits or is under way.
pub(super) const REQUEST: usize = 2_048;
/// Bytes of a refused message's entry.
pub(super) const REFUSED: usize = 128;
/// Bytes of an acknowledgement that waits to be sent, in a list that has doubled.
pub(super) const ACK: usize = 32;
/// Maps with a meter for each address, phone or user.
const METERS: usize = 6;
/// Bytes of an entry in a map whose nodes are half empty.
const MAP_ENTRY: usize = 128;
/// Bytes of a one-time password: its secrets, its place in the list of its phone, which has room for
/// more, and the phone's entry in a map.
pub(super) const OTP: usize = 512;
/// Bytes of a connection and its session, with a request or an acknowledgement under way.
const CONNECTION: usize = 4_096;
const DAY: Duration = Duration::from_hours(24);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid() {
        assert_eq!(Limits::default().validate(), Ok(()));
        assert_eq!(Limits::without_rates().validate(), Ok(()));
    }

    #[test]
    fn the_memory_bound_is_the_totals_and_little_for_each_connection() {
        let bound = |change: fn(&mut Limits)| {
            let mut limits = Limits::default();
            change(&mut limits);
            limits.memory_bound(65_536)
        };
        let defaults = bound(|_| {});
        let added = |change| bound(change) - defaults;
        assert_eq!(added(|limits| limits.connections += 1), 4_096);
        assert_eq!(added(|limits| limits.held_bytes_in_all += 1), 2);
        assert_eq!(added(|limits| limits.connection_bytes_in_all += 1), 2);
        assert_eq!(added(|limits| limits.drain_bytes += 1), 2);
        assert_eq!(added(|limits| limits.under_way += 1), 2_048);
        assert_eq!(added(|limits| limits.unfinished += 1), 1_024 * 48 + 1_024);
        assert_eq!(added(|limits| limits.otps += 1), 512);
        assert!(defaults < 640 << 20, "{defaults}");
        assert_eq!(bound(|limits| limits.connections = usize::MAX), u64::MAX);
    }

    #[test]
    fn an_error_names_the_field() {
        let invalid = |change: fn(&mut Limits)| {
            let mut limits = Limits::default();
            change(&mut limits);
            limits.validate().map_err(|error| error.field)
        };
        assert_eq!(invalid(|limits| limits.acks_per_packet = 0), Err("acks_per_packet"));
        assert_eq!(invalid(|limits| limits.acks_per_packet = 4_096), Err("acks_per_packet"));
        let small = invalid(|limits| limits.connection_bytes_in_all = 33 << 20);
        assert_eq!(small, Err("connection_bytes_in_all"));
        assert_eq!(invalid(|limits| limits.append_batch = 0), Err("append_batch"));
        assert_eq!(invalid(|limits| limits.store_retry = Duration::ZERO), Err("store_retry"));
        assert_eq!(invalid(|limits| limits.clock_step = limits.expire_every), Err("clock_step"));
        assert_eq!(invalid(|limits| limits.otp_ttl = Duration::from_hours(24)), Err("otp_ttl"));
    }
}
