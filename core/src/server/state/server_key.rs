//! The signed answer to a request for the server's own key.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use crate::crypto::OwnKey;
use crate::ids::ConnId;
use crate::time::Mono;
use crate::wire::Packet;

/// The signed answers for both keys of a server.
#[derive(Debug, Default)]
pub(in crate::server) struct ServerKeyAnswers {
    first: ServerKeyAnswer,
    successor: ServerKeyAnswer,
}

/// One signed key of the server, made on demand and served from memory for a while: anyone may ask for
/// it, and each signature is a private-key operation.
#[derive(Debug, Default)]
pub(in crate::server) enum ServerKeyAnswer {
    /// Not made yet, or too old.
    #[default]
    Stale,
    /// Being signed; these connections wait for it, each once.
    AwaitSigned(Vec<ConnId>),
    /// The packet, and when it was signed.
    Signed(Packet, Mono),
}

/// How to answer a request for the server's key.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::server) enum KeyReply {
    /// Send this packet.
    Send(Packet),
    /// It is being signed, and the connection waits for it.
    Wait,
    /// Have it signed; the connection waits for it.
    Sign,
}

impl ServerKeyAnswers {
    pub(in crate::server) const fn of(&mut self, key: OwnKey) -> &mut ServerKeyAnswer {
        match key {
            OwnKey::First => &mut self.first,
            OwnKey::Successor => &mut self.successor,
        }
    }
}

impl ServerKeyAnswer {
    /// A connection asks for the key.
    pub(in crate::server) fn ask(&mut self, conn: ConnId, now: Mono, ttl: Duration) -> KeyReply {
        match self {
            Self::Signed(packet, at) if now.since(*at) < ttl => KeyReply::Send(packet.clone()),
            Self::AwaitSigned(waiting) => {
                waiting.push(conn);
                KeyReply::Wait
            }
            Self::Signed(..) | Self::Stale => {
                *self = Self::AwaitSigned(vec![conn]);
                KeyReply::Sign
            }
        }
    }

    /// The answer is signed, or could not be. Returns the connections that wait for it.
    pub(in crate::server) fn signed(&mut self, packet: Option<Packet>, now: Mono) -> Vec<ConnId> {
        let next = packet.map_or(Self::Stale, |packet| Self::Signed(packet, now));
        match core::mem::replace(self, next) {
            Self::AwaitSigned(waiting) => waiting,
            Self::Stale | Self::Signed(..) => Vec::new(),
        }
    }
}
