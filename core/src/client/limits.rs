//! Every bound of the client, each with its reason.

use core::time::Duration;

/// What the client takes on. [`Limits::default`] suits one person, and a busy program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From dialling, or a request, to its answer. After it the connection is taken for dead.
    pub request_timeout: Duration,
    /// How long what is in flight may go without any acknowledgement before the connection is taken
    /// for dead. A server stores what a reader does not acknowledge within 5 s, and says so.
    pub ack_timeout: Duration,
    /// The longest first pause before dialling again; it doubles each time.
    pub redial_first: Duration,
    /// What that pause grows to.
    pub redial_max: Duration,
    /// A session that lasted this long makes the pauses short again.
    pub stable_after: Duration,
    /// How long an orderly end may take before the connection is simply closed.
    pub goodbye: Duration,
    /// How often one connection may answer that our clock is wrong before we give it up.
    pub clock_corrections: u32,
    /// How far a 106 may be dated ahead of the clock to be newer than the last one. Well under the
    /// 300 s that the server allows.
    pub reconnect_ahead_secs: i64,

    /// Messages that wait for an acknowledgement, or to be sent; over it, sending is refused.
    pub outbox_messages: usize,
    /// The same in bytes of content, or of packets once they are sealed.
    pub outbox_bytes: usize,
    /// Messages that are being sealed at once; each costs two RSA operations.
    pub sealing: usize,
    /// Messages that one store operation enqueues.
    pub enqueue_batch: usize,
    /// Messages sent and not acknowledged. What a connection that breaks makes us repeat.
    pub in_flight_messages: usize,
    /// The same in bytes.
    pub in_flight_bytes: usize,
    /// The longest first pause before sending again to a recipient whose mailbox was full; it
    /// doubles each time.
    pub hold_first: Duration,
    /// What that pause grows to.
    pub hold_max: Duration,
    /// How long a message is tried. The server takes none that is over 30 days old (PROTOCOL 8).
    pub retention: Duration,

    /// Packets of one session that are being verified, opened or stored. Over it, reading pauses.
    pub arriving: usize,
    /// Messages that one store operation receives.
    pub receive_batch: usize,
    /// Packets that wait for another one of their sender's, or for its key. Over it, the connection
    /// is given up: a server that waits for acknowledgements does not send so many.
    pub waiting: usize,
    /// Items remembered that were not authentic. For each the connection is made anew once; over it,
    /// for none.
    pub suspects: usize,
    /// Look-ups asked at once. The server limits their rate.
    pub lookups_at_once: usize,
    /// Look-ups that the application may have waiting.
    pub lookups_waiting: usize,
    /// How long until a look-up that the server could not answer is asked again.
    pub lookup_retry: Duration,
    /// Contacts. A stranger's first message makes one; over it, strangers are not heard.
    pub contacts: usize,
    /// Messages that one store operation reads for the application.
    pub unshown_page: u32,

    /// Receipts that are being signed at once, each for another sender. While one is being signed,
    /// what arrives from the same sender waits for the next.
    pub receipts_signing: usize,
    /// Messages in one receipt; 8 bytes each.
    pub receipt_items: usize,
    /// Receipt numbers that are reserved at once, so that few store operations are spent on them.
    pub receipt_numbers: u64,
    /// How long receipts taken are gathered before the server is told, up to a second
    /// (PROTOCOL 6.1).
    pub taken_gather: Duration,
    /// Receipts that are gathered at most.
    pub taken_items: usize,

    /// How long a pause we believe the server when it names one. A wrong clock or a bad joke must
    /// not keep us away for years.
    pub named_pause_max: Duration,
    /// How long until an operation that the store refused is tried again.
    pub store_retry: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        const SECOND: Duration = Duration::from_secs(1);
        const DAY: Duration = Duration::from_hours(24);
        Self {
            request_timeout: 10 * SECOND,
            ack_timeout: 60 * SECOND,
            redial_first: SECOND / 2,
            redial_max: 60 * SECOND,
            stable_after: 30 * SECOND,
            goodbye: 5 * SECOND,
            clock_corrections: 3,
            reconnect_ahead_secs: 120,
            outbox_messages: 4_096,
            outbox_bytes: 64 * 1024 * 1024,
            sealing: 32,
            enqueue_batch: 256,
            in_flight_messages: 256,
            in_flight_bytes: 1024 * 1024,
            hold_first: 4 * SECOND,
            hold_max: 600 * SECOND,
            retention: 30 * DAY,
            arriving: 512,
            receive_batch: 256,
            waiting: 2_048,
            suspects: 256,
            lookups_at_once: 8,
            lookups_waiting: 64,
            lookup_retry: 5 * SECOND,
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
