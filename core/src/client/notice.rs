//! What the client lets be known.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::Token;
use super::store::{Content, Failure, Verification};
use crate::frame::StoreError;
use crate::ids::{MessageId, Phone, UserId, UserRef};
use crate::keys::Fingerprint;
use crate::wire::{ErrorCode, Violation};

/// Something that happened. Nothing here is the only place where it is kept: what must not be lost
/// is in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// In a session.
    Online {
        /// What the server holds for us; `None` for a new account, which holds nothing.
        pending: Option<u32>,
    },
    /// Everything that was stored for us has come; from here delivery is live.
    CaughtUp {
        /// How many items came.
        drained: u32,
    },
    /// The connection is gone, or could not be made.
    Offline {
        /// Why.
        reason: OfflineReason,
        /// When the next attempt is made; `None` if none is.
        retry_in: Option<Duration>,
    },

    /// The server has issued a one-time password.
    OtpRequested {
        /// How it comes.
        channel: OtpChannel,
        /// How long it lives, in seconds.
        ttl_secs: u16,
        /// How many attempts it takes.
        attempts: u8,
    },
    /// The one-time password was wrong.
    OtpRejected {
        /// The server's words: how many attempts are left.
        text: String,
    },
    /// The account stands.
    Registered {
        /// Our id.
        user: UserId,
    },
    /// Registration is over, without an account.
    RegistrationFailed(RegistrationFailure),

    /// A message is durable here, and will be sent.
    Queued {
        /// The application's name for it.
        token: Token,
        /// Its id from now on.
        id: MessageId,
    },
    /// A message was not taken.
    SendRefused {
        /// The application's name for it.
        token: Token,
        /// Why.
        refusal: Refusal,
        /// Its content, given back.
        content: Content,
    },
    /// The server holds these durably.
    Stored(Vec<MessageId>),
    /// The reader has signed for these.
    Delivered {
        /// Who.
        reader: UserId,
        /// Which.
        ids: Vec<MessageId>,
    },
    /// These will not be sent.
    Failed {
        /// Which.
        ids: Vec<MessageId>,
        /// Why.
        failure: Failure,
    },

    /// The answer to a look-up: a contact, pinned now or before.
    Found {
        /// Whose.
        phone: Phone,
        /// The pinned id.
        user: UserId,
        /// Of the pinned key.
        fingerprint: Fingerprint,
        /// How far it is trusted.
        verification: Verification,
    },
    /// A look-up had no answer.
    LookupFailed {
        /// Who was asked for.
        who: UserRef,
        /// Why.
        failure: LookupFailure,
    },
    /// The server names another id or key for a contact than the pinned one. Nothing is sent to
    /// them until somebody accepts it.
    KeyChanged {
        /// Whose.
        phone: Phone,
        /// Of the pinned key.
        pinned: Fingerprint,
        /// Of the other key.
        offered: Fingerprint,
    },
    /// The key offered is the pinned one now.
    KeyAccepted {
        /// Whose.
        phone: Phone,
        /// Of that key.
        fingerprint: Fingerprint,
    },
    /// The server names the pinned id and key again; sending goes on.
    OfferWithdrawn {
        /// Whose.
        phone: Phone,
    },
    /// The contact is marked as verified.
    Verified {
        /// Whose.
        phone: Phone,
    },
    /// A key could not be accepted or marked: it is not the one in question.
    KeyMismatch {
        /// Whose.
        phone: Phone,
    },

    /// The server's clock and ours differ.
    ClockOffset {
        /// What is added to ours, in seconds.
        secs: i64,
    },
    /// Somebody, the server or who stands between, does what an honest server does not.
    Suspicious(Suspicion),
    /// The store could not do something. What was lost by it is asked for again, from the server or
    /// by the client itself.
    StoreFailed(StoreError),
    /// After [`Event::Shutdown`](crate::frame::Event::Shutdown): nothing is left to be done.
    Stopped,
}

/// How a one-time password reaches the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OtpChannel {
    /// In the answer itself; the client has used it.
    InBand,
    /// Another way; the client waits for [`Command::Confirm`](super::Command::Confirm).
    OutOfBand,
}

/// Why the client is offline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum OfflineReason {
    /// The application wished it.
    #[error("as you wished")]
    Wished,
    /// A connection could not be made.
    #[error("the server can't be reached")]
    Unreachable,
    /// The connection broke.
    #[error("the connection broke")]
    Lost,
    /// The server did not answer in time.
    #[error("the server does not answer")]
    TimedOut,
    /// The server refused or ended the connection with this error.
    #[error("the server said {0:?}")]
    Refused(ErrorCode),
    /// What came was no packet of the protocol, or was not authentic.
    #[error("what came was not from the server, or not in the protocol")]
    Fault,
    /// The server at this address is another one than the address names.
    #[error("the server's key is not the one in its address")]
    WrongServer,
    /// The same account is online elsewhere. The client does not fight over it.
    #[error("the account is online elsewhere")]
    Displaced,
    /// The server does not know this account.
    #[error("the server does not know this account")]
    NotRegistered,
    /// Registration waits for the one-time password.
    #[error("waiting for the one-time password")]
    AwaitingOtp,
    /// Registration failed; a notice before this one says why.
    #[error("registration failed")]
    RegistrationFailed,
    /// The store or the crypto on this side failed.
    #[error("something failed on this side")]
    Local,
}

/// Why registration is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum RegistrationFailure {
    /// Somebody else has registered this phone number.
    #[error("the phone number is registered by somebody else")]
    PhoneTaken,
    /// The one-time password is no longer alive. Register again.
    #[error("the one-time password is no longer valid")]
    OtpExpired,
    /// Too often.
    #[error("too many attempts; try again in {retry_after_secs} s")]
    RateLimited {
        /// When to try again, in seconds.
        retry_after_secs: u32,
    },
    /// No id is left.
    #[error("the server is full")]
    ServerFull,
    /// The server does not accept our key.
    #[error("the server does not accept the key")]
    KeyRejected,
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Refusal {
    /// There is no account to send from.
    #[error("not registered")]
    NotRegistered,
    /// Too much waits already. Try again when something was acknowledged.
    #[error("too much waits to be sent")]
    OutboxFull,
    /// Over [`Inner::MAX_CONTENT`](crate::wire::Inner::MAX_CONTENT) bytes.
    #[error("the message is too long")]
    TooLong,
    /// Nobody is registered there.
    #[error("nobody is registered there")]
    UnknownUser,
    /// The recipient's key changed, and nobody has accepted the new one.
    #[error("the recipient's key changed; accept it first")]
    KeyChanged,
    /// The recipient could not be looked up.
    #[error("the recipient could not be looked up")]
    LookupFailed,
    /// The store could not keep it.
    #[error("the message could not be stored")]
    StoreFailed,
    /// It could not be sealed or signed.
    #[error("the message could not be sealed")]
    SealFailed,
}

/// Why a look-up had no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum LookupFailure {
    /// Nobody is registered there.
    #[error("nobody is registered there")]
    UnknownUser,
    /// Too many look-ups or contacts; try again later.
    #[error("too many look-ups or contacts")]
    Busy,
    /// The answer contradicts what the server said before.
    #[error("the answer contradicts an earlier one")]
    Contradiction,
    /// The server refused it.
    #[error("the server said {0:?}")]
    Refused(ErrorCode),
}

/// What an honest server, and an undisturbed connection, does not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspicion {
    /// The server's key is another one than its address names. The client stays away from it.
    WrongServerKey {
        /// What was offered.
        offered: Fingerprint,
    },
    /// A packet in the server's name does not carry its signature, or does not open.
    BadServerSignature,
    /// Bytes that are no packet of the protocol, or none that may come here.
    BadPacket(Violation),
    /// An answer to something that was not asked, or for somebody else.
    UnaskedAnswer,
    /// A message that its sender did not sign. It was neither delivered nor acknowledged; the first
    /// time, the connection is made anew, so that the server brings it again.
    ForgedMessage {
        /// In whose name.
        sender: UserId,
        /// Its number.
        id: MessageId,
    },
    /// A message from somebody whom the server does not know, so that nobody can tell who signed
    /// it. It was neither delivered nor acknowledged.
    UnknownSender {
        /// In whose name.
        sender: UserId,
        /// Its number.
        id: MessageId,
    },
    /// A receipt that its reader did not sign, or of somebody to whom nothing was sent. Nothing is
    /// shown as delivered by it.
    ForgedReceipt {
        /// In whose name.
        reader: UserId,
    },
    /// The server gives one id to two phone numbers.
    Contradiction {
        /// The id.
        user: UserId,
    },
}
