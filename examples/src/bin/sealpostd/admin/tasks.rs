//! What each request does. The same function works on the running server and on the folder of one
//! that does not run.

use sealpost_core::ids::{Phone, UserId};
use sealpost_core::server::AccountChange;
use sealpost_programs::{Failure, now};
use sealpost_storage::{NewInvitation, Stats, Suspension, SuspensionOutcome};

use super::figures::{Figures, Live, Mailbox, Sample};
use super::place::{Place, stopped};
use super::request::{
    Answer, ChangedUser, Invite, LogLevels, PhoneText, Request, UserChange, UserState,
};
use crate::data::DataFolder;
use crate::key::KeyChange;
use crate::metrics;
use crate::store::Contents;

/// Carries out a request.
pub(super) fn perform(request: Request, place: &Place<'_>) -> Result<Answer, Failure> {
    match request {
        Request::Stats {} => {
            let stats = place.inspect()?.contents(0)?.stats;
            Ok(Answer::Stats(Box::new(figures(place, stats)?)))
        }
        Request::Ready {} => ready(place),
        Request::Top {} => top(place),
        Request::ChangeUser { phone: PhoneText(phone), change } => match change {
            UserChange::Delete => delete_user(place, phone),
            UserChange::Suspend => suspend_user(place, phone),
            UserChange::Resume => resume_user(place, phone),
        },
        Request::CreateInvitation(new) => create_invitation(place, &new),
        Request::RevokeInvitation { id } => revoke_invitation(place, id),
        Request::ChangeKey { change } => change_key(place.data(), change),
        Request::LogLevel { level } => log_level(place, level.as_deref()),
        Request::Reload {} => reload(place),
        Request::Stop {} => stop(place),
    }
}

fn figures(place: &Place<'_>, stored: Stats) -> Result<Figures, Failure> {
    let live = match place {
        Place::Running(server) => {
            let machine = server.handle.with_machine(|server| (server.stats(), server.totals()));
            let (stats, totals) = machine.recv().map_err(stopped)?;
            Some(Live::new(server.since, stats, totals, server.store.commit_times()))
        }
        Place::Stopped(_) => None,
    };
    Ok(Figures::new(stored, live))
}

fn ready(place: &Place<'_>) -> Result<Answer, Failure> {
    let server = place.running("health")?;
    metrics::ready(server).map_err(|why| Failure::new(format_args!("not ready: {why}")))?;
    Ok(Answer::Ready)
}

fn top(place: &Place<'_>) -> Result<Answer, Failure> {
    place.running("top")?;
    let Contents { stats, largest } = place.inspect()?.contents(LARGEST)?;
    let largest = largest.into_iter().map(Mailbox::from).collect();
    Ok(Answer::Top(Box::new(Sample { figures: figures(place, stats)?, largest })))
}

/// Deletes a user. The account is suspended first: nothing more comes from it while its items are
/// deleted, so that the server's commits don't wait: beside them, or in pieces if the store has one
/// writer only.
fn delete_user(place: &Place<'_>, phone: Phone) -> Result<Answer, Failure> {
    let user = set_suspension(place, phone, Suspension::Suspended(now()?))?;
    place.end_session(user, AccountChange::Deleted)?;
    if let Some(mut store) = place.with_store(|store| store.another())? {
        let deleted = store.delete_user(phone)?.ok_or_else(|| unknown(phone))?;
        return Ok(changed(deleted, phone, UserState::Deleted));
    }
    // Bounded, because others may send to the user as fast as this deletes.
    for _ in 0..PIECES {
        // In a damaged database a piece may fail where the deletion as a whole succeeds.
        let deleted = place.with_store(move |store| store.delete_items_of(user, PIECE))?;
        if deleted.is_err() || deleted.is_ok_and(|count| count < PIECE) {
            break;
        }
    }
    let deleted = place.with_store(move |store| store.delete_user(phone))??;
    let user = deleted.ok_or_else(|| unknown(phone))?;
    Ok(changed(user, phone, UserState::Deleted))
}

/// Suspends a user: first in the store, so that no session can begin, then the session ends.
fn suspend_user(place: &Place<'_>, phone: Phone) -> Result<Answer, Failure> {
    let user = set_suspension(place, phone, Suspension::Suspended(now()?))?;
    place.end_session(user, AccountChange::Suspended)?;
    Ok(changed(user, phone, UserState::Suspended))
}

fn resume_user(place: &Place<'_>, phone: Phone) -> Result<Answer, Failure> {
    let user = set_suspension(place, phone, Suspension::Active)?;
    Ok(changed(user, phone, UserState::Active))
}

/// Changes nothing if the account is suspended or active already: a command can be repeated.
fn set_suspension(
    place: &Place<'_>,
    phone: Phone,
    suspension: Suspension,
) -> Result<UserId, Failure> {
    match place.with_store(move |store| store.set_suspension(phone, suspension))?? {
        SuspensionOutcome::Changed(user) | SuspensionOutcome::Unchanged(user) => Ok(user),
        SuspensionOutcome::UnknownUser => Err(unknown(phone)),
    }
}

fn create_invitation(place: &Place<'_>, new: &Invite) -> Result<Answer, Failure> {
    let new = NewInvitation::try_from(new)?;
    let id = place.with_store(move |store| store.create_invitation(&new))??;
    Ok(Answer::Invitation { id })
}

fn revoke_invitation(place: &Place<'_>, id: u64) -> Result<Answer, Failure> {
    if place.with_store(move |store| store.revoke_invitation(id))?? {
        return Ok(Answer::Invitation { id });
    }
    Err(Failure::new(format_args!("there is no invitation {id}: see sealpostd invite list")))
}

/// Takes effect at the next start, which reads the files.
fn change_key(data: &DataFolder, change: KeyChange) -> Result<Answer, Failure> {
    match change {
        KeyChange::Rotate => data.make_successor()?,
        KeyChange::Retire => data.retire_key()?,
    }
    Ok(Answer::Key(data.key_report()?))
}

fn log_level(place: &Place<'_>, level: Option<&str>) -> Result<Answer, Failure> {
    let log = &place.running("log-level")?.log;
    if let Some(level) = level {
        log.set(level)?;
    }
    Ok(Answer::LogLevels(LogLevels { levels: log.levels()? }))
}

fn reload(place: &Place<'_>) -> Result<Answer, Failure> {
    let outcome = place.running("reload")?.reloader.reload();
    Ok(Answer::Reloaded { changes: outcome.recv().map_err(stopped)?? })
}

fn stop(place: &Place<'_>) -> Result<Answer, Failure> {
    let server = place.running("stop")?;
    tracing::info!("an operator's command stops the server");
    server.handle.stop();
    Ok(Answer::Stopping)
}

fn changed(user: UserId, phone: Phone, state: UserState) -> Answer {
    Answer::User(ChangedUser { id: user.value(), phone: phone.to_string(), state })
}

fn unknown(phone: Phone) -> Failure {
    Failure::new(format_args!("nobody is registered as {phone}"))
}

/// Mailboxes that `top` shows.
const LARGEST: u32 = 10;
/// Items of an account that are deleted at once: some milliseconds of work.
const PIECE: u32 = 1_000;
/// Most pieces, before what is left is deleted at once.
const PIECES: u32 = 10_000;
