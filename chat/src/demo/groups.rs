//! Made-up groups, and invitations to them.

use sealpost_messenger::api::{
    ApiError, Body, Changed, Empty, ErrorKind, Group, GroupId, GroupParams, GroupStanding,
    GroupsResult, KeyTrust, Member, Peer, PhoneNumber, Role, UpdateGroupParams,
};

use super::methods::not_found;
use super::story;
use super::world::{Plan, World};
use crate::model::needs_successor;

pub(super) fn groups(world: &World) -> GroupsResult {
    let known = world.conversations.iter().filter_map(|known| known.group.as_deref().cloned());
    GroupsResult { groups: known.collect() }
}

/// Makes a group, or changes one.
pub(super) fn update_group(
    world: &mut World,
    params: &UpdateGroupParams,
) -> Result<Group, ApiError> {
    let group_id = match params.group_id {
        Some(group_id) => group_id,
        None => make(world, params.name.as_deref().unwrap_or_default()),
    };
    for phone in &params.members {
        let contact = story::contact(*phone, None, KeyTrust::FirstUse);
        world.contacts.entry(*phone).or_insert(contact);
        world.plan(3, Plan::Join { with: Peer::Group(group_id), phone: *phone });
    }
    change(world, group_id, |group| {
        if let Some(name) = &params.name {
            group.name.clone_from(name);
        }
        let invited = params.members.iter();
        group.members.extend(invited.map(|phone| member(*phone, Role::Member, false)));
        group.members.retain(|member| !params.remove_members.contains(&member.phone));
        for member in &mut group.members {
            set_role(member, params);
        }
    })
}

fn make(world: &mut World, name: &str) -> GroupId {
    let count = u8::try_from(world.conversations.len()).unwrap_or(u8::MAX);
    let with = Peer::Group(GroupId([count; 16]));
    world.begin(with, Some(name));
    let made = group(with, name, &[], (world.account, Role::Owner, GroupStanding::Joined));
    let group_id = made.group_id;
    if let Some(conversation) = world.conversation(with) {
        conversation.group = Some(Box::new(made));
    }
    let text = format!("You made the group “{name}”.");
    let notice = world.sent(with, Body::Notice { text });
    world.add(notice);
    group_id
}

fn set_role(member: &mut Member, params: &UpdateGroupParams) {
    if let Some(named) = &params.successors
        && member.role != Role::Owner
    {
        let rank = (1..).zip(named).find(|(_, phone)| **phone == member.phone);
        member.role = rank.map_or(Role::Member, |(rank, _)| Role::Successor(rank));
    }
    if let Some(owner) = params.owner {
        let is_owner = member.phone == owner;
        let was_owner = member.role == Role::Owner;
        member.role = match (is_owner, was_owner) {
            (true, _) => Role::Owner,
            (false, true) => Role::Member,
            (false, false) => member.role,
        };
    }
}

/// Sets how the user stands to a group, if it was one of those ways before.
pub(super) fn stand(
    world: &mut World,
    GroupParams { group_id }: GroupParams,
    before: &[GroupStanding],
    standing: GroupStanding,
) -> Result<Group, ApiError> {
    let conversation = world.conversation(Peer::Group(group_id)).ok_or_else(not_found)?;
    let group = conversation.group.as_deref().ok_or_else(not_found)?;
    if !before.contains(&group.standing) {
        return Err(ErrorKind::NotAllowed.error("this can't be done with the group now"));
    }
    if standing == GroupStanding::Out && needs_successor(group) {
        let message = "name a successor before you leave, or remove everybody";
        return Err(ErrorKind::NotAllowed.error(message));
    }
    change(world, group_id, |group| {
        group.standing = standing;
        for member in group.members.iter_mut().filter(|member| member.own) {
            member.joined = standing == GroupStanding::Joined;
        }
    })
}

/// The user becomes the owner.
pub(super) fn take_over(
    world: &mut World,
    GroupParams { group_id }: GroupParams,
) -> Result<Group, ApiError> {
    let owner = Some(world.account);
    let params = UpdateGroupParams { owner, ..UpdateGroupParams::default() };
    change(world, group_id, |group| {
        for member in &mut group.members {
            set_role(member, &params);
        }
    })
}

/// Forgets the members of a group.
pub(super) fn forget(
    world: &mut World,
    GroupParams { group_id }: GroupParams,
) -> Result<Empty, ApiError> {
    let with = Peer::Group(group_id);
    world.conversation(with).ok_or_else(not_found)?.group = None;
    world.tell(Changed::Conversation { with });
    Ok(Empty {})
}

/// Somebody who was invited joins.
pub(super) fn join(world: &mut World, with: Peer, phone: PhoneNumber) {
    let Peer::Group(group_id) = with else { return };
    let joined = change(world, group_id, |group| {
        for member in group.members.iter_mut().filter(|member| member.phone == phone) {
            member.joined = true;
        }
    });
    if joined.is_ok() {
        let name = world.contacts.get(&phone).and_then(|known| known.name.clone());
        let name = name.map_or_else(|| phone.to_string(), |name| format!("{name} ({phone})"));
        let notice = world.sent(with, Body::Notice { text: format!("{name} has joined.") });
        world.add(notice);
    }
}

fn change(
    world: &mut World,
    group_id: GroupId,
    change: impl FnOnce(&mut Group),
) -> Result<Group, ApiError> {
    let with = Peer::Group(group_id);
    let conversation = world.conversation(with).ok_or_else(not_found)?;
    let group = conversation.group.as_mut().ok_or_else(not_found)?;
    change(group);
    let group = (**group).clone();
    conversation.name = Some(group.name.clone());
    let others = group.members.iter().filter(|member| !member.own && member.joined);
    let others = others.map(|member| member.phone).collect();
    world.members.insert(with, others);
    world.tell(Changed::Conversation { with });
    Ok(group)
}

/// A group with these people, and the user.
pub(super) fn group(
    with: Peer,
    name: &str,
    people: &[(PhoneNumber, Role)],
    (account, role, standing): (PhoneNumber, Role, GroupStanding),
) -> Group {
    let has_joined = standing == GroupStanding::Joined;
    let own = Member { own: true, ..member(account, role, has_joined) };
    let others = people.iter().map(|(phone, role)| member(*phone, *role, true));
    Group {
        group_id: match with {
            Peer::Group(group_id) => group_id,
            Peer::Person(_) => GroupId([0; 16]),
        },
        name: name.to_owned(),
        standing,
        epoch: 4,
        expiry_seconds: 0,
        members: others.chain([own]).collect(),
        newer_states: false,
        blocked: false,
    }
}

fn member(phone: PhoneNumber, role: Role, joined: bool) -> Member {
    Member {
        phone,
        name: None,
        fingerprint: format!("{:064x}", phone.0.digits()),
        role,
        joined,
        own: false,
        excluded: false,
    }
}
