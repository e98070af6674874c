//! Sessions: the grant of one (201, 206), and the end of the stored items (255).

use crate::keys::{Fingerprint, Plaintext, SymmetricKey};
use crate::wire::{Malformed, Parser, RequestHash, VERSION, Write};

/// Grant of a session, the OAEP part of a 201 and a 206:
/// `v ‖ session_key[32] ‖ request_hash[32] ‖ successor data16`. The last field may be absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionGrant {
    /// Key of the session.
    pub session_key: SymmetricKey,
    /// Hash of the whole request that the grant answers.
    pub request_hash: RequestHash,
    /// Fingerprint of the key that will take the place of the server's key, or has taken it.
    pub successor: Option<Fingerprint>,
}

impl SessionGrant {
    /// Parses the opened OAEP part.
    pub fn parse(plaintext: &[u8]) -> Result<Self, Malformed> {
        let mut parser = Parser::new(plaintext);
        parser.version()?;
        Ok(Self {
            session_key: parser.symmetric_key()?,
            request_hash: RequestHash(*parser.array()?),
            successor: parse_successor(&mut parser)?,
        })
    }

    /// Returns the plaintext of the OAEP part.
    pub fn emit(&self) -> Plaintext {
        let mut out = Plaintext::default();
        out.put_u8(VERSION);
        out.put(self.session_key.expose());
        out.put(&self.request_hash.0);
        if let Some(Fingerprint(successor)) = &self.successor {
            out.put_u16(FINGERPRINT_LEN);
            out.put(successor);
        }
        out
    }
}

fn parse_successor(parser: &mut Parser<'_>) -> Result<Option<Fingerprint>, Malformed> {
    if parser.is_at_end() {
        return Ok(None);
    }
    match parser.u16()? {
        0 => Ok(None),
        FINGERPRINT_LEN => Ok(Some(Fingerprint(*parser.array()?))),
        _ => Err(Malformed),
    }
}

/// Length in bytes of a fingerprint.
const FINGERPRINT_LEN: u16 = 32;

/// Sealed part of a 206: `v ‖ pending u32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionResumed {
    /// Count of items that are stored for the client.
    pub pending: u32,
}

impl SessionResumed {
    /// Parses the opened sealed part.
    pub fn parse(plaintext: &[u8]) -> Result<Self, Malformed> {
        parse_count(plaintext).map(|pending| Self { pending })
    }

    /// Returns the plaintext to be sealed.
    pub fn emit(&self) -> Plaintext {
        emit_count(self.pending)
    }
}

/// Plaintext of a 255: `v ‖ drained u32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMoreMessages {
    /// Count of stored items that were sent in this session.
    pub drained: u32,
}

impl NoMoreMessages {
    /// Parses the opened payload.
    pub fn parse(plaintext: &[u8]) -> Result<Self, Malformed> {
        parse_count(plaintext).map(|drained| Self { drained })
    }

    /// Returns the plaintext to be sealed.
    pub fn emit(&self) -> Plaintext {
        emit_count(self.drained)
    }
}

fn parse_count(plaintext: &[u8]) -> Result<u32, Malformed> {
    let mut parser = Parser::new(plaintext);
    parser.version()?;
    parser.u32()
}

fn emit_count(count: u32) -> Plaintext {
    let mut out = Plaintext::default();
    out.put_u8(VERSION);
    out.put_u32(count);
    out
}
