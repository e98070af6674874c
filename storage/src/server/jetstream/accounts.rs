//! Operations on accounts.
//!
//! All records of accounts are in one stream, so each operation is one transaction.

use std::time::Duration;

use sealpost_core::ids::{Phone, UserId, UserRef};
use sealpost_core::keys::{PublicKey, WrappedKey};
use sealpost_core::server::store::{
    CreateOutcome, LookupOutcome, PresentedInvitation, ReconnectOutcome, Seq, User,
};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{InReplyTo, Profile};

use super::connection::Connection;
use super::failure::Failure;
use super::invitations::Invitations;
use super::layout::Layout;
use super::records::{Account, Clock, Counters, Lookups, PhoneOwner, Record, UndeliverableRecord};
use super::retry::retried;
use super::slot::{Slot, Value};
use super::values::UserNumber;
use crate::server::clock;
use crate::server::daily_use::{DailyUse, OverBudget};
use crate::server::reconnects::NotNewer;
use crate::server::suspension::{Suspension, SuspensionOutcome};

/// Records of accounts.
#[derive(Clone, Copy)]
pub(super) struct Accounts<'a> {
    pub(super) connection: &'a Connection,
    pub(super) layout: &'a Layout,
    pub(super) profile: Profile,
}

/// The data of a new account.
#[derive(Clone, Copy)]
pub(super) struct NewAccount<'a> {
    pub(super) phone: Phone,
    pub(super) public_key: &'a PublicKey,
    pub(super) aes_key: WrappedKey,
    pub(super) at: Timestamp,
    pub(super) max_id: u64,
    pub(super) invitation: Option<PresentedInvitation>,
}

/// An account as the operator sees it.
pub(super) struct ListedAccount {
    pub(super) user: User,
    pub(super) created_at: Timestamp,
    pub(super) suspension: Suspension,
}

impl<'a> Accounts<'a> {
    /// The id, the phone number, the account and one use of the invitation are taken together. The
    /// mailbox needs no record until something is appended to it.
    pub(super) async fn create(&self, new: NewAccount<'_>) -> Result<CreateOutcome, Failure> {
        retried(async || self.try_create(new).await).await
    }

    async fn try_create(&self, new: NewAccount<'_>) -> Result<CreateOutcome, Failure> {
        let NewAccount { phone, public_key, aes_key, at, max_id, invitation } = new;
        let phone_key = self.layout.phone(phone);
        let taken = self.connection.read(&phone_key).await?;
        if taken.entry.is_some() {
            return Ok(CreateOutcome::PhoneTaken);
        }
        let mut writes = Vec::new();
        if let Some(presented) = invitation {
            match self.invitations().use_once(presented, phone).await? {
                Some(write) => writes.push(write),
                None => return Ok(CreateOutcome::InvitationRejected),
            }
        }
        let (counters_key, counters) = (self.layout.counters(), self.counters().await?);
        let (slot, last) = counters;
        let next = last.user.saturating_add(1);
        let within = next <= max_id.min(self.profile.max_user_id());
        let Some(id) = UserId::new(next).filter(|_| within) else {
            return Ok(CreateOutcome::NoIdLeft);
        };
        let user = User { id, phone, public_key: public_key.clone(), last_seen: at };
        let account = Account::new(&user, aes_key);
        let owner = PhoneOwner { user: UserNumber(id) };
        writes.push(phone_key.write(taken.revision, owner.value()?));
        writes.push(self.layout.user(id).write(0, account.value()?));
        let counted = Counters { user: next, users: last.users.saturating_add(1), ..last };
        writes.push(counters_key.write(slot.revision, counted.value()?));
        self.connection.commit(&writes).await?;
        Ok(CreateOutcome::Created(id))
    }

    pub(super) async fn find(&self, who: UserRef) -> Result<Option<User>, Failure> {
        let id = match who {
            UserRef::Id(id) => id,
            UserRef::Phone(phone) => match self.owner_of(phone).await? {
                Some(id) => id,
                None => return Ok(None),
            },
        };
        let account = self.account(id).await?.map(|(_, account)| account);
        account.map(|account| account.user(id)).transpose()
    }

    pub(super) async fn exists(&self, user: UserId) -> Result<bool, Failure> {
        Ok(self.account(user).await?.is_some())
    }

    /// The look-up is charged before anybody is looked for, so that a crash gives none for free.
    pub(super) async fn look_up(
        &self,
        asker: UserId,
        phone: Phone,
        day: i64,
        budget: u32,
    ) -> Result<LookupOutcome, Failure> {
        if !self.exists(asker).await? {
            return Ok(LookupOutcome::NotFound);
        }
        let charged = retried(async || {
            let key = self.layout.lookups(asker);
            let slot = self.connection.read(&key).await?;
            let mut lookups: DailyUse = Lookups::of(&slot)?.unwrap_or_default().into();
            if lookups.charge(day, budget) == Err(OverBudget) {
                return Ok(Err(OverBudget));
            }
            let value = Lookups::from(lookups).value()?;
            self.connection.commit(&[key.write(slot.revision, value)]).await?;
            Ok(Ok(()))
        });
        if charged.await? == Err(OverBudget) {
            return Ok(LookupOutcome::OverBudget);
        }
        let found = self.find(UserRef::Phone(phone)).await?;
        Ok(found.map_or(LookupOutcome::NotFound, |user| LookupOutcome::Found(Box::new(user))))
    }

    pub(super) async fn record_reconnect(
        &self,
        user: UserId,
        at: Timestamp,
        horizon: Timestamp,
        aes_key: WrappedKey,
    ) -> Result<ReconnectOutcome, Failure> {
        retried(async || {
            let Some((revision, mut account)) = self.account(user).await? else {
                return Ok(ReconnectOutcome::UnknownUser);
            };
            let mut dates = account.reconnects()?;
            let newest = self.clock().await?.1.map(|clock| clock.newest.into());
            if dates.accept(at, horizon, newest) == Err(NotNewer) {
                return Ok(ReconnectOutcome::NotNewer);
            }
            account.set_reconnects(&dates);
            if account.suspended_at.is_some() {
                self.replace(user, revision, &account).await?;
                return Ok(ReconnectOutcome::Suspended);
            }
            account.last_seen = at.into();
            account.set_aes_key(aes_key);
            let place = self.replace(user, revision, &account).await?;
            Ok(ReconnectOutcome::Recorded(Seq(place)))
        })
        .await
    }

    pub(super) async fn record_clock(
        &self,
        now: Timestamp,
        max_step: Duration,
    ) -> Result<Timestamp, Failure> {
        retried(async || {
            let (slot, recorded) = self.clock().await?;
            let recorded = recorded.map(|clock| clock.newest.into());
            let newest = clock::newest(recorded, now, max_step);
            if recorded != Some(newest) {
                self.write_clock(&slot, newest).await?;
            }
            Ok(newest)
        })
        .await
    }

    /// Records a time that the operator vouches for.
    pub(super) async fn trust_clock(&self, now: Timestamp) -> Result<(), Failure> {
        retried(async || self.write_clock(&self.clock().await?.0, now).await).await
    }

    pub(super) async fn set_suspension(
        &self,
        phone: Phone,
        suspension: Suspension,
    ) -> Result<SuspensionOutcome, Failure> {
        retried(async || {
            let Some(user) = self.owner_of(phone).await? else {
                return Ok(SuspensionOutcome::UnknownUser);
            };
            let Some((revision, mut account)) = self.account(user).await? else {
                return Ok(SuspensionOutcome::UnknownUser);
            };
            let at = match suspension {
                Suspension::Suspended(at) => Some(at.into()),
                Suspension::Active => None,
            };
            if account.suspended_at.is_some() == at.is_some() {
                return Ok(SuspensionOutcome::Unchanged(user));
            }
            account.suspended_at = at;
            self.replace(user, revision, &account).await?;
            Ok(SuspensionOutcome::Changed(user))
        })
        .await
    }

    pub(super) async fn undeliverable(&self, sender: UserId) -> Result<Vec<InReplyTo>, Failure> {
        Ok(self.undeliverable_slot(sender).await?.1)
    }

    /// Changes which of a sender's messages are known to be undeliverable.
    pub(super) async fn change_undeliverable(
        &self,
        sender: UserId,
        change: impl Fn(&mut Vec<InReplyTo>),
    ) -> Result<(), Failure> {
        retried(async || {
            let (slot, before) = self.undeliverable_slot(sender).await?;
            let mut after = before.clone();
            change(&mut after);
            if after == before {
                return Ok(());
            }
            let value = if after.is_empty() {
                Value::Removed
            } else {
                UndeliverableRecord::new(&after).value()?
            };
            let key = self.layout.undeliverable(sender);
            self.connection.commit(&[key.write(slot.revision, value)]).await
        })
        .await
    }

    /// Account of a user, and its revision; `None` if the account is gone or going.
    async fn account(&self, user: UserId) -> Result<Option<(u64, Account)>, Failure> {
        let found = self.account_or_closing(user).await?;
        Ok(found.filter(|(_, account)| !account.closing))
    }

    /// Account of a user, even if it is being deleted.
    pub(super) async fn account_or_closing(
        &self,
        user: UserId,
    ) -> Result<Option<(u64, Account)>, Failure> {
        let slot = self.connection.read(&self.layout.user(user)).await?;
        Ok(Account::of(&slot)?.map(|account| (slot.revision, account)))
    }

    /// Replaces the record of an account. Returns its new revision.
    pub(super) async fn replace(
        &self,
        user: UserId,
        revision: u64,
        account: &Account,
    ) -> Result<u64, Failure> {
        let key = self.layout.user(user);
        self.connection.commit_last(&[], &key.write(revision, account.value()?)).await
    }

    /// An account as the operator sees it, without its mailbox; `None` if it is gone or going.
    pub(super) async fn listed(&self, user: UserId) -> Result<Option<ListedAccount>, Failure> {
        let Some((_, account)) = self.account(user).await? else { return Ok(None) };
        let suspension = account.suspended_at.map(Into::into);
        Ok(Some(ListedAccount {
            user: account.user(user)?,
            created_at: account.created_at.into(),
            suspension: suspension.map_or(Suspension::Active, Suspension::Suspended),
        }))
    }

    /// The newest time on record.
    pub(super) async fn newest_time(&self) -> Result<Option<Timestamp>, Failure> {
        Ok(self.clock().await?.1.map(|clock| clock.newest.into()))
    }

    /// Who has a phone number, even if the account is being deleted.
    pub(super) async fn owner_of(&self, phone: Phone) -> Result<Option<UserId>, Failure> {
        let slot = self.connection.read(&self.layout.phone(phone)).await?;
        Ok(PhoneOwner::of(&slot)?.map(|owner| owner.user.0))
    }

    pub(super) async fn counters(&self) -> Result<(Slot, Counters), Failure> {
        let slot = self.connection.read(&self.layout.counters()).await?;
        let counters = Counters::of(&slot)?.unwrap_or_default();
        Ok((slot, counters))
    }

    pub(super) const fn invitations(&self) -> Invitations<'a> {
        Invitations { connection: self.connection, layout: self.layout }
    }

    async fn undeliverable_slot(&self, sender: UserId) -> Result<(Slot, Vec<InReplyTo>), Failure> {
        let slot = self.connection.read(&self.layout.undeliverable(sender)).await?;
        let messages = UndeliverableRecord::of(&slot)?.unwrap_or_default().messages()?;
        Ok((slot, messages))
    }

    async fn clock(&self) -> Result<(Slot, Option<Clock>), Failure> {
        let slot = self.connection.read(&self.layout.clock()).await?;
        let clock = Clock::of(&slot)?;
        Ok((slot, clock))
    }

    async fn write_clock(&self, slot: &Slot, newest: Timestamp) -> Result<(), Failure> {
        let value = Clock { newest: newest.into() }.value()?;
        self.connection.commit(&[self.layout.clock().write(slot.revision, value)]).await
    }
}
