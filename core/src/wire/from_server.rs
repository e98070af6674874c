//! What reaches a client.

use super::payload::is_sealed;
use super::{
    ErrorForm, ErrorReply, MalformedPacket, MessageHead, OAEP_LEN, Op, Packet, Receipt,
    SEALED_ERROR_AT, parse_server_key,
};
use crate::ids::{MessageId, UserId};
use crate::keys::PublicKey;

/// A packet at a client, from the server (its sender is `None`) or forwarded from a peer: addressed
/// rightly and of the right lengths. Nothing is verified, and nothing opened; that the recipient is
/// this client is for the caller to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromServer {
    /// 204 before a session: the server's key, which signs it itself.
    ServerKey {
        /// The packet.
        packet: Packet,
        /// To be held against the fingerprint in the server's address.
        public_key: PublicKey,
    },
    /// 200.
    OtpIssued(Packet),
    /// 150.
    RegistrationRejected(Packet),
    /// 201.
    SessionIssued {
        /// The packet.
        packet: Packet,
        /// The client's new id.
        user: UserId,
    },
    /// 206.
    SessionResumed {
        /// The packet.
        packet: Packet,
        /// The client's id.
        user: UserId,
    },
    /// 204 in a session.
    PublicKey(Packet),
    /// 102. Whatever its body is, so that one that does not open can be shown as such.
    Message {
        /// The packet.
        packet: Packet,
        /// Who claims to have written it.
        sender: UserId,
        /// The sender's number for it.
        message_id: MessageId,
        /// How its body is made.
        suite: u8,
    },
    /// 203 from a peer: messages were delivered.
    Receipt {
        /// The packet.
        packet: Packet,
        /// Who claims to have read the messages.
        recipient: UserId,
        /// Which they are.
        receipt: Receipt,
    },
    /// 203 from the server: messages are stored.
    Stored(Packet),
    /// 255.
    NoMoreMessages(Packet),
    /// 222: the acknowledgement of this client's.
    Disconnect(Packet),
    /// 244. One of form [`ErrorForm::Clear`] parses with [`ErrorReply::parse_clear`].
    Error {
        /// The packet.
        packet: Packet,
        /// Whether, and with what, it is sealed.
        form: ErrorForm,
    },
}

impl FromServer {
    /// Takes a packet by its operation and shape.
    pub fn parse(packet: Packet) -> Result<Self, MalformedPacket> {
        let header = packet.header();
        let payload = packet.payload();
        match (header.op, header.sender, header.recipient) {
            (Op::PublicKey, None, None) if let Ok(public_key) = parse_server_key(payload) => {
                Ok(Self::ServerKey { packet, public_key })
            }
            (Op::OtpIssued, None, None) if is_sealed(payload) => Ok(Self::OtpIssued(packet)),
            (Op::RegistrationRejected, None, None) if is_sealed(payload) => {
                Ok(Self::RegistrationRejected(packet))
            }
            (Op::SessionIssued, None, Some(user)) if payload.len() == OAEP_LEN => {
                Ok(Self::SessionIssued { packet, user })
            }
            (Op::SessionResumed, None, Some(user))
                if let Some((_, sealed)) = payload.split_at_checked(OAEP_LEN)
                    && is_sealed(sealed) =>
            {
                Ok(Self::SessionResumed { packet, user })
            }
            (Op::PublicKey, None, Some(_)) if is_sealed(payload) => Ok(Self::PublicKey(packet)),
            (Op::Message, Some(sender), Some(_))
                if let Ok((head, _)) = MessageHead::parse(payload) =>
            {
                let MessageHead { message_id, suite } = head;
                Ok(Self::Message { packet, sender, message_id, suite })
            }
            (Op::DeliveryAck, Some(recipient), Some(_))
                if let Ok(receipt) = Receipt::parse(payload) =>
            {
                Ok(Self::Receipt { packet, recipient, receipt })
            }
            (Op::DeliveryAck, None, Some(_)) if is_sealed(payload) => Ok(Self::Stored(packet)),
            (Op::NoMoreMessages, None, Some(_)) if is_sealed(payload) => {
                Ok(Self::NoMoreMessages(packet))
            }
            (Op::Disconnect, None, Some(_)) if payload.is_empty() => Ok(Self::Disconnect(packet)),
            (Op::Error, None, recipient) if let Some(form) = error_form(payload, recipient) => {
                Ok(Self::Error { packet, form })
            }
            // Deny by default: no operation is taken that is not named above with its addresses.
            (_, _, _) => Err(MalformedPacket(packet)),
        }
    }

    /// The packet, byte for byte as it came.
    pub const fn packet(&self) -> &Packet {
        match self {
            Self::ServerKey { packet, .. }
            | Self::OtpIssued(packet)
            | Self::RegistrationRejected(packet)
            | Self::SessionIssued { packet, .. }
            | Self::SessionResumed { packet, .. }
            | Self::PublicKey(packet)
            | Self::Message { packet, .. }
            | Self::Receipt { packet, .. }
            | Self::Stored(packet)
            | Self::NoMoreMessages(packet)
            | Self::Disconnect(packet)
            | Self::Error { packet, .. } => packet,
        }
    }
}

/// The form of a 244 whose payload has the shape of it. Only who has an id has a session; before
/// one the server may name the id that a 106 gave, or 0.
fn error_form(payload: &[u8], recipient: Option<UserId>) -> Option<ErrorForm> {
    let form = ErrorForm::from_code(*payload.first()?)?;
    let sealed = payload.get(SEALED_ERROR_AT..).is_some_and(is_sealed);
    let fits = match form {
        ErrorForm::Clear => ErrorReply::parse_clear(payload).is_ok(),
        ErrorForm::ReplyKey => sealed,
        ErrorForm::SessionKey => sealed && recipient.is_some(),
    };
    fits.then_some(form)
}
