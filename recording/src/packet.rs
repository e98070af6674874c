//! Packets without their contents.

use std::fmt;
use std::num::ParseIntError;

use bytes::Bytes;
use sealpost_core::ids::{MessageId, ReceiptId, UserId};
use sealpost_core::keys::{Fingerprint, PublicKey};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{
    MessageHead, OAEP_LEN, Op, Packet, Profile, Receipt, SIGNATURE_LEN, Write,
};
use serde::{Deserialize, Serialize};

use crate::line::Label;
use crate::names::Names;
use crate::stand_ins::StandIns;

/// The header of a packet, as it stands in the stream: its op code and its date may be none of the
/// protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Head {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<Label>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<Label>,
    /// Seconds since 1970; `None` if it is no date.
    pub(crate) date: Option<i64>,
    pub(crate) op: u8,
    /// Length of the payload in bytes.
    pub(crate) size: u16,
}

/// What follows the header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Body {
    pub(crate) payload: Payload,
    /// Tells the signature from others; `None` for one of zeros.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tag: Option<Tag>,
}

/// A number that tells a signature from others, and so a packet from others. Never 0; written in hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Tag(pub(crate) u64);

/// A payload without its contents. Its length is in the header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Payload {
    /// Nothing of it remains.
    Opaque,
    /// The head of a 102.
    Message { id: u64, suite: u8 },
    /// A receipt, and the messages that it is for.
    Receipt { id: u64, messages: Vec<u64> },
    /// The public key behind the OAEP part of a 101.
    Key(Label),
    /// The key that a client expects the server to have, in a 105 before a session.
    Expected(Label),
}

/// A whole packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PacketRecord {
    pub(crate) head: Head,
    pub(crate) body: Body,
}

impl Head {
    /// Reads the header at the front of `bytes`, which must have its length.
    pub(crate) fn read(profile: Profile, bytes: &[u8], names: &mut impl Names) -> Option<Self> {
        let (from, rest) = take_id(profile, bytes)?;
        let (to, rest) = take_id(profile, rest)?;
        let (date, rest) = rest.split_first_chunk()?;
        let &[op, low, high, ..] = rest else { return None };
        Some(Self {
            from: names.party(from),
            to: names.party(to),
            date: Timestamp::parse(date).map(Timestamp::unix_secs),
            op,
            size: u16::from_le_bytes([low, high]),
        })
    }

    /// Whether the protocol has packets with such a header. Nothing that follows another one is read.
    pub(crate) const fn is_readable(&self) -> bool {
        self.date.is_some() && Op::from_code(self.op).is_some()
    }

    /// Writes a header with stand-ins for its parties.
    pub(crate) fn restore(&self, profile: Profile, stand_ins: &StandIns) -> Vec<u8> {
        let mut out = Vec::with_capacity(profile.header_len());
        for party in [self.from, self.to] {
            let id = party.and_then(|label| stand_ins.user(label)).map_or(0, UserId::value);
            out.extend(id.to_le_bytes().iter().take(profile.id_len()));
        }
        let date = self.date.map(|secs| Timestamp::from_unix_secs(secs).emit());
        out.put(&date.unwrap_or_default());
        out.put_u8(self.op);
        out.put_u16(self.size);
        out
    }
}

impl Body {
    /// Reads a packet's payload and signature. Only what parses remains of a payload: nobody can
    /// hide something else behind its op code.
    pub(crate) fn read(packet: &Packet, names: &mut impl Names) -> Self {
        Self { payload: Payload::read(packet, names), tag: names.tag(packet.signature()) }
    }

    /// Writes what follows a header whose payload has this length.
    pub(crate) fn restore(&self, size: u16, stand_ins: &mut StandIns) -> Vec<u8> {
        let mut out = match &self.payload {
            Payload::Opaque => Vec::new(),
            Payload::Message { id, suite } => {
                MessageHead { message_id: MessageId(*id), suite: *suite }.emit()
            }
            Payload::Receipt { id, messages } => {
                let message_ids = messages.iter().copied().map(MessageId).collect();
                Receipt { receipt_id: ReceiptId(*id), message_ids }.emit()
            }
            Payload::Key(label) => {
                let mut payload = vec![0; OAEP_LEN];
                payload.extend_from_slice(stand_ins.key(*label).der());
                payload
            }
            Payload::Expected(label) => stand_ins.key(*label).fingerprint().0.to_vec(),
        };
        out.resize(size.into(), 0);
        let tag = self.tag.map_or(0, |tag| tag.0).to_le_bytes();
        out.extend(tag.iter().cycle().take(SIGNATURE_LEN));
        out
    }
}

impl Payload {
    fn read(packet: &Packet, names: &mut impl Names) -> Self {
        let payload = packet.payload();
        let is_forwarded = packet.header().recipient.is_some();
        if packet.op() == Op::Message
            && let Ok((head, _)) = MessageHead::parse(payload)
        {
            return Self::Message { id: head.message_id.0, suite: head.suite };
        }
        if packet.op() == Op::DeliveryAck
            && is_forwarded
            && packet.header().sender.is_some()
            && let Ok(receipt) = Receipt::parse(payload)
        {
            let messages = receipt.message_ids.iter().map(|id| id.0).collect();
            return Self::Receipt { id: receipt.receipt_id.0, messages };
        }
        if packet.op() == Op::Confirm
            && let Some(der) = payload.get(OAEP_LEN..)
            && let Ok(key) = PublicKey::from_der(der)
        {
            return Self::Key(names.key(key.fingerprint()));
        }
        if packet.op() == Op::RequestPublicKey
            && packet.is_unsigned()
            && let Ok(expected) = payload.try_into()
        {
            return Self::Expected(names.key(&Fingerprint(expected)));
        }
        Self::Opaque
    }
}

impl PacketRecord {
    /// Reads a packet.
    pub(crate) fn read(packet: &Packet, names: &mut impl Names) -> Self {
        let header = packet.header();
        let head = Head {
            from: names.party(header.sender),
            to: names.party(header.recipient),
            date: Some(header.timestamp.unix_secs()),
            op: header.op.code(),
            size: u16::try_from(packet.payload().len()).unwrap_or(u16::MAX),
        };
        Self { head, body: Body::read(packet, names) }
    }

    /// Makes a packet that the machine treats like the recorded one; `None` if its header is none of
    /// the protocol.
    pub(crate) fn restore(&self, profile: Profile, stand_ins: &mut StandIns) -> Option<Packet> {
        let mut bytes = self.head.restore(profile, stand_ins);
        bytes.extend(self.body.restore(self.head.size, stand_ins));
        Packet::parse(profile, Bytes::from(bytes))
    }
}

impl fmt::Display for PacketRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Head { from, to, date, op, size } = self.head;
        let date = Timestamp::from_unix_secs(date.unwrap_or_default());
        let (from, to) = (from.unwrap_or_default(), to.unwrap_or_default());
        write!(f, "{op} {from}→{to} of {date}, {size} bytes")?;
        match &self.body.payload {
            Payload::Opaque => {}
            Payload::Message { id, suite } => write!(f, ", message {id} of suite {suite}")?,
            Payload::Receipt { id, messages } => write!(f, ", receipt {id} for {messages:?}")?,
            Payload::Key(label) => write!(f, ", key {label}")?,
            Payload::Expected(label) => write!(f, ", expects key {label}")?,
        }
        self.body.tag.map_or(Ok(()), |Tag(tag)| write!(f, ", tag {tag:016x}"))
    }
}

impl From<Tag> for String {
    fn from(Tag(tag): Tag) -> Self {
        format!("{tag:016x}")
    }
}

impl TryFrom<String> for Tag {
    type Error = ParseIntError;

    fn try_from(text: String) -> Result<Self, ParseIntError> {
        u64::from_str_radix(&text, 16).map(Self)
    }
}

fn take_id(profile: Profile, bytes: &[u8]) -> Option<(Option<UserId>, &[u8])> {
    let (id, rest) = bytes.split_at_checked(profile.id_len())?;
    let mut wide = [0; 8];
    wide.iter_mut().zip(id).for_each(|(wide, byte)| *wide = *byte);
    Some((UserId::new(u64::from_le_bytes(wide)), rest))
}
