//! Continuations: the state that is kept until a job or a store operation has its outcome. Each
//! holds exactly what the server needs to go on, and the value about which the outcome can prove
//! something.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::state::entry::{Confirming, Entry, Reconnecting, Registering, Request};
use super::state::session::{SealedPacket, Session, SignedPacket, Standing};
use super::state::settling::{DroppingReceipts, Settling};
use super::state::sharing::NewSession;
use super::store::User;
use crate::crypto::{FreshSession, OwnKey};
use crate::frame::{Durable, Pending, Slot, Unverified, Verified};
use crate::ids::{ConnId, Phone, UserId};
use crate::keys::SymmetricKey;
use crate::time::Timestamp;
use crate::wire::{InReplyTo, InvitationHash, Op, Packet, ReconnectRequest, RegisterRequest};

/// Continuation of a job.
#[derive(Debug)]
pub(super) enum AwaitJob {
    // Before a session: requests are verified and opened.
    RegisterOpened(Request),
    ConfirmOpened(Box<Unverified<Confirming>>),
    ReconnectOpened { request: Box<Unverified<Request>>, user: Box<User> },
    ReconnectOpenedUnverified(Request),
    ReconnectVerified(Box<AwaitReconnectVerified>),
    // In a session: packets are verified and opened.
    Signed { arrival: AwaitArrival, packet: Unverified<SignedPacket> },
    Sealed { arrival: AwaitArrival, packet: Unverified<SealedPacket> },
    // Packets of ours are sealed and signed.
    ServerKey(OwnKey),
    Granted(Box<Entry>),
    Reply { conn: ConnId, then: AfterReply },
    AckSealed { conn: ConnId, bytes: usize },
    NoMoreMessages { conn: ConnId, user: UserId },
}

/// Continuation of a store operation.
#[derive(Debug)]
pub(super) enum AwaitStore {
    // Before a session.
    InvitationChecked(Box<Registrant>),
    RegistrantFound(Box<Registrant>),
    UserCreated(Box<Pending<Registering>>),
    ReconnectorFound(Request),
    ReconnectorFoundByPhone(Box<AwaitReconnectorFoundByPhone>),
    ReconnectRecorded(Box<Pending<Reconnecting>>),
    SessionBegun { reconnecting: Box<Durable<Reconnecting>>, session: NewSession },
    // In a session.
    LookedUp { conn: ConnId, in_reply_to: InReplyTo },
    // Mailboxes.
    Appended { recipient: UserId, packets: Pending<Vec<Verified<Packet>>> },
    PageRead { owner: UserId, conn: ConnId, memory: usize },
    Settled(Pending<Settling>),
    ReceiptsDropped(DroppingReceipts),
    AnswersRecorded,
    UndeliverableRead { conn: ConnId },
    UndeliverableForgotten { conn: ConnId, user: UserId },
    ClockRecorded { clock: Timestamp },
    Expired,
}

/// The sender of a 100, which nobody can verify yet.
#[derive(Debug)]
pub(super) struct Registrant {
    pub(super) request: Request,
    pub(super) opened: RegisterRequest,
    /// The invitation that vouches for the phone number, where one is needed.
    pub(super) invitation: Option<InvitationHash>,
}

/// A 100 whose password is handed to a courier.
#[derive(Debug)]
pub(super) struct AwaitDelivery {
    pub(super) conn: ConnId,
    pub(super) in_reply_to: InReplyTo,
    pub(super) phone: Phone,
    pub(super) reply_key: SymmetricKey,
}

/// A 106 without an id, whose sender is looked up by the phone number inside.
#[derive(Debug)]
pub(super) struct AwaitReconnectorFoundByPhone {
    pub(super) request: Request,
    pub(super) opened: ReconnectRequest,
    pub(super) session: FreshSession,
}

/// A 106 without an id, which is verified with the key of the user that was found, or with a key
/// that signed nothing if none was.
#[derive(Debug)]
pub(super) struct AwaitReconnectVerified {
    pub(super) request: Unverified<Request>,
    pub(super) reply_key: SymmetricKey,
    pub(super) user: Option<Box<User>>,
    pub(super) session: FreshSession,
}

/// The place of a packet among those of its session.
#[derive(Clone, Copy, Debug)]
pub(super) struct AwaitArrival {
    pub(super) conn: ConnId,
    pub(super) slot: Slot,
    pub(super) bytes: usize,
    pub(super) standing: Standing,
}

impl AwaitArrival {
    /// Gives a packet its place in its session.
    pub(super) fn begin(
        conn: ConnId,
        session: &mut Session,
        packet: &Packet,
        standing: Standing,
    ) -> Self {
        let len = packet.bytes().len();
        // What is parsed or opened beside a packet is as long as its payload. A message is neither.
        let bytes = if packet.op() == Op::Message { len } else { 2 * len };
        let slot = session.begin_arrival(bytes);
        Self { conn, slot, bytes, standing }
    }
}

/// What follows once an answer has been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterReply {
    /// The session goes on.
    Stay,
    /// The next request before a session may begin.
    NextRequest,
    /// An undeliverable message is crossed off.
    Told,
    /// The connection is closed.
    Close,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Job;
    use crate::server::limits::packet_memory;
    use crate::server::state::acknowledgement::Acknowledgement;
    use crate::server::state::mailbox::Mailbox;
    use crate::server::state::session::Arrival;
    use crate::wire::{ItemId, SIGNATURE_LEN};

    /// Entries in lists that have just doubled count twice.
    #[test]
    fn what_a_packet_costs_covers_its_entries_at_every_stage() {
        let reference_count = 64;
        let verified = size_of::<AwaitJob>() + size_of::<Option<(usize, Arrival)>>();
        let verified = 2 * (verified + size_of::<Job>());
        // In the queue of a mailbox of its own, in the operation and in its continuation.
        let stored = size_of::<Mailbox>() + 2 * size_of::<Packet>() + 2 * size_of::<Packet>();
        // A lane of its own, and the acknowledgement that waits with a receipt.
        let receipt = 2 * size_of::<Acknowledgement>() + 2 * size_of::<ItemId>() + SIGNATURE_LEN;
        let in_flight = 2 * size_of::<Packet>() + receipt + 128;
        let answer = size_of::<AwaitJob>() + size_of::<Job>() + SIGNATURE_LEN;
        for cost in [verified, stored, in_flight, answer].map(|cost| cost + reference_count) {
            assert!(cost <= packet_memory(0), "{cost} bytes");
        }
    }
}
