//! What the keys do to a selected message.

use sealpost_messenger::api::{Body, Entry, EntryParams, FileState, Progress};

use super::keys::Command;
use super::{Effect, commands, keys, overlays, reactions, sending};
use crate::layout::Window;
use crate::model::{Confirm, Model, Overlay, Purpose, Step, has_failed, picture_of, text_of};
use crate::text::links;
use crate::{Keeping, Request};

/// Keys of a selected message, and how the help says what they do.
pub(crate) const SELECTION_KEYS: [(&str, &str); 12] = [
    ("Up Down k j", "select another message"),
    ("Home End g G", "select the first one that is loaded, or the last one"),
    ("r Enter", "answer"),
    ("e", "edit"),
    ("d", "delete, here and there"),
    ("+", "react"),
    ("o", "show all of it, a picture larger; open its link"),
    ("c", "copy"),
    ("R", "send again what failed"),
    ("y n", "accept a file, refuse it"),
    ("x", "give up a file, or a message that waits or has failed"),
    ("Esc q", "back"),
];

pub(super) fn press(model: &mut Model, name: &str, effects: &mut Vec<Effect>) {
    match name {
        "Up" | "k" | "C-Up" | "M-Up" => commands::select(model, Step::Up),
        "Down" | "j" | "C-Down" | "M-Down" => commands::select(model, Step::Down),
        "Home" | "g" => commands::select(model, Step::First),
        "End" | "G" => commands::select(model, Step::Last),
        "Esc" | "q" | "C-g" => deselect(model),
        "?" => overlays::help(model),
        "r" | "Enter" | "e" | "d" | "+" | "o" | "c" | "R" | "y" | "n" | "x" => {
            act(model, name, effects);
        }
        _ => match keys::command(name) {
            Some(Command::Edit(_) | Command::Send | Command::Select) => {}
            Some(command) => commands::run(model, command, effects),
            None => {
                model.remark = Some("A message is selected: Esc goes back to writing.".to_owned());
            }
        },
    }
}

fn act(model: &mut Model, name: &str, effects: &mut Vec<Effect>) {
    let selected = model.thread.as_ref().and_then(|thread| thread.selected_entry());
    let Some(entry) = selected.cloned() else { return deselect(model) };
    let number = entry.entry;
    let is_own = entry.from.is_none();
    if matches!(entry.body, Body::Invitation { .. } | Body::Notice { .. }) {
        model.remark = Some("This is not a message.".to_owned());
        return;
    }
    if matches!(name, "r" | "Enter" | "e" | "+") && reached_nobody(&entry) {
        model.remark = Some(if is_file(&entry) { FILE_FAILED } else { FAILED }.to_owned());
        return;
    }
    match name {
        "r" | "Enter" => {
            sending::give_up_purpose(model);
            model.purpose = Purpose::Reply { entry: number };
            deselect(model);
        }
        "e" if is_own => {
            sending::begin_edit(model, number, &entry.body);
            deselect(model);
        }
        "d" if is_own => model.overlay = Some(Overlay::Confirm(Confirm::Delete { entry: number })),
        "e" | "d" => model.remark = Some("Only its author can do that.".to_owned()),
        "+" => reactions::begin(model, number),
        "o" => open(model, &entry),
        "c" => match text_of(&entry.body) {
            Some(text) => {
                effects.push(Effect::Copy(text.to_owned()));
                model.remark = Some("Copied.".to_owned());
            }
            None => model.remark = Some("There is no text to copy.".to_owned()),
        },
        "x" if is_own && !is_file(&entry) => give_up(model, &entry, effects),
        "y" | "n" | "x" => file(model, name, &entry, effects),
        "R" if has_failed(&entry) => {
            effects.push(Effect::Request(Request::Retry(EntryParams { entry: number })));
        }
        _ => model.remark = Some("It has not failed.".to_owned()),
    }
}

/// Whether a message has failed for everybody, so that nobody could see a change of it.
pub(super) fn reached_nobody(entry: &Entry) -> bool {
    entry.progress.as_ref().is_some_and(Progress::has_failed)
}

/// Gives a message up that waits, or that has failed.
fn give_up(model: &mut Model, entry: &Entry, effects: &mut Vec<Effect>) {
    let waits = entry.copies.iter().any(|copy| copy.progress == Progress::Queued)
        || entry.progress == Some(Progress::Queued);
    if waits || has_failed(entry) {
        effects.push(Effect::Request(Request::GiveUp(EntryParams { entry: entry.entry })));
    } else {
        model.remark = Some("It is on its way, or was sent.".to_owned());
    }
}

const fn is_file(entry: &Entry) -> bool {
    matches!(entry.body, Body::File { .. })
}

/// Accepts a file, refuses it, or gives it up.
fn file(model: &mut Model, name: &str, entry: &Entry, effects: &mut Vec<Effect>) {
    let Body::File { state, .. } = &entry.body else {
        model.remark = Some("This is not a file.".to_owned());
        return;
    };
    let params = EntryParams { entry: entry.entry };
    let is_offer = *state == FileState::Offered && entry.from.is_some();
    if name == "y" && is_offer && model.keeping == Keeping::Nothing {
        model.remark = Some(NO_FOLDER.to_owned());
        return;
    }
    let request = match (name, state) {
        ("y", _) if is_offer => Request::AcceptFile(params),
        ("n", _) if is_offer => Request::RefuseFile(params),
        ("x", FileState::Offered | FileState::Underway) => Request::CancelFile(params),
        _ => {
            model.remark = Some("There is nothing to decide about this file.".to_owned());
            return;
        }
    };
    effects.push(Effect::Request(request));
}

/// Shows all of a long message; opens the link of one that is shown.
fn open(model: &mut Model, entry: &Entry) {
    let link = text_of(&entry.body).and_then(|text| {
        text.lines().find_map(|line| {
            let link = links(line).into_iter().next()?;
            Some(line.get(link)?.to_owned())
        })
    });
    let rows_before = Window::of(model).rows.len();
    let Some(thread) = &mut model.thread else { return };
    let was_folded = thread.unfolded.insert(entry.entry);
    match link {
        Some(link) => model.overlay = Some(Overlay::Confirm(Confirm::Open { link })),
        None if was_folded => {
            let shows_more = Window::of(model).rows.len() > rows_before;
            if !shows_more && picture_of(entry).is_none() {
                model.remark = Some("All of it is shown.".to_owned());
            }
        }
        None => {
            thread.unfolded.remove(&entry.entry);
        }
    }
}

pub(super) fn deselect(model: &mut Model) {
    if let Some(thread) = &mut model.thread {
        thread.selected = None;
    }
}

/// Remark on a message that nobody has.
pub(super) const FAILED: &str =
    "This has failed, and nobody has it: R sends it again, x gives it up.";
const NO_FOLDER: &str = "No folder for files: start with sealpost chat --incognito --files DIR.";
const FILE_FAILED: &str = "This file has failed, and nobody has it: M-o sends it again.";
