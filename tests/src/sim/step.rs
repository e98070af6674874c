//! The steps of a plan: what applications do, and faults, attacks and misbehaviour.

use serde::{Deserialize, Serialize};

use super::disk::{DiskFault, LastWrite};
use super::engine::EngineFault;

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
    /// Sends a message of about `size` bytes to the phone number of `to`, for the key of `owner` alone.
    SendToKey { from: usize, to: usize, owner: usize, size: u32 },
    /// Gives up the message that a client sent `back` messages before its last one.
    Cancel { client: usize, back: usize },
    /// Has a client forget another one.
    Forget { client: usize, contact: usize },
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
    /// Makes the engine fail that several servers share.
    Engine { fault: EngineFault, ms: u64 },
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
