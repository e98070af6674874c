//! Requests that a client seals for the server with RSA-OAEP, before it has a session: 100, 101 and
//! 106 (PROTOCOL 4.2 and 4.3).

use super::Otp;
use crate::ids::Phone;
use crate::keys::{Fingerprint, Plaintext, SymmetricKey};
use crate::wire::{Malformed, Parser, VERSION, Write};

/// The OAEP part of a 100 and of a 106: `v ‖ reply_key[32] ‖ phone str8`.
///
/// The two requests differ in their OAEP label and their signature, not in their content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRequest {
    /// Key that the server seals its answer with until there is a session key: the answer to a 100,
    /// or the error that refuses a 106.
    pub reply_key: SymmetricKey,
    /// Phone number of the account to be created (100) or reconnected (106).
    pub phone: Phone,
}

impl AccountRequest {
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
    /// Key that the server seals an error with.
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
