//! What the client tells the application: for displays, logs and metrics.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::store::{Content, Failure, Token, Verification};
use crate::frame::{Misuse, StoreError};
use crate::ids::{EndpointIndex, MessageId, Phone, UserId, UserRef};
use crate::keys::Fingerprint;
use crate::wire::{ErrorCode, UnknownCode, Violation};

/// Something that happened. No notice is the only record of what it says: whatever must not be lost
/// is in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A session has begun.
    Online {
        /// Count of items that the server holds for us; `None` for a new account, which has none.
        pending: Option<u32>,
        /// Endpoint of the server that the session is with.
        endpoint: EndpointIndex,
    },
    /// Every stored item has arrived; from here on delivery is live.
    CaughtUp {
        /// Count of stored items that arrived.
        drained: u32,
    },
    /// The connection is gone, or could not be made.
    Offline {
        /// Reason for being offline.
        reason: OfflineReason,
        /// Pause before the next attempt; `None` if there will be none.
        retry_in: Option<Duration>,
    },

    /// The server changes its key.
    ServerKey {
        /// What happens.
        change: ServerKeyChange,
        /// Fingerprint of the new key.
        fingerprint: Fingerprint,
    },

    /// The server has issued a one-time password.
    OtpRequested {
        /// Where the password comes from.
        source: OtpSource,
        /// Lifetime of the password, in seconds.
        ttl_secs: u16,
        /// Count of guesses before the password is void.
        attempts: u8,
    },
    /// The one-time password was wrong.
    OtpRejected {
        /// The server's explanation, with the count of guesses left.
        text: String,
    },
    /// The account exists, and is new.
    Registered {
        /// The account's user id.
        user: UserId,
    },
    /// Registration has ended without an account.
    RegistrationFailed {
        /// Reason of the failure.
        failure: RegistrationFailure,
    },

    /// A message is durable here. It gets its id, and [`Notice::Queued`] follows, once there is a
    /// session and its recipient is known.
    Kept {
        /// The application's name for the message.
        token: Token,
    },
    /// A message is durable here, and will be sent.
    Queued {
        /// The application's name for the message.
        token: Token,
        /// Id of the message from now on.
        id: MessageId,
    },
    /// A message was not accepted for sending: one that was just given to the client, or one that
    /// was kept, perhaps by an earlier process. Its token may be used again.
    SendRefused {
        /// The application's name for the message.
        token: Token,
        /// Recipient of the message.
        to: UserRef,
        /// Reason of the refusal.
        refusal: SendRefusal,
        /// Content of the message, given back.
        content: Content,
    },
    /// A message can't be given up: it has its id, or is about to get it, or there is none, or the store
    /// failed to forget it.
    NotCancelled {
        /// The application's name for the message.
        token: Token,
    },
    /// The server does not take a message for now. It is repeated from time to time, and later ones for
    /// its recipient wait behind it.
    HeldBack {
        /// The message.
        id: MessageId,
        /// What the server says.
        code: ErrorCode,
    },
    /// The server holds these messages durably.
    Stored {
        /// The messages.
        ids: Vec<MessageId>,
    },
    /// The recipient has signed a receipt for these messages.
    Delivered {
        /// Recipient of the messages.
        recipient: UserId,
        /// The messages.
        ids: Vec<MessageId>,
    },
    /// These messages will not be sent again.
    Failed {
        /// The messages.
        ids: Vec<MessageId>,
        /// Reason of the failure.
        failure: Failure,
    },

    /// A look-up found a contact, pinned now or before.
    Found {
        /// Phone number of the contact.
        phone: Phone,
        /// The pinned user id.
        user: UserId,
        /// Fingerprint of the pinned key.
        fingerprint: Fingerprint,
        /// Whether the users have compared safety numbers.
        verification: Verification,
    },
    /// A look-up failed.
    LookupFailed {
        /// The user who was looked up.
        who: UserRef,
        /// Reason of the failure.
        failure: LookupFailure,
    },
    /// A contact has registered again, with the same key, and has another user id, to which messages
    /// go from now on. No other key is offered any more.
    Moved {
        /// Phone number of the contact.
        phone: Phone,
        /// The contact's user id from now on.
        user: UserId,
    },
    /// The server names another key for a contact than the pinned one. Nothing is sent to the
    /// contact until the user accepts the change. A client that starts repeats this once for each
    /// contact to whom messages wait.
    KeyChanged {
        /// Phone number of the contact.
        phone: Phone,
        /// Fingerprint of the pinned key.
        pinned: Fingerprint,
        /// Fingerprint of the offered key.
        offered: Fingerprint,
    },
    /// The offered key has become the pinned one.
    KeyAccepted {
        /// Phone number of the contact.
        phone: Phone,
        /// Fingerprint of the key.
        fingerprint: Fingerprint,
    },
    /// The server names the pinned id and key again; sending continues.
    OfferWithdrawn {
        /// Phone number of the contact.
        phone: Phone,
    },
    /// The contact is forgotten, or was none.
    Forgotten {
        /// Phone number of the contact.
        phone: Phone,
    },
    /// The contact is marked as verified.
    Verified {
        /// Phone number of the contact.
        phone: Phone,
    },
    /// A key could not be accepted or marked as verified: the fingerprint is not that of the
    /// offered or the pinned key.
    KeyMismatch {
        /// Phone number of the contact.
        phone: Phone,
    },

    /// The server's clock and ours differ by [`Limits::clock_warning_secs`] or more. From
    /// [`Limits::clock_refusal_secs`] on there is no session.
    ///
    /// [`Limits::clock_warning_secs`]: super::Limits::clock_warning_secs
    /// [`Limits::clock_refusal_secs`]: super::Limits::clock_refusal_secs
    ClockOffset {
        /// Seconds to be added to our clock.
        secs: i64,
    },
    /// The server refused something with an error that this version does not define. What it
    /// refused is given up.
    UnknownError {
        /// Code of the error.
        code: UnknownCode,
        /// The server's explanation, for people.
        text: String,
    },
    /// The server, or somebody between it and us, did what an honest server does not do.
    Suspicious {
        /// What was observed.
        suspicion: Suspicion,
    },
    /// A store operation failed. The client repeats it, or asks the server again for what it lost.
    StoreFailed {
        /// The store's error.
        error: StoreError,
    },
    /// The host reported something that it was not asked for.
    Misuse {
        /// The host's mistake.
        misuse: Misuse,
    },
    /// Nothing is left to be done after [`Event::Shutdown`](crate::frame::Event::Shutdown).
    Stopped,
}

/// Where a one-time password comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OtpSource {
    /// The server's answer itself; the client has used it already.
    InBand,
    /// Another channel, such as a text message. The client waits for
    /// [`Command::Confirm`](super::Command::Confirm).
    OutOfBand,
}

/// Step in the change of the server's key (PROTOCOL 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerKeyChange {
    /// The server has named a successor of its key, which is used from the next connection on.
    Announced,
    /// The server does not have the successor that it has named, and has used its former key again:
    /// it was restored from a backup, or somebody has stolen that key.
    Missing,
    /// The successor has taken the place of the server's key, also in the server's address.
    Replaced,
}

/// Why the client is offline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum OfflineReason {
    /// The application asked for it.
    #[error("as requested")]
    Requested,
    /// A connection could not be made.
    #[error("the server is unreachable")]
    Unreachable,
    /// The connection broke.
    #[error("the connection broke")]
    Lost,
    /// The server did not answer in time.
    #[error("the server did not answer in time")]
    TimedOut,
    /// The server refused the request, or ended the connection, with this error.
    #[error("the server refused with the error {0:?}")]
    Refused(ErrorCode),
    /// The operator of the server has suspended the account.
    #[error("the server's operator has suspended this account; ask them to resume it")]
    Suspended,
    /// What arrived was not valid in the protocol, or not authentic.
    #[error("what arrived was not from the server, or not valid in the protocol")]
    Fault,
    /// The server at this address has another key than the address says. If the address names
    /// several servers, the next one is tried.
    #[error("the server's key does not match its address")]
    WrongServer,
    /// The clocks of server and host are too far apart: the client signs nothing under such a date,
    /// and does not dial again by itself.
    #[error("the server's clock and this device's differ by a day or more; set the clock")]
    WrongClock,
    /// The same account is online elsewhere. The client does not fight over it.
    #[error("the account is online elsewhere")]
    Displaced,
    /// The server does not know this account: it was deleted, or the server has lost it.
    /// [`Command::Register`](super::Command::Register) makes another one with the same key.
    #[error("the server does not know this account; register again")]
    NotRegistered,
    /// Registration waits for the one-time password.
    #[error("waiting for the one-time password")]
    AwaitingOtp,
    /// Registration failed; the notice before this one says why.
    #[error("registration failed")]
    RegistrationFailed,
    /// The store or the cryptography on this side failed.
    #[error("the local store or cryptography failed")]
    Local,
}

impl OfflineReason {
    /// The reason that the server gives with this error.
    pub(super) fn of_error(code: ErrorCode) -> Self {
        if code == ErrorCode::Suspended { Self::Suspended } else { Self::Refused(code) }
    }
}

/// Why registration has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum RegistrationFailure {
    /// Somebody else has registered this phone number.
    #[error("the phone number is registered to somebody else")]
    PhoneTaken,
    /// The one-time password has expired. Register again.
    #[error("the one-time password has expired; register again")]
    OtpExpired,
    /// One-time passwords were requested too often.
    #[error("too many attempts; try again in {retry_after_secs} s")]
    RateLimited {
        /// Seconds to wait before the next attempt.
        retry_after_secs: u32,
    },
    /// The server has no user id left.
    #[error("the server is full")]
    ServerFull,
    /// The server does not accept our key.
    #[error("the server does not accept the public key")]
    KeyRejected,
    /// The server asks for an invitation, and ours is missing, or not good for this phone number.
    #[error(
        "the server wants an invitation that is good for this phone number; ask its operator for one"
    )]
    InvitationRejected,
    /// The server refused with an error that this version does not define.
    #[error("the server refused with the error {code:?}, which this version does not know")]
    Refused {
        /// Code of the error.
        code: UnknownCode,
    },
}

/// Why a message was not accepted for sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum SendRefusal {
    /// There is no account to send from.
    #[error("not registered")]
    NotRegistered,
    /// Too many messages wait already. Try again when some have been acknowledged.
    #[error("too many messages wait to be sent")]
    OutboxFull,
    /// The content is longer than [`Inner::MAX_CONTENT`](crate::wire::Inner::MAX_CONTENT) bytes.
    #[error("the message is too long")]
    TooLong,
    /// The recipient is not registered.
    #[error("the recipient is not registered")]
    UnknownUser,
    /// The recipient's key changed, and the user has not accepted the new one.
    #[error("the recipient's key changed; accept it first")]
    KeyChanged,
    /// The recipient's phone number has another key than the one that the message is for.
    #[error("the recipient's phone number has another key than the one that the message is for")]
    OtherKey,
    /// The recipient could not be looked up.
    #[error("the recipient could not be looked up")]
    LookupFailed,
    /// The store could not keep the message.
    #[error("the message could not be stored")]
    StoreFailed,
    /// The message could not be sealed or signed.
    #[error("the message could not be sealed")]
    SealFailed,
    /// The application gave the message up, or forgot its recipient.
    #[error("cancelled")]
    Cancelled,
}

impl SendRefusal {
    /// Whether the same message may be accepted later, without anybody deciding anything.
    pub const fn may_pass(self) -> bool {
        match self {
            Self::NotRegistered | Self::OutboxFull | Self::LookupFailed | Self::StoreFailed => true,
            Self::TooLong
            | Self::UnknownUser
            | Self::KeyChanged
            | Self::OtherKey
            | Self::SealFailed
            | Self::Cancelled => false,
        }
    }
}

/// Why a look-up failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum LookupFailure {
    /// The user is not registered.
    #[error("the user is not registered")]
    UnknownUser,
    /// There are too many look-ups or contacts; try again later.
    #[error("too many look-ups or contacts; try again later")]
    Busy,
    /// The answer contradicts an earlier one.
    #[error("the answer contradicts an earlier one")]
    Contradiction,
    /// The server refused the look-up.
    #[error("the server refused with the error {0:?}")]
    Refused(ErrorCode),
}

/// Something that an honest server, on an undisturbed connection, does not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspicion {
    /// The server offers another key than its address names. The client stays away from it.
    WrongServerKey {
        /// Fingerprint of the offered key.
        offered: Fingerprint,
    },
    /// A packet in the server's name does not carry its signature, or does not open.
    BadServerSignature,
    /// Bytes that are not a packet of the protocol, or a packet that may not arrive here.
    BadPacket(Violation),
    /// An answer to a request that was not made, or about somebody else.
    UnaskedAnswer,
    /// A message that its sender did not sign. It was neither delivered nor acknowledged; the first
    /// time, the client reconnects, so that the server sends it again.
    ForgedMessage {
        /// User named as the sender.
        sender: UserId,
        /// Number of the message.
        id: MessageId,
    },
    /// A message from a user whom the server does not know, so its signature can't be verified. It
    /// was neither delivered nor acknowledged.
    UnknownSender {
        /// User named as the sender.
        sender: UserId,
        /// Number of the message.
        id: MessageId,
    },
    /// A receipt that the recipient of our messages did not sign, or of a user to whom nothing was
    /// sent. Nothing is shown as delivered by it.
    ForgedReceipt {
        /// User named as the recipient of the messages.
        recipient: UserId,
    },
    /// The server gives one id to two phone numbers.
    Contradiction {
        /// The id.
        user: UserId,
    },
}
