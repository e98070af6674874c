//! Packets that reach a client, as the client parses them.

use super::payload::is_sealed;
use super::{
    ErrorForm, ErrorReply, MalformedPacket, MessageHead, OAEP_LEN, Op, Packet, Receipt,
    SEALED_ERROR_AT, parse_server_key,
};
use crate::ids::{MessageId, UserId};
use crate::keys::PublicKey;

/// A packet at a client, from the server (its sender is `None`) or forwarded from another user. Its
/// addresses and lengths fit its operation. Nothing has been verified or opened yet, and the caller
/// checks that the recipient is this client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromServer {
    /// 204 before a session: the server's public key, in a packet signed with that key.
    ServerKey {
        /// The whole packet.
        packet: Packet,
        /// Key that the server claims. The client compares it with the fingerprint in the server's
        /// address.
        public_key: PublicKey,
    },
    /// 200: a one-time password was issued.
    OtpIssued(Packet),
    /// 150: the phone number has an account already.
    RegistrationRejected(Packet),
    /// 201: completes a registration with a session.
    SessionIssued {
        /// The whole packet.
        packet: Packet,
        /// The client's new id.
        user: UserId,
    },
    /// 206: grants a session to a registered client.
    SessionResumed {
        /// The whole packet.
        packet: Packet,
        /// The client's id.
        user: UserId,
    },
    /// 204 in a session: answers a look-up.
    PublicKey(Packet),
    /// 102: a message. Its body may be anything, so that a message that does not open can be shown
    /// as such.
    Message {
        /// The whole packet.
        packet: Packet,
        /// User who claims to have written the message.
        sender: UserId,
        /// Number that the sender gave the message.
        message_id: MessageId,
        /// Format of the body.
        suite: u8,
    },
    /// 203 from another user: messages were delivered.
    Receipt {
        /// The whole packet.
        packet: Packet,
        /// Recipient of the messages, who claims to have got them.
        recipient: UserId,
        /// Numbers of the messages.
        receipt: Receipt,
    },
    /// 203 from the server: messages are stored.
    Stored(Packet),
    /// 255: every stored item was sent and acknowledged.
    NoMoreMessages(Packet),
    /// 222: acknowledges this client's own 222.
    Disconnect(Packet),
    /// 244: an error. One of form [`ErrorForm::Clear`] parses with [`ErrorReply::parse_clear`].
    Error {
        /// The whole packet.
        packet: Packet,
        /// Form of the error: in the clear, or the key that it is sealed with.
        form: ErrorForm,
    },
}

impl FromServer {
    /// Parses a packet by its operation, addresses and lengths.
    ///
    /// # Errors
    /// The packet, if it does not have the shape of its operation.
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

    /// The packet, byte for byte as it arrived.
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

/// Returns the form of a 244 if its payload has the shape of that form. Only a client with an id
/// can have a session. Before a session the recipient may be 0 or the id that a 106 named.
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
