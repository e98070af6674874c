//! Conversations.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Entry, Group, Peer, Time};

/// A conversation with a person or a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "each is a field of its own in JSON")]
pub struct Conversation {
    /// Whom it is with.
    pub with: Peer,
    /// Name of the contact or of the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Count of entries that were received and not seen.
    pub unread: u64,
    /// Number of the last entry that was seen; 0 if none was.
    #[serde(default)]
    pub read_up_to: u64,
    /// Its last entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Entry>,
    /// Until when it makes no noise.
    pub mute: Mute,
    /// Whether messages from there are dropped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub blocked: bool,
    /// Whether the key of the contact has changed, so that nothing is sent until the change is
    /// accepted with `trust`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub key_changed: bool,
    /// Whether the users have compared safety numbers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub verified: bool,
    /// Seconds after which messages disappear; 0 if they stay.
    #[serde(default)]
    pub expiry_seconds: u32,
    /// Whether each side tells the other what it has seen.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub read_receipts: bool,
    /// The group, in a conversation with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Box<Group>>,
    /// Bytes up to which offered files are accepted without asking, together with those that are on
    /// their way; 0 if each is asked for.
    #[serde(default)]
    pub accept_files_up_to: u64,
    /// Text that was begun and not sent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub draft: String,
}

/// Until when a conversation makes no noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Mute {
    /// It makes noise.
    Off,
    /// It is silent until then.
    Until(Time),
    /// It stays silent.
    Always,
}
