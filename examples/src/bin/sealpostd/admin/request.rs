//! Requests to the running server, and its answers: one JSON object a line.
//!
//! docs/OPERATING.md documents every field for other programs.

use sealpost_core::ids::Phone;
use serde::{Deserialize, Serialize};

use super::figures::{Figures, Sample};

/// What an operator asks for. Requests without fields have braces, so that serde refuses fields there
/// too.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Request {
    /// Figures about the store and the server.
    Stats {},
    /// Figures, and the sizes of the largest mailboxes.
    Top {},
    /// Deletes, suspends or resumes an account.
    ChangeUser { phone: PhoneText, change: UserChange },
    /// Changes the levels of the log, or only tells them.
    LogLevel { level: Option<String> },
    /// Stops the server in order.
    Stop {},
}

/// What is done to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum UserChange {
    /// It is deleted, with everything that waits for it.
    Delete,
    /// It can't be used any more. What is sent to it is stored.
    Suspend,
    /// It can be used again.
    Resume,
}

/// The last line that answers a request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Reply {
    /// The request was carried out.
    Done(Answer),
    /// It was not, for this reason.
    Failed(String),
}

/// What a request that was carried out is answered with.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Answer {
    Stats(Box<Figures>),
    Top(Box<Sample>),
    User(ChangedUser),
    LogLevels(LogLevels),
    /// The server stops. The connection ends with it.
    Stopping,
}

/// An account after a change.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct ChangedUser {
    pub(super) id: u64,
    pub(super) phone: String,
    pub(super) state: UserState,
}

/// State of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum UserState {
    Active,
    Suspended,
    Deleted,
}

/// Levels of the log.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct LogLevels {
    pub(super) levels: String,
}

/// A phone number as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct PhoneText(pub(super) Phone);

impl TryFrom<String> for PhoneText {
    type Error = <Phone as std::str::FromStr>::Err;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

impl From<PhoneText> for String {
    fn from(phone: PhoneText) -> Self {
        phone.0.to_string()
    }
}
