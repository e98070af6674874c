//! How far the copies of an entry have come.

use sealpost_core::client::SendRefusal;
use sealpost_core::client::store::{Failure, Token};
use sealpost_core::ids::{MessageId, Phone};
use sealpost_core::keys::Fingerprint;
use sealpost_core::time::Timestamp;

/// A message to one recipient that carries an entry of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Name under which the machine sends it.
    pub token: Token,
    /// Phone number of the recipient.
    pub phone: Phone,
    /// Fingerprint of the key that the recipient must have, if it must be a certain one.
    pub key: Option<Fingerprint>,
    /// Id of the message, once it has one.
    pub message: Option<MessageId>,
    /// How far it has come.
    pub progress: Progress,
    /// When the recipient has seen it, if they told us.
    pub read_at: Option<Timestamp>,
}

/// How far a copy has come, the least far first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// It will not be sent.
    Failed(CopyFailure),
    /// It is durable here.
    Queued,
    /// The server holds it.
    Stored,
    /// The recipient has it.
    Delivered,
    /// The recipient has seen it.
    Read,
}

impl Progress {
    /// Whether the copy will not be sent.
    pub const fn has_failed(self) -> bool {
        matches!(self, Self::Failed(_))
    }
}

/// Why a copy will not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum CopyFailure {
    /// The machine did not accept it.
    #[error(transparent)]
    Refused(SendRefusal),
    /// The machine gave it up.
    #[error(transparent)]
    GivenUp(Failure),
    /// We withdrew it before it was sealed, or after it had failed.
    #[error("cancelled")]
    Cancelled,
}

/// What became of a request to withdraw a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It will not be sent.
    Done,
    /// The machine has it as a draft: only the machine can drop it.
    IsDraft,
    /// It is sealed or sent.
    TooLate,
    /// There is no such copy.
    Unknown,
}
