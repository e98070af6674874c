//! Errors (PROTOCOL 7).

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::keys::Plaintext;
use crate::time::Timestamp;
use crate::wire::codes::code_table;
use crate::wire::{InReplyTo, Malformed, Parser, VERSION, Violation, Write};

/// Body of a 244: `v ‖ code u8 ‖ in_reply_to[8] ‖ retry_after_seconds u32 ‖ server_time u64 ‖
/// text str8`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorReply {
    /// Code of the error.
    pub code: ErrorCode,
    /// Hash of the request that caused the error; zeros if none did.
    pub in_reply_to: InReplyTo,
    /// Seconds to wait before a repetition; 0 if the error names no time.
    pub retry_after_secs: u32,
    /// Time of the server's clock, from 1970 on.
    pub server_time: Timestamp,
    /// Text for people; cut to 255 bytes when it is emitted.
    pub text: String,
}

impl ErrorReply {
    /// Parses the opened sealed part of a 244 of form 1 or 2.
    pub fn parse(plaintext: &[u8]) -> Result<Self, Malformed> {
        Self::read(&mut Parser::new(plaintext))
    }

    /// Parses the whole payload of a 244 of form 0. Nothing may follow.
    pub fn parse_clear(payload: &[u8]) -> Result<Self, Malformed> {
        let mut parser = Parser::new(payload);
        if ErrorForm::from_code(parser.u8()?) != Some(ErrorForm::Clear) {
            return Err(Malformed);
        }
        let reply = Self::read(&mut parser)?;
        parser.end()?;
        Ok(reply)
    }

    /// Returns the plaintext of the sealed part in a 244 of form 1 or 2. The part follows the byte
    /// of the form.
    pub fn emit(&self) -> Plaintext {
        let mut out = Plaintext::default();
        self.write(&mut out);
        out
    }

    /// Returns the whole payload of a 244 of form 0.
    pub fn emit_clear(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_u8(ErrorForm::Clear.code());
        self.write(&mut out);
        out
    }

    fn read(parser: &mut Parser<'_>) -> Result<Self, Malformed> {
        parser.version()?;
        Ok(Self {
            code: ErrorCode::read(parser.u8()?),
            in_reply_to: parser.in_reply_to()?,
            retry_after_secs: parser.u32()?,
            server_time: server_time(parser.u64()?)?,
            text: parser.str8()?.to_owned(),
        })
    }

    fn write(&self, out: &mut impl Write) {
        out.put_u8(VERSION);
        out.put_u8(self.code.code());
        out.put(&self.in_reply_to.0);
        out.put_u32(self.retry_after_secs);
        out.put_u64(u64::try_from(self.server_time.unix_secs()).unwrap_or(0));
        out.put_str8(&self.text);
    }
}

/// Form of a 244, the first byte of its payload: in the clear, or the key that it is sealed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ErrorForm {
    /// In the clear: before a session, if the server has not opened the request.
    Clear = 0,
    /// Sealed with the reply key of the request that it answers.
    ReplyKey = 1,
    /// Sealed with the session key.
    SessionKey = 2,
}

impl ErrorForm {
    /// Byte on the wire.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Form with this byte; `None` if the protocol defines none.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Clear),
            1 => Some(Self::ReplyKey),
            2 => Some(Self::SessionKey),
            _ => None,
        }
    }
}

code_table! {
    /// Code of an error (PROTOCOL 7).
    pub enum ErrorCode {
        /// Not a packet of this protocol, or a payload that cannot be parsed.
        Malformed = 1, Fault;
        /// The signature does not verify, or a sealed part does not open.
        BadSignature = 2, Fault;
        /// An operation that needs a session, without one; or a `sender_id` that is not the
        /// session's.
        NotAuthenticated = 3, SessionOver;
        /// The recipient of a message, or the user that a look-up names, is not registered. As the
        /// answer to a 106 that names an id: there is no such account, and the server closes.
        UnknownUser = 4, Denied;
        /// Wrong one-time password; the text says how many attempts are left.
        OtpRejected = 5, Denied;
        /// No valid one-time password exists for the phone number.
        OtpExpired = 6, Denied;
        /// A rate limit was exceeded; `retry_after_secs` says when to repeat.
        RateLimited = 7, Temporary;
        /// The recipient's quota is used up.
        MailboxFull = 8, Temporary;
        /// No id is left in this profile.
        ServerFull = 9, Denied;
        /// The same user connected elsewhere.
        Displaced = 10, SessionOver;
        /// The timestamp is too far from the server's time, or that of a 106 is not newer than the
        /// last.
        ClockSkew = 11, WrongTime;
        /// The store could not take it; nothing was acknowledged.
        Unavailable = 12, Temporary;
        /// The server stops in order; everything that was acknowledged is durable.
        ShuttingDown = 13, SessionOver;
        /// The key is not RSA-2048 with exponent 65537, or is unfit.
        KeyRejected = 14, Denied;
        /// Registration needs an invitation, and the one in the request is missing or not valid.
        InvitationRejected = 15, Denied;
        /// The operator has suspended the account; `retry_after_secs` says when to ask again.
        Suspended = 16, SessionOver;
        _ =>
        /// A code of a later version: a refusal, of which only the number and the text are known.
        /// Whether it closes is seen at the connection.
        Unknown(UnknownCode), Denied;
    }

    /// Class of the error: what it means for the request that it answers, and for the connection.
    pub fn class() -> ErrorClass;
}

/// Class of an error, by what becomes of the refused request and of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// The packet itself is at fault. The server closes; the same packet would be refused each
    /// time.
    Fault,
    /// The session is over, or never began. The server closes; nothing is wrong with the request,
    /// which can be repeated in another session.
    SessionOver,
    /// The request can be repeated unchanged, later.
    Temporary,
    /// The request can be repeated once it carries a timestamp that the server accepts.
    WrongTime,
    /// The request is refused for good. Only a different one can succeed.
    Denied,
}

impl ErrorClass {
    /// Whether the server closes the connection after an error of this class.
    pub const fn closes(self) -> bool {
        match self {
            Self::Fault | Self::SessionOver => true,
            Self::Temporary | Self::WrongTime | Self::Denied => false,
        }
    }
}

/// A code that this version does not define. Only [`ErrorCode::read`] makes one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnknownCode(u8);

impl UnknownCode {
    /// Byte on the wire.
    pub const fn code(self) -> u8 {
        self.0
    }
}

impl fmt::Debug for UnknownCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl ErrorCode {
    /// Code with this byte on the wire.
    pub const fn read(code: u8) -> Self {
        match Self::from_code(code) {
            Some(known) => known,
            None => Self::Unknown(UnknownCode(code)),
        }
    }

    /// Whether the server closes the connection after this error, by its class. A refused 106 is
    /// the exception of PROTOCOL 4.3: there the server closes after `UnknownUser` too.
    pub const fn closes(self) -> bool {
        self.class().closes()
    }
}

impl From<Violation> for ErrorCode {
    fn from(violation: Violation) -> Self {
        match violation {
            Violation::Malformed => Self::Malformed,
            Violation::NotAuthenticated => Self::NotAuthenticated,
        }
    }
}

/// Returns the time `secs` seconds after 1970. Years after 9999 are malformed: a timestamp cannot
/// hold them.
fn server_time(secs: u64) -> Result<Timestamp, Malformed> {
    let secs = i64::try_from(secs).map_err(|_| Malformed)?;
    let moment = Timestamp::from_unix_secs(secs);
    if moment.unix_secs() == secs { Ok(moment) } else { Err(Malformed) }
}

/// Offset of the sealed part in the payload of a 244 of form 1 or 2.
pub const SEALED_ERROR_AT: usize = 1;
