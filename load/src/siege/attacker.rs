//! The contract between an attacker and the loop that carries it out, and the count of what it did.

use std::net::Ipv4Addr;
use std::ops::AddAssign;

use bytes::Bytes;
use sealpost_core::wire::Op;
use sealpost_programs::Failure;

use crate::clients::link::Frame;

/// Somebody who attacks over one connection at a time, and dials again whenever it ends.
pub(crate) trait Attacker: Send {
    /// Local address to dial from.
    fn source(&self) -> Ipv4Addr;

    /// First bytes on a new connection.
    fn begin(&mut self) -> Result<Opening, Failure>;

    /// Bytes to send once everything before is written. `None` waits for the next packet.
    fn supply(&mut self) -> Result<Option<Bytes>, Failure>;

    /// Takes a packet of the server. A packet that does not parse is the server's fault, and not
    /// the attacker's concern.
    fn take(&mut self, frame: Frame<'_>) -> Result<Next, Failure>;

    /// Whether the attacker reads from the connection.
    fn is_reading(&self) -> bool {
        true
    }
}

/// How a connection begins.
pub(crate) enum Opening {
    /// With these bytes.
    Bytes(Bytes),
    /// With its end, as soon as it is established.
    Leave,
}

/// What an attacker does after a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Stays on this connection.
    Stay,
    /// Leaves, and dials again.
    Leave,
}

/// What attackers of one kind did.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub(crate) struct Deeds {
    /// Connections that were dialled.
    pub(crate) connections: u64,
    /// Packets, or parts of them, that were written.
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    /// Answers of the server, of which the next two are a part.
    pub(crate) answers: u64,
    pub(crate) errors: u64,
    /// Answers that tell the number and the key of another user.
    pub(crate) disclosures: u64,
    /// Sessions that were granted.
    pub(crate) sessions: u64,
}

impl Deeds {
    /// Counts a packet of the server.
    pub(crate) fn note(&mut self, frame: Frame<'_>) {
        let op = frame.op();
        self.answers += 1;
        self.errors += u64::from(op == Some(Op::Error));
        // Strangers may know the server's own key.
        self.disclosures += u64::from(op == Some(Op::PublicKey) && frame.is_for_user());
        self.sessions += u64::from(op == Some(Op::SessionResumed));
    }
}

impl AddAssign for Deeds {
    fn add_assign(&mut self, other: Self) {
        self.connections += other.connections;
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.answers += other.answers;
        self.errors += other.errors;
        self.disclosures += other.disclosures;
        self.sessions += other.sessions;
    }
}
