//! Why an operation on the engine failed.

use async_nats::jetstream::{self, ErrorCode};
use sealpost_core::frame::StoreError;

use crate::server::request::Misuse;

/// Why an operation was not carried out.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("a request contradicts itself")]
    Misuse,
    /// A record was changed after it was read. The operation begins again.
    #[error("other servers kept changing the same record")]
    Conflict,
    /// No answer, or no leader. The operation may have taken effect.
    #[error("NATS did not answer: {0}")]
    Unavailable(String),
    #[error("NATS has no room left: {0}")]
    Full(String),
    #[error("NATS refused an operation: {0}")]
    Refused(String),
    /// Names the kind of value, never the value.
    #[error("a stored {0} is unreadable")]
    Damaged(&'static str),
}

impl Failure {
    #[expect(clippy::needless_pass_by_value, reason = "an argument of map_err")]
    pub(super) fn unavailable(error: impl ToString) -> Self {
        Self::Unavailable(error.to_string())
    }

    /// Classifies an error that the engine answered with.
    pub(super) fn answered(error: &jetstream::Error) -> Self {
        let text = error.to_string();
        match error.error_code() {
            // The second is that of a proposal that is on its way to the other replicas.
            ErrorCode::STREAM_WRONG_LAST_SEQUENCE
            | ErrorCode::STREAM_WRONG_LAST_SEQUENCE_CONSTANT => Self::Conflict,
            // Streams have no limits but those that the operator sets, and the disk.
            ErrorCode::ACCOUNT_RESOURCES_EXCEEDED
            | ErrorCode::INSUFFICIENT_RESOURCES
            | ErrorCode::STORAGE_RESOURCES_EXCEEDED
            | ErrorCode::STREAM_STORE_FAILED => Self::Full(text),
            // Part of the transaction was lost with a connection, or too many others were begun:
            // nothing of it is stored.
            ErrorCode::ATOMIC_PUBLISH_INCOMPLETE_BATCH
            | ErrorCode::ATOMIC_PUBLISH_TOO_MANY_INFLIGHT => Self::Unavailable(text),
            _ if error.code() == NO_LEADER => Self::Unavailable(text),
            _ => Self::Refused(text),
        }
    }

    pub(super) const fn store_error(&self) -> StoreError {
        match self {
            Self::Misuse | Self::Damaged(_) => StoreError::Corrupt,
            Self::Conflict => StoreError::Busy,
            Self::Unavailable(_) => StoreError::Unavailable,
            Self::Full(_) => StoreError::DiskFull,
            Self::Refused(_) => StoreError::Io,
        }
    }
}

impl From<Misuse> for Failure {
    fn from(_: Misuse) -> Self {
        Self::Misuse
    }
}

/// A failure of the engine: what it means for the caller, and what the engine said.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct JetStreamError(Failure);

impl JetStreamError {
    /// Meaning of the failure.
    pub const fn kind(&self) -> StoreError {
        self.0.store_error()
    }
}

impl From<Failure> for JetStreamError {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

/// Class of the errors that pass once a leader is elected.
const NO_LEADER: usize = 503;

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(code: usize, err_code: u64) -> StoreError {
        let text = format!(r#"{{"code":{code},"err_code":{err_code},"description":"why"}}"#);
        Failure::answered(&serde_json::from_str(&text).unwrap()).store_error()
    }

    #[test]
    fn answers_are_classified() {
        for (code, err_code, expected) in [
            (400, 10_071, StoreError::Busy),
            (400, 10_164, StoreError::Busy),
            (503, 10_023, StoreError::DiskFull),
            (503, 10_077, StoreError::DiskFull),
            (503, 10_008, StoreError::Unavailable),
            (429, 10_210, StoreError::Unavailable),
            (404, 10_059, StoreError::Io),
        ] {
            assert_eq!(answered(code, err_code), expected, "{err_code}");
        }
    }
}
