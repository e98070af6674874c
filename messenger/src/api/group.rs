//! Groups.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{GroupId, PhoneNumber};

/// A group, as its newest state says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// Id of the group, as messages name it.
    pub group_id: GroupId,
    /// Its name.
    pub name: String,
    /// How the user stands to it.
    pub standing: GroupStanding,
    /// Number of its newest state.
    pub epoch: u64,
    /// Seconds after which messages disappear; 0 if they stay.
    #[serde(default)]
    pub expiry_seconds: u32,
    /// Everybody who was invited or has joined.
    pub members: Vec<Member>,
    /// Whether so many states were missed that the newest ones wait for `joinGroup`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub newer_states: bool,
    /// Whether it is blocked: further invitations are ignored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub blocked: bool,
}

/// How the user stands to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum GroupStanding {
    /// Invited. No message of the group is shown before `joinGroup`.
    Invited,
    /// The user has accepted; the owner has not confirmed it yet.
    Accepted,
    /// A member.
    Joined,
    /// The user has declined; the owner has not confirmed it yet.
    Declined,
    /// The user has left; the owner has not confirmed it yet.
    Leaving,
    /// Not a member.
    Out,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Phone number.
    pub phone: PhoneNumber,
    /// Name that the user gave to the contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// SHA-256 of the member's key, in hexadecimal digits: the key is the member.
    pub fingerprint: String,
    /// What the member may do.
    pub role: Role,
    /// Whether the member has joined. Messages go to those who have.
    pub joined: bool,
    /// Whether it is the account's own user.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own: bool,
    /// Whether nothing is sent to the member, who has left, or was removed by a state that was undone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub excluded: bool,
}

/// What a member may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// Changes the group. There is one.
    Owner,
    /// May take over from the owner. The number is the place among the successors, from 1.
    Successor(u8),
    /// Reads and writes messages.
    Member,
}
