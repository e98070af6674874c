//! Messages (102): the head that the server reads, and the content that only the recipient opens.

use alloc::vec::Vec;
use core::fmt;

use crate::ids::MessageId;
use crate::keys::Plaintext;
use crate::wire::{Malformed, Parser, VERSION, Write};

/// Head of a message, in front of its body: `message_id u64 ‖ suite u8`. The server reads no more
/// of a message than this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageHead {
    /// Number that the sender gave the message.
    pub message_id: MessageId,
    /// Format of the body. The server forwards every suite.
    pub suite: u8,
}

impl MessageHead {
    /// Length in bytes, and so the offset of the body.
    pub const LEN: usize = 9;
    /// Suite that this version seals and opens: `oaep(recipient, K) ‖ sealed(K, inner)`.
    pub const SUITE_1: u8 = 1;

    /// Splits the payload of a 102 into head and body. A body has at least one byte.
    pub fn parse(payload: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        let mut parser = Parser::new(payload);
        let head = Self { message_id: MessageId(parser.u64()?), suite: parser.u8()? };
        let body = parser.rest();
        if body.is_empty() { Err(Malformed) } else { Ok((head, body)) }
    }

    /// Returns the bytes in front of the body.
    pub fn emit(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::LEN);
        out.put_u64(self.message_id.0);
        out.put_u8(self.suite);
        out
    }
}

/// Kind of a message's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ContentKind {
    /// Text in UTF-8.
    Text = 0,
    /// Bytes that only the application understands.
    Bytes = 1,
    /// An event in CBOR, which [`crate::event`] parses.
    Event = 2,
}

impl ContentKind {
    /// Byte on the wire.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Kind with this byte; `None` for the reserved ones.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Text),
            1 => Some(Self::Bytes),
            2 => Some(Self::Event),
            _ => None,
        }
    }
}

/// Plaintext of a message's body:
/// `v ‖ kind u8 ‖ previous_id u64 ‖ length u16 ‖ content[length] ‖ zeros`.
///
/// Text is valid UTF-8, and no content is over [`Inner::MAX_CONTENT`] bytes. Whether the content of
/// an event is one is not examined here. `Debug` shows the length of the content only.
#[derive(Clone, PartialEq, Eq)]
pub struct Inner {
    kind: ContentKind,
    previous: Option<MessageId>,
    content: Vec<u8>,
}

/// Content that does not fit a message: too long, or not text. The content is given back.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum InnerRefused {
    /// The content is over [`Inner::MAX_CONTENT`] bytes.
    #[error("message is too long: it holds at most {} bytes", Inner::MAX_CONTENT)]
    TooLong(Vec<u8>),
    /// The kind is text, but the content is not UTF-8.
    #[error("text of the message is not UTF-8")]
    NotText(Vec<u8>),
}

impl Inner {
    /// Longest content of a message, in bytes.
    pub const MAX_CONTENT: usize = LARGEST_BUCKET as usize - HEAD_LEN;

    /// Makes the plaintext of a message.
    ///
    /// `previous` is the sender's last message to the same recipient; `None` if this is the first.
    pub fn new(
        kind: ContentKind,
        previous: Option<MessageId>,
        content: Vec<u8>,
    ) -> Result<Self, InnerRefused> {
        if content.len() > Self::MAX_CONTENT {
            return Err(InnerRefused::TooLong(content));
        }
        match kind {
            ContentKind::Text if core::str::from_utf8(&content).is_err() => {
                Err(InnerRefused::NotText(content))
            }
            ContentKind::Text | ContentKind::Bytes | ContentKind::Event => {
                Ok(Self { kind, previous, content })
            }
        }
    }

    /// Kind of the content.
    pub const fn kind(&self) -> ContentKind {
        self.kind
    }

    /// The sender's previous message to the same recipient; `None` if this is the first.
    pub const fn previous(&self) -> Option<MessageId> {
        self.previous
    }

    /// Content of the message.
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// Content of the message, without a copy.
    pub fn into_content(self) -> Vec<u8> {
        self.content
    }

    /// Parses the opened body. The padding is ignored.
    pub fn parse(plaintext: &[u8]) -> Result<Self, Malformed> {
        let mut parser = Parser::new(plaintext);
        parser.version()?;
        let kind = ContentKind::from_code(parser.u8()?).ok_or(Malformed)?;
        let previous = match parser.u64()? {
            0 => None,
            id => Some(MessageId(id)),
        };
        let len = parser.u16()?;
        let content = parser.bytes(len.into())?.to_vec();
        Self::new(kind, previous, content).map_err(|_| Malformed)
    }

    /// Returns the plaintext to be sealed, padded with zeros to the smallest bucket that holds it,
    /// so that the length of a packet tells little about that of its content.
    pub fn emit(&self) -> Plaintext {
        let padded_len = bucket(HEAD_LEN + self.content.len());
        let mut out = Vec::with_capacity(padded_len);
        out.put_u8(VERSION);
        out.put_u8(self.kind.code());
        out.put_u64(self.previous.map_or(0, |id| id.0));
        out.put_u16(u16::try_from(self.content.len()).unwrap_or(u16::MAX));
        out.put(&self.content);
        out.resize(padded_len, 0);
        Plaintext::new(out)
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("kind", &self.kind)
            .field("previous", &self.previous)
            .field("content_len", &self.content.len())
            .finish()
    }
}

impl fmt::Debug for InnerRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(content) => write!(f, "TooLong({} bytes)", content.len()),
            Self::NotText(content) => write!(f, "NotText({} bytes)", content.len()),
        }
    }
}

/// The smallest bucket that holds `len` bytes.
fn bucket(len: usize) -> usize {
    BUCKETS.into_iter().map(usize::from).find(|bucket| *bucket >= len).unwrap_or(len)
}

/// Each bucket is one byte less than a multiple of the cipher's block, so that PKCS#7 adds one
/// byte.
const BUCKETS: [u16; 9] = [255, 511, 1023, 2047, 4095, 8191, 16_383, 32_767, LARGEST_BUCKET];
const LARGEST_BUCKET: u16 = 65_247;

/// `v`, kind, `previous_id`, length.
const HEAD_LEN: usize = 1 + 1 + 8 + 2;
