//! The server's packets in a session.

use crate::client::notice::Suspicion;
use crate::frame::{Signed, Verified};
use crate::keys::Plaintext;
use crate::wire::{
    ErrorReply, Malformed, NoMoreMessages, Packet, PublicKeyAnswer, StoredAck, Violation,
};

/// A sealed packet of the server, not verified yet.
#[derive(Debug)]
pub(in crate::client) struct SealedPacket {
    pub(in crate::client) packet: Packet,
    pub(in crate::client) kind: SealedKind,
}

/// What is inside a sealed packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::client) enum SealedKind {
    Stored,
    PublicKey,
    NoMoreMessages,
    Error,
}

/// What the server has said.
#[derive(Debug)]
pub(in crate::client) enum Said {
    /// 203: messages are stored.
    Stored(StoredAck),
    /// 204.
    PublicKey(PublicKeyAnswer),
    /// 255.
    NoMoreMessages(NoMoreMessages),
    /// 244.
    Error(ErrorReply),
    /// 222.
    Goodbye,
}

impl Said {
    /// Reads what was sealed in a verified packet.
    pub(in crate::client) fn read(
        packet: &Verified<SealedPacket>,
        opened: &Plaintext,
    ) -> Result<Self, Suspicion> {
        let bytes = opened.expose();
        match packet.get().kind {
            SealedKind::Stored => StoredAck::parse(bytes).map(Self::Stored),
            SealedKind::PublicKey => PublicKeyAnswer::parse(bytes).map(Self::PublicKey),
            SealedKind::NoMoreMessages => NoMoreMessages::parse(bytes).map(Self::NoMoreMessages),
            SealedKind::Error => ErrorReply::parse(bytes).map(Self::Error),
        }
        .map_err(|Malformed| Suspicion::BadPacket(Violation::Malformed))
    }
}

impl Signed for SealedPacket {
    fn packet(&self) -> &Packet {
        &self.packet
    }

    fn into_packet(self) -> Packet {
        self.packet
    }
}
