//! Opening a conversation.

use sealpost_messenger::api::Peer;

use super::settle::save_draft;
use super::{Effect, new_draft};
use crate::Request;
use crate::model::{Model, Position, Purpose, Thread};

/// Opens a conversation at what was not seen, or else at its end.
pub(super) fn open(model: &mut Model, with: Peer, effects: &mut Vec<Effect>) {
    model.overlay = None;
    if model.thread.as_ref().is_some_and(|thread| thread.with == with) {
        return;
    }
    let unread = model.conversation(with).filter(|known| known.unread > 0);
    let thread = match unread {
        Some(known) => Thread::unread(with, known.read_up_to),
        None => Thread::new(with),
    };
    show(model, thread, effects);
}

/// Opens a conversation at one of its entries.
pub(super) fn open_at(model: &mut Model, with: Peer, entry: u64, effects: &mut Vec<Effect>) {
    model.overlay = None;
    show(model, Thread::at(with, entry), effects);
}

/// Goes back to the end of the open conversation.
pub(super) fn to_the_end(model: &mut Model, effects: &mut Vec<Effect>) {
    let Some(thread) = &mut model.thread else { return };
    thread.selected = None;
    if thread.is_at_end {
        thread.position = Position::End;
        return;
    }
    let thread = Thread::new(thread.with);
    load(model, thread, effects);
}

/// Loads the open conversation again, about where it was.
pub(super) fn load_again(model: &mut Model, effects: &mut Vec<Effect>) {
    let Some(open) = &model.thread else { return };
    let mut thread = match open.position {
        Position::End => Thread::new(open.with),
        Position::From { entry, .. } | Position::Around { entry } => Thread::at(open.with, entry),
    };
    thread.selected = open.selected;
    load(model, thread, effects);
}

fn show(model: &mut Model, thread: Thread, effects: &mut Vec<Effect>) {
    let stays = model.thread.as_ref().is_some_and(|open| open.with == thread.with);
    if !stays {
        save_draft(model, effects);
        model.purpose = Purpose::New;
        let draft = model.conversation(thread.with).map_or("", |known| &known.draft).to_owned();
        model.composer.set(&draft);
        new_draft(model, &draft);
    }
    load(model, thread, effects);
}

fn load(model: &mut Model, thread: Thread, effects: &mut Vec<Effect>) {
    let pages = thread.first_pages().into_iter();
    effects.extend(pages.map(|page| Effect::Request(Request::History(page))));
    model.thread = Some(thread);
}
