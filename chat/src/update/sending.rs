//! Sending what was written.

use sealpost_messenger::api::{Body, EditParams, Mention, SendFileParams, SendParams, WaitFor};

use super::{Effect, new_draft, opening};
use crate::Request;
use crate::model::{Composer, Model, Overlay, Purpose};

/// Sends what was written, for the purpose that it was written for.
pub(super) fn send(model: &mut Model, effects: &mut Vec<Effect>) {
    let Some(thread) = &model.thread else {
        model.remark = Some("Choose a conversation first: C-t".to_owned());
        return;
    };
    if model.composer.is_blank() {
        return;
    }
    let with = thread.with;
    let text = model.composer.take();
    let mentions = model.mentions_in(&text);
    let request = match std::mem::take(&mut model.purpose) {
        Purpose::Edit { entry } => Request::Edit(EditParams { entry, message: text, mentions }),
        Purpose::Reply { entry } => Request::Send(message(with, text, mentions, Some(entry))),
        Purpose::New => Request::Send(message(with, text, mentions, None)),
    };
    if !matches!(request, Request::Edit(_)) {
        // The client forgets the draft of what was sent only when it is told to.
        let params = sealpost_messenger::api::DraftParams { with, text: String::new() };
        if !model.draft.saved.is_empty() {
            effects.push(Effect::Request(Request::SaveDraft(params)));
        }
        new_draft(model, "");
    }
    effects.push(Effect::Request(request));
    opening::to_the_end(model, effects);
}

/// Offers a file. What was written goes with it, unless it is for something else.
pub(super) fn send_file(model: &mut Model, typed: Composer, effects: &mut Vec<Effect>) {
    let Some(thread) = &model.thread else { return };
    // A terminal puts quotes around the path of a file that is dropped on it.
    let path = typed.text().trim().trim_matches(['\'', '"']);
    if path.is_empty() {
        let error = Some("type the path of a file".to_owned());
        model.overlay = Some(Overlay::File { path: typed, error });
        return;
    }
    let with = thread.with;
    let caption = if model.purpose == Purpose::New { model.composer.take() } else { String::new() };
    if !caption.is_empty() && !model.draft.saved.is_empty() {
        let params = sealpost_messenger::api::DraftParams { with, text: String::new() };
        effects.push(Effect::Request(Request::SaveDraft(params)));
    }
    if !caption.is_empty() {
        new_draft(model, "");
    }
    effects.push(Effect::Request(Request::SendFile(SendFileParams {
        recipient: with,
        path: path.to_owned(),
        caption,
        idempotency_key: None,
        wait_for: WaitFor::Queued,
        timeout_seconds: FILE_SECS,
    })));
    opening::to_the_end(model, effects);
}

/// Asks again for a file that could not be sent, unless something else is shown.
pub(super) fn ask_again(model: &mut Model, params: &SendFileParams, error: &str) {
    put_back(model, &params.caption);
    let is_open = model.thread.as_ref().is_some_and(|open| open.with == params.recipient);
    if is_open && model.overlay.is_none() {
        let path = Composer::new(&params.path);
        model.overlay = Some(Overlay::File { path, error: Some(error.to_owned()) });
    }
}

/// Puts back what could not be sent, unless something else was written meanwhile.
pub(super) fn put_back(model: &mut Model, text: &str) {
    if model.composer.is_blank() {
        model.composer.set(text);
    }
}

/// Begins to edit the last message of the account's own.
pub(super) fn edit_last(model: &mut Model) {
    let Some(thread) = &model.thread else { return };
    let is_own_text = |entry: &&sealpost_messenger::api::Entry| {
        entry.from.is_none() && matches!(entry.body, Body::Text { .. })
    };
    let Some(last) = thread.entries.iter().rev().find(is_own_text) else { return };
    let (entry, body) = (last.entry, last.body.clone());
    begin_edit(model, entry, &body);
}

/// Begins to edit a message.
pub(super) fn begin_edit(model: &mut Model, entry: u64, body: &Body) {
    let Body::Text { text } = body else {
        model.remark = Some("Only texts can be edited.".to_owned());
        return;
    };
    model.purpose = Purpose::Edit { entry };
    model.composer.set(text);
}

/// Writes a new message again, instead of an answer or another text.
pub(super) fn give_up_purpose(model: &mut Model) {
    if matches!(std::mem::take(&mut model.purpose), Purpose::Edit { .. }) {
        let draft = model.draft.saved.clone();
        model.composer.set(&draft);
    }
}

const fn message(
    recipient: sealpost_messenger::api::Peer,
    text: String,
    mentions: Vec<Mention>,
    reply_to: Option<u64>,
) -> SendParams {
    SendParams {
        recipient,
        message: Some(text),
        bytes_hex: None,
        mentions,
        reply_to,
        idempotency_key: None,
        wait_for: WaitFor::Queued,
        timeout_seconds: 0,
    }
}

/// How long to wait for the key of somebody new.
const FILE_SECS: u32 = 30;
