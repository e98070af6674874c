//! What came of requests.

use sealpost_messenger::api::{
    ApiError, CancelResult, ConnectResult, Contact, ConversationsResult, EditParams, Peer,
    SendParams, UpdateGroupParams,
};
use sealpost_messenger::foreign_text::OneLine;

use super::{Effect, groups, notifications, opening, selection, sending};
use crate::model::{Model, Overlay};
use crate::{Answer, Request};

pub(super) fn take(
    model: &mut Model,
    request: Request,
    answer: Result<Answer, ApiError>,
    effects: &mut Vec<Effect>,
) {
    if let Some(list) = model.stale.of(&request) {
        list.answered();
    }
    match answer {
        Ok(answer) => succeed(model, request, answer, effects),
        Err(error) => fail(model, &request, &error),
    }
}

fn succeed(model: &mut Model, request: Request, answer: Answer, effects: &mut Vec<Effect>) {
    match (request, answer) {
        (_, Answer::Status(status)) => {
            model.account = Some(status.phone);
            model.connection = Some(status.connection);
            model.queued = status.queued;
        }
        (_, Answer::Conversations(ConversationsResult { conversations })) => {
            let last = conversations.iter().filter_map(|known| Some(known.last.as_ref()?.entry));
            model.latest = model.latest.max(last.max().unwrap_or(0));
            notifications::announce_invitations(model, &conversations, effects);
            model.conversations = conversations;
            if model.thread.is_none()
                && let Some(first) = model.conversations.first()
            {
                opening::open(model, first.with, effects);
            }
        }
        (_, Answer::Contacts(contacts)) => {
            let by_phone = contacts.contacts.into_iter().map(|contact| (contact.phone, contact));
            model.contacts = by_phone.collect();
        }
        (Request::Unseen(_), Answer::Entries(page)) => {
            page.entries.iter().for_each(|entry| model.note_mention(entry));
        }
        (Request::History(asked), Answer::Entries(page)) => {
            if let Some(thread) = &mut model.thread
                && asked.with == Some(thread.with)
            {
                thread.take_page(&asked, page);
            }
        }
        (Request::Search(asked), Answer::Entries(page)) => {
            if let Some(Overlay::Search(search)) = &mut model.overlay
                && search.asked == asked.query
            {
                search.is_running = false;
                search.more = page.more;
                if asked.before.is_none() {
                    search.results.clear();
                    search.chosen = 0;
                }
                search.results.extend(page.entries);
            }
        }
        (Request::LookUp(_), Answer::Contact(contact)) => {
            let with = Peer::Person(contact.phone);
            learn(model, contact);
            model.remark = None;
            // Whoever has left the dialog meanwhile stays where they are.
            if let Some(Overlay::Switcher { .. }) = model.overlay {
                opening::open(model, with, effects);
            } else {
                model.stale.conversations.spoil();
            }
        }
        (_, Answer::Contact(contact)) => {
            model.stale.conversations.spoil();
            learn(model, contact);
        }
        (Request::Name(_), Answer::Done(_)) => {
            model.stale.contacts.spoil();
            model.stale.conversations.spoil();
        }
        (Request::UpdateGroup(UpdateGroupParams { group_id: None, .. }), Answer::Group(group)) => {
            model.stale.conversations.spoil();
            model.remark = None;
            opening::open(model, Peer::Group(group.group_id), effects);
        }
        (_, Answer::Group(_)) => {
            model.stale.conversations.spoil();
            model.remark = None;
        }
        (
            Request::MarkRead(_)
            | Request::Update(_)
            | Request::SaveDraft(_)
            | Request::Block(_)
            | Request::Unblock(_)
            | Request::Decline(_)
            | Request::Leave(_)
            | Request::Forget(_),
            Answer::Done(_),
        ) => model.stale.conversations.spoil(),
        (_, Answer::Cancelled(CancelResult { too_late, .. })) => {
            model.stale.status.spoil();
            model.remark = Some(match too_late.len() {
                0 => "Given up. R sends it after all.".to_owned(),
                late => format!("Given up, but too late for {late}."),
            });
        }
        (_, Answer::Connected(ConnectResult { connection })) => model.connection = Some(connection),
        (_, Answer::Sent(_)) => model.stale.status.spoil(),
        (_, Answer::Done(_) | Answer::Entries(_)) => {}
    }
}

fn fail(model: &mut Model, request: &Request, error: &ApiError) {
    if let Request::History(asked) = request
        && let Some(thread) = &mut model.thread
        && asked.with == Some(thread.with)
    {
        thread.is_loading = false;
        // It is asked for again when the user moves.
        thread.more_before = false;
    }
    if let Request::Send(SendParams { message: Some(text), .. })
    | Request::Edit(EditParams { message: text, .. }) = request
    {
        sending::put_back(model, text);
    }
    if let Request::SendFile(params) = request {
        sending::ask_again(model, params, &OneLine(&error.message).to_string());
    }
    if let Request::UpdateGroup(params) = request {
        groups::put_back(model, params);
    }
    if let Some(Overlay::Search(search)) = &mut model.overlay {
        search.is_running = false;
    }
    let deleted = match (request, &model.thread) {
        (Request::Delete(asked), Some(thread)) => thread.entry(asked.entry),
        _ => None,
    };
    let has_failed = deleted.is_some_and(selection::reached_nobody);
    let why = if has_failed { selection::FAILED } else { &error.message };
    model.remark = Some(OneLine(why).to_string());
}

fn learn(model: &mut Model, contact: Contact) {
    model.contacts.insert(contact.phone, contact);
}
