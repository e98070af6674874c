//! Conversations and their history.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Empty, method};
use crate::api::{Conversation, Entry, Mute, Peer};

method! {
    /// Lists the conversations, the one with the latest entry first.
    ListConversations, "listConversations", Empty => ConversationsResult
}

method! {
    /// Returns a page of a conversation, or of all of them: the latest entries, or those before or
    /// after one.
    History, "history", HistoryParams => HistoryResult
}

method! {
    /// Finds entries that contain words, the latest first.
    Search, "search", SearchParams => HistoryResult
}

method! {
    /// Records that the user has seen a conversation up to an entry. The other side is told only if
    /// `readReceipts` is on.
    MarkRead, "markRead", MarkReadParams => Empty
}

method! {
    /// Keeps a text that was begun, in place of the one before.
    SaveDraft, "saveDraft", DraftParams => Empty
}

method! {
    /// Changes the settings of a conversation. What is absent stays as it is.
    UpdateConversation, "updateConversation", ConversationParams => Empty
}

/// The conversations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConversationsResult {
    /// The conversations.
    pub conversations: Vec<Conversation>,
}

/// Which page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HistoryParams {
    /// The conversation; all of them if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<Peer>,
    /// Only entries before this one; the latest of them are returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// Only entries after this one; the earliest of them are returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// Largest count of entries, at most 1,000.
    #[serde(default = "super::default_limit")]
    pub limit: u32,
}

/// What to look for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SearchParams {
    /// Words, all of which an entry must contain; the last one may be a beginning.
    pub query: String,
    /// The conversation; all of them if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<Peer>,
    /// Only entries before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// Largest count of entries, at most 1,000.
    #[serde(default = "super::default_limit")]
    pub limit: u32,
}

/// A page of entries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryResult {
    /// The entries. History has the earliest first, search the latest.
    pub entries: Vec<Entry>,
    /// Whether there are more in this direction.
    pub more: bool,
}

/// What the user has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MarkReadParams {
    /// The conversation.
    pub with: Peer,
    /// Number of the last entry seen.
    pub up_to: u64,
}

/// A text that was begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DraftParams {
    /// The conversation.
    pub with: Peer,
    /// The text; empty for none.
    pub text: String,
}

/// Settings of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConversationParams {
    /// The conversation.
    pub with: Peer,
    /// Until when it makes no noise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mute: Option<Mute>,
    /// Seconds after which messages disappear, for both sides; 0 if they stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry_seconds: Option<u32>,
    /// Whether to tell the other side what was seen here, and to show what it says of itself; off
    /// at first. Nothing is told unless this is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_receipts: Option<bool>,
    /// Bytes up to which offered files are accepted without asking, together with those that are on
    /// their way; 0 at first: each is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept_files_up_to: Option<u64>,
}

impl ConversationParams {
    /// No change yet.
    pub const fn of(with: Peer) -> Self {
        Self {
            with,
            mute: None,
            expiry_seconds: None,
            read_receipts: None,
            accept_files_up_to: None,
        }
    }
}
