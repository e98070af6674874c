//! Operation codes (PROTOCOL 3).

/// What a packet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Op {
    /// A phone number asks for an account.
    Register = 100,
    /// A one-time password and the new public key.
    Confirm = 101,
    /// From client to client; the server never opens it.
    Message = 102,
    /// A look-up by phone or by id; before a session, of the server's own key.
    RequestPublicKey = 105,
    /// A registered client opens a new connection.
    Reconnect = 106,
    /// The phone is registered already.
    RegistrationRejected = 150,
    /// A one-time password is on its way.
    OtpIssued = 200,
    /// Registered: the session key and the new id.
    SessionIssued = 201,
    /// Stored, delivered, or receipts taken (PROTOCOL 6.1).
    DeliveryAck = 203,
    /// The answer to a look-up.
    PublicKey = 204,
    /// The session key of this connection.
    SessionResumed = 206,
    /// Orderly end.
    Disconnect = 222,
    /// What went wrong.
    Error = 244,
    /// Everything stored is out and acknowledged.
    NoMoreMessages = 255,
}

impl Op {
    /// Every operation, in order of its code.
    pub const ALL: [Self; 14] = [
        Self::Register,
        Self::Confirm,
        Self::Message,
        Self::RequestPublicKey,
        Self::Reconnect,
        Self::RegistrationRejected,
        Self::OtpIssued,
        Self::SessionIssued,
        Self::DeliveryAck,
        Self::PublicKey,
        Self::SessionResumed,
        Self::Disconnect,
        Self::Error,
        Self::NoMoreMessages,
    ];

    /// The byte on the wire.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The operation with this byte, if the protocol has one.
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            100 => Self::Register,
            101 => Self::Confirm,
            102 => Self::Message,
            105 => Self::RequestPublicKey,
            106 => Self::Reconnect,
            150 => Self::RegistrationRejected,
            200 => Self::OtpIssued,
            201 => Self::SessionIssued,
            203 => Self::DeliveryAck,
            204 => Self::PublicKey,
            206 => Self::SessionResumed,
            222 => Self::Disconnect,
            244 => Self::Error,
            255 => Self::NoMoreMessages,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_round_trips_and_no_other_parses() {
        let known = (0..=u8::MAX).filter_map(Op::from_code);
        assert!(known.eq(Op::ALL));
        assert!(Op::ALL.iter().all(|op| Op::from_code(op.code()) == Some(*op)));
    }
}
