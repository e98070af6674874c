//! A group with its members, what can be done with it, and who is invited to it.

use sealpost_messenger::api::{Group, GroupId, GroupStanding, Member, Peer, PhoneNumber, Role};

use super::panel::{Panel, Paragraphs};
use super::parts::duration;
use crate::model::{
    Candidate, Deed, GroupChange, GroupRow, InvitedTo, MemberDeed, Model, People, deeds,
    group_rows, is_owner, member_deeds, successors,
};
use crate::text::{clip, width};
use crate::theme::{Line, Span, Tone};

/// The panel of a group.
pub(super) fn panel(
    model: &Model,
    group_id: GroupId,
    chosen: usize,
    columns: usize,
) -> Panel<'static> {
    let title = format!("Group {}", clip(&model.name(Peer::Group(group_id)), 40));
    let mut text = Paragraphs::new(columns);
    let Some(group) = model.group(group_id) else {
        text.say(Tone::Text, "Nothing is known of this group.");
        return Panel::new(title, "Esc").with_lines(text.into_lines());
    };
    say_standing(&mut text, model, group);
    let first = text.len();
    let rows = group_rows(group);
    let mut chosen_line = first;
    for (at, row) in rows.iter().enumerate() {
        let is_first_deed = matches!(row, GroupRow::Deed(_)) && at == group.members.len();
        // Small terminals have no room for it.
        if is_first_deed && columns >= ROOMY {
            text.push(Line::new());
        }
        if at == chosen {
            chosen_line = text.len();
        }
        text.push(match row {
            GroupRow::Member(phone) => member(group, *phone)
                .map_or_else(Line::new, |member| member_line(model, member, columns)),
            GroupRow::Deed(deed) => {
                let (letter, about) = deed.label();
                vec![Span::new(Tone::Strong, format!("{letter}  ")), Span::new(Tone::Text, about)]
            }
        });
    }
    let hint = hint(group, rows.get(chosen).copied());
    Panel::new(title, hint).with_list(text.into_lines(), chosen_line)
}

/// How the user stands to a group.
fn say_standing(text: &mut Paragraphs, model: &Model, group: &Group) {
    if group.newer_states {
        text.say(Tone::Warning, "Too many changes of this group were missed.");
    }
    match group.standing {
        GroupStanding::Invited => {
            let owner = group.members.iter().find(|member| member.role == Role::Owner);
            let owner = owner.map_or_else(String::new, |owner| short_name(model, owner));
            text.say(
                Tone::Strong,
                &format!("{owner} invites you. No message of the group is shown before you join."),
            );
        }
        GroupStanding::Accepted => {
            text.say(Tone::Notice, "You have accepted; the owner's device has to confirm it.");
        }
        GroupStanding::Declined => text.say(Tone::Notice, "You have declined."),
        GroupStanding::Leaving => {
            text.say(Tone::Notice, "You have left; the owner's device has to confirm it.");
        }
        GroupStanding::Out => {
            text.say(Tone::Notice, "You are not a member. These were the last known ones:");
        }
        GroupStanding::Joined => {
            text.say(Tone::Faint, "Up and Down select a member:");
        }
    }
    if group.expiry_seconds > 0 {
        let after = duration(group.expiry_seconds);
        text.say(Tone::Faint, &format!("Messages disappear after {after}."));
    }
}

/// What can be done with the chosen row.
fn hint(group: &Group, row: Option<GroupRow>) -> String {
    let member_deeds = match row {
        Some(GroupRow::Member(phone)) => {
            member(group, phone).map_or_else(Vec::new, |member| member_deeds(group, member))
        }
        Some(GroupRow::Deed(_)) => return "Enter · Esc".to_owned(),
        None => Vec::new(),
    };
    let of_member: Vec<_> = member_deeds.into_iter().map(MemberDeed::label).collect();
    // Where nothing can be done with a member, what can be done with the group is said.
    let labels = if of_member.is_empty() {
        deeds(group).into_iter().map(Deed::label).collect()
    } else {
        of_member
    };
    let labels =
        labels.into_iter().map(|(key, about)| format!("{key} {}", about.trim_end_matches('.')));
    labels.chain(["Esc".to_owned()]).collect::<Vec<_>>().join(" · ")
}

fn member(group: &Group, phone: PhoneNumber) -> Option<&Member> {
    group.members.iter().find(|member| member.phone == phone)
}

/// A member on one line: a name, the phone number if there is room for it, and the role.
fn member_line(model: &Model, member: &Member, columns: usize) -> Line {
    let role = match member.role {
        Role::Owner => ", owner".to_owned(),
        Role::Successor(rank) => format!(", successor {rank}"),
        Role::Member if member.joined => String::new(),
        Role::Member => ", invited".to_owned(),
    };
    let excluded = if member.excluded { ", gets no messages" } else { "" };
    let facts = format!("{role}{excluded}");
    let (name, phone) = (model.member_name(member), member.phone.to_string());
    let number = if name == phone { String::new() } else { format!("  {phone}") };
    let room = columns.saturating_sub(2).saturating_sub(width(&facts));
    let number = if width(&name).saturating_add(width(&number)) > room { "" } else { &number };
    let name = clip(&name, room.saturating_sub(width(number)).max(4)).into_owned();
    vec![
        Span::new(Tone::Text, format!("  {name}")),
        Span::new(Tone::Faint, number),
        Span::new(Tone::Text, facts),
    ]
}

fn short_name(model: &Model, member: &Member) -> String {
    clip(&model.member_name(member), 30).into_owned()
}

/// The panel in which people are chosen.
pub(super) fn people_panel<'a>(model: &Model, people: &'a People) -> Panel<'a> {
    let to = match &people.invited_to {
        InvitedTo::New { name } => clip(name, 30).into_owned(),
        InvitedTo::Known(group_id) => clip(&model.name(Peer::Group(*group_id)), 30).into_owned(),
    };
    let found = model.invitees(people);
    let lines = found.iter().map(|candidate| invitee(people, candidate)).collect();
    let hint = match (people.marked.as_slice(), model.invited(people)) {
        ([], _) => "Enter invites · Tab marks · a name or a phone number · Esc".to_owned(),
        (_, Some(invited)) => format!("Enter invites {} · Tab marks · Esc", invited.len()),
        (_, None) => "a name or a phone number · Esc".to_owned(),
    };
    Panel::new(format!("Invite to {to}"), hint)
        .with_input(&people.query)
        .with_list(lines, people.chosen)
}

fn invitee(people: &People, candidate: &Candidate) -> Line {
    let is_marked = candidate.person().is_some_and(|phone| people.marked.contains(&phone));
    let mark = Span::new(Tone::Seen, if is_marked { "✔ " } else { "  " });
    let (name, number) = match candidate {
        Candidate::Known { with, name } if with.to_string() == *name => (name.clone(), None),
        Candidate::Known { with, name } => (name.clone(), Some(with.to_string())),
        Candidate::LookUp { phone } => (phone.to_string(), Some("not a contact yet".to_owned())),
    };
    let number = number.map(|number| Span::new(Tone::Faint, format!("  {number}")));
    [mark, Span::new(Tone::Text, name)].into_iter().chain(number).collect()
}

/// What is asked before a group is changed in a way that can't be undone.
pub(super) fn question(
    model: &Model,
    group_id: GroupId,
    change: GroupChange,
) -> (&'static str, String) {
    let name = |phone| clip(&model.name(Peer::Person(phone)), 30).into_owned();
    match change {
        GroupChange::Remove(phone) => {
            let name = name(phone);
            (
                "Remove?",
                format!("{name} gets no more messages of the group, and may be invited again."),
            )
        }
        GroupChange::HandOver(phone) => {
            let name = name(phone);
            let text = format!(
                "{name} owns the group then, and you stay a member. Only {name} can undo this."
            );
            ("Make owner?", text)
        }
        GroupChange::TakeOver => {
            let text = "You own the group then, and its owner stays a member. Do this if the owner \
                        is gone for good.";
            ("Become its owner?", text.to_owned())
        }
        GroupChange::Leave => {
            let group = model.group(group_id).filter(|group| is_owner(group));
            let heir = group.and_then(|group| successors(group).first().copied());
            let heir = heir
                .map_or_else(String::new, |heir| format!("{} owns the group then. ", name(heir)));
            let text = "You get no more messages of the group, and come back only if its owner \
                        invites you. Its history stays here.";
            ("Leave?", format!("{heir}{text}"))
        }
        GroupChange::Forget => {
            let text = "Its members and settings are forgotten. Its history stays here.";
            ("Forget?", text.to_owned())
        }
    }
}

/// Columns from which on a panel has empty lines.
const ROOMY: usize = 60;
