//! A plan: everything that a run is made of. The same plan gives the same run.

use std::fmt;

use sealpost_core::client;
use sealpost_core::server::limits::Limits;
use sealpost_core::wire::Profile;
use serde::{Deserialize, Serialize};

pub use super::crypto::CryptoKind;
pub use super::disk::{DiskFault, LastWrite};

/// A world, and what happens in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The world's small choices come from it: latencies, cuts, the order of answers.
    pub noise: u64,
    /// The world.
    pub settings: Settings,
    /// What happens, by time.
    pub steps: Vec<Step>,
}

/// Something happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// When, in milliseconds from the start.
    pub at_ms: u64,
    /// What.
    #[serde(flatten)]
    pub what: StepKind,
}

/// What may happen. Clients are numbered from 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the fields say what they are")]
pub enum StepKind {
    /// A client registers.
    Register { client: usize },
    /// A client goes online.
    Connect { client: usize },
    /// A client takes its leave.
    Disconnect { client: usize },
    /// A client sends so many messages, of about so many bytes.
    Send { from: usize, to: usize, count: u32, size: u32 },
    /// A client's connections break, for both ends.
    Cut { client: usize },
    /// A client's connections break, and one end does not notice for a while.
    HalfOpen { client: usize, unaware: End },
    /// Nothing moves from this end of a client's connections.
    Stall { client: usize, from: End, ms: u64 },
    /// A client can't reach the server.
    Unreachable { client: usize, ms: u64 },
    /// A client's process dies, and starts again.
    CrashClient { client: usize, down_ms: u64, last_write: LastWrite },
    /// A client's home is lost with its key and all that was in it; the person registers the same
    /// number again. The operator deletes the old account, which nobody can open any more.
    LoseHome { client: usize, down_ms: u64 },
    /// The server loses power, and starts again.
    CrashServer { down_ms: u64, last_write: LastWrite },
    /// The server is stopped in order, and started again.
    StopServer { down_ms: u64 },
    /// A client's disk fails.
    ClientDisk { client: usize, fault: DiskFault, ms: u64 },
    /// The server's disk fails.
    ServerDisk { fault: DiskFault, ms: u64 },
    /// A client's wall clock jumps.
    ClientClock { client: usize, secs: i64 },
    /// The server's wall clock jumps.
    ServerClock { secs: i64 },
    /// Somebody on the wire changes what a client's connection carries next from this end.
    Tamper { client: usize, from: End, how: Tampering },
    /// The user has a second connection, made by something that holds the account's key, reads
    /// and acknowledges nothing.
    #[serde(rename = "ghost")]
    SecondConnection { client: usize },
    /// A registered attacker does something with what was seen on the wire.
    Attack { how: Attack, victim: usize },
    /// The server does to a client what an honest one does not.
    Dishonest { client: usize, how: Misbehaviour },
}

/// Of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// The one that dialled.
    Client,
    /// The other.
    Server,
}

/// What somebody on the wire does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tampering {
    /// Changes a bit.
    Flip,
    /// Takes bytes out.
    Truncate,
    /// Puts random bytes in.
    Garbage,
    /// Sends a packet twice.
    Repeat,
    /// Puts a packet in that was seen elsewhere.
    Replay,
    /// Puts a packet in that nobody of the parties signed.
    Forge,
}

/// What a registered attacker does, by hand-made packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attack {
    /// Sends another's message as it was seen.
    Replay,
    /// Sends another's message, edited and signed anew, in the other's name.
    Impersonate,
    /// Sends another's message in its own name, signed anew.
    Adopt,
    /// Signs for messages that it never had.
    FalseReceipt,
    /// Claims to have taken receipts that it never had.
    FalseTaken,
    /// Opens a connection with another's 106 as it was seen.
    ReplayReconnect,
    /// Opens a connection with a 106 for another's phone number, signed by itself.
    StealSession,
    /// Sends a message without a session.
    Unauthenticated,
    /// Registers somebody else's phone number.
    StealPhone,
    /// Sends a hundred look-ups and messages to itself at once.
    Flood,
    /// Opens connections and says nothing.
    Loiter,
}

/// What a dishonest server does to what it forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Misbehaviour {
    /// Drops the next message or receipt.
    Drop,
    /// Sends it twice.
    Repeat,
    /// Sends it after the one behind it.
    Swap,
    /// Sends it again much later.
    Late,
    /// Sends it to somebody else as well.
    Misdeliver,
    /// Signs a receipt for the next message itself.
    ForgeReceipt,
}

/// Whether users come by their one-time passwords in the answer itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Otps {
    /// They do.
    InBand,
    /// By a messenger, who takes his time and may lose one.
    #[serde(rename = "messenger")]
    OutOfBand,
}

/// The width of the deployment's ids.
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
    /// As by default.
    Limited,
    /// Not at all.
    #[serde(rename = "free")]
    Unlimited,
}

/// A world. Times are in microseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields of the limits that they set say what they are")]
pub struct Settings {
    pub clients: usize,
    pub width: Width,
    pub crypto: CryptoKind,
    pub otps: Otps,
    pub rates: Rates,
    /// Faults stop then, in milliseconds.
    pub end_ms: u64,

    /// The time that a byte takes, at least and at most.
    pub latency: (u64, u64),
    /// Bytes that arrive together at most; 0: a packet at a time.
    pub piece: usize,
    /// Bytes on their way in one direction.
    pub window: usize,
    /// Bytes queued at which a connection is congested.
    pub congested_at: usize,

    /// The time that a transaction of the server takes at most.
    pub commit: u64,
    /// How long an outcome of the server's disk may be on its way: over 0, they overtake each
    /// other.
    pub outcome: u64,
    /// The time that a transaction of a client takes at most.
    pub client_commit: u64,
    /// The time that a job takes at most.
    pub job: u64,
    /// Of a thousand messages that it is shown, how many an application does not mark as shown.
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
    /// Limits as in production, a network without trouble.
    fn default() -> Self {
        let (server, client) = (Limits::default(), client::Limits::default());
        Self {
            clients: 2,
            width: Width::Compact,
            crypto: CryptoKind::Insecure,
            otps: Otps::InBand,
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
    /// The deployment's profile.
    pub const fn profile(&self) -> Profile {
        match self.width {
            Width::Compact => Profile::Compact,
            Width::Wide => Profile::Wide,
        }
    }

    /// The server's limits.
    pub fn server_limits(&self) -> Limits {
        let base = match self.rates {
            Rates::Limited => Limits::default(),
            Rates::Unlimited => Limits::without_rates(),
        };
        Limits {
            in_flight_items: self.in_flight_items,
            in_flight_bytes: self.in_flight_bytes,
            drain_items: self.drain_items,
            drain_bytes: self.drain_bytes,
            append_batch: self.append_batch,
            checks_per_conn: self.checks_per_conn,
            unstored_per_user: self.unstored_per_user,
            replies_per_conn: self.replies_per_conn,
            acks_per_packet: self.acks_per_packet,
            ..base
        }
    }

    /// The clients' limits.
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

impl Plan {
    /// Whether the server is honest. If it is not, less can be asked of the world.
    pub fn server_is_honest(&self) -> bool {
        !self.steps.iter().any(|step| matches!(step.what, StepKind::Dishonest { .. }))
    }

    /// Whether somebody on the wire brings packets that are authentic and out of place.
    pub fn replays(&self) -> bool {
        let replays = |what: &StepKind| {
            matches!(what, StepKind::Tamper { how: Tampering::Replay | Tampering::Repeat, .. })
        };
        self.steps.iter().any(|step| replays(&step.what))
    }

    /// Whether somebody makes or changes packets, so that clients may be suspicious.
    pub fn has_active_attackers(&self) -> bool {
        let meddles = |what: &StepKind| match what {
            StepKind::Tamper { .. }
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
            | StepKind::LoseHome { .. }
            | StepKind::CrashServer { .. }
            | StepKind::StopServer { .. }
            | StepKind::ClientDisk { .. }
            | StepKind::ServerDisk { .. }
            | StepKind::ClientClock { .. }
            | StepKind::ServerClock { .. } => false,
        };
        self.steps.iter().any(|step| meddles(&step.what))
    }

    /// Reads a plan as [`fmt::Display`] writes it.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

impl fmt::Display for Plan {
    /// JSON: noise, settings, and a line for each step.
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
