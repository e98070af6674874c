//! Every bound of the client, each with its reason.

use core::time::Duration;

use crate::frame::InvalidLimits;
use crate::wire::Receipt;

/// Bounds on what the client takes on. [`Limits::default`] suits one person, and a busy program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Time from dialling, or from a request, to its answer. After that the connection is taken for
    /// dead.
    pub request_timeout: Duration,
    /// Time without any acknowledgement, while messages are in flight, after which the connection
    /// is taken for dead. A server stores what a recipient does not acknowledge within 5 s, and
    /// says so, so an honest one is much faster.
    pub ack_timeout: Duration,
    /// Upper bound of the first pause before dialling again, and of each pause until every endpoint of
    /// the address has been tried; after each such round it doubles.
    pub redial_first: Duration,
    /// Upper bound of the pause after many rounds.
    pub redial_max: Duration,
    /// Duration of a session after which the pauses before dialling start small again.
    pub stable_after: Duration,
    /// Time that an orderly end of a session may take before the connection is simply closed.
    pub goodbye: Duration,
    /// Corrections of our clock that one connection may make before it is given up.
    pub clock_corrections: u32,
    /// How far ahead of the clock, in seconds, a 106 may be dated in order to be newer than the
    /// last one. Well under the 300 s that the server allows.
    pub reconnect_ahead_secs: i64,

    /// Seconds between the server's clock and ours from which on the user is told, and the
    /// difference is recorded. Less than that, added to `reconnect_ahead_secs`, must stay under the
    /// 300 s that the server allows.
    pub clock_warning_secs: u64,
    /// Seconds between the clocks from which on there is no session. The server dates what we sign,
    /// so an honest server and a clock that is set are never this far apart.
    pub clock_refusal_secs: u64,

    /// Messages that wait for an acknowledgement, or to be sent. Above it, sending is refused.
    pub outbox_messages: usize,
    /// The same in bytes: of content, or of packets once they are sealed.
    pub outbox_bytes: usize,
    /// Messages that are being sealed at once; each costs two RSA operations.
    pub sealing: usize,
    /// Messages enqueued by one store operation.
    pub enqueue_batch: usize,
    /// Messages sent and not acknowledged. They are sent again if the connection breaks.
    pub in_flight_messages: usize,
    /// The same in bytes.
    pub in_flight_bytes: usize,
    /// Upper bound of the first pause before sending again to a recipient whose mailbox was full;
    /// it doubles with each attempt.
    pub hold_first: Duration,
    /// Upper bound of that pause after many attempts.
    pub hold_max: Duration,
    /// Time for which a message is tried. The server rejects messages older than 30 days
    /// (PROTOCOL 8).
    pub retention: Duration,

    /// Packets of one session that are being verified, opened or stored. Above it, reading pauses.
    /// It also bounds what others can make us ask of the store: whether it holds a message, and
    /// whether a refused one is ours.
    pub arriving: usize,
    /// Messages received by one store operation.
    pub receive_batch: usize,
    /// Verified packets that wait for an earlier packet of the same sender, and packets that wait
    /// for their sender's key. Above it, the connection is given up: a server that waits for
    /// acknowledgements does not send that many.
    pub waiting: usize,
    /// Items remembered because they were not authentic. For each of them the client reconnects
    /// once; for those that no longer fit, it does not.
    pub suspects: usize,
    /// Look-ups that are asked at once. The server limits their rate.
    pub lookups_at_once: usize,
    /// Look-ups that may be waiting when the application adds another one.
    pub lookups_waiting: usize,
    /// Pause before repeating a look-up that the server could not answer.
    pub lookup_retry: Duration,
    /// Time without a receipt for a message that the server holds after which the recipient is looked
    /// up again, once something else is written to them.
    pub receipt_overdue: Duration,
    /// Upper bound of the first pause before a contact is looked up again whom the server does not
    /// know under their id; it doubles with each time. Servers allow some 500 look-ups a day.
    pub recheck_first: Duration,
    /// Upper bound of that pause after many times.
    pub recheck_max: Duration,
    /// Contacts. The first message of a stranger makes one; above the limit, strangers are ignored.
    pub contacts: usize,
    /// Messages that one store operation reads for the application.
    pub unshown_page: u32,

    /// Receipts that are being signed at once, each for another sender. Messages of the same sender
    /// that arrive meanwhile share the next receipt.
    pub receipts_signing: usize,
    /// Messages in one receipt, 8 bytes each; at most [`Receipt::MAX_ITEMS`].
    pub receipt_items: usize,
    /// Receipt numbers reserved by one store operation. A block keeps these operations rare.
    pub receipt_numbers: u64,
    /// Time for which receipts taken are gathered before the server is told (PROTOCOL 6.1: at most
    /// one second).
    pub taken_gather: Duration,
    /// Receipts taken after which the server is told at once.
    pub taken_items: usize,

    /// Longest pause for which the client stays away at the server's request. A wrong clock or a
    /// dishonest server must not keep it away for years.
    pub named_pause_max: Duration,
    /// Pause before repeating store operations after one has failed.
    pub store_retry: Duration,
}

impl Limits {
    /// Checks that a client can make progress within these limits.
    ///
    /// # Errors
    /// Names the first field that does not allow it, and what must hold for the field.
    pub fn validate(&self) -> Result<(), InvalidLimits> {
        self.validate_times()?;
        self.validate_counts()
    }

    fn validate_times(&self) -> Result<(), InvalidLimits> {
        // After a timeout or a pause of zero, the work would repeat at once and without end.
        let must = "must be longer than zero";
        for (time, field) in [
            (self.request_timeout, "request_timeout"),
            (self.ack_timeout, "ack_timeout"),
            (self.redial_first, "redial_first"),
            (self.hold_first, "hold_first"),
            (self.lookup_retry, "lookup_retry"),
            (self.recheck_first, "recheck_first"),
            (self.store_retry, "store_retry"),
        ] {
            InvalidLimits::unless(!time.is_zero(), field, must)?;
        }
        let (redial, hold) = (self.redial_first, self.hold_first);
        let must = "must be at least `redial_first`";
        InvalidLimits::unless(self.redial_max >= redial, "redial_max", must)?;
        let must = "must be at least `hold_first`";
        InvalidLimits::unless(self.hold_max >= hold, "hold_max", must)?;
        let must = "must be at least `recheck_first`";
        InvalidLimits::unless(self.recheck_max >= self.recheck_first, "recheck_max", must)?;
        let kept = !self.retention.is_zero() && self.retention <= SERVER_RETENTION;
        let must = "must be longer than zero and at most 30 days";
        InvalidLimits::unless(kept, "retention", must)?;
        let must = "must be at most one second";
        InvalidLimits::unless(self.taken_gather <= Duration::from_secs(1), "taken_gather", must)?;
        // At zero, a second 106 in the same second would be dated like the first, and refused.
        let ahead = (1..SERVER_CLOCK_SKEW_SECS).contains(&self.reconnect_ahead_secs);
        InvalidLimits::unless(ahead, "reconnect_ahead_secs", "must be from 1 to 299")?;
        let (warning, skew) = (self.clock_warning_secs, SERVER_CLOCK_SKEW_SECS.unsigned_abs());
        let unnoticed = warning.saturating_add(self.reconnect_ahead_secs.unsigned_abs());
        let must = "must be at least 1, and less than 300 together with `reconnect_ahead_secs`";
        InvalidLimits::unless(warning > 0 && unnoticed < skew, "clock_warning_secs", must)?;
        let must = "must be more than 300, which is what servers correct";
        InvalidLimits::unless(self.clock_refusal_secs > skew, "clock_refusal_secs", must)
    }

    fn validate_counts(&self) -> Result<(), InvalidLimits> {
        // Each of these bounds a queue or a batch; at zero, what is queued would wait for ever.
        for (count, field) in [
            (self.outbox_messages, "outbox_messages"),
            (self.outbox_bytes, "outbox_bytes"),
            (self.sealing, "sealing"),
            (self.enqueue_batch, "enqueue_batch"),
            (self.in_flight_messages, "in_flight_messages"),
            (self.in_flight_bytes, "in_flight_bytes"),
            (self.arriving, "arriving"),
            (self.receive_batch, "receive_batch"),
            (self.waiting, "waiting"),
            (self.lookups_at_once, "lookups_at_once"),
            (self.lookups_waiting, "lookups_waiting"),
            (self.contacts, "contacts"),
            (self.receipts_signing, "receipts_signing"),
            (self.taken_items, "taken_items"),
        ] {
            InvalidLimits::unless(count > 0, field, AT_LEAST_ONE)?;
        }
        InvalidLimits::unless(self.clock_corrections > 0, "clock_corrections", AT_LEAST_ONE)?;
        InvalidLimits::unless(self.unshown_page > 0, "unshown_page", AT_LEAST_ONE)?;
        InvalidLimits::unless(self.receipt_numbers > 0, "receipt_numbers", AT_LEAST_ONE)?;
        let items = (1..=Receipt::MAX_ITEMS).contains(&self.receipt_items);
        InvalidLimits::unless(items, "receipt_items", "must be from 1 to `Receipt::MAX_ITEMS`")
    }
}

impl Default for Limits {
    fn default() -> Self {
        const SECOND: Duration = Duration::from_secs(1);
        Self {
            request_timeout: 10 * SECOND,
            ack_timeout: 60 * SECOND,
            redial_first: SECOND / 2,
            redial_max: 60 * SECOND,
            stable_after: 30 * SECOND,
            goodbye: 5 * SECOND,
            clock_corrections: 3,
            reconnect_ahead_secs: 120,
            clock_warning_secs: 60,
            clock_refusal_secs: 86_400,
            outbox_messages: 4_096,
            outbox_bytes: 64 * 1024 * 1024,
            sealing: 32,
            enqueue_batch: 256,
            in_flight_messages: 256,
            in_flight_bytes: 1024 * 1024,
            hold_first: 4 * SECOND,
            hold_max: 600 * SECOND,
            retention: SERVER_RETENTION,
            arriving: 512,
            receive_batch: 256,
            waiting: 2_048,
            suspects: 256,
            lookups_at_once: 8,
            lookups_waiting: 64,
            lookup_retry: 5 * SECOND,
            receipt_overdue: 24 * 3_600 * SECOND,
            recheck_first: 15 * SECOND,
            recheck_max: 6 * 3_600 * SECOND,
            contacts: 65_536,
            unshown_page: 64,
            receipts_signing: 4,
            receipt_items: 1_024,
            receipt_numbers: 1_024,
            taken_gather: SECOND,
            taken_items: 64,
            named_pause_max: 3_600 * SECOND,
            store_retry: SECOND,
        }
    }
}

/// Limits that PROTOCOL 8 fixes for every server.
const SERVER_RETENTION: Duration = Duration::from_hours(30 * 24);
const SERVER_CLOCK_SKEW_SECS: i64 = 300;

const AT_LEAST_ONE: &str = "must be at least 1";

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn the_default_is_valid() {
        assert_eq!(Limits::default().validate(), Ok(()));
    }

    #[test]
    fn a_limit_without_progress_is_named_with_its_reason() {
        let limits = Limits { enqueue_batch: 0, ..Limits::default() };
        let invalid = limits.validate().unwrap_err();
        assert_eq!(invalid.to_string(), "limit `enqueue_batch` must be at least 1");
        for (limits, field) in [
            (Limits { store_retry: Duration::ZERO, ..Limits::default() }, "store_retry"),
            (Limits { redial_max: Duration::ZERO, ..Limits::default() }, "redial_max"),
            (Limits { retention: Duration::MAX, ..Limits::default() }, "retention"),
            (Limits { reconnect_ahead_secs: 300, ..Limits::default() }, "reconnect_ahead_secs"),
            (Limits { clock_warning_secs: 180, ..Limits::default() }, "clock_warning_secs"),
            (Limits { clock_refusal_secs: 300, ..Limits::default() }, "clock_refusal_secs"),
            (Limits { receipt_items: usize::MAX, ..Limits::default() }, "receipt_items"),
            (Limits { taken_gather: Duration::MAX, ..Limits::default() }, "taken_gather"),
        ] {
            assert_eq!(limits.validate().map_err(|invalid| invalid.field), Err(field));
        }
    }
}
