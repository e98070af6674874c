//! Every bound of the server, each with its reason. A queue, buffer or loop that a stranger can
//! make grow is bounded by a name on this page.

use core::time::Duration;

use crate::frame::InvalidLimits;
use crate::wire::StoredAck;

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
}

/// How much the server accepts and holds. [`Limits::default`] suits a private server of some
/// thousand users.
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
    /// Errors sent to connections without a session, per address: each costs a signature. Over it
    /// the connection is closed without an answer.
    pub refusals_per_address: Rate,
    /// Look-ups (105) per user: they reveal who is registered.
    pub lookups_per_user: Rate,
    /// Messages (102) per user; over it the server stops reading from that connection for a while.
    pub messages_per_user: Rate,
    /// Addresses that each rate limiter remembers.
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
    /// Answers to one connection that are being looked up or made; each costs a signature. Over it,
    /// reading pauses.
    pub replies_per_conn: usize,
    /// Messages of one session that were refused for now. Until such a message is repeated, no
    /// other to the same recipient is accepted. Over it the connection is closed; its client starts
    /// over.
    pub refused_messages: usize,
    /// Acknowledgements in one 203; 16 bytes each.
    pub acks_per_packet: usize,

    /// Items forwarded to one recipient and not acknowledged. Over it, items are stored.
    pub in_flight_items: usize,
    /// Bytes of their packets.
    pub in_flight_bytes: usize,
    /// How long a recipient may take to acknowledge before its items are stored (PROTOCOL 6.3).
    pub in_flight_timeout: Duration,
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
        const DAY: Duration = Duration::from_hours(24);
        Self {
            connections: 16_384,
            time_to_session: 10 * SECOND,
            waiting_requests: 8,
            registrations_per_address: Rate { burst: 20, every: 6 * SECOND },
            reconnects_per_address: Rate { burst: 100, every: SECOND / 10 },
            refusals_per_address: Rate { burst: 50, every: SECOND / 2 },
            lookups_per_user: Rate { burst: 200, every: SECOND / 2 },
            messages_per_user: Rate { burst: 2_000, every: SECOND / 200 },
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
        some(self.remembered as u64, "remembered")?;
        some(self.otp_attempts.into(), "otp_attempts")?;
        some(self.otps_per_phone as u64, "otps_per_phone")?;
        some(self.otps_per_phone_and_address as u64, "otps_per_phone_and_address")?;
        some(self.otps as u64, "otps")?;
        some(self.expire_batch.into(), "expire_batch")?;
        some(self.acks_per_packet as u64, "acks_per_packet")?;
        some(self.in_flight_items as u64, "in_flight_items")?;
        some(self.in_flight_bytes as u64, "in_flight_bytes")?;
        some(self.drain_items.into(), "drain_items")?;
        some(self.drain_bytes.into(), "drain_bytes")?;
        some(self.append_batch as u64, "append_batch")?;
        time(self.time_to_session, "time_to_session")?;
        time(self.otp_ttl, "otp_ttl")?;
        time(self.retention, "retention")?;
        time(self.expire_every, "expire_every")?;
        time(self.in_flight_timeout, "in_flight_timeout")?;
        time(self.store_retry, "store_retry")?;
        time(self.shutdown, "shutdown")?;
        let fits = self.acks_per_packet <= StoredAck::MAX_ITEMS;
        InvalidLimits::unless(fits, "acks_per_packet", "must fit in one packet")?;
        let exceeds = self.clock_step > self.expire_every;
        InvalidLimits::unless(exceeds, "clock_step", "must be longer than expire_every")?;
        let fits = self.otp_ttl <= OTP_TTL;
        InvalidLimits::unless(fits, "otp_ttl", "must be at most 65,535 seconds")?;
        let fits = self.server_key_ttl <= KEY_TTL;
        InvalidLimits::unless(fits, "server_key_ttl", "must be at most 60 seconds")
    }

    /// The defaults without any rate: for tests and benchmarks on one machine.
    #[must_use]
    pub fn without_rates() -> Self {
        Self {
            registrations_per_address: Rate::UNLIMITED,
            reconnects_per_address: Rate::UNLIMITED,
            refusals_per_address: Rate::UNLIMITED,
            otps_issued: Rate::UNLIMITED,
            wrong_guesses: Rate::UNLIMITED,
            lookups_per_user: Rate::UNLIMITED,
            messages_per_user: Rate::UNLIMITED,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid() {
        assert_eq!(Limits::default().validate(), Ok(()));
        assert_eq!(Limits::without_rates().validate(), Ok(()));
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
        assert_eq!(invalid(|limits| limits.append_batch = 0), Err("append_batch"));
        assert_eq!(invalid(|limits| limits.store_retry = Duration::ZERO), Err("store_retry"));
        assert_eq!(invalid(|limits| limits.clock_step = limits.expire_every), Err("clock_step"));
        assert_eq!(invalid(|limits| limits.otp_ttl = Duration::from_hours(24)), Err("otp_ttl"));
    }
}
