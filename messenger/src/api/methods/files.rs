//! Files.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Empty, EntryParams, SendResult, WaitFor, method};
use crate::api::{Entry, Peer};

method! {
    /// Offers a file of at most 64 MiB to a person, or to everybody in a group. It is sent to whoever
    /// accepts it; until then it must stay as it is.
    SendFile, "sendFile", SendFileParams => SendResult
}

method! {
    /// Lists the latest files that were offered, received or sent, the oldest first.
    ListFiles, "listFiles", ListFilesParams => FilesResult
}

method! {
    /// Accepts a file that was offered. It is saved in the folder `files` of the home.
    AcceptFile, "acceptFile", EntryParams => Empty
}

method! {
    /// Refuses a file that was offered.
    RefuseFile, "refuseFile", EntryParams => Empty
}

method! {
    /// Gives up a file that is being received or sent, or that was offered.
    CancelFile, "cancelFile", EntryParams => Empty
}

/// What to offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SendFileParams {
    /// Whom it is for.
    pub recipient: Peer,
    /// Absolute path of the file.
    pub path: String,
    /// What to write with it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub caption: String,
    /// A name that the caller gives to the request, at most 64 bytes. A repeat under the same name
    /// offers nothing, and returns the result of the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// What the offer is to reach before the answer. How far the file is, its entry says.
    #[serde(default)]
    pub wait_for: WaitFor,
    /// How long to wait, in seconds.
    #[serde(default = "super::default_timeout")]
    pub timeout_seconds: u32,
}

/// Which files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListFilesParams {
    /// Largest count of files, at most 1,000.
    #[serde(default = "super::default_limit")]
    pub limit: u32,
}

/// Files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FilesResult {
    /// The entries that offer them.
    pub entries: Vec<Entry>,
}
