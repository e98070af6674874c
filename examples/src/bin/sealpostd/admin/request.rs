//! Requests to the running server, and its answers: one JSON object a line.
//!
//! docs/OPERATING.md documents every field for other programs.

use std::num::NonZeroU32;

use sealpost_core::ids::Phone;
use sealpost_core::time::Timestamp;
use sealpost_core::wire::InvitationHash;
use sealpost_programs::Failure;
use sealpost_storage::NewInvitation;
use serde::{Deserialize, Serialize};

use super::figures::{Figures, Sample};
use crate::key::{KeyChange, KeyReport};

/// What an operator asks for. Requests without fields have braces, so that serde refuses fields there
/// too.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Request {
    /// Figures about the store and the server.
    Stats {},
    /// Whether the server is ready.
    Ready {},
    /// Figures, and the sizes of the largest mailboxes.
    Top {},
    /// Deletes, suspends or resumes an account.
    ChangeUser { phone: PhoneText, change: UserChange },
    /// Records an invitation.
    CreateInvitation(Invite),
    /// Revokes an invitation.
    RevokeInvitation { id: u64 },
    /// Makes a successor of the server's key, or retires the key that has one.
    ChangeKey { change: KeyChange },
    /// Changes the levels of the log, or only tells them.
    LogLevel { level: Option<String> },
    /// Reloads the configuration.
    Reload {},
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
    /// An invitation that was recorded or revoked.
    Invitation {
        id: u64,
    },
    Key(KeyReport),
    LogLevels(LogLevels),
    Ready,
    /// What has changed, for people.
    Reloaded {
        changes: String,
    },
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

/// A new invitation. Its code stays with whoever made it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Invite {
    /// SHA-256 of the code, in hex.
    code_hash: String,
    /// How many accounts it is good for; at least 1.
    uses: NonZeroU32,
    /// Seconds since 1970.
    created: i64,
    /// Seconds since 1970.
    expires: i64,
    /// The only phone number that it is good for.
    phone: Option<PhoneText>,
    note: String,
}

impl From<&NewInvitation> for Invite {
    fn from(new: &NewInvitation) -> Self {
        Self {
            code_hash: hex::encode(new.hash.0),
            uses: NonZeroU32::new(new.uses).unwrap_or(NonZeroU32::MIN),
            created: new.created_at.unix_secs(),
            expires: new.expires_at.unix_secs(),
            phone: new.phone.map(PhoneText),
            note: new.note.clone(),
        }
    }
}

impl TryFrom<&Invite> for NewInvitation {
    type Error = Failure;

    fn try_from(new: &Invite) -> Result<Self, Failure> {
        let mut hash = [0; 32];
        hex::decode_to_slice(&new.code_hash, &mut hash).map_err(Failure::context("code_hash"))?;
        Ok(Self {
            hash: InvitationHash(hash),
            uses: new.uses.get(),
            created_at: Timestamp::from_unix_secs(new.created),
            expires_at: Timestamp::from_unix_secs(new.expires),
            phone: new.phone.map(|PhoneText(phone)| phone),
            note: new.note.clone(),
        })
    }
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
