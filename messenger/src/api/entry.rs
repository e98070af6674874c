//! What people see of a conversation: entries, in the order in which they came and were sent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Peer, PhoneNumber, Time};

/// One line of a conversation: a message, received or sent, or a notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Number of the entry in this home. Later entries have larger numbers.
    pub entry: u64,
    /// The conversation that it is in.
    pub conversation: Peer,
    /// Phone number of its author; absent for what was sent from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<PhoneNumber>,
    /// Id of the message on the wire, for what was received: unique among its author's messages,
    /// unless the author was restored from a backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<u64>,
    /// Time of writing, as its author says.
    pub sent_at: Time,
    /// Time of arrival; absent for what was sent from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_at: Option<Time>,
    /// What it says now.
    pub body: Body,
    /// The people whom its text mentions, in the order of the text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<Mention>,
    /// What it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Quote>,
    /// When its author changed it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<Time>,
    /// Reactions, one for each person at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<Reaction>,
    /// How far it has come, for what was sent from here: in a group, the least far of its copies, apart
    /// from those that failed. It has failed only if every copy has; `copies` has each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// The copies of what was sent from here, one for each recipient.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<Copy>,
    /// How far the key that signed it was trusted when it arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<Trust>,
    /// Its place among its author's messages, if it did not come in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrival: Option<Arrival>,
    /// Whether a message of the same author is missing before it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub after_gap: bool,
    /// Name of the group that it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_name: Option<String>,
    /// State of its group in which it was written, if that is not the newest one that was known here
    /// when it was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_in: Option<WrittenIn>,
    /// When it disappears.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Body {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// Bytes in an application's own format.
    Bytes {
        /// The bytes, in hexadecimal digits.
        hex: String,
    },
    /// A file. Name and type are what its sender says.
    File {
        /// Id of the transfer.
        file: String,
        /// Name of the file, made safe to show and to save.
        name: String,
        /// Its media type, for example `image/png`.
        media_type: String,
        /// Its size in bytes.
        size: u64,
        /// Bytes that its recipient has; in a group, the mean of those who have taken it or may.
        done: u64,
        /// How far the transfer is: in a group, underway or offered as long as it is for anybody, and
        /// complete if anybody has it.
        state: FileState,
        /// Why it ended without the file, or why it does not go on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// Where it is, once it is complete.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<String>,
        /// What its sender wrote with it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        text: String,
        /// How far it is for each member, if it was sent from here to a group.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        recipients: Vec<FileRecipient>,
    },
    /// Its author took it back.
    Deleted,
    /// Its time was over.
    Expired,
    /// It was signed by its author, but does not open.
    Undecryptable,
    /// It is of a kind that this version does not know.
    NeedsNewerVersion,
    /// An invitation to the group that the conversation is with.
    Invitation {
        /// Who invites to what, in words.
        text: String,
    },
    /// Not a message: something that happened to the conversation, in words.
    Notice {
        /// What happened.
        text: String,
    },
    #[serde(other)]
    /// A later version of the interface says more.
    Unknown,
}

/// A place in a text that stands for a person. Places are counted in characters, which are Unicode
/// scalar values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Mention {
    /// Characters before it.
    pub start: u32,
    /// How many characters it has, at least one.
    pub length: u32,
    /// Phone number of the person. Absent for somebody who is not known here; needed to send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<PhoneNumber>,
}

/// How far the transfer of a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum FileState {
    /// The recipient has not accepted it yet.
    Offered,
    /// It is being sent, as fast as both sides are online.
    Underway,
    /// The recipient has the whole file.
    Complete,
    /// The recipient did not want it.
    Refused,
    /// Either side has given it up.
    Cancelled,
    /// It was not possible.
    Failed,
    #[serde(other)]
    /// A later version of the interface says more.
    Unknown,
}

/// How far the transfer of a file to a member of a group is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileRecipient {
    /// Phone number of the member.
    pub to: PhoneNumber,
    /// Bytes that the member has.
    pub done: u64,
    /// How far the transfer is.
    pub state: FileState,
    /// Why it ended without the file, or why it does not go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a message answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Quote {
    /// Number of the entry; absent if it is not here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<u64>,
    /// Phone number of its author; absent for what was sent from here, or if it is not here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<PhoneNumber>,
    /// Beginning of its text, at most 100 characters.
    pub text: String,
}

/// An emoji that somebody put on an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reaction {
    /// Phone number of whoever reacted; absent if it was the account's own user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<PhoneNumber>,
    /// The emoji.
    pub emoji: String,
}

/// How far a message has come.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Progress {
    /// It will not be sent.
    Failed {
        /// The reason.
        reason: String,
    },
    /// It is durable here, and is sent as soon as that is possible.
    Queued,
    /// The server has stored it.
    Stored,
    /// The recipient's device has it, and has signed a receipt.
    Delivered,
    /// The recipient has seen it, and says so.
    Read,
}

impl Progress {
    /// Whether nothing more will be sent.
    pub const fn has_failed(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }
}

/// A copy of a message, for one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Copy {
    /// Phone number of the recipient.
    pub to: PhoneNumber,
    /// Id of the message on the wire, once it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<u64>,
    /// How far it has come.
    pub progress: Progress,
    /// Why it waits, if that is not for the connection alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
}

/// How far the key that signed a message was trusted when it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Trust {
    /// It is the first key that was seen of its author; nobody compared safety numbers.
    FirstUse,
    /// The users have compared safety numbers.
    Verified,
    /// It is another key than the known one, and was not accepted.
    Changed,
}

/// The place of a message among its author's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Arrival {
    /// It came after messages that were written later.
    Late,
    /// It was reported as missing before.
    FillsGap,
    /// Another message had its number before: its author was perhaps restored from a backup.
    ReusedId,
}

/// The state of its group in which a message was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum WrittenIn {
    /// An older one, which its author did not know to be old.
    Older,
    /// One before its author was removed, as its author says.
    BeforeRemoval,
    /// Another one than that of the account's user.
    OtherState,
}
