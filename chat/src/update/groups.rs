//! What the keys do in the panel of a group, and where people are invited to one.

use sealpost_messenger::api::{
    Group, GroupId, GroupParams, GroupStanding, Peer, PhoneNumber, UpdateGroupParams,
};

use super::{Effect, opening, settings};
use crate::Request;
use crate::model::{
    Candidate, Composer, Confirm, Deed, GroupChange, GroupRow, InvitedTo, MemberDeed, Model,
    Overlay, People, deeds, group_rows, member_deeds, needs_successor, successors,
};

/// Shows a group and its members.
pub(super) fn show(model: &mut Model, group_id: GroupId) {
    show_at(model, group_id, 0);
}

/// Shows a group, of which a row is chosen.
pub(super) fn show_at(model: &mut Model, group_id: GroupId, chosen: usize) {
    model.stale.conversations.spoil();
    model.overlay = Some(Overlay::Group { group_id, chosen });
}

/// A letter was pressed in the panel of a group.
pub(super) fn press(
    model: &mut Model,
    group_id: GroupId,
    chosen: usize,
    name: &str,
    effects: &mut Vec<Effect>,
) {
    let Some(group) = model.group(group_id).cloned() else { return };
    let has_letter = |deed: &Deed| deed.label().0 == name;
    if let Some(deed) = deeds(&group).into_iter().find(has_letter) {
        return carry_out(model, (&group, chosen), deed, effects);
    }
    let is_done = match group_rows(&group).get(chosen) {
        Some(GroupRow::Member(phone)) => {
            change_member(model, (&group, chosen), *phone, name, effects)
        }
        Some(GroupRow::Deed(_)) | None => false,
    };
    if !is_done && MemberDeed::ALL.iter().any(|deed| deed.label().0 == name) {
        model.remark = Some("This can't be done with the row that is chosen.".to_owned());
    }
}

/// Enter was pressed in the panel of a group: does what is chosen, or opens the conversation with a
/// member.
pub(super) fn enter(
    model: &mut Model,
    group_id: GroupId,
    chosen: usize,
    effects: &mut Vec<Effect>,
) {
    model.overlay = Some(Overlay::Group { group_id, chosen });
    let Some(group) = model.group(group_id).cloned() else { return };
    match group_rows(&group).get(chosen) {
        Some(GroupRow::Deed(deed)) => carry_out(model, (&group, chosen), *deed, effects),
        Some(GroupRow::Member(phone)) => {
            change_member(model, (&group, chosen), *phone, "Enter", effects);
        }
        None => {}
    }
}

fn carry_out(
    model: &mut Model,
    (group, chosen): (&Group, usize),
    deed: Deed,
    effects: &mut Vec<Effect>,
) {
    let group_id = group.group_id;
    let params = GroupParams { group_id };
    let confirm = |change| Some(Overlay::Confirm(Confirm::Group { group_id, chosen, change }));
    match deed {
        Deed::Join | Deed::AcceptNewest => effects.push(Effect::Request(Request::Join(params))),
        Deed::Decline => effects.push(Effect::Request(Request::Decline(params))),
        Deed::Invite => {
            model.overlay = Some(Overlay::People(People::of(InvitedTo::Known(group_id))));
        }
        Deed::Rename => rename(model, group),
        Deed::Expire => settings::ask_for_expiry(model),
        Deed::TakeOver => model.overlay = confirm(GroupChange::TakeOver),
        Deed::Leave => match why_not_leave(group) {
            Some(why) => model.remark = Some(why.to_owned()),
            None => model.overlay = confirm(GroupChange::Leave),
        },
        Deed::Forget => model.overlay = confirm(GroupChange::Forget),
    }
}

/// Why the user can't leave a group yet, and what to do first.
pub(super) fn why_not_leave(group: &Group) -> Option<&'static str> {
    let can_own = group.members.iter().any(|member| member.joined && !member.own);
    let why = if can_own { NAME_SUCCESSOR } else { REMOVE_INVITED };
    (group.standing == GroupStanding::Joined && needs_successor(group)).then_some(why)
}

/// Does to a member what a key stands for. Returns whether it can be done.
fn change_member(
    model: &mut Model,
    (group, chosen): (&Group, usize),
    phone: PhoneNumber,
    key: &str,
    effects: &mut Vec<Effect>,
) -> bool {
    let group_id = group.group_id;
    let Some(member) = group.members.iter().find(|member| member.phone == phone) else {
        return false;
    };
    let has_key = |deed: &MemberDeed| deed.label().0 == key;
    let Some(deed) = member_deeds(group, member).into_iter().find(has_key) else { return false };
    let confirm = |change| Some(Overlay::Confirm(Confirm::Group { group_id, chosen, change }));
    match deed {
        MemberDeed::Write => opening::open(model, Peer::Person(phone), effects),
        MemberDeed::Succeed => {
            let named = successors(group).into_iter().chain([phone]).collect();
            effects.push(update(group_id, |params| params.successors = Some(named)));
        }
        MemberDeed::SucceedNoMore => {
            let named = successors(group).into_iter().filter(|other| *other != phone).collect();
            effects.push(update(group_id, |params| params.successors = Some(named)));
        }
        MemberDeed::Readmit => effects.push(update(group_id, |params| params.readmit.push(phone))),
        MemberDeed::HandOver => model.overlay = confirm(GroupChange::HandOver(phone)),
        MemberDeed::Remove => model.overlay = confirm(GroupChange::Remove(phone)),
    }
    true
}

/// What changes a group as was asked and confirmed.
pub(super) fn confirmed(group_id: GroupId, change: GroupChange) -> Effect {
    let params = GroupParams { group_id };
    match change {
        GroupChange::Remove(phone) => update(group_id, |params| params.remove_members.push(phone)),
        GroupChange::HandOver(phone) => update(group_id, |params| params.owner = Some(phone)),
        GroupChange::TakeOver => Effect::Request(Request::TakeOver(params)),
        GroupChange::Leave => Effect::Request(Request::Leave(params)),
        GroupChange::Forget => Effect::Request(Request::Forget(params)),
    }
}

/// Asks for the name of a new group.
pub(super) fn begin(model: &mut Model) {
    model.overlay = Some(Overlay::GroupName { group_id: None, name: Composer::default() });
}

/// Asks for another name of a group.
pub(super) fn rename(model: &mut Model, group: &Group) {
    let group_id = Some(group.group_id);
    model.overlay = Some(Overlay::GroupName { group_id, name: Composer::new(&group.name) });
}

/// The name of a group was entered.
pub(super) fn named(
    model: &mut Model,
    group_id: Option<GroupId>,
    name: Composer,
    effects: &mut Vec<Effect>,
) {
    let text = name.text().trim().to_owned();
    if text.is_empty() || text.len() > NAME_BYTES {
        model.remark = Some(format!("The name of a group has 1 to {NAME_BYTES} bytes."));
        model.overlay = Some(Overlay::GroupName { group_id, name });
        return;
    }
    match group_id {
        Some(group_id) => {
            effects.push(update(group_id, |params| params.name = Some(text)));
            show(model, group_id);
        }
        None => {
            model.overlay = Some(Overlay::People(People::of(InvitedTo::New { name: text })));
        }
    }
}

/// Marks the chosen person, or no longer.
pub(super) fn mark(model: &mut Model) {
    let Some(Overlay::People(people)) = &model.overlay else { return };
    let chosen = model.invitees(people).get(people.chosen).and_then(Candidate::person);
    let Some(phone) = chosen else { return };
    let Some(Overlay::People(people)) = &mut model.overlay else { return };
    match people.marked.iter().position(|marked| *marked == phone) {
        Some(at) => drop(people.marked.remove(at)),
        None => people.marked.push(phone),
    }
    people.query.set("");
    people.chosen = 0;
}

/// Invites those who are marked, and the one who is chosen.
pub(super) fn invite(model: &mut Model, people: People, effects: &mut Vec<Effect>) {
    let Some(members) = model.invited(&people) else {
        let is_own = people.query.text().parse().ok() == model.account;
        let why = if is_own && model.account.is_some() {
            "You are in the group yourself."
        } else {
            "Nobody has this name. A phone number begins with +."
        };
        model.remark = Some(why.to_owned());
        model.overlay = Some(Overlay::People(people));
        return;
    };
    match people.invited_to {
        InvitedTo::Known(group_id) => {
            effects.push(update(group_id, |params| params.members = members));
            show(model, group_id);
        }
        InvitedTo::New { name } => {
            let params = UpdateGroupParams { name: Some(name), members, ..new_params() };
            effects.push(Effect::Request(Request::UpdateGroup(params)));
        }
    }
    model.remark = Some("Inviting …".to_owned());
}

/// Asks again for people who could not be invited, unless something else is shown.
pub(super) fn put_back(model: &mut Model, params: &UpdateGroupParams) {
    let invited_to = match (params.group_id, &params.name) {
        (Some(group_id), _) => InvitedTo::Known(group_id),
        (None, Some(name)) => InvitedTo::New { name: name.clone() },
        (None, None) => return,
    };
    let is_free = matches!(&model.overlay, None | Some(Overlay::Group { .. }));
    if is_free && !params.members.is_empty() {
        let marked = params.members.clone();
        model.overlay = Some(Overlay::People(People { marked, ..People::of(invited_to) }));
    }
}

fn update(group_id: GroupId, change: impl FnOnce(&mut UpdateGroupParams)) -> Effect {
    let mut params = UpdateGroupParams { group_id: Some(group_id), ..new_params() };
    change(&mut params);
    Effect::Request(Request::UpdateGroup(params))
}

fn new_params() -> UpdateGroupParams {
    UpdateGroupParams { timeout_seconds: LOOK_UP_SECS, ..UpdateGroupParams::default() }
}

const NAME_SUCCESSOR: &str = "Name a successor first: Up/Down selects, s names, o makes owner.";
const REMOVE_INVITED: &str = "Remove who is invited first: Up/Down selects, x removes.";
/// How long to wait for the server, when people are looked up.
const LOOK_UP_SECS: u32 = 30;
/// Longest name of a group.
const NAME_BYTES: usize = 128;
