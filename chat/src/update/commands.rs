//! What the keys of the conversation do.

use sealpost_messenger::api::{ConnectParams, Peer, PeerParams};

use super::keys::Command;
use super::settle::save_draft;
use super::{Effect, groups, opening, overlays, sending, settings};
use crate::Request;
use crate::layout::{Window, reveal, scroll};
use crate::model::{
    Completion, Composer, Confirm, Deed, Edit, Model, Overlay, Purpose, Search, Step, deeds,
};

pub(super) fn run(model: &mut Model, command: Command, effects: &mut Vec<Effect>) {
    match command {
        Command::Send => sending::send(model, effects),
        Command::SendFile => {
            if model.thread.is_some() {
                model.overlay = Some(Overlay::File { path: Composer::default(), error: None });
            }
        }
        Command::Next => match model.completion() {
            Some(completion) => complete(model, &completion),
            None => go(model, model.neighbour(true), effects),
        },
        Command::Previous => go(model, model.neighbour(false), effects),
        Command::NextUnread => go(model, model.next_unread(), effects),
        Command::Switcher => {
            model.overlay = Some(Overlay::Switcher { query: Composer::default(), chosen: 0 });
        }
        Command::Search => model.overlay = Some(Overlay::Search(Search::default())),
        Command::PageUp => scroll(model, page(model).saturating_neg()),
        Command::PageDown => scroll(model, page(model)),
        Command::Oldest => scroll(model, isize::MIN),
        Command::Newest => opening::to_the_end(model, effects),
        Command::Select => select(model, Step::Last),
        Command::SafetyNumber => match model.thread.as_ref().map(|thread| thread.with) {
            Some(Peer::Group(group_id)) => groups::show(model, group_id),
            Some(Peer::Person(_)) | None => person(model, |phone, _| Overlay::Key { phone }),
        },
        Command::Name => name(model),
        Command::NewGroup => groups::begin(model),
        Command::Expiry => settings::ask_for_expiry(model),
        Command::Mute => {
            if model.thread.is_some() {
                model.overlay = Some(Overlay::Mute { chosen: 0 });
            }
        }
        Command::Connect => {
            let params = ConnectParams { timeout_seconds: CONNECT_SECS };
            effects.push(Effect::Request(Request::Connect(params)));
        }
        Command::Block => block(model, effects),
        Command::OpenEditor => open_editor(model, effects),
        Command::Help => overlays::help(model),
        Command::Redraw => effects.push(Effect::Redraw),
        Command::Suspend => effects.push(Effect::Suspend),
        Command::Back => back(model),
        Command::Quit if model.keeping.is_incognito() => {
            model.overlay = Some(Overlay::Confirm(Confirm::Quit));
        }
        Command::Quit => quit(model, effects),
        Command::Edit(edit) => write(model, edit, effects),
    }
}

/// Ends the program. What is written is kept.
pub(super) fn quit(model: &mut Model, effects: &mut Vec<Effect>) {
    save_draft(model, effects);
    effects.push(Effect::Quit);
}

/// Completes a name, as far as it is certain, and shows which ones it may become.
fn complete(model: &mut Model, completion: &Completion) {
    model.composer.replace_left(completion.replaced, &completion.name);
    if completion.choices.len() > 1 {
        model.remark = Some(completion.choices.join("  "));
    }
}

fn open_editor(model: &mut Model, effects: &mut Vec<Effect>) {
    if model.keeping.is_incognito() {
        model.remark = Some("Incognito: an editor would write to the disk.".to_owned());
        return;
    }
    effects.push(Effect::OpenEditor(model.composer.text().to_owned()));
}

/// Moves the selection, and shows what is selected.
pub(super) fn select(model: &mut Model, step: Step) {
    let Some(thread) = &mut model.thread else { return };
    thread.select(step);
    if let Some(entry) = thread.selected {
        reveal(model, entry);
    }
}

fn write(model: &mut Model, edit: Edit, effects: &mut Vec<Effect>) {
    if model.composer.text().is_empty() && model.purpose == Purpose::New {
        #[expect(clippy::wildcard_enum_match_arm, reason = "the other keys do what they always do")]
        match edit {
            Edit::LineUp => sending::edit_last(model),
            Edit::LineStart => scroll(model, isize::MIN),
            Edit::LineEnd => opening::to_the_end(model, effects),
            other => model.composer.edit(other),
        }
    } else {
        model.composer.edit(edit);
    }
}

fn go(model: &mut Model, to: Option<Peer>, effects: &mut Vec<Effect>) {
    match to {
        Some(with) => opening::open(model, with, effects),
        None => model.remark = Some("There is no other one.".to_owned()),
    }
}

fn page(model: &Model) -> isize {
    // A row stays, to read on from.
    isize::try_from(Window::of(model).height.saturating_sub(1).max(1)).unwrap_or(1)
}

fn person(
    model: &mut Model,
    overlay: impl FnOnce(sealpost_messenger::api::PhoneNumber, &str) -> Overlay,
) {
    let Some(thread) = &model.thread else { return };
    let Peer::Person(phone) = thread.with else {
        model.remark = Some("This is for conversations with one person.".to_owned());
        return;
    };
    let contact = model.contacts.get(&phone);
    let name = contact.and_then(|known| known.name.clone()).unwrap_or_default();
    model.stale.contacts.spoil();
    model.overlay = Some(overlay(phone, &name));
}

/// Asks for the name of a contact, or of a group.
fn name(model: &mut Model) {
    let group = model.open_conversation().and_then(|open| open.group.as_deref()).cloned();
    match group {
        Some(group) if deeds(&group).contains(&Deed::Rename) => groups::rename(model, &group),
        Some(_) => model.remark = Some("Only the owner of a group names it.".to_owned()),
        None => person(model, |phone, name| Overlay::Name { phone, name: Composer::new(name) }),
    }
}

/// Asks before the open conversation is blocked; unblocks it at once.
fn block(model: &mut Model, effects: &mut Vec<Effect>) {
    let Some(open) = model.open_conversation() else { return };
    let (with, name) = (open.with, model.name(open.with));
    let group = open.group.as_deref();
    if open.blocked {
        effects.push(Effect::Request(Request::Unblock(PeerParams { recipient: with })));
        model.remark = Some(format!("{name} is not blocked any more."));
    } else if let Some((group, why)) = group.and_then(|it| Some((it, groups::why_not_leave(it)?))) {
        let group_id = group.group_id;
        groups::show(model, group_id);
        model.remark = Some(why.to_owned());
    } else {
        model.overlay = Some(Overlay::Confirm(Confirm::Block { with }));
    }
}

fn back(model: &mut Model) {
    if model.warning.take().is_none() {
        sending::give_up_purpose(model);
    }
}

/// How long an attempt to connect may take.
const CONNECT_SECS: u32 = 30;
