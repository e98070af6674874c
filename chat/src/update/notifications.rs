//! What the client tells.

use std::collections::BTreeSet;

use sealpost_messenger::api::{Body, Changed, Conversation, Entry, Notification, Peer};

use super::Effect;
use crate::Keeping;
use crate::layout::Window;
use crate::model::{Model, Position, is_invitation};

pub(super) fn take(model: &mut Model, notification: Notification, effects: &mut Vec<Effect>) {
    match notification {
        Notification::Hello(hello) => model.account = Some(hello.account),
        Notification::Changed(changed) => change(model, changed, effects),
        // For consumers, of which this is none.
        Notification::Receive(_) | Notification::ReceiveEnded(_) => {}
    }
}

fn change(model: &mut Model, changed: Changed, effects: &mut Vec<Effect>) {
    match changed {
        Changed::Entry { entry } => {
            announce(model, &entry, effects);
            model.latest = model.latest.max(entry.entry);
            model.note_mention(&entry);
            if entry.from.is_none() {
                model.stale.status.spoil();
            }
            model.stale.conversations.spoil();
            let is_at_bottom = Window::of(model).below() == 0;
            if let Some(thread) = &mut model.thread
                && thread.with == entry.conversation
            {
                let follows = is_at_bottom && thread.is_at_end;
                thread.take_entry(*entry);
                if follows {
                    thread.position = Position::End;
                }
            }
        }
        Changed::EntryRemoved { conversation, entry } => {
            model.stale.conversations.spoil();
            if let Some(thread) = &mut model.thread
                && thread.with == conversation
            {
                thread.remove_entry(entry);
            }
        }
        Changed::Contact { .. } | Changed::Conversation { .. } => {
            model.stale.conversations.spoil();
            model.stale.contacts.spoil();
        }
        Changed::Connection { connection } => {
            model.connection = Some(connection);
            model.stale.status.spoil();
        }
        Changed::Warning { text } => {
            model.warning = Some(sealpost_messenger::foreign_text::OneLine(text).to_string());
        }
        Changed::Unknown => {}
    }
}

/// Rings for a new message that the user does not see at once.
fn announce(model: &mut Model, entry: &Entry, effects: &mut Vec<Effect>) {
    let is_message = entry.from.is_some() && !matches!(entry.body, Body::Notice { .. });
    if entry.entry <= model.latest || !is_message {
        return;
    }
    let is_meant = model.is_meant(entry);
    let conversation = model.conversation(entry.conversation);
    let is_quiet = |known| model.is_muted(known) && !is_meant;
    if conversation.is_some_and(|known| is_quiet(known) || known.blocked) {
        return;
    }
    let is_open = model.thread.as_ref().is_some_and(|open| open.with == entry.conversation);
    if model.has_focus && is_open {
        return;
    }
    // The text stays off the lock screen, and names out of what a desktop may keep.
    let notice = match (model.keeping, is_meant) {
        (Keeping::Everything, true) => {
            format!("You were mentioned: {}", model.name(entry.conversation))
        }
        (Keeping::Everything, false) => format!("Message from {}", model.name(entry.conversation)),
        (Keeping::FilesOnly | Keeping::Nothing, _) => "Message".to_owned(),
    };
    ring(model, notice, effects);
}

/// Rings for invitations to groups that have come since the last list.
pub(super) fn announce_invitations(
    model: &mut Model,
    conversations: &[Conversation],
    effects: &mut Vec<Effect>,
) {
    let of_group = |conversation: &Conversation| match conversation.with {
        Peer::Group(group_id) if is_invitation(conversation) => Some(group_id),
        Peer::Group(_) | Peer::Person(_) => None,
    };
    let now: BTreeSet<_> = conversations.iter().filter_map(of_group).collect();
    let before = model.invitations.replace(now.clone());
    if before.is_some_and(|before| !now.is_subset(&before)) {
        ring(model, "Invitation to a group".to_owned(), effects);
    }
}

fn ring(model: &mut Model, notice: String, effects: &mut Vec<Effect>) {
    // One ring for all that come at once.
    if model.rang_at.replace(model.now) == Some(model.now) {
        return;
    }
    effects.push(Effect::Ring);
    if !model.has_focus {
        effects.push(Effect::Notify(notice));
    }
}
