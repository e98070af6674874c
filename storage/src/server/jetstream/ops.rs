//! Carries out each [`StoreOp`], and says which of them can run at once.

use futures_util::future::{join_all, try_join};
use sealpost_core::ids::{UserId, UserRef};
use sealpost_core::server::store::{SessionOutcome, StoreOp, StoreReply};

use super::accounts::NewAccount;
use super::failure::Failure;
use super::mailboxes::Mailboxes;
use crate::server::request;

/// Carries out requests, in their order as far as it can be told: those that have no user in common
/// run at once.
pub(super) async fn run_all(
    mailboxes: Mailboxes<'_>,
    requests: &[StoreOp],
) -> Vec<Result<StoreReply, Failure>> {
    let mut outcomes: Vec<Result<StoreReply, Failure>> = Vec::with_capacity(requests.len());
    let mut rest = requests;
    while !rest.is_empty() {
        let (wave, behind) = rest.split_at(wave_len(rest));
        let answers = join_all(wave.iter().map(|request| run(mailboxes, request))).await;
        let is_unavailable =
            answers.iter().any(|answer| matches!(answer, Err(Failure::Unavailable(_))));
        outcomes.extend(answers);
        rest = behind;
        // Each of the others would wait as long for the same answer.
        if is_unavailable {
            let unavailable = |_| Err(Failure::Unavailable("not tried after a failure".into()));
            outcomes.extend(rest.iter().map(unavailable));
            break;
        }
    }
    outcomes
}

/// How many of these requests, one or more, can run at once. One that does not name its users runs
/// alone.
fn wave_len(requests: &[StoreOp]) -> usize {
    let mut users: Vec<UserId> = Vec::new();
    let independent = requests.iter().take(MAX_IN_FLIGHT).take_while(|request| {
        let Some(named) = request.users() else { return false };
        if named.iter().any(|user| users.contains(user)) {
            return false;
        }
        users.extend(named);
        true
    });
    independent.count().max(1)
}

pub(super) async fn run(
    mailboxes: Mailboxes<'_>,
    request: &StoreOp,
) -> Result<StoreReply, Failure> {
    let (accounts, profile) = (mailboxes.accounts(), mailboxes.profile);
    Ok(match request {
        StoreOp::CreateUser { phone, public_key, aes_key, at, max_id, invitation } => {
            let (phone, aes_key, at) = (*phone, *aes_key, *at);
            let (max_id, invitation) = (*max_id, *invitation);
            let new = NewAccount { phone, public_key, aes_key, at, max_id, invitation };
            StoreReply::Created(mailboxes.create_account(new).await?)
        }
        StoreOp::CheckInvitation { invitation, phone } => {
            StoreReply::InvitationChecked(accounts.invitations().judge(*invitation, *phone).await?)
        }
        StoreOp::FindUser(who) => StoreReply::Found(accounts.find(*who).await?.map(Box::new)),
        StoreOp::LookUp { asker, phone, day, budget } => {
            StoreReply::LookedUp(accounts.look_up(*asker, *phone, *day, *budget).await?)
        }
        StoreOp::FindSender { sender, recipient } => {
            let waiting = mailboxes.record(*recipient).await?.correspondent(*sender).messages;
            let found = if waiting > 0 { accounts.find(UserRef::Id(*sender)).await? } else { None };
            StoreReply::Found(found.map(Box::new))
        }
        StoreOp::RecordReconnect { user, at, horizon, aes_key } => {
            let recorded = accounts.record_reconnect(*user, *at, *horizon, *aes_key).await?;
            StoreReply::ReconnectRecorded(recorded)
        }
        StoreOp::BeginSession { user, place } => {
            let begun = mailboxes.begin_session(*user, place.0);
            let (usage, undeliverable) = try_join(begun, accounts.undeliverable(*user)).await?;
            let waiting = usage.map(|usage| usage.waiting(undeliverable.len() as u64));
            let begun = waiting.map_or(SessionOutcome::Overtaken, SessionOutcome::Begun);
            StoreReply::SessionBegun(begun)
        }
        StoreOp::RecordAnswers { owner, peers } => {
            mailboxes.record_answers(*owner, peers).await?;
            StoreReply::AnswersRecorded
        }
        StoreOp::Undeliverable { sender, limit } => {
            let mut messages = accounts.undeliverable(*sender).await?;
            messages.truncate(usize::try_from(*limit).unwrap_or(usize::MAX));
            StoreReply::Undeliverable(messages)
        }
        StoreOp::ForgetUndeliverable { sender, messages } => {
            let forget = |known: &mut Vec<_>| known.retain(|message| !messages.contains(message));
            accounts.change_undeliverable(*sender, forget).await?;
            StoreReply::UndeliverableForgotten
        }
        StoreOp::Append { recipient, packets, at } => {
            let ids = request::item_ids(profile, *recipient, packets)?;
            StoreReply::Appended(mailboxes.append(*recipient, &ids, packets, *at).await?)
        }
        StoreOp::Page { recipient, after, limit } => {
            StoreReply::Page(mailboxes.page(*recipient, *after, *limit).await?)
        }
        StoreOp::Settle(settlement) => {
            let (receipt, sender) = request::receipt_id(profile, settlement)?;
            mailboxes.settle(settlement, receipt, sender).await?;
            StoreReply::Settled
        }
        StoreOp::DropReceipts { recipient, receipts } => {
            request::only_receipts(receipts)?;
            mailboxes.remove(*recipient, receipts).await?;
            StoreReply::ReceiptsDropped
        }
        StoreOp::RecordClock { clock, max_step } => {
            StoreReply::ClockRecorded(accounts.record_clock(*clock, *max_step).await?)
        }
        StoreOp::Expire { before, limit } => {
            let items = mailboxes.expire(*before, *limit).await?;
            let rest = limit.saturating_sub(items);
            StoreReply::Expired(items + accounts.invitations().expire(*before, rest).await?)
        }
    })
}

/// Requests of one commit that run at once.
const MAX_IN_FLIGHT: usize = 32;
