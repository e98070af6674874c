//! Made-up groups, and invitations to them.

use sealpost_messenger::api::{
    ApiError, Changed, ErrorKind, Group, GroupId, GroupParams, GroupStanding, GroupsResult, Member,
    Peer, PhoneNumber, Role,
};

use super::methods::not_found;
use super::world::World;

pub(super) fn groups(world: &World) -> GroupsResult {
    let known = world.conversations.iter().filter_map(|known| known.group.as_deref().cloned());
    GroupsResult { groups: known.collect() }
}

pub(super) fn answer_invitation(
    world: &mut World,
    GroupParams { group_id }: GroupParams,
    standing: GroupStanding,
) -> Result<Group, ApiError> {
    let with = Peer::Group(group_id);
    let conversation = world.conversation(with).ok_or_else(not_found)?;
    let group = conversation.group.as_mut().ok_or_else(not_found)?;
    if group.standing != GroupStanding::Invited {
        return Err(ErrorKind::NotAllowed.error("there is no invitation to answer"));
    }
    group.standing = standing;
    for member in group.members.iter_mut().filter(|member| member.own) {
        member.joined = standing == GroupStanding::Joined;
    }
    let group = (**group).clone();
    world.tell(Changed::Conversation { with });
    Ok(group)
}

/// A group with these people, and the user, who has joined or is invited.
pub(super) fn group(
    with: Peer,
    name: &str,
    people: &[(PhoneNumber, Role)],
    (account, has_joined): (PhoneNumber, bool),
) -> Group {
    let member = |phone: PhoneNumber, role, joined, own| Member {
        phone,
        name: None,
        fingerprint: format!("{:064x}", phone.0.digits()),
        role,
        joined,
        own,
        excluded: false,
    };
    let others = people.iter().map(|(phone, role)| member(*phone, *role, true, false));
    Group {
        group_id: match with {
            Peer::Group(group_id) => group_id,
            Peer::Person(_) => GroupId([0; 16]),
        },
        name: name.to_owned(),
        standing: if has_joined { GroupStanding::Joined } else { GroupStanding::Invited },
        epoch: 4,
        expiry_seconds: 0,
        members: others.chain([member(account, Role::Member, has_joined, true)]).collect(),
        newer_states: false,
    }
}
