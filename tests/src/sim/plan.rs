//! The plan of a simulation. The same plan gives the same run.

use std::fmt;

use sealpost_core::client;
use sealpost_core::server::limits::{Limits, packet_memory};
use sealpost_core::wire::Profile;
use sealpost_storage::{Quota, Shares};
use serde::{Deserialize, Serialize};

pub use super::crypto::CryptoKind;
pub use super::disk::{DiskFault, LastWrite};

/// Settings of a simulation, and its steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Seed of the small choices during the run: latencies, cuts, the order of outcomes.
    pub noise: u64,
    /// Settings of the world.
    pub settings: Settings,
    /// Steps, ordered by time.
    pub steps: Vec<Step>,
}

/// A step of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Time of the step, in milliseconds from the start.
    pub at_ms: u64,
    /// Effect of the step.
    #[serde(flatten)]
    pub kind: StepKind,
}

/// Effect of a step. Clients are numbered from 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the variants explain their fields")]
pub enum StepKind {
    /// Registers a client.
    Register { client: usize },
    /// Connects a client.
    Connect { client: usize },
    /// Disconnects a client.
    Disconnect { client: usize },
    /// Sends `count` messages of about `size` bytes each.
    Send { from: usize, to: usize, count: u32, size: u32 },
    /// Breaks a client's connections; both ends notice soon.
    Cut { client: usize },
    /// Breaks a client's connections; one end does not notice for a while.
    HalfOpen { client: usize, unaware: End },
    /// Stops all bytes that one end of a client's connections sends.
    Stall { client: usize, from: End, ms: u64 },
    /// Makes the server unreachable for a client.
    Unreachable { client: usize, ms: u64 },
    /// Crashes and restarts a client's process.
    CrashClient { client: usize, down_ms: u64, last_write: LastWrite },
    /// Deletes a client's directory, with its key and store. The client registers the same phone number
    /// again, and the operator deletes the old account, whose key is lost.
    #[serde(rename = "lose-home")]
    LoseDirectory { client: usize, down_ms: u64 },
    /// Copies a client's directory.
    BackUp { client: usize },
    /// Crashes a client, and replaces its directory by the copy.
    Restore { client: usize, down_ms: u64 },
    /// Stops the server, deletes a client's account, and restarts the server. The client keeps its
    /// directory.
    LoseAccount { client: usize },
    /// Copies the server's store.
    BackUpServer,
    /// Cuts the server's power, and replaces its store by the copy.
    RestoreServer { down_ms: u64 },
    /// Changes the server's key, and restarts the server in order.
    ChangeServerKey { how: KeyStep, down_ms: u64 },
    /// Restarts a client, which numbers its next messages from far above the last one.
    SkipIds { client: usize, ids: u64 },
    /// Cuts the server's power, and restarts it.
    CrashServer { down_ms: u64, last_write: LastWrite },
    /// Shuts the server down in order, and restarts it.
    StopServer { down_ms: u64 },
    /// Makes a client's disk fail.
    ClientDisk { client: usize, fault: DiskFault, ms: u64 },
    /// Makes the server's disk fail.
    ServerDisk { fault: DiskFault, ms: u64 },
    /// Moves a client's wall clock.
    ClientClock { client: usize, secs: i64 },
    /// Moves the server's wall clock.
    ServerClock { secs: i64 },
    /// Tampers with the next packet that one end of a client's connections sends.
    Tamper { client: usize, from: End, how: Tampering },
    /// Opens a second connection with a user's own key, which reads and acknowledges nothing.
    #[serde(rename = "ghost")]
    SecondConnection { client: usize },
    /// Attacks with packets captured on the wire.
    Attack { how: Attack, victim: usize },
    /// Makes the server misbehave towards a client.
    Dishonest { client: usize, how: Misbehaviour },
    /// Has a greedy user, numbered from 0, behave in this way for a while.
    Greed { user: usize, how: Greed, ms: u64 },
}

/// Step in the change of the server's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyStep {
    /// Makes a successor, unless there is one.
    Rotate,
    /// Deletes the old key, if every client knows the successor.
    Retire,
    /// Restores the files of the time before the successor, if there is one.
    Restore,
}

/// End of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// The end that dialled.
    Client,
    /// The server's end.
    Server,
}

/// Tampering on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tampering {
    /// Flips a bit.
    Flip,
    /// Removes bytes.
    Truncate,
    /// Inserts random bytes.
    Garbage,
    /// Sends a packet twice.
    Repeat,
    /// Inserts a packet captured elsewhere.
    Replay,
    /// Inserts a captured packet with an edit that breaks its signature.
    Forge,
}

/// An attack with packets written by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attack {
    /// Replays a captured message of another user.
    Replay,
    /// Edits another user's message, and sends it in that user's name with Mallory's signature.
    Impersonate,
    /// Sends another user's message in Mallory's own name and with her signature.
    Adopt,
    /// Sends receipts for messages that Mallory never received.
    FalseReceipt,
    /// Claims to have taken receipts that Mallory never received.
    FalseTaken,
    /// Replays another user's captured 106 on a new connection.
    ReplayReconnect,
    /// Sends a 106 for another user's phone number with Mallory's signature.
    StealSession,
    /// Replays the last 106 without an id that another user sent. The user sends one as well.
    ReplayReconnectByPhone,
    /// Sends a 106 without an id for another user's phone number with Mallory's signature.
    StealSessionByPhone,
    /// Sends a message without a session.
    Unauthenticated,
    /// Tries to register another user's phone number.
    StealPhone,
    /// Sends a hundred look-ups at once.
    Flood,
    /// Opens connections and sends nothing.
    Loiter,
}

/// Misbehaviour of a dishonest server towards a packet that it forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Misbehaviour {
    /// Drops the packet.
    Drop,
    /// Sends the packet twice.
    Repeat,
    /// Sends the packet after the next one.
    Swap,
    /// Sends the packet again much later.
    Late,
    /// Sends the packet only much later, after others.
    HoldBack,
    /// Sends the packet to another client as well.
    Misdeliver,
    /// Signs a receipt for the message itself.
    ForgeReceipt,
}

/// Behaviour of a greedy user, who has an account and a key, and signs every packet rightly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Greed {
    /// Sends large and small messages to everyone, as fast as the server reads.
    Fill,
    /// Looks up phone numbers and ids, and reconnects whenever it is slowed down.
    Sweep,
    /// Sends packets that can have no effect, and reconnects in between.
    Flood,
    /// Writes to everyone, and acknowledges nothing that it receives.
    Withhold,
    /// Writes to everyone, and reads nothing.
    Deaf,
    /// Acknowledges messages only after a while, and receipts never.
    Late,
    /// Acknowledges each message of another greedy user in a receipt that names invented ones, too.
    Invent,
}

/// How users get their one-time passwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Otps {
    /// In the answer to their request.
    InBand,
    /// Out of band, with a delay. Some are lost.
    #[serde(rename = "messenger")]
    OutOfBand,
}

/// Who can register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Registering {
    /// Everybody.
    Open,
    /// Whoever has an invitation. Clients have good ones, and try others.
    Invited,
}

/// Width of the deployment's ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names of PROTOCOL")]
pub enum Width {
    Compact,
    Wide,
}

/// Whether the server limits rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rates {
    /// The default limits apply.
    Limited,
    /// No limits apply.
    #[serde(rename = "free")]
    Unlimited,
}

/// Settings of a world. Times are in microseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the limits that these fields set explain them")]
pub struct Settings {
    pub clients: usize,
    pub width: Width,
    pub crypto: CryptoKind,
    pub otps: Otps,
    pub registering: Registering,
    pub rates: Rates,
    /// Time at which faults stop, in milliseconds.
    pub end_ms: u64,

    /// Minimum and maximum latency of a byte.
    pub latency: (u64, u64),
    /// Maximum number of bytes that arrive together; 0 for one packet at a time.
    pub piece: usize,
    /// Maximum number of bytes in flight in one direction.
    pub window: usize,
    /// Number of queued bytes above which a connection is congested.
    pub congested_at: usize,

    /// Maximum duration of a transaction of the server.
    pub commit: u64,
    /// Maximum delay of an outcome of the server's disk. Above 0, outcomes overtake each other.
    pub outcome: u64,
    /// Maximum duration of a transaction of a client.
    pub client_commit: u64,
    /// Maximum duration of a job.
    pub job: u64,
    /// Number of messages, in a thousand, that an application does not mark as shown.
    pub unmarked_per_mille: u64,

    pub quota_messages: u64,
    pub in_flight_items: usize,
    pub in_flight_bytes: usize,
    pub drain_items: u32,
    pub drain_bytes: u32,
    pub append_batch: usize,
    pub checks_per_conn: usize,
    pub unstored_per_user: usize,
    pub replies_per_conn: usize,
    pub acks_per_packet: usize,
    /// Packets that a user may send at once, if rates are limited.
    pub packet_burst: u32,

    /// Number of greedy users.
    pub greedy: usize,
    pub quota_bytes: u64,
    pub store_bytes: u64,
    /// Bytes of messages that a user may have stored in a day.
    pub day_bytes: u64,
    pub receipt_bytes: u64,
    /// Look-ups by phone in a day.
    pub day_lookups: u32,

    pub client_in_flight: usize,
    pub client_sealing: usize,
    pub client_enqueue: usize,
    pub client_arriving: usize,
    pub client_receipts_signing: usize,
    pub client_receipt_items: usize,
    pub client_receipt_numbers: u64,
    pub client_taken: usize,
    pub client_page: u32,
}

impl Default for Settings {
    /// Production limits, and a network without faults.
    fn default() -> Self {
        let (server, client) = (Limits::default(), client::Limits::default());
        Self {
            clients: 2,
            width: Width::Compact,
            crypto: CryptoKind::Insecure,
            otps: Otps::InBand,
            registering: Registering::Open,
            rates: Rates::Unlimited,
            end_ms: 10_000,
            latency: (5_000, 10_000),
            piece: 0,
            window: 1 << 20,
            congested_at: 1 << 20,
            commit: 2_000,
            outcome: 0,
            client_commit: 2_000,
            job: 500,
            unmarked_per_mille: 0,
            quota_messages: 10_000,
            in_flight_items: server.in_flight_items,
            in_flight_bytes: server.in_flight_bytes,
            drain_items: server.drain_items,
            drain_bytes: server.drain_bytes,
            append_batch: server.append_batch,
            checks_per_conn: server.checks_per_conn,
            unstored_per_user: server.unstored_per_user,
            replies_per_conn: server.replies_per_conn,
            acks_per_packet: server.acks_per_packet,
            packet_burst: server.packets_per_user.burst,
            greedy: 0,
            quota_bytes: Quota::default().bytes,
            store_bytes: Quota::default().store_bytes,
            day_bytes: u64::MAX,
            receipt_bytes: server.receipt_bytes,
            day_lookups: u32::MAX,
            client_in_flight: client.in_flight_messages,
            client_sealing: client.sealing,
            client_enqueue: client.enqueue_batch,
            client_arriving: client.arriving,
            client_receipts_signing: client.receipts_signing,
            client_receipt_items: client.receipt_items,
            client_receipt_numbers: client.receipt_numbers,
            client_taken: client.taken_items,
            client_page: client.unshown_page,
        }
    }
}

impl Settings {
    /// Profile of the deployment.
    pub const fn profile(&self) -> Profile {
        match self.width {
            Width::Compact => Profile::Compact,
            Width::Wide => Profile::Wide,
        }
    }

    /// Limits of the server.
    pub fn server_limits(&self) -> Limits {
        let mut base = match self.rates {
            Rates::Limited => Limits::default(),
            Rates::Unlimited => Limits::without_rates(),
        };
        base.packets_per_user.burst = self.packet_burst;
        // Derived, so that a seed of an earlier version still draws the same settings.
        let held_bytes = self.unstored_per_user * TYPICAL_PACKET;
        Limits {
            held_bytes,
            held_bytes_in_all: 2 * (held_bytes + self.unstored_per_user * packet_memory(0)),
            in_flight_bytes_in_all: 2
                * (self.in_flight_bytes + self.in_flight_items * packet_memory(0)),
            in_flight_items: self.in_flight_items,
            in_flight_bytes: self.in_flight_bytes,
            drain_items: self.drain_items,
            drain_bytes: self.drain_bytes,
            append_batch: self.append_batch,
            checks_per_conn: self.checks_per_conn,
            unstored_per_user: self.unstored_per_user,
            replies_per_conn: self.replies_per_conn,
            acks_per_packet: self.acks_per_packet,
            stored_bytes_per_day: base.stored_bytes_per_day.min(self.day_bytes),
            receipt_bytes: self.receipt_bytes,
            lookups_per_day: base.lookups_per_day.min(self.day_lookups),
            ..base
        }
    }

    /// Capacity of the server's store. A mailbox of few messages has no shares.
    pub fn quota(&self) -> Quota {
        Quota {
            messages: self.quota_messages,
            bytes: self.quota_bytes,
            shares: if self.quota_messages < 4 { Shares::Unlimited } else { Shares::Limited },
            store_bytes: self.store_bytes,
            ..Quota::default()
        }
    }

    /// Limits of the clients.
    pub fn client_limits(&self) -> client::Limits {
        client::Limits {
            in_flight_messages: self.client_in_flight,
            sealing: self.client_sealing,
            enqueue_batch: self.client_enqueue,
            arriving: self.client_arriving,
            receipts_signing: self.client_receipts_signing,
            receipt_items: self.client_receipt_items,
            receipt_numbers: self.client_receipt_numbers,
            taken_items: self.client_taken,
            unshown_page: self.client_page,
            ..client::Limits::default()
        }
    }
}

/// Bytes of a packet with a short text, about.
const TYPICAL_PACKET: usize = 800;

impl Plan {
    /// Whether the server is honest. If not, less can be checked.
    pub fn server_is_honest(&self) -> bool {
        !self.steps.iter().any(|step| matches!(step.kind, StepKind::Dishonest { .. }))
    }

    /// Whether authentic packets are replayed out of place.
    pub fn replays(&self) -> bool {
        let replays = |kind: &StepKind| {
            matches!(kind, StepKind::Tamper { how: Tampering::Replay | Tampering::Repeat, .. })
        };
        self.steps.iter().any(|step| replays(&step.kind))
    }

    /// Whether packets are forged or changed, so that clients may report suspicions.
    pub fn has_active_attackers(&self) -> bool {
        let meddles = |kind: &StepKind| match kind {
            StepKind::Tamper { .. }
            // Receipts for messages that it has forgotten look forged to a restored client.
            | StepKind::Restore { .. }
            | StepKind::SecondConnection { .. }
            | StepKind::Attack { .. }
            | StepKind::Dishonest { .. } => true,
            StepKind::Register { .. }
            | StepKind::Connect { .. }
            | StepKind::Disconnect { .. }
            | StepKind::Send { .. }
            | StepKind::Cut { .. }
            | StepKind::HalfOpen { .. }
            | StepKind::Stall { .. }
            | StepKind::Unreachable { .. }
            | StepKind::CrashClient { .. }
            | StepKind::LoseDirectory { .. }
            | StepKind::BackUp { .. }
            | StepKind::LoseAccount { .. }
            | StepKind::BackUpServer
            | StepKind::RestoreServer { .. }
            | StepKind::ChangeServerKey { .. }
            | StepKind::SkipIds { .. }
            | StepKind::CrashServer { .. }
            | StepKind::StopServer { .. }
            | StepKind::ClientDisk { .. }
            | StepKind::ServerDisk { .. }
            | StepKind::ClientClock { .. }
            | StepKind::ServerClock { .. }
            // Greedy users sign what they send, and send nothing that a client would suspect.
            | StepKind::Greed { .. } => false,
        };
        self.steps.iter().any(|step| meddles(&step.kind))
    }

    /// Whether the server loses accounts whose clients keep their directories.
    pub fn loses_accounts(&self) -> bool {
        let loses = |kind: &StepKind| {
            matches!(kind, StepKind::LoseAccount { .. } | StepKind::RestoreServer { .. })
        };
        self.steps.iter().any(|step| loses(&step.kind))
    }

    /// Parses a plan as [`fmt::Display`] writes it.
    ///
    /// # Errors
    /// Returns the error of the JSON parser.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

impl fmt::Display for Plan {
    /// Writes JSON: noise, settings, and a line for each step.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = |value: serde_json::Result<String>| value.map_err(|_| fmt::Error);
        let settings = json(serde_json::to_string(&self.settings))?;
        writeln!(f, "{{\"noise\": {}, \"settings\": {settings}, \"steps\": [", self.noise)?;
        for (index, step) in self.steps.iter().enumerate() {
            let comma = if index + 1 < self.steps.len() { "," } else { "" };
            writeln!(f, "  {}{comma}", json(serde_json::to_string(step))?)?;
        }
        writeln!(f, "]}}")
    }
}
