//! The packets of a round. They are built once and unsigned. Each round renumbers them in place, so
//! that building them costs next to nothing while the clock runs.

use sealpost_core::ids::{ReceiptId, UserId};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{Header, Op, Oversized, Packet, Profile, ReceiptsTaken, SIGNATURE_LEN};
use sealpost_storage::conformance::{at, message, receipt};

/// Length of a message's encrypted body, in bytes.
pub const BODY: usize = 512;
/// Number of packets that arrive in one read.
pub const READ: usize = 16;
/// Number of messages in one receipt.
pub const PER_RECEIPT: usize = 32;
/// Number of receipts in one 203 to the server.
pub const PER_TAKEN: usize = 8;
/// Number of messages in one round.
pub const ROUND: usize = PER_RECEIPT * PER_TAKEN;

/// The packets of a sender and a recipient.
pub struct Packets {
    profile: Profile,
    sender: UserId,
    recipient: UserId,
    /// The messages of one read.
    messages: Vec<u8>,
    message_len: usize,
    receipt: Vec<u8>,
    taken: Vec<u8>,
    next_message: u64,
    next_receipt: u64,
}

impl Packets {
    /// Packets of these users.
    pub fn new(profile: Profile, sender: UserId, recipient: UserId) -> Self {
        let message = message(profile, sender, recipient, 0, HEAD_LEN + BODY);
        let receipt = receipt(profile, recipient, sender, 0, &[0; PER_RECEIPT]);
        let taken = packet(profile, Op::DeliveryAck, Some(sender), None, at(0), &[0; TAKEN_LEN]);
        Self {
            profile,
            sender,
            recipient,
            messages: message.bytes().repeat(READ),
            message_len: message.bytes().len(),
            receipt: receipt.bytes().to_vec(),
            taken: taken.bytes().to_vec(),
            next_message: 1,
            next_receipt: 1,
        }
    }

    /// The user that sends messages.
    pub const fn sender(&self) -> UserId {
        self.sender
    }

    /// The next [`READ`] messages.
    pub fn messages(&mut self) -> &[u8] {
        let at = self.profile.header_len();
        for message in self.messages.chunks_exact_mut(self.message_len) {
            put(message, at, self.next_message);
            self.next_message += 1;
        }
        &self.messages
    }

    /// The recipient's receipt for the next [`PER_RECEIPT`] messages, in the order in which they were
    /// sent.
    pub fn receipt(&mut self) -> &[u8] {
        let at = self.profile.header_len();
        put(&mut self.receipt, at, self.next_receipt);
        let first = (self.next_receipt - 1) * PER_RECEIPT as u64 + 1;
        for (nth, id) in (first..).take(PER_RECEIPT).enumerate() {
            put(&mut self.receipt, at + RECEIPT_HEAD_LEN + 8 * nth, id);
        }
        self.next_receipt += 1;
        &self.receipt
    }

    /// The sender's 203 for the last [`PER_TAKEN`] receipts, and its sealed content.
    pub fn taken(&self) -> (&[u8], ReceiptsTaken) {
        let receipts = self.next_receipt - PER_TAKEN as u64..self.next_receipt;
        let items = receipts.map(|id| (self.recipient, ReceiptId(id))).collect();
        (&self.taken, ReceiptsTaken { items })
    }
}

/// A 106 of a user.
pub fn reconnect(profile: Profile, user: UserId, timestamp: Timestamp) -> Packet {
    packet(profile, Op::Reconnect, Some(user), None, timestamp, &[0; 256])
}

/// Stand-in for any packet that the server signs.
pub fn from_server(profile: Profile) -> Packet {
    packet(profile, Op::DeliveryAck, None, UserId::new(1), at(0), &[0; TAKEN_LEN])
}

fn packet(
    profile: Profile,
    op: Op,
    sender: Option<UserId>,
    recipient: Option<UserId>,
    timestamp: Timestamp,
    payload: &[u8],
) -> Packet {
    let header = Header { sender, recipient, timestamp, op };
    let sign = |_: &[u8]| Ok::<_, Oversized>([0; SIGNATURE_LEN]);
    Packet::build(profile, header, payload, sign).expect("a packet")
}

fn put(bytes: &mut [u8], at: usize, id: u64) {
    let place = bytes.get_mut(at..at + 8).expect("a place for a number");
    place.copy_from_slice(&id.to_le_bytes());
}

/// Length of a message's id and suite, before its body.
const HEAD_LEN: usize = 9;

/// Length of a receipt's id, status and count, before its message ids.
const RECEIPT_HEAD_LEN: usize = 8 + 1 + 2;

/// Length of `sealed(v ‖ count u16 ‖ 8 × 16 bytes)`: an IV, and 131 bytes padded to 144.
const TAKEN_LEN: usize = 16 + 144;
