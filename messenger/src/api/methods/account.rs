//! The account, and the program that has it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Empty, method};
use crate::api::{Connection, PhoneNumber};

method! {
    /// Says which versions of the interface and of the program these are.
    Version, "version", Empty => VersionResult
}

method! {
    /// Describes the account, the connection to the server, and what waits.
    Status, "status", Empty => StatusResult
}

method! {
    /// Connects to the server at once: instead of waiting for the next attempt, or after the client gave
    /// up, for example because the account went online elsewhere. Returns what came of it; after
    /// `timeoutSeconds`, what there is until then.
    Connect, "connect", ConnectParams => ConnectResult
}

/// Versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionResult {
    /// Version of the interface.
    pub api_version: u32,
    /// Version of the program.
    pub version: String,
}

/// How long to wait for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConnectParams {
    /// How long to wait for the server, in seconds.
    #[serde(default = "super::default_timeout")]
    pub timeout_seconds: u32,
}

/// What came of an attempt to connect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectResult {
    /// The connection to the server.
    pub connection: Connection,
}

/// The account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusResult {
    /// Phone number of the account.
    pub phone: PhoneNumber,
    /// User id at the server; absent before registration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// Address of the server.
    pub server: String,
    /// Host and port of the server that the session is with, one of those in the address; absent
    /// without a session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// SHA-256 of the account's public key, in hexadecimal digits.
    pub fingerprint: String,
    /// The connection to the server.
    pub connection: Connection,
    /// Count of contacts.
    pub contacts: u64,
    /// Count of messages that wait to be sent: of what people wrote, with files that were offered, and
    /// without what clients tell each other. In a group, a message is as far as `progress` of its entry.
    pub queued: u64,
    /// Count of messages that the server has stored.
    pub stored: u64,
    /// Count of messages that were delivered.
    pub delivered: u64,
    /// Count of messages that were given up.
    pub failed: u64,
    /// Seconds by which the server's clock is ahead of this device's.
    pub clock_offset_seconds: i64,
}
