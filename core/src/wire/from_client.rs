//! Packets from a client, as the server parses them.

use bytes::Bytes;

use super::payload::is_sealed;
use super::{Gate, MalformedPacket, MessageHead, OAEP_LEN, Op, Packet, Receipt};
use crate::ids::{MessageId, UserId};
use crate::keys::Fingerprint;

/// A packet from a client. Its addresses and lengths fit its operation, and it is unsigned where
/// the server knows no key. Nothing has been verified or opened yet.
///
/// The caller compares the sender with the session's user. In a session that check comes first
/// (PROTOCOL 8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromClient {
    /// 100: asks for an account for a phone number.
    Register(Packet),
    /// 101: confirms a registration with the one-time password and the new public key.
    Confirm {
        /// The whole packet.
        packet: Packet,
        /// Bytes after the OAEP part, allegedly a DER `SubjectPublicKeyInfo`. Not parsed yet.
        public_key_der: Bytes,
    },
    /// 106: opens a session of a registered client. The sender is `None` if the client does not
    /// know its id.
    Reconnect(Packet),
    /// 105 before a session: asks for the server's public key.
    ServerKey {
        /// The whole packet.
        packet: Packet,
        /// Fingerprint of the key that the client expects, if it names one.
        expected: Option<Fingerprint>,
    },
    /// 105 in a session: asks for a user's public key.
    Lookup(Packet),
    /// 102: a message to another user.
    Message {
        /// The whole packet, to be forwarded as it is.
        packet: Packet,
        /// Recipient of the message.
        recipient: UserId,
        /// Number that the sender gave the message.
        message_id: MessageId,
    },
    /// 203 to a user: messages were delivered.
    Receipt {
        /// The whole packet, to be forwarded as it is.
        packet: Packet,
        /// Recipient of the messages, who claims to have got them.
        recipient: UserId,
        /// Sender of the messages, to whom the receipt goes.
        sender: UserId,
        /// Numbers of the messages.
        receipt: Receipt,
    },
    /// 203 to the server: receipts were taken.
    ReceiptsTaken(Packet),
    /// 222: ends the session in order.
    Disconnect(Packet),
}

impl FromClient {
    /// Parses a packet by its operation, addresses and lengths.
    ///
    /// # Errors
    /// The packet, if it does not have the shape of its operation.
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
                Ok(Self::ServerKey { packet, expected: None })
            }
            (Op::RequestPublicKey, None, None)
                if let Ok(expected) = payload.try_into()
                    && packet.is_unsigned() =>
            {
                let expected = Some(Fingerprint(expected));
                Ok(Self::ServerKey { packet, expected })
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

    /// The packet, byte for byte as it arrived.
    pub const fn packet(&self) -> &Packet {
        match self {
            Self::Register(packet)
            | Self::Confirm { packet, .. }
            | Self::Reconnect(packet)
            | Self::ServerKey { packet, .. }
            | Self::Lookup(packet)
            | Self::Message { packet, .. }
            | Self::Receipt { packet, .. }
            | Self::ReceiptsTaken(packet)
            | Self::Disconnect(packet) => packet,
        }
    }
}
