//! The server's answers to a registration: 200 and 150 (PROTOCOL 4.2).

use super::Otp;
use crate::keys::Plaintext;
use crate::wire::{InReplyTo, Malformed, Parser, VERSION, Write};

/// Plaintext of a 200: `v ‖ in_reply_to[8] ‖ ttl_seconds u16 ‖ attempts u8 ‖ channel u8 ‖ otp
/// str8`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtpIssued {
    /// Hash of the 100.
    pub in_reply_to: InReplyTo,
    /// Seconds for which the password is valid.
    pub ttl_secs: u16,
    /// Count of attempts. The last wrong one invalidates the password.
    pub attempts: u8,
    /// The password, if it is sent in band (channel 0); `None` if it takes another way (channel 1).
    pub otp: Option<Otp>,
}

impl OtpIssued {
    /// Parses the opened payload.
    pub fn parse(plaintext: &[u8]) -> Result<Self, Malformed> {
        let mut parser = Parser::new(plaintext);
        parser.version()?;
        let in_reply_to = parser.in_reply_to()?;
        let ttl_secs = parser.u16()?;
        let attempts = parser.u8()?;
        let otp = match (parser.u8()?, parser.str8()?) {
            (IN_BAND, digits) => Some(digits.parse().map_err(|_| Malformed)?),
            (OUT_OF_BAND, "") => None,
            _ => return Err(Malformed),
        };
        Ok(Self { in_reply_to, ttl_secs, attempts, otp })
    }

    /// Returns the plaintext to be sealed.
    pub fn emit(&self) -> Plaintext {
        let mut out = Plaintext::default();
        out.put_u8(VERSION);
        out.put(&self.in_reply_to.0);
        out.put_u16(self.ttl_secs);
        out.put_u8(self.attempts);
        out.put_u8(if self.otp.is_some() { IN_BAND } else { OUT_OF_BAND });
        out.put_str8(self.otp.as_ref().map_or("", Otp::digits));
        out
    }
}

/// Plaintext of a 150: `v ‖ in_reply_to[8]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegistrationRejected {
    /// Hash of the 100.
    pub in_reply_to: InReplyTo,
}

impl RegistrationRejected {
    /// Parses the opened payload.
    pub fn parse(plaintext: &[u8]) -> Result<Self, Malformed> {
        let mut parser = Parser::new(plaintext);
        parser.version()?;
        Ok(Self { in_reply_to: parser.in_reply_to()? })
    }

    /// Returns the plaintext to be sealed.
    pub fn emit(&self) -> Plaintext {
        let mut out = Plaintext::default();
        out.put_u8(VERSION);
        out.put(&self.in_reply_to.0);
        out
    }
}

/// Channels of one-time passwords.
const IN_BAND: u8 = 0;
const OUT_OF_BAND: u8 = 1;
