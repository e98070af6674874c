//! Why a method was not carried out.

use std::fmt::Display;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An error, as JSON-RPC has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// Number of the kind of error.
    pub code: i32,
    /// What went wrong, and what to do, for people.
    pub message: String,
    /// More about it, for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<ErrorData>,
}

/// More about an error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorData {
    /// Seconds after which it may succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u32>,
    /// Number of the entry that was made all the same, and that will be sent later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<u64>,
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, exit $exit:literal;)+) => {
        /// A kind of error. Each has a number of its own, which never changes, and the exit status of
        /// a command that fails so.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum ErrorKind {
            $($(#[doc = $doc])+ $name,)+
        }

        impl ErrorKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The number of the kind.
            pub const fn code(self) -> i32 {
                match self { $(Self::$name => $code,)+ }
            }

            /// The exit status of a command that fails so.
            pub const fn exit_status(self) -> u8 {
                match self { $(Self::$name => $exit,)+ }
            }

            /// When it occurs.
            pub const fn about(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+),)+ }
            }
        }
    };
}

kinds! {
    /// What was sent is not JSON.
    Parse = -32700, exit 2;
    /// It is JSON, but not a request.
    InvalidRequest = -32600, exit 2;
    /// There is no such method.
    MethodNotFound = -32601, exit 2;
    /// A parameter is missing, is not known, or has a wrong type.
    InvalidParams = -32602, exit 2;
    /// The client failed. The log says more.
    Internal = -32603, exit 1;

    /// What was to be awaited has not happened in time. The message is kept, and sent later.
    KeptForLater = 1, exit 3;
    /// Nobody is registered with this phone number.
    UnknownRecipient = 2, exit 4;
    /// The key of the recipient has changed. Nothing is sent until the change is accepted.
    KeyChanged = 3, exit 4;
    /// The message is too long.
    TooLong = 4, exit 4;
    /// The server, or the client for it, refused the message for good.
    Refused = 5, exit 4;
    /// Too many messages wait to be sent.
    OutboxFull = 6, exit 6;
    /// There is no such entry, conversation, contact, consumer or file.
    NotFound = 7, exit 4;
    /// It belongs to somebody else, or it is too late for it.
    NotAllowed = 8, exit 4;
    /// Another request was made with this idempotency key.
    KeyReused = 9, exit 4;
    /// The home is used by another process, which takes no requests.
    HomeInUse = 10, exit 5;
    /// No account is registered.
    NotRegistered = 11, exit 1;
    /// The server can't be reached, or did not answer in time. Nothing was kept.
    Unavailable = 12, exit 6;
    /// The safety number is not that of the contact's key.
    SafetyNumberMismatch = 13, exit 4;
    /// Too many connections, subscriptions or requests.
    Busy = 14, exit 6;
    /// The disk is full, or the database failed. What was acknowledged before is kept.
    Storage = 15, exit 1;
}

impl ErrorKind {
    /// An error of this kind.
    pub fn error(self, message: impl Display) -> ApiError {
        ApiError { code: self.code(), message: message.to_string(), data: None }
    }
}

impl ApiError {
    /// The client failed.
    pub fn internal(error: impl Display) -> Self {
        ErrorKind::Internal.error(error)
    }

    /// The kind of the error; `None` if a later version knows more kinds.
    pub fn kind(&self) -> Option<ErrorKind> {
        ErrorKind::ALL.iter().copied().find(|kind| kind.code() == self.code)
    }

    /// The error, with the entry that was made all the same.
    #[must_use]
    pub fn with_entry(mut self, entry: u64) -> Self {
        self.data.get_or_insert_default().entry = Some(entry);
        self
    }

    /// The error, with the time after which it may succeed.
    #[must_use]
    pub fn with_retry_after(mut self, seconds: u32) -> Self {
        self.data.get_or_insert_default().retry_after_seconds = Some(seconds);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_number_of_its_own() {
        let mut codes: Vec<i32> = ErrorKind::ALL.iter().map(|kind| kind.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), ErrorKind::ALL.len());
        for kind in ErrorKind::ALL {
            assert_eq!(kind.error("").kind(), Some(*kind));
            assert!((1..=6).contains(&kind.exit_status()), "{kind:?}");
        }
    }
}
