//! Admission of packets: the check on a header before its payload is buffered (PROTOCOL 8).

use super::{Direction, Op, Profile, SIGNATURE_LEN};

/// Place where packets arrive. It decides which operations and payload sizes are admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// At the server, before a session: 100, 101, 106, and a 105 that is empty or names a key, payload at most
    /// [`Gate::MAX_PAYLOAD_BEFORE_SESSION`].
    BeforeSession,
    /// At the server, in a session: 102, 105 with a payload, 203 and 222.
    InSession,
    /// At a client: what the server sends or forwards, in any phase of the connection.
    Client,
}

/// Fault of a peer: a header that the protocol does not admit. The packet boundaries of the stream
/// are lost with it, so nothing that follows can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Not a packet of this protocol, or one that is not admitted here.
    #[error("malformed packet, or one that is not admitted here")]
    Malformed,
    /// Operation that needs a session, on a connection without one.
    #[error("operation needs a session")]
    NotAuthenticated,
}

impl Gate {
    /// Largest payload before a session, in bytes. It bounds the memory that a stranger can take.
    pub const MAX_PAYLOAD_BEFORE_SESSION: usize = 1024;

    /// Largest payload that this gate admits, in bytes.
    pub const fn max_payload_len(self) -> usize {
        match self {
            Self::BeforeSession => Self::MAX_PAYLOAD_BEFORE_SESSION,
            Self::InSession | Self::Client => u16::MAX as usize,
        }
    }

    /// Largest packet that this gate admits, in bytes.
    pub const fn max_packet_len(self, profile: Profile) -> usize {
        profile.header_len() + self.max_payload_len() + SIGNATURE_LEN
    }

    /// Checks an operation and the size of its payload.
    ///
    /// # Errors
    /// The [`Violation`] that a packet with this header is.
    pub const fn admit(self, op: Op, payload_len: usize) -> Result<(), Violation> {
        match self {
            Self::BeforeSession => admit_before_session(op, payload_len),
            Self::InSession => admit_in_session(op, payload_len),
            Self::Client => admit_at_client(op),
        }
    }
}

const fn admit_before_session(op: Op, payload_len: usize) -> Result<(), Violation> {
    match op.direction() {
        Direction::ToServerBeforeSession if payload_len <= Gate::MAX_PAYLOAD_BEFORE_SESSION => {
            Ok(())
        }
        Direction::ToServer if matches!(payload_len, 0 | FINGERPRINT_LEN) => Ok(()),
        Direction::ToServer | Direction::Both => Err(Violation::NotAuthenticated),
        Direction::ToServerBeforeSession | Direction::ToClient => Err(Violation::Malformed),
    }
}

const fn admit_in_session(op: Op, payload_len: usize) -> Result<(), Violation> {
    match op.direction() {
        Direction::Both => Ok(()),
        Direction::ToServer if payload_len > 0 => Ok(()),
        Direction::ToServer | Direction::ToServerBeforeSession | Direction::ToClient => {
            Err(Violation::Malformed)
        }
    }
}

const fn admit_at_client(op: Op) -> Result<(), Violation> {
    match op.direction() {
        Direction::Both | Direction::ToClient => Ok(()),
        Direction::ToServerBeforeSession | Direction::ToServer => Err(Violation::Malformed),
    }
}

/// Length in bytes of the payload of a 105 that names a key.
const FINGERPRINT_LEN: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// Codes of the operations for which a gate returns `outcome`, given `payload_len` bytes.
    fn codes(gate: Gate, payload_len: usize, outcome: Result<(), Violation>) -> Vec<u8> {
        let matches = |op: &Op| gate.admit(*op, payload_len) == outcome;
        Op::ALL.into_iter().filter(matches).map(Op::code).collect()
    }

    #[test]
    fn before_a_session_only_operations_that_open_one_pass() {
        let not_authenticated = Err(Violation::NotAuthenticated);
        assert_eq!(codes(Gate::BeforeSession, 0, Ok(())), [100, 101, 105, 106]);
        assert_eq!(codes(Gate::BeforeSession, 32, Ok(())), [100, 101, 105, 106]);
        assert_eq!(codes(Gate::BeforeSession, 1, Ok(())), [100, 101, 106]);
        assert_eq!(codes(Gate::BeforeSession, 1024, Ok(())), [100, 101, 106]);
        assert_eq!(codes(Gate::BeforeSession, 1025, Ok(())), []);
        assert_eq!(codes(Gate::BeforeSession, 0, not_authenticated), [102, 203, 222]);
        assert_eq!(codes(Gate::BeforeSession, 65_535, not_authenticated), [102, 105, 203, 222]);
    }

    #[test]
    fn in_a_session_only_operations_of_a_session_pass() {
        assert_eq!(codes(Gate::InSession, 0, Ok(())), [102, 203, 222]);
        assert_eq!(codes(Gate::InSession, 65_535, Ok(())), [102, 105, 203, 222]);
        assert_eq!(codes(Gate::InSession, 0, Err(Violation::NotAuthenticated)), []);
    }

    #[test]
    fn at_a_client_only_operations_that_a_server_sends_pass() {
        let all = [102, 150, 200, 201, 203, 204, 206, 222, 244, 255];
        assert_eq!(codes(Gate::Client, 0, Ok(())), all);
        assert_eq!(codes(Gate::Client, 65_535, Ok(())), all);
        assert_eq!(codes(Gate::Client, 0, Err(Violation::NotAuthenticated)), []);
    }

    #[test]
    fn the_largest_packet_is_header_largest_payload_and_signature() {
        for (gate, payload_len) in
            [(Gate::BeforeSession, 1_024), (Gate::InSession, 65_535), (Gate::Client, 65_535)]
        {
            assert_eq!(gate.max_payload_len(), payload_len);
            assert_eq!(gate.max_packet_len(Profile::Compact), 26 + payload_len + 256);
            assert_eq!(gate.max_packet_len(Profile::Wide), 38 + payload_len + 256);
        }
    }
}
