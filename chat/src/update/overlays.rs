//! What the keys do in lists and questions.

use ratatui::crossterm::event::KeyEvent;
use sealpost_messenger::api::{
    EntryParams, LookUpParams, Peer, PeerParams, PhoneNumber, SearchParams, TrustParams,
    UpdateContactParams,
};

use super::keys::{Command, command, type_into};
use super::{EXPIRIES, Effect, MUTES, groups, opening, reactions, sending, settings};
use crate::Request;
use crate::layout::Window;
use crate::model::{Candidate, Composer, Confirm, Model, Overlay, People, Search, group_rows};

/// A key was pressed while something lies over the conversation.
pub(super) fn press(model: &mut Model, name: &str, key: KeyEvent, effects: &mut Vec<Effect>) {
    if let Some(command @ (Command::Quit | Command::Suspend | Command::Redraw | Command::Help)) =
        command(name)
    {
        return super::commands::run(model, command, effects);
    }
    match name {
        "Esc" | "C-g" => return leave(model),
        "Tab" if matches!(model.overlay, Some(Overlay::People(_))) => return groups::mark(model),
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

/// Shows the keys, or no longer.
pub(super) fn help(model: &mut Model) {
    model.overlay = match model.overlay.take() {
        Some(Overlay::Help { under, .. }) => under.map(|under| *under),
        under => Some(Overlay::Help { scrolled: 0, under: under.map(Box::new) }),
    };
}

/// Closes what lies over the conversation. A question about a group gives way to the group, and the
/// keys to what they were shown over.
fn leave(model: &mut Model) {
    if let Some(Overlay::Help { .. }) = model.overlay {
        help(model);
    } else if let Some(Overlay::Confirm(Confirm::Group { group_id, chosen, .. })) =
        model.overlay.take()
    {
        groups::show_at(model, group_id, chosen);
    }
}

/// Where a character goes that is typed.
pub(super) fn input(model: &mut Model) -> Option<&mut Composer> {
    match model.overlay.as_mut()? {
        Overlay::Switcher { query, .. } => Some(query),
        Overlay::Search(search) => Some(&mut search.query),
        Overlay::React { emoji, .. } => Some(emoji),
        Overlay::File { path, .. } => Some(path),
        Overlay::Name { name, .. } | Overlay::GroupName { name, .. } => Some(name),
        Overlay::People(people) => Some(&mut people.query),
        Overlay::Help { .. }
        | Overlay::Key { .. }
        | Overlay::Group { .. }
        | Overlay::Mute { .. }
        | Overlay::Expiry { .. }
        | Overlay::Confirm(_) => None,
    }
}

/// Moves the choice, or what is shown.
pub(super) fn choose(model: &mut Model, step: isize) {
    let count = match &model.overlay {
        Some(Overlay::Switcher { query, .. }) => model.candidates(query.text()).len(),
        Some(Overlay::Search(search)) => search.results.len(),
        Some(Overlay::Help { .. }) => crate::view::rows_of_help(model),
        Some(Overlay::Mute { .. }) => MUTES.len(),
        Some(Overlay::Expiry { .. }) => EXPIRIES.len(),
        Some(Overlay::People(people)) => model.invitees(people).len(),
        Some(Overlay::Group { group_id, .. }) => {
            model.group(*group_id).map_or(0, |group| group_rows(group).len())
        }
        Some(Overlay::React { entry, .. }) => reactions::offered(model, *entry).len(),
        Some(
            Overlay::Key { .. }
            | Overlay::Name { .. }
            | Overlay::GroupName { .. }
            | Overlay::File { .. }
            | Overlay::Confirm(_),
        )
        | None => 0,
    };
    if let Some(chosen) = model.overlay.as_mut().and_then(Overlay::chosen) {
        *chosen = chosen.saturating_add_signed(step).min(count.saturating_sub(1));
    }
}

fn typed(model: &mut Model, effects: &mut Vec<Effect>) {
    match &mut model.overlay {
        Some(Overlay::Switcher { chosen, .. } | Overlay::People(People { chosen, .. })) => {
            *chosen = 0;
        }
        Some(Overlay::Search(search)) => {
            effects.extend(ask(search));
        }
        Some(Overlay::React { entry, emoji, .. }) => {
            let (entry, typed) = (*entry, emoji.text().to_owned());
            if let Some(chosen) = reactions::digit(model, entry, &typed) {
                model.overlay = None;
                reactions::react(model, entry, ("", chosen), effects);
            }
        }
        Some(
            Overlay::Help { .. }
            | Overlay::Key { .. }
            | Overlay::Group { .. }
            | Overlay::GroupName { .. }
            | Overlay::Mute { .. }
            | Overlay::Expiry { .. }
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
            let candidate = candidates.get(chosen);
            if matches!(candidate, Some(Candidate::LookUp { .. })) {
                // What is typed meanwhile must not go to the conversation that is still open.
                model.overlay = Some(Overlay::Switcher { query, chosen });
            }
            switch(model, candidate, effects);
        }
        Some(Overlay::Search(search)) => match search.results.get(search.chosen) {
            Some(entry) => opening::open_at(model, entry.conversation, entry.entry, effects),
            None => model.overlay = Some(Overlay::Search(search)),
        },
        Some(Overlay::Mute { chosen }) => settings::mute(model, chosen, effects),
        Some(Overlay::Expiry { chosen }) => settings::expire(model, chosen, effects),
        Some(Overlay::Group { group_id, chosen }) => {
            groups::enter(model, group_id, chosen, effects);
        }
        Some(Overlay::GroupName { group_id, name }) => {
            groups::named(model, group_id, name, effects);
        }
        Some(Overlay::People(people)) => groups::invite(model, people, effects),
        Some(Overlay::React { entry, emoji, chosen }) => {
            reactions::react(model, entry, (emoji.text(), chosen), effects);
        }
        Some(Overlay::Name { phone, name }) => {
            let name = name.text().trim().to_owned();
            let params = UpdateContactParams { recipient: phone, name };
            effects.push(Effect::Request(Request::Name(params)));
        }
        Some(Overlay::File { path, .. }) => sending::send_file(model, path, effects),
        // These are answered with letters, so that nobody agrees by accident.
        overlay @ Some(Overlay::Key { .. } | Overlay::Confirm(_)) => {
            model.overlay = overlay;
        }
        Some(Overlay::Help { under, .. }) => model.overlay = under.map(|under| *under),
        None => {}
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

/// A letter answers a question.
fn answer(model: &mut Model, name: &str, effects: &mut Vec<Effect>) {
    match (model.overlay.take(), name) {
        (Some(Overlay::Key { phone }), "a" | "v") => {
            effects.extend(trust(model, phone, name == "v"));
        }
        (Some(Overlay::Confirm(confirm)), "y") => match confirm {
            Confirm::Delete { entry } => {
                effects.push(Effect::Request(Request::Delete(EntryParams { entry })));
            }
            Confirm::Block { with } => {
                effects.push(Effect::Request(Request::Block(PeerParams { recipient: with })));
            }
            Confirm::Open { link } => effects.push(Effect::OpenLink(link)),
            Confirm::Quit => super::commands::quit(model, effects),
            Confirm::Group { group_id, chosen, change } => {
                effects.push(groups::confirmed(group_id, change));
                groups::show_at(model, group_id, chosen);
            }
        },
        (Some(Overlay::Confirm(Confirm::Group { group_id, chosen, .. })), "n") => {
            groups::show_at(model, group_id, chosen);
        }
        (Some(Overlay::Confirm(_)), "n") => {}
        (Some(overlay @ Overlay::Group { group_id, chosen }), _) => {
            model.overlay = Some(overlay);
            groups::press(model, group_id, chosen, name, effects);
        }
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
