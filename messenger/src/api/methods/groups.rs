//! Groups.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Empty, method};
use crate::api::{Group, GroupId, PhoneNumber};

method! {
    /// Lists the groups, those included that the user is invited to or has left.
    ListGroups, "listGroups", Empty => GroupsResult
}

method! {
    /// Makes a group, or changes one as its owner. Invited people who are not contacts are looked up.
    UpdateGroup, "updateGroup", UpdateGroupParams => Group
}

method! {
    /// Accepts the invitation to a group, or newest states that don't meet the known ones.
    JoinGroup, "joinGroup", GroupParams => Group
}

method! {
    /// Declines the invitation to a group.
    DeclineGroup, "declineGroup", GroupParams => Empty
}

method! {
    /// Leaves a group. Its owner names a successor before.
    QuitGroup, "quitGroup", GroupParams => Empty
}

method! {
    /// Becomes the owner of a group, as a successor. The former owner stays a member.
    TakeOverGroup, "takeOverGroup", GroupParams => Group
}

method! {
    /// Forgets the members of a group that the user has left. Its history stays.
    ForgetGroup, "forgetGroup", GroupParams => Empty
}

/// The groups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GroupsResult {
    /// The groups, by id.
    pub groups: Vec<Group>,
}

/// A group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GroupParams {
    /// Id of the group.
    pub group_id: GroupId,
}

/// A new group, or changes of one. Without `groupId`, a group is made, and `name` is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateGroupParams {
    /// Id of the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_id: Option<GroupId>,
    /// Its name, 1 to 128 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Seconds after which new messages disappear; 0 if they stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry_seconds: Option<u32>,
    /// People to invite.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<PhoneNumber>,
    /// Members to remove.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove_members: Vec<PhoneNumber>,
    /// All successors, the first one first. Who was one and is not named is one no longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successors: Option<Vec<PhoneNumber>>,
    /// Member who becomes the owner. The user stays a member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<PhoneNumber>,
    /// Members to whom messages go again, though a state that was undone had removed them. Every
    /// member may say so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readmit: Vec<PhoneNumber>,
    /// How long to wait for the server when people are looked up, in seconds.
    #[serde(default = "super::default_timeout")]
    pub timeout_seconds: u32,
}
