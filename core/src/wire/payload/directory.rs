//! Public keys: the look-up (105) and its answer (204), in a session and before one.

use alloc::vec::Vec;

use crate::ids::{Phone, UserId};
use crate::keys::{Plaintext, PublicKey};
use crate::wire::{InReplyTo, Malformed, Parser, VERSION, Write};

/// Look-up of a user, sealed in a 105: `v ‖ kind u8 ‖ …`; kind 0: phone `str8`; kind 1: user id
/// u64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The user with this phone number.
    Phone(Phone),
    /// The user with this id.
    Id(UserId),
}

impl Lookup {
    /// Parses the opened payload.
    pub fn parse(plaintext: &[u8]) -> Result<Self, Malformed> {
        let mut parser = Parser::new(plaintext);
        parser.version()?;
        match parser.u8()? {
            BY_PHONE => parser.phone().map(Self::Phone),
            BY_ID => parser.user_id().map(Self::Id),
            _ => Err(Malformed),
        }
    }

    /// Returns the plaintext to be sealed.
    pub fn emit(&self) -> Plaintext {
        let mut out = Plaintext::default();
        out.put_u8(VERSION);
        match self {
            Self::Phone(phone) => {
                out.put_u8(BY_PHONE);
                out.put_phone(*phone);
            }
            Self::Id(id) => {
                out.put_u8(BY_ID);
                out.put_u64(id.value());
            }
        }
        out
    }
}

/// Answer to a look-up, sealed in a 204:
/// `v ‖ in_reply_to[8] ‖ user_id u64 ‖ phone str8 ‖ public key DER as u16 length and bytes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKeyAnswer {
    /// Hash of the 105.
    pub in_reply_to: InReplyTo,
    /// Id of the user who was looked up.
    pub user: UserId,
    /// Phone number of that user.
    pub phone: Phone,
    /// Public key of that user.
    pub public_key: PublicKey,
}

impl PublicKeyAnswer {
    /// Parses the opened payload.
    pub fn parse(plaintext: &[u8]) -> Result<Self, Malformed> {
        let mut parser = Parser::new(plaintext);
        parser.version()?;
        Ok(Self {
            in_reply_to: parser.in_reply_to()?,
            user: parser.user_id()?,
            phone: parser.phone()?,
            public_key: public_key(&mut parser)?,
        })
    }

    /// Returns the plaintext to be sealed.
    pub fn emit(&self) -> Plaintext {
        let mut out = Plaintext::default();
        out.put_u8(VERSION);
        out.put(&self.in_reply_to.0);
        out.put_u64(self.user.value());
        out.put_phone(self.phone);
        put_public_key(&mut out, &self.public_key);
        out
    }
}

/// Parses the payload of a 204 before a session, `v ‖ public key DER as u16 length and bytes`. It
/// is in the clear, so nothing may follow.
pub fn parse_server_key(payload: &[u8]) -> Result<PublicKey, Malformed> {
    let mut parser = Parser::new(payload);
    parser.version()?;
    let key = public_key(&mut parser)?;
    parser.end()?;
    Ok(key)
}

/// Returns the payload of a 204 before a session.
pub fn emit_server_key(key: &PublicKey) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + 2 + PublicKey::DER_LEN);
    out.put_u8(VERSION);
    put_public_key(&mut out, key);
    out
}

fn public_key(parser: &mut Parser<'_>) -> Result<PublicKey, Malformed> {
    let len = parser.u16()?;
    PublicKey::from_der(parser.bytes(len.into())?).map_err(|_| Malformed)
}

fn put_public_key(out: &mut impl Write, key: &PublicKey) {
    out.put_u16(DER_LEN);
    out.put(key.der());
}

const DER_LEN: u16 = 294;
const _: () = assert!(DER_LEN as usize == PublicKey::DER_LEN);

/// Kinds of look-up.
const BY_PHONE: u8 = 0;
const BY_ID: u8 = 1;
