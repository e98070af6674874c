//! The members of a group, and the invitation to one.

use sealpost_messenger::api::{Group, GroupStanding, Member, Peer, Role};

use super::overlays::{Panel, Paragraphs};
use crate::model::Model;
use crate::text::clip;
use crate::theme::Tone;

/// The panel of a group.
pub(super) fn panel(model: &Model, with: Peer, columns: usize) -> Panel<'static> {
    let mut text = Paragraphs::new(columns);
    let group = model.conversation(with).and_then(|known| known.group.as_deref());
    let hint = match group {
        None => {
            text.say(Tone::Text, "Nothing is known of this group.");
            "Esc"
        }
        Some(group) => {
            let hint = say_standing(&mut text, model, group);
            for member in &group.members {
                text.say(Tone::Text, &line(model, member));
            }
            hint
        }
    };
    let title = format!("Members of {}", clip(&model.name(with), 30));
    Panel { title, input: None, lines: text.into_lines(), chosen: None, scrolled: 0, hint }
}

/// How the user stands to a group, and what can be done about it.
fn say_standing(text: &mut Paragraphs, model: &Model, group: &Group) -> &'static str {
    if group.newer_states {
        text.say(Tone::Warning, "Too many changes of this group were missed.");
        text.say(Tone::Text, "j  Accept its newest version.");
        return "j · Esc";
    }
    match group.standing {
        GroupStanding::Invited => {
            let owner = group.members.iter().find(|member| member.role == Role::Owner);
            let owner = owner.map_or_else(String::new, |owner| name(model, owner));
            text.say(
                Tone::Strong,
                &format!("{owner} invites you. Nothing of the group is shown before you join."),
            );
            text.say(Tone::Text, "j  Join.");
            text.say(Tone::Text, "d  Decline.");
            "j · d · Esc"
        }
        GroupStanding::Accepted => {
            text.say(Tone::Notice, "You have accepted; the owner's device has to confirm it.");
            "Esc"
        }
        GroupStanding::Declined => {
            text.say(Tone::Notice, "You have declined.");
            "Esc"
        }
        GroupStanding::Leaving => {
            text.say(Tone::Notice, "You have left; the owner's device has to confirm it.");
            "Esc"
        }
        GroupStanding::Out => {
            text.say(Tone::Notice, "You are not a member. These were the last known ones:");
            "Esc"
        }
        GroupStanding::Joined => "Esc",
    }
}

fn line(model: &Model, member: &Member) -> String {
    let role = match member.role {
        Role::Owner => ", owner".to_owned(),
        Role::Successor(rank) => format!(", successor {rank}"),
        Role::Member if member.joined => String::new(),
        Role::Member => ", invited".to_owned(),
    };
    let excluded = if member.excluded { ", gets no messages" } else { "" };
    let name = name(model, member);
    let phone = member.phone.to_string();
    let number = if name == phone { String::new() } else { format!("  {phone}") };
    format!("  {name}{number}{role}{excluded}")
}

fn name(model: &Model, member: &Member) -> String {
    if member.own {
        return "You".to_owned();
    }
    clip(&model.name(Peer::Person(member.phone)), 30).into_owned()
}
