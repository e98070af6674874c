//! A packet: header, payload, signature (PROTOCOL 3).

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{Malformed, Op};
use crate::ids::UserId;
use crate::time::Timestamp;

/// Length in bytes of the signature that ends every packet.
pub const SIGNATURE_LEN: usize = 256;

/// Width of user ids, the same for a whole deployment (PROTOCOL 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Profile {
    /// Ids of 2 bytes: up to 65,535 users.
    Compact,
    /// Ids of 8 bytes.
    Wide,
}

impl Profile {
    /// Length of one id in bytes.
    pub const fn id_len(self) -> usize {
        match self {
            Self::Compact => 2,
            Self::Wide => 8,
        }
    }

    /// Length of a header in bytes: two ids, the timestamp, the op code, the payload's size.
    pub const fn header_len(self) -> usize {
        2 * self.id_len() + Timestamp::LEN + 1 + 2
    }

    /// Largest id that fits. Wide ids stop at 2^63 - 1, the largest integer in `SQLite`.
    pub const fn max_user_id(self) -> u64 {
        match self {
            Self::Compact => u16::MAX as u64,
            Self::Wide => i64::MAX as u64,
        }
    }
}

/// Header of a packet: the fields before the payload, without its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Sender of the packet; `None` for the server and for a client without an id.
    pub sender: Option<UserId>,
    /// Recipient of the packet; `None` for the server and for a client without an id.
    pub recipient: Option<UserId>,
    /// Time at which the packet was made, by its sender's clock.
    pub timestamp: Timestamp,
    /// Operation of the packet.
    pub op: Op,
}

/// One whole packet whose header has been parsed. Its bytes are reference counted: a clone shares
/// them, and the server forwards exactly the bytes that arrived.
#[derive(Clone, PartialEq, Eq)]
pub struct Packet {
    profile: Profile,
    header: Header,
    bytes: Bytes,
}

impl Packet {
    /// Length in bytes of the largest packet, which is one of the wide profile.
    pub const MAX_LEN: usize = Profile::Wide.header_len() + u16::MAX as usize + SIGNATURE_LEN;

    /// Parses exactly one packet. `None` if the header does not parse, or if a byte is missing or
    /// left over.
    pub fn parse(profile: Profile, bytes: Bytes) -> Option<Self> {
        let (header, payload_len) = Header::parse(profile, &bytes)?;
        let whole = profile.header_len() + payload_len + SIGNATURE_LEN;
        (bytes.len() == whole).then_some(Self { profile, header, bytes })
    }

    /// Makes a packet from the bytes that the header was parsed from. Their length must be the one
    /// that the header announces.
    pub(super) const fn framed(profile: Profile, header: Header, bytes: Bytes) -> Self {
        Self { profile, header, bytes }
    }

    /// Builds a packet. `sign` gets every byte before the signature and returns the signature.
    ///
    /// # Errors
    /// [`Oversized`] if the payload is over 65,535 bytes or an id does not fit the profile;
    /// otherwise the error of `sign`.
    pub fn build<E: From<Oversized>>(
        profile: Profile,
        header: Header,
        payload: &[u8],
        sign: impl FnOnce(&[u8]) -> Result<[u8; SIGNATURE_LEN], E>,
    ) -> Result<Self, E> {
        let payload_len = u16::try_from(payload.len()).map_err(|_| Oversized)?;
        let mut out = Vec::with_capacity(profile.header_len() + payload.len() + SIGNATURE_LEN);
        put_id(&mut out, profile, header.sender)?;
        put_id(&mut out, profile, header.recipient)?;
        out.extend_from_slice(&header.timestamp.emit());
        out.push(header.op.code());
        out.extend_from_slice(&payload_len.to_le_bytes());
        out.extend_from_slice(payload);
        let signature = sign(&out)?;
        out.extend_from_slice(&signature);
        Ok(Self { profile, header, bytes: out.into() })
    }

    /// Profile that the packet was parsed or built in.
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// Header of the packet.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Operation of the packet.
    pub const fn op(&self) -> Op {
        self.header.op
    }

    /// The whole packet, byte for byte as on the wire.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Payload: the bytes between header and signature.
    pub fn payload(&self) -> &[u8] {
        self.bytes.get(self.profile.header_len()..self.signature_at()).unwrap_or_default()
    }

    /// Payload from byte `at` to its end; empty if it is shorter. Shares the packet's memory.
    pub(super) fn payload_from(&self, at: usize) -> Bytes {
        let end = self.signature_at();
        self.bytes.slice((self.profile.header_len() + at).min(end)..end)
    }

    /// Bytes that the signature covers: all before it.
    pub fn signed(&self) -> &[u8] {
        self.bytes.get(..self.signature_at()).unwrap_or_default()
    }

    /// Signature: the last 256 bytes.
    pub fn signature(&self) -> &[u8] {
        self.bytes.get(self.signature_at()..).unwrap_or_default()
    }

    /// Whether the signature is 256 zero bytes, as in a packet of a client whose key the server
    /// does not know.
    pub fn is_unsigned(&self) -> bool {
        self.signature().iter().all(|byte| *byte == 0)
    }

    /// SHA-256 over the whole packet, signature included (PROTOCOL 2).
    pub fn request_hash(&self) -> RequestHash {
        RequestHash(Sha256::digest(&self.bytes).into())
    }

    fn signature_at(&self) -> usize {
        self.bytes.len().saturating_sub(SIGNATURE_LEN)
    }
}

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { profile, header, bytes: _ } = self;
        let payload_len = self.payload().len();
        write!(f, "Packet({profile:?}, {header:?}, payload of {payload_len} bytes)")
    }
}

/// A whole packet that does not have the shape of its operation. The packet is given back, because
/// the error that answers it names its hash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("packet does not have the shape of its operation")]
pub struct MalformedPacket(pub Packet);

impl From<MalformedPacket> for Malformed {
    fn from(_: MalformedPacket) -> Self {
        Self
    }
}

/// A payload over 65,535 bytes, or an id that does not fit the profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("payload over 65,535 bytes, or an id that does not fit the profile")]
pub struct Oversized;

/// SHA-256 over a whole request packet. It binds an answer to its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestHash(pub [u8; 32]);

impl RequestHash {
    /// The first 8 bytes.
    pub fn in_reply_to(self) -> InReplyTo {
        InReplyTo(self.0.first_chunk().copied().unwrap_or_default())
    }
}

/// The first 8 bytes of a request's hash, or zeros if no request caused the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct InReplyTo(pub [u8; 8]);

impl Header {
    /// Reads op code and payload size, which are checked before everything else. `None` if `bytes`
    /// is too short for a whole header.
    pub(super) fn peek(profile: Profile, bytes: &[u8]) -> Option<(u8, usize)> {
        let header = bytes.get(..profile.header_len())?;
        let &[.., op, size_low, size_high] = header else {
            return None;
        };
        Some((op, usize::from(u16::from_le_bytes([size_low, size_high]))))
    }

    /// Parses a header and the payload's size from the front of `bytes`. `None` if `bytes` is too
    /// short, or if its op code or timestamp is not one of this protocol.
    pub fn parse(profile: Profile, bytes: &[u8]) -> Option<(Self, usize)> {
        let (sender, rest) = take_id(profile, bytes)?;
        let (recipient, rest) = take_id(profile, rest)?;
        let timestamp = Timestamp::parse(rest.first_chunk()?)?;
        let (op, payload_len) = Self::peek(profile, bytes)?;
        let header = Self { sender, recipient, timestamp, op: Op::from_code(op)? };
        Some((header, payload_len))
    }
}

fn take_id(profile: Profile, bytes: &[u8]) -> Option<(Option<UserId>, &[u8])> {
    match profile {
        Profile::Compact => {
            let (id, rest) = bytes.split_first_chunk()?;
            Some((UserId::new(u16::from_le_bytes(*id).into()), rest))
        }
        Profile::Wide => {
            let (id, rest) = bytes.split_first_chunk()?;
            Some((UserId::new(u64::from_le_bytes(*id)), rest))
        }
    }
}

fn put_id(out: &mut Vec<u8>, profile: Profile, id: Option<UserId>) -> Result<(), Oversized> {
    let id = id.map_or(0, UserId::value);
    match profile {
        Profile::Compact => {
            out.extend_from_slice(&u16::try_from(id).map_err(|_| Oversized)?.to_le_bytes());
        }
        Profile::Wide => out.extend_from_slice(&id.to_le_bytes()),
    }
    Ok(())
}
