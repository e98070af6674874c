//! What may arrive, and where: the check on a header before its payload is buffered (PROTOCOL 8).

use super::{Op, Profile, SIGNATURE_LEN};

/// Where packets arrive, and so which operations and payload sizes may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// At the server, before a session: 100, 101, 106 and an empty 105, payload at most
    /// [`Gate::MAX_PAYLOAD_BEFORE_SESSION`].
    BeforeSession,
    /// At the server, in a session: 102, 105 with a payload, 203 and 222.
    InSession,
    /// At a client: what the server sends or forwards.
    Client,
}

/// What a peer did that the protocol does not allow. The stream has no packet boundaries after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Not a packet of this protocol, or none that may arrive here.
    #[error("not a packet that may arrive here")]
    Malformed,
    /// An operation that needs a session, before one.
    #[error("an operation that needs a session, without one")]
    NotAuthenticated,
}

impl Gate {
    /// The largest payload before a session, in bytes.
    pub const MAX_PAYLOAD_BEFORE_SESSION: usize = 1024;

    /// The largest payload that passes, in bytes.
    pub const fn max_payload_len(self) -> usize {
        match self {
            Self::BeforeSession => Self::MAX_PAYLOAD_BEFORE_SESSION,
            Self::InSession | Self::Client => u16::MAX as usize,
        }
    }

    /// The largest packet that passes, in bytes.
    pub const fn max_packet_len(self, profile: Profile) -> usize {
        profile.header_len() + self.max_payload_len() + SIGNATURE_LEN
    }

    /// Checks an operation and the size of its payload.
    pub const fn admit(self, op: Op, payload_len: usize) -> Result<(), Violation> {
        match self {
            Self::BeforeSession => admit_before_session(op, payload_len),
            Self::InSession => admit_in_session(op, payload_len),
            Self::Client => admit_at_client(op),
        }
    }
}

const fn admit_before_session(op: Op, payload_len: usize) -> Result<(), Violation> {
    match op {
        Op::Register | Op::Confirm | Op::Reconnect => {
            if payload_len <= Gate::MAX_PAYLOAD_BEFORE_SESSION {
                Ok(())
            } else {
                Err(Violation::Malformed)
            }
        }
        Op::RequestPublicKey if payload_len == 0 => Ok(()),
        Op::RequestPublicKey | Op::Message | Op::DeliveryAck | Op::Disconnect => {
            Err(Violation::NotAuthenticated)
        }
        Op::RegistrationRejected
        | Op::OtpIssued
        | Op::SessionIssued
        | Op::PublicKey
        | Op::SessionResumed
        | Op::Error
        | Op::NoMoreMessages => Err(Violation::Malformed),
    }
}

const fn admit_in_session(op: Op, payload_len: usize) -> Result<(), Violation> {
    match op {
        Op::Message | Op::DeliveryAck | Op::Disconnect => Ok(()),
        Op::RequestPublicKey if payload_len > 0 => Ok(()),
        Op::RequestPublicKey
        | Op::Register
        | Op::Confirm
        | Op::Reconnect
        | Op::RegistrationRejected
        | Op::OtpIssued
        | Op::SessionIssued
        | Op::PublicKey
        | Op::SessionResumed
        | Op::Error
        | Op::NoMoreMessages => Err(Violation::Malformed),
    }
}

const fn admit_at_client(op: Op) -> Result<(), Violation> {
    match op {
        Op::Message
        | Op::RegistrationRejected
        | Op::OtpIssued
        | Op::SessionIssued
        | Op::DeliveryAck
        | Op::PublicKey
        | Op::SessionResumed
        | Op::Disconnect
        | Op::Error
        | Op::NoMoreMessages => Ok(()),
        Op::Register | Op::Confirm | Op::RequestPublicKey | Op::Reconnect => {
            Err(Violation::Malformed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// The operations that a gate lets through with a payload of `payload_len`, or answers with
    /// `violation`.
    fn codes(gate: Gate, payload_len: usize, outcome: Result<(), Violation>) -> Vec<u8> {
        let answered = |op: &Op| gate.admit(*op, payload_len) == outcome;
        Op::ALL.into_iter().filter(answered).map(Op::code).collect()
    }

    #[test]
    fn before_a_session_only_what_opens_one_passes() {
        let not_authenticated = Err(Violation::NotAuthenticated);
        assert_eq!(codes(Gate::BeforeSession, 0, Ok(())), [100, 101, 105, 106]);
        assert_eq!(codes(Gate::BeforeSession, 1, Ok(())), [100, 101, 106]);
        assert_eq!(codes(Gate::BeforeSession, 1024, Ok(())), [100, 101, 106]);
        assert_eq!(codes(Gate::BeforeSession, 1025, Ok(())), []);
        assert_eq!(codes(Gate::BeforeSession, 0, not_authenticated), [102, 203, 222]);
        assert_eq!(codes(Gate::BeforeSession, 65_535, not_authenticated), [102, 105, 203, 222]);
    }

    #[test]
    fn in_a_session_only_its_own_operations_pass() {
        assert_eq!(codes(Gate::InSession, 0, Ok(())), [102, 203, 222]);
        assert_eq!(codes(Gate::InSession, 65_535, Ok(())), [102, 105, 203, 222]);
        assert_eq!(codes(Gate::InSession, 0, Err(Violation::NotAuthenticated)), []);
    }

    #[test]
    fn at_a_client_what_a_server_sends_passes() {
        let all = [102, 150, 200, 201, 203, 204, 206, 222, 244, 255];
        assert_eq!(codes(Gate::Client, 0, Ok(())), all);
        assert_eq!(codes(Gate::Client, 65_535, Ok(())), all);
        assert_eq!(codes(Gate::Client, 0, Err(Violation::NotAuthenticated)), []);
    }

    #[test]
    fn the_longest_packet_is_the_longest_payload_and_what_stands_around_it() {
        for (gate, payload_len) in
            [(Gate::BeforeSession, 1_024), (Gate::InSession, 65_535), (Gate::Client, 65_535)]
        {
            assert_eq!(gate.max_payload_len(), payload_len);
            assert_eq!(gate.max_packet_len(Profile::Compact), 26 + payload_len + 256);
            assert_eq!(gate.max_packet_len(Profile::Wide), 38 + payload_len + 256);
        }
    }
}
