//! What the keys do in lists and questions.

use ratatui::crossterm::event::KeyEvent;
use sealpost_messenger::api::{
    ConversationParams, EntryParams, GroupId, GroupParams, GroupStanding, LookUpParams, Mute, Peer,
    PhoneNumber, ReactionParams, SearchParams, Time, TrustParams, UpdateContactParams,
};

use super::keys::{Command, command, type_into};
use super::{Effect, opening, selection, sending};
use crate::Request;
use crate::layout::Window;
use crate::model::{Candidate, Composer, Confirm, Model, Overlay, Search};

/// How long a conversation can be muted, and how that is called.
pub(crate) const MUTES: [(&str, MuteFor); 5] = [
    ("for 1 hour", MuteFor::Secs(3600)),
    ("for 8 hours", MuteFor::Secs(8 * 3600)),
    ("for 1 day", MuteFor::Secs(24 * 3600)),
    ("always", MuteFor::Ever),
    ("not", MuteFor::Never),
];

/// For how long a conversation is muted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum MuteFor {
    Secs(i64),
    Ever,
    Never,
}

/// Emoji that a key offers.
pub(crate) const EMOJI: [&str; 8] = ["👍", "❤️", "😂", "😮", "😢", "🙏", "🎉", "👀"];

/// A key was pressed while something lies over the conversation.
pub(super) fn press(model: &mut Model, name: &str, key: KeyEvent, effects: &mut Vec<Effect>) {
    if matches!(name, "Esc" | "C-g") || command(name) == Some(Command::Quit) {
        model.overlay = None;
        if command(name) == Some(Command::Quit) {
            super::commands::run(model, Command::Quit, effects);
        }
        return;
    }
    match name {
        "Up" | "C-p" | "S-Tab" => return choose(model, -1),
        "Down" | "C-n" | "Tab" => return choose(model, 1),
        "PgUp" => return choose(model, -PAGE),
        "PgDn" => return choose(model, PAGE),
        "Enter" => return enter(model, effects),
        _ => {}
    }
    if let Some(input) = input(model) {
        match command(name) {
            Some(Command::Edit(edit)) => input.edit(edit),
            Some(_) => {}
            None => type_into(input, key),
        }
        return typed(model, effects);
    }
    answer(model, name, effects);
}

/// Where a character goes that is typed.
pub(super) fn input(model: &mut Model) -> Option<&mut Composer> {
    match model.overlay.as_mut()? {
        Overlay::Switcher { query, .. } => Some(query),
        Overlay::Search(search) => Some(&mut search.query),
        Overlay::React { emoji, .. } => Some(emoji),
        Overlay::Name { name, .. } => Some(name),
        Overlay::File { path } => Some(path),
        Overlay::Help { .. }
        | Overlay::Key { .. }
        | Overlay::Members { .. }
        | Overlay::Mute { .. }
        | Overlay::Confirm(_) => None,
    }
}

/// Moves the choice, or what is shown.
pub(super) fn choose(model: &mut Model, step: isize) {
    let candidates = match &model.overlay {
        Some(Overlay::Switcher { query, .. }) => model.candidates(query.text()).len(),
        _ => 0,
    };
    let moved =
        |at: usize, count: usize| at.saturating_add_signed(step).min(count.saturating_sub(1));
    match &mut model.overlay {
        Some(Overlay::Switcher { chosen, .. }) => *chosen = moved(*chosen, candidates),
        Some(Overlay::Search(search)) => {
            search.chosen = moved(search.chosen, search.results.len());
        }
        Some(Overlay::Help { scrolled }) => *scrolled = moved(*scrolled, MAX_HELP),
        Some(Overlay::Mute { chosen }) => *chosen = moved(*chosen, MUTES.len()),
        Some(
            Overlay::Key { .. }
            | Overlay::Members { .. }
            | Overlay::React { .. }
            | Overlay::Name { .. }
            | Overlay::File { .. }
            | Overlay::Confirm(_),
        )
        | None => {}
    }
}

fn typed(model: &mut Model, effects: &mut Vec<Effect>) {
    match &mut model.overlay {
        Some(Overlay::Switcher { chosen, .. }) => *chosen = 0,
        Some(Overlay::Search(search)) => {
            effects.extend(ask(search));
        }
        Some(Overlay::React { emoji, .. }) => {
            // A digit stands for one of those that are offered.
            let number = emoji.text().parse::<usize>().ok().and_then(|n| n.checked_sub(1));
            if let Some(offered) = number.and_then(|at| EMOJI.get(at)) {
                emoji.set(offered);
                enter(model, effects);
            }
        }
        Some(
            Overlay::Help { .. }
            | Overlay::Key { .. }
            | Overlay::Members { .. }
            | Overlay::Mute { .. }
            | Overlay::Name { .. }
            | Overlay::File { .. }
            | Overlay::Confirm(_),
        )
        | None => {}
    }
}

/// Enter was pressed.
pub(super) fn enter(model: &mut Model, effects: &mut Vec<Effect>) {
    match model.overlay.take() {
        Some(Overlay::Switcher { query, chosen }) => {
            let candidates = model.candidates(query.text());
            switch(model, candidates.get(chosen), effects);
        }
        Some(Overlay::Search(search)) => match search.results.get(search.chosen) {
            Some(entry) => opening::open_at(model, entry.conversation, entry.entry, effects),
            None => model.overlay = Some(Overlay::Search(search)),
        },
        Some(Overlay::Mute { chosen }) => mute(model, chosen, effects),
        Some(Overlay::React { entry, emoji }) => {
            let emoji = emoji.text().trim().to_owned();
            effects.push(Effect::Request(Request::React(ReactionParams { entry, emoji })));
            // What is typed next is a message.
            selection::deselect(model);
        }
        Some(Overlay::Name { phone, name }) => {
            let name = name.text().trim().to_owned();
            let params = UpdateContactParams { recipient: phone, name };
            effects.push(Effect::Request(Request::Name(params)));
        }
        Some(Overlay::File { path }) => sending::send_file(model, path.text(), effects),
        // These are answered with letters, so that nobody agrees by accident.
        overlay @ Some(Overlay::Key { .. } | Overlay::Members { .. } | Overlay::Confirm(_)) => {
            model.overlay = overlay;
        }
        Some(Overlay::Help { .. }) | None => {}
    }
}

fn switch(model: &mut Model, candidate: Option<&Candidate>, effects: &mut Vec<Effect>) {
    match candidate {
        Some(Candidate::Known { with, .. }) => opening::open(model, *with, effects),
        Some(Candidate::LookUp { phone }) => {
            model.remark = Some(format!("Asking the server for {phone} …"));
            let params = LookUpParams { recipient: *phone, timeout_seconds: LOOK_UP_SECS };
            effects.push(Effect::Request(Request::LookUp(params)));
        }
        None => {
            model.remark = Some("Nobody has this name. A phone number begins with +.".to_owned());
        }
    }
}

fn mute(model: &mut Model, chosen: usize, effects: &mut Vec<Effect>) {
    let Some(thread) = &model.thread else { return };
    let Some((_, length)) = MUTES.get(chosen) else { return };
    let mute = match length {
        MuteFor::Secs(secs) => Mute::Until(Time(model.now.0.plus_secs(*secs))),
        MuteFor::Ever => Mute::Always,
        MuteFor::Never => Mute::Off,
    };
    let params = ConversationParams { mute: Some(mute), ..ConversationParams::of(thread.with) };
    effects.push(Effect::Request(Request::Update(params)));
}

/// A letter answers a question.
fn answer(model: &mut Model, name: &str, effects: &mut Vec<Effect>) {
    match (model.overlay.take(), name) {
        (Some(Overlay::Key { phone }), "a" | "v") => {
            effects.extend(trust(model, phone, name == "v"));
        }
        (Some(Overlay::Confirm(confirm)), "y") => effects.push(match confirm {
            Confirm::Delete { entry } => Effect::Request(Request::Delete(EntryParams { entry })),
            Confirm::Open { link } => Effect::OpenLink(link),
        }),
        (Some(Overlay::Members { with: Peer::Group(group_id) }), "j" | "d") => {
            effects.extend(answer_invitation(model, group_id, name == "j"));
        }
        (Some(Overlay::Confirm(_)), "n") => {}
        (overlay, _) => model.overlay = overlay,
    }
}

/// Trusts exactly the key whose safety number was shown.
fn trust(model: &Model, phone: PhoneNumber, verified: bool) -> Option<Effect> {
    let contact = model.contacts.get(&phone)?;
    let offered = contact.offered.as_ref().map(|key| &key.safety_number);
    // Without a changed key there is nothing to accept unseen.
    let number = match offered {
        Some(offered) => offered,
        None if verified => &contact.safety_number,
        None => return None,
    };
    let params = TrustParams { recipient: phone, safety_number: number.clone(), verified };
    Some(Effect::Request(Request::Trust(params)))
}

/// Joins a group to which the user is invited, or declines. In other groups the letters do nothing.
fn answer_invitation(model: &Model, group_id: GroupId, joins: bool) -> Option<Effect> {
    let group = model.conversation(Peer::Group(group_id))?.group.as_deref()?;
    let is_asked = group.newer_states && joins || group.standing == GroupStanding::Invited;
    let params = GroupParams { group_id };
    let request = if joins { Request::Join(params) } else { Request::Decline(params) };
    is_asked.then_some(Effect::Request(request))
}

/// Asks for what is typed now, and for the next page when the end of the results is chosen.
fn ask(search: &mut Search) -> Option<Effect> {
    let query = search.query.text().trim();
    if query == search.asked {
        return None;
    }
    query.clone_into(&mut search.asked);
    if query.is_empty() {
        search.results.clear();
        return None;
    }
    search.is_running = true;
    let params =
        SearchParams { query: query.to_owned(), with: None, before: None, limit: MAX_RESULTS };
    Some(Effect::Request(Request::Search(params)))
}

/// The conversation of a place on the screen is opened, or the one of a person.
pub(super) fn peer_at(model: &Model, row: usize) -> Option<Peer> {
    let first = crate::view::first_conversation(model);
    model.conversations.get(first.saturating_add(row)).map(|known| known.with)
}

/// The entry at a row of the conversation on the screen.
pub(super) fn entry_at(model: &Model, row: usize) -> Option<u64> {
    let window = Window::of(model);
    let empty = window.height.saturating_sub(window.count);
    window.visible().get(row.checked_sub(empty)?).map(|row| row.entry)
}

const PAGE: isize = 10;
const LOOK_UP_SECS: u32 = 30;
const MAX_RESULTS: u32 = 200;

/// Rows of the help, at most.
const MAX_HELP: usize = 60;
