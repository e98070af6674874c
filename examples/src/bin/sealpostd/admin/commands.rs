//! The commands as an operator gives them: has a request carried out, and prints the answer.

use sealpost_core::ids::Phone;
use sealpost_programs::{Failure, Format, Line};
use sealpost_storage::NewInvitation;
use serde_json::json;

use super::call::{self, Call};
use super::figures::{Figures, Live, Millis};
use super::request::{Answer, PhoneText, Request, UserChange, UserState};
use crate::data::DataFolder;
use crate::key::{KeyChange, KeyReport};
use crate::site::Site;
use crate::size::Size;

/// Prints figures about the store and, if it runs, the server.
pub(crate) fn stats(site: &Site, format: Format) -> Result<(), Failure> {
    let Answer::Stats(figures) = call::look(site, Request::Stats {})? else {
        return Err(unexpected());
    };
    match format {
        Format::Json => Line::json(&*figures),
        Format::Text => lines_of(&figures).iter().try_for_each(Line::text),
    }
}

/// Asks the running server whether it is ready; fails with the reason if not.
pub(crate) fn ask_ready(data: &DataFolder) -> Result<(), Failure> {
    if data.try_lock()?.is_some() {
        return Err(Failure::new(format_args!("no server runs on {}", data.path().display())));
    }
    let Answer::Ready = Call::required(data)?.ask(&Request::Ready {})? else {
        return Err(unexpected());
    };
    Ok(())
}

/// Deletes, suspends or resumes an account.
pub(crate) fn change_user(
    site: &Site,
    phone: Phone,
    change: UserChange,
    format: Format,
) -> Result<(), Failure> {
    let request = Request::ChangeUser { phone: PhoneText(phone), change };
    let Answer::User(user) = call::perform(site, request)? else { return Err(unexpected()) };
    let done = match user.state {
        UserState::Deleted => "deleted",
        UserState::Suspended => "suspended",
        UserState::Active => "resumed",
    };
    match format {
        Format::Json => Line::json(&user),
        Format::Text => Line::text(format_args!("{done} {}", user.phone)),
    }
}

/// Records an invitation. Returns its id.
pub(crate) fn create_invitation(site: &Site, new: &NewInvitation) -> Result<u64, Failure> {
    let request = Request::CreateInvitation(new.into());
    let Answer::Invitation { id } = call::perform(site, request)? else {
        return Err(unexpected());
    };
    Ok(id)
}

/// Revokes an invitation.
pub(crate) fn revoke_invitation(site: &Site, id: u64, format: Format) -> Result<(), Failure> {
    let request = Request::RevokeInvitation { id };
    let Answer::Invitation { id } = call::perform(site, request)? else {
        return Err(unexpected());
    };
    match format {
        Format::Json => Line::json(&json!({ "revoked": id })),
        Format::Text => Line::text(format_args!("revoked invitation {id}")),
    }
}

/// Makes a successor of the server's key, or retires the key that has one.
pub(crate) fn change_key(site: &Site, change: KeyChange) -> Result<KeyReport, Failure> {
    let request = Request::ChangeKey { change };
    let Answer::Key(report) = call::perform(site, request)? else { return Err(unexpected()) };
    Ok(report)
}

/// Changes the levels of the running server's log, or prints them.
pub(crate) fn change_log_level(
    site: &Site,
    level: Option<String>,
    format: Format,
) -> Result<(), Failure> {
    let request = Request::LogLevel { level };
    let Answer::LogLevels(now) = call::perform(site, request)? else { return Err(unexpected()) };
    match format {
        Format::Json => Line::json(&now),
        Format::Text => Line::text(now.levels),
    }
}

/// Has the running server reload its configuration.
pub(crate) fn reload(site: &Site, format: Format) -> Result<(), Failure> {
    let Answer::Reloaded { changes } = call::perform(site, Request::Reload {})? else {
        return Err(unexpected());
    };
    match format {
        Format::Json => Line::json(&json!({ "reloaded": changes })),
        Format::Text => Line::text(changes),
    }
}

/// Stops the running server, and waits for its end.
pub(crate) fn stop(data: &DataFolder, format: Format) -> Result<(), Failure> {
    if data.try_lock()?.is_some() {
        return Err(Failure::new(format_args!("no server runs on {}", data.path().display())));
    }
    let mut call = Call::required(data)?;
    let Answer::Stopping = call.ask(&Request::Stop {})? else { return Err(unexpected()) };
    call.wait_for_end()?;
    match format {
        Format::Json => Line::json(&json!({ "stopped": true })),
        Format::Text => Line::text("stopped"),
    }
}

fn lines_of(figures: &Figures) -> Vec<String> {
    let waiting = format!(
        "{} messages ({}), {} receipts ({})",
        figures.pending_messages,
        Size(figures.pending_bytes),
        figures.pending_receipts,
        Size(figures.pending_receipt_bytes)
    );
    let mut lines = vec![
        format!("users         {}", figures.users),
        format!("last user id  {}", figures.last_user_id),
        format!("waiting       {waiting}"),
        format!("oldest        {}", figures.oldest.as_deref().unwrap_or("-")),
    ];
    match &figures.running {
        Some(live) => lines.extend(lines_of_live(live)),
        None => lines.push("server        not running".into()),
    }
    lines
}

fn lines_of_live(live: &Live) -> [String; 5] {
    let Live { version, since, connections, sessions, forwarded, stored, .. } = live;
    let commits = &live.commits;
    [
        format!("server        {version}, since {since}"),
        format!("connections   {connections}, {sessions} of them in a session"),
        format!("since then    {forwarded} items forwarded, {stored} stored"),
        format!("disconnected  {} strangers, {} to save memory", live.shed, live.relieved),
        format!("commits       {}, {} on average", commits.count, Millis(commits.mean_micros())),
    ]
}

/// The failure for an answer to another request.
pub(super) fn unexpected() -> Failure {
    Failure::new("the server answered something else than was asked: it is of another version")
}
