//! Carries out each [`StoreOp`], inside a transaction that the caller began.

use rusqlite::Connection;
use sealpost_core::frame::StoreError;
use sealpost_core::server::store::{SessionOutcome, StoreOp, StoreOutcome, StoreReply};
use sealpost_core::wire::Profile;

use super::correspondents::Correspondents;
use super::fill::Fill;
use super::invitations::Invitations;
use super::mailboxes::Mailboxes;
use super::tables;
use super::undeliverable::Undeliverable;
use super::users::Users;
use crate::server::clock;
use crate::server::quota::Quota;
use crate::server::request::{self, Misuse};

/// The operations, over a connection that is in a transaction.
pub(super) struct Ops<'a> {
    pub(super) connection: &'a Connection,
    pub(super) profile: Profile,
    pub(super) quota: Quota,
    pub(super) fill: &'a Fill,
}

impl Ops<'_> {
    /// Carries out a request. Returns `Err` if SQLite failed, in which case the request may be half
    /// done. A request that must not be made has no effect, and gets an outcome like any other.
    pub(super) fn run(&self, request: &StoreOp) -> rusqlite::Result<StoreOutcome> {
        match self.dispatch(request) {
            Ok(reply) => Ok(Ok(reply)),
            Err(Failure::Misuse) => Ok(Err(StoreError::Corrupt)),
            Err(Failure::Engine(error)) => Err(error),
        }
    }

    fn dispatch(&self, request: &StoreOp) -> Result<StoreReply, Failure> {
        let Self { connection, profile, quota, fill } = *self;
        let users = Users { connection, profile, quota, fill };
        let correspondents = || Correspondents { connection };
        let mailboxes =
            Mailboxes { connection, profile, quota, fill, correspondents: correspondents() };
        let undeliverable = Undeliverable { connection };
        let invitations = Invitations { connection };
        Ok(match request {
            StoreOp::CreateUser { phone, public_key, aes_key, at, max_id, invitation } => {
                let (key, invitation) = ((public_key, aes_key), invitation.as_ref());
                StoreReply::Created(users.create(*phone, key, *at, *max_id, invitation)?)
            }
            StoreOp::CheckInvitation { invitation, phone } => {
                StoreReply::InvitationChecked(invitations.judge(invitation, *phone)?)
            }
            StoreOp::FindUser(who) => StoreReply::Found(users.find(*who)?.map(Box::new)),
            StoreOp::LookUp { asker, phone, day, budget } => {
                StoreReply::LookedUp(users.look_up(*asker, *phone, *day, *budget)?)
            }
            StoreOp::FindSender { sender, recipient } => {
                StoreReply::Found(users.find_sender(*sender, *recipient)?.map(Box::new))
            }
            StoreOp::RecordReconnect { user, at, horizon, aes_key } => {
                StoreReply::ReconnectRecorded(
                    users.record_reconnect(*user, *at, *horizon, aes_key)?,
                )
            }
            StoreOp::BeginSession { user, .. } => {
                let usage = mailboxes.usage(*user)?.unwrap_or_default();
                let waiting = usage.waiting(undeliverable.count(*user)?);
                StoreReply::SessionBegun(SessionOutcome::Begun(waiting))
            }
            StoreOp::RecordAnswers { owner, peers } => {
                correspondents().record_answers(*owner, peers)?;
                StoreReply::AnswersRecorded
            }
            StoreOp::Undeliverable { sender, limit } => {
                StoreReply::Undeliverable(undeliverable.of(*sender, *limit)?)
            }
            StoreOp::ForgetUndeliverable { sender, messages } => {
                undeliverable.forget(*sender, messages)?;
                StoreReply::UndeliverableForgotten
            }
            StoreOp::Append { recipient, packets, at } => {
                let ids = request::item_ids(profile, *recipient, packets)?;
                StoreReply::Appended(mailboxes.append(*recipient, &ids, packets, *at)?)
            }
            StoreOp::Page { recipient, after, limit } => {
                StoreReply::Page(mailboxes.page(*recipient, *after, *limit)?)
            }
            StoreOp::Settle(settlement) => {
                let (receipt, sender) = request::receipt_id(profile, settlement)?;
                mailboxes.settle(settlement, receipt, sender)?;
                StoreReply::Settled
            }
            StoreOp::DropReceipts { recipient, receipts } => {
                request::only_receipts(receipts)?;
                mailboxes.remove(*recipient, receipts)?;
                StoreReply::ReceiptsDropped
            }
            StoreOp::RecordClock { clock, max_step } => {
                let recorded = tables::newest_time(connection)?;
                let newest = clock::newest(recorded, *clock, *max_step);
                if recorded != Some(newest) {
                    tables::set_newest_time(connection, newest)?;
                }
                StoreReply::ClockRecorded(newest)
            }
            StoreOp::Expire { before, limit } => {
                let items = mailboxes.expire(*before, *limit)?;
                let rest = limit.saturating_sub(items);
                StoreReply::Expired(items + invitations.expire(*before, rest)?)
            }
        })
    }
}

/// Why a request was not carried out.
enum Failure {
    Misuse,
    Engine(rusqlite::Error),
}

impl From<Misuse> for Failure {
    fn from(_: Misuse) -> Self {
        Self::Misuse
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Engine(error)
    }
}
