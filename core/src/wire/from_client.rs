//! What a client sends, as the server takes it.

use bytes::Bytes;

use super::payload::is_sealed;
use super::{Gate, MalformedPacket, MessageHead, OAEP_LEN, Op, Packet, Receipt};
use crate::ids::{MessageId, UserId};

/// A packet from a client: addressed rightly, of the right lengths, and unsigned where nobody could
/// have signed. Nothing is verified, and nothing opened.
///
/// Who the sender claims to be is for the caller to hold against the session; in a session that
/// comes first (PROTOCOL 8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromClient {
    /// 100: a phone number asks for an account.
    Register(Packet),
    /// 101: the one-time password, and the new key.
    Confirm {
        /// The packet.
        packet: Packet,
        /// What follows the OAEP part: said to be a DER `SubjectPublicKeyInfo`, not parsed yet.
        public_key_der: Bytes,
    },
    /// 106: a registered client is back. Its sender is `None` if it doesn't know its id.
    Reconnect(Packet),
    /// 105 without a payload: asks for the server's key.
    ServerKey(Packet),
    /// 105 in a session: asks for a user's key.
    Lookup(Packet),
    /// 102.
    Message {
        /// The packet.
        packet: Packet,
        /// Whom it is for.
        recipient: UserId,
        /// The sender's number for it.
        message_id: MessageId,
    },
    /// 203 to a user: messages were delivered.
    Receipt {
        /// The packet.
        packet: Packet,
        /// Who claims to have read the messages.
        recipient: UserId,
        /// Who wrote them.
        sender: UserId,
        /// Which they are.
        receipt: Receipt,
    },
    /// 203 to the server: receipts were taken.
    ReceiptsTaken(Packet),
    /// 222: orderly end.
    Disconnect(Packet),
}

impl FromClient {
    /// Takes a packet by its operation and shape.
    pub fn parse(packet: Packet) -> Result<Self, MalformedPacket> {
        let header = packet.header();
        let payload = packet.payload();
        match (header.op, header.sender, header.recipient) {
            (Op::Register, None, None) if payload.len() == OAEP_LEN && packet.is_unsigned() => {
                Ok(Self::Register(packet))
            }
            (Op::Confirm, None, None)
                if payload.len() > OAEP_LEN
                    && payload.len() <= Gate::MAX_PAYLOAD_BEFORE_SESSION =>
            {
                let public_key_der = packet.payload_from(OAEP_LEN);
                Ok(Self::Confirm { packet, public_key_der })
            }
            (Op::Reconnect, _, None) if payload.len() == OAEP_LEN => Ok(Self::Reconnect(packet)),
            (Op::RequestPublicKey, None, None) if payload.is_empty() && packet.is_unsigned() => {
                Ok(Self::ServerKey(packet))
            }
            (Op::RequestPublicKey, Some(_), None) if is_sealed(payload) => Ok(Self::Lookup(packet)),
            (Op::Message, Some(_), Some(recipient))
                if let Ok((head, _)) = MessageHead::parse(payload) =>
            {
                Ok(Self::Message { packet, recipient, message_id: head.message_id })
            }
            (Op::DeliveryAck, Some(recipient), Some(sender))
                if let Ok(receipt) = Receipt::parse(payload) =>
            {
                Ok(Self::Receipt { packet, recipient, sender, receipt })
            }
            (Op::DeliveryAck, Some(_), None) if is_sealed(payload) => {
                Ok(Self::ReceiptsTaken(packet))
            }
            (Op::Disconnect, Some(_), None) if payload.is_empty() => Ok(Self::Disconnect(packet)),
            // Deny by default: no operation is taken that is not named above with its addresses.
            (_, _, _) => Err(MalformedPacket(packet)),
        }
    }

    /// The packet, byte for byte as it came.
    pub const fn packet(&self) -> &Packet {
        match self {
            Self::Register(packet)
            | Self::Confirm { packet, .. }
            | Self::Reconnect(packet)
            | Self::ServerKey(packet)
            | Self::Lookup(packet)
            | Self::Message { packet, .. }
            | Self::Receipt { packet, .. }
            | Self::ReceiptsTaken(packet)
            | Self::Disconnect(packet) => packet,
        }
    }
}
