//! Sending, and what waits to be sent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Empty, method};
use crate::api::{Entry, Mention, Peer, Progress};

method! {
    /// Sends a message.
    Send, "send", SendParams => SendResult
}

method! {
    /// Changes the text of a message that was sent from here.
    EditMessage, "editMessage", EditParams => SendResult
}

method! {
    /// Takes a message back that was sent from here: recipients are asked to delete it.
    RemoteDelete, "remoteDelete", EntryParams => SendResult
}

method! {
    /// Puts an emoji on an entry, in place of an earlier one, or takes it back.
    SendReaction, "sendReaction", ReactionParams => SendResult
}

method! {
    /// Lists what waits to be sent, and what failed and why.
    ListOutbox, "listOutbox", Empty => OutboxResult
}

method! {
    /// Sends a message again that failed.
    RetryMessage, "retryMessage", EntryParams => SendResult
}

method! {
    /// Gives up a message that could not be sent yet. One that is on its way can't be given up.
    CancelMessage, "cancelMessage", EntryParams => Empty
}

/// What to send. Either `message` or `bytesHex` is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SendParams {
    /// Whom it is for.
    pub recipient: Peer,
    /// Text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Bytes in an application's own format, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_hex: Option<String>,
    /// The people whom the text mentions, at most 64. Each is a contact, a member of a group, or the
    /// user.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<Mention>,
    /// Number of the entry that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<u64>,
    /// A name that the caller gives to the request, at most 64 bytes. A repeat under the same name
    /// sends nothing, and returns the result of the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// What to wait for before the answer.
    #[serde(default)]
    pub wait_for: WaitFor,
    /// How long to wait, in seconds.
    #[serde(default = "super::default_timeout")]
    pub timeout_seconds: u32,
}

/// What to wait for.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum WaitFor {
    /// The message is durable here.
    #[default]
    Queued,
    /// The server has stored the message, or the recipient has it.
    Stored,
    /// The recipient has signed a receipt.
    Delivered,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SendResult {
    /// Number of its entry.
    pub entry: u64,
    /// Id of the message on the wire, once it has one; absent for groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<u64>,
    /// How far it has come.
    pub progress: Progress,
}

/// An entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EntryParams {
    /// Number of the entry.
    pub entry: u64,
}

/// A new text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EditParams {
    /// Number of the entry.
    pub entry: u64,
    /// The text from now on.
    pub message: String,
    /// The people whom it mentions, as for `send`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<Mention>,
}

/// A reaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReactionParams {
    /// Number of the entry.
    pub entry: u64,
    /// One emoji; empty to take the reaction back.
    pub emoji: String,
}

/// What waits, and what failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutboxResult {
    /// The entries concerned, the oldest first.
    pub entries: Vec<Entry>,
}
