//! Requests that a client seals for the server with RSA-OAEP, before it has a session: 100, 101 and
//! 106 (PROTOCOL 4.2 and 4.3).

use super::{Invitation, Otp};
use crate::ids::Phone;
use crate::keys::{Fingerprint, Plaintext, SymmetricKey};
use crate::time::Timestamp;
use crate::wire::{Malformed, Parser, VERSION, Write};

/// The OAEP part of a 100:
/// `v ‖ reply_key[32] ‖ phone str8 ‖ timestamp[19] ‖ invitation str8`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterRequest {
    /// Key that the server seals its answer with. The one-time password belongs to it.
    pub reply_key: SymmetricKey,
    /// Phone number of the account to be created.
    pub phone: Phone,
    /// Timestamp of the header, repeated. Nobody signs a 100, so a recorded one could be dated
    /// anew if its date stood in the header alone.
    pub timestamp: Timestamp,
    /// Code of the invitation link, if there is one.
    pub invitation: Option<Invitation>,
}

impl RegisterRequest {
    /// Parses the opened OAEP part. The caller compares the timestamp with the header's.
    pub fn parse(plaintext: &[u8]) -> Result<Self, Malformed> {
        let mut parser = Parser::new(plaintext);
        parser.version()?;
        Ok(Self {
            reply_key: parser.symmetric_key()?,
            phone: parser.phone()?,
            timestamp: parser.timestamp()?,
            invitation: match parser.str8()? {
                "" => None,
                code => Some(code.parse().map_err(|_| Malformed)?),
            },
        })
    }

    /// Returns the plaintext of the OAEP part.
    pub fn emit(&self) -> Plaintext {
        let mut out = Plaintext::default();
        out.put_u8(VERSION);
        out.put(self.reply_key.expose());
        out.put_phone(self.phone);
        out.put(&self.timestamp.emit());
        out.put_str8(self.invitation.as_ref().map_or("", Invitation::code));
        out
    }
}

/// The OAEP part of a 106: `v ‖ reply_key[32] ‖ phone str8`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReconnectRequest {
    /// Key that the server seals an error with.
    pub reply_key: SymmetricKey,
    /// Phone number of the account.
    pub phone: Phone,
}

impl ReconnectRequest {
    /// Parses the opened OAEP part.
    pub fn parse(plaintext: &[u8]) -> Result<Self, Malformed> {
        let mut parser = Parser::new(plaintext);
        parser.version()?;
        Ok(Self { reply_key: parser.symmetric_key()?, phone: parser.phone()? })
    }

    /// Returns the plaintext of the OAEP part.
    pub fn emit(&self) -> Plaintext {
        let mut out = Plaintext::default();
        out.put_u8(VERSION);
        out.put(self.reply_key.expose());
        out.put_phone(self.phone);
        out
    }
}

/// The OAEP part of a 101: `v ‖ reply_key[32] ‖ otp[6] ‖ fingerprint[32] ‖ phone str8`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfirmRequest {
    /// Reply key of the 100 whose password this is. The server seals an error with it.
    pub reply_key: SymmetricKey,
    /// One-time password that the server issued.
    pub otp: Otp,
    /// Fingerprint of the public key that follows the OAEP part. It binds the password to that key.
    pub fingerprint: Fingerprint,
    /// Phone number that is being registered.
    pub phone: Phone,
}

impl ConfirmRequest {
    /// Parses the opened OAEP part.
    pub fn parse(plaintext: &[u8]) -> Result<Self, Malformed> {
        let mut parser = Parser::new(plaintext);
        parser.version()?;
        Ok(Self {
            reply_key: parser.symmetric_key()?,
            otp: Otp::from_digits(parser.array()?).map_err(|_| Malformed)?,
            fingerprint: Fingerprint(*parser.array()?),
            phone: parser.phone()?,
        })
    }

    /// Returns the plaintext of the OAEP part.
    pub fn emit(&self) -> Plaintext {
        let mut out = Plaintext::default();
        out.put_u8(VERSION);
        out.put(self.reply_key.expose());
        out.put(self.otp.digits().as_bytes());
        out.put(&self.fingerprint.0);
        out.put_phone(self.phone);
        out
    }
}
