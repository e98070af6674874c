//! What follows from how things are now, after every message.

use sealpost_messenger::api::{DraftParams, Empty, HistoryParams, MarkReadParams};

use std::collections::BTreeSet;

use super::{Effect, PictureOrder};
use crate::Request;
use crate::layout::Window;
use crate::model::{Freshness, Model, Purpose, picture_of};

/// Asks for what is stale, loads what comes on the screen, records what the user has seen, keeps the
/// draft.
pub(super) fn settle(model: &mut Model, effects: &mut Vec<Effect>) {
    ask_again(model, effects);
    look_for_mentions(model, effects);
    let window = Window::of(model);
    load_more(model, &window, effects);
    mark_read(model, &window, effects);
    ask_for_pictures(model, &window, effects);
    keep_draft(model, effects);
}

fn ask_again(model: &mut Model, effects: &mut Vec<Effect>) {
    if model.stale.conversations.ask() {
        effects.push(Effect::Request(Request::Conversations(Empty {})));
    }
    if model.stale.contacts.ask() {
        effects.push(Effect::Request(Request::Contacts(Empty {})));
    }
    if model.stale.status.ask() {
        effects.push(Effect::Request(Request::Status(Empty {})));
    }
}

/// Asks once for what is unseen, because a list of conversations does not say who is mentioned.
fn look_for_mentions(model: &mut Model, effects: &mut Vec<Effect>) {
    let is_listed = model.stale.conversations == Freshness::Fresh && model.account.is_some();
    if !is_listed || !std::mem::take(&mut model.has_unknown_mentions) {
        return;
    }
    for conversation in model.conversations.iter().filter(|known| known.unread > 0) {
        let (with, after) = (Some(conversation.with), Some(conversation.read_up_to));
        let params = HistoryParams { with, before: None, after, limit: MAX_UNSEEN };
        effects.push(Effect::Request(Request::Unseen(params)));
    }
}

fn load_more(model: &mut Model, window: &Window, effects: &mut Vec<Effect>) {
    let Some(thread) = &mut model.thread else { return };
    let page = if window.first < window.height {
        thread.earlier_page()
    } else if window.below() < window.height {
        thread.later_page()
    } else {
        None
    };
    effects.extend(page.map(|page| Effect::Request(Request::History(page))));
}

/// Asks for the pictures on the screen, in the size that it has for them.
fn ask_for_pictures(model: &mut Model, window: &Window, effects: &mut Vec<Effect>) {
    let Some(thread) = &model.thread else { return };
    let on_screen: BTreeSet<u64> = window.visible().iter().map(|row| row.entry).collect();
    let entries = thread.entries.iter().filter(|entry| on_screen.contains(&entry.entry));
    let found: Vec<_> = entries
        .filter_map(|entry| Some((picture_of(entry)?.to_owned(), entry.entry)))
        .map(|(path, entry)| (path, Window::picture_bounds(model, entry)))
        .collect();
    for (path, bounds) in &found {
        if let Some(form) = model.gallery.ask(path, *bounds) {
            let background = model.theme.background();
            effects.push(Effect::Picture(PictureOrder {
                path: path.clone(),
                bounds: *bounds,
                background,
                form,
            }));
        }
    }
    model.gallery.keep(&found.into_iter().map(|(path, _)| path).collect());
}

/// Only what was on the screen counts as seen, and only while the user looks at it.
fn mark_read(model: &mut Model, window: &Window, effects: &mut Vec<Effect>) {
    if !model.has_focus || model.overlay.is_some() {
        return;
    }
    let unread = model.open_conversation().map_or(0, |conversation| conversation.unread);
    let Some(thread) = &mut model.thread else { return };
    let Some(last) = window.last_seen() else { return };
    let mut received = thread.entries.iter().filter(|entry| entry.from.is_some());
    let is_news = received.any(|entry| entry.entry > thread.seen && entry.entry <= last);
    if is_news && unread > 0 {
        thread.seen = last;
        let params = MarkReadParams { with: thread.with, up_to: last };
        effects.push(Effect::Request(Request::MarkRead(params)));
    }
}

/// Keeps the draft once nothing was typed for a moment.
fn keep_draft(model: &mut Model, effects: &mut Vec<Effect>) {
    if model.purpose != Purpose::New && !matches!(model.purpose, Purpose::Reply { .. }) {
        return;
    }
    if model.composer.text() == model.draft.saved {
        model.draft.since = None;
        return;
    }
    let since = *model.draft.since.get_or_insert(model.now);
    if model.now.0.secs_since(since.0) >= DRAFT_PAUSE_SECS {
        save_draft(model, effects);
    }
}

/// Keeps the draft now.
pub(super) fn save_draft(model: &mut Model, effects: &mut Vec<Effect>) {
    let Some(thread) = &model.thread else { return };
    if matches!(model.purpose, Purpose::Edit { .. }) || model.composer.text() == model.draft.saved {
        return;
    }
    let text = model.composer.text().to_owned();
    let params = DraftParams { with: thread.with, text: text.clone() };
    effects.push(Effect::Request(Request::SaveDraft(params)));
    super::new_draft(model, &text);
}

/// Entries of a conversation in which mentions are looked for.
const MAX_UNSEEN: u32 = 200;
const DRAFT_PAUSE_SECS: i64 = 2;
