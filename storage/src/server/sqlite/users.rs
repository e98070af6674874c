//! Operations on accounts, as SQL.

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};
use sealpost_core::ids::{Phone, UserId, UserRef};
use sealpost_core::keys::{PublicKey, WrappedKey};
use sealpost_core::server::store::{
    CreateOutcome, InvitationOutcome, LookupOutcome, PresentedInvitation, ReconnectOutcome, Seq,
    User,
};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::Profile;

use super::fill::Fill;
use super::invitations::Invitations;
use super::row::{self, USER_COLUMNS};
use super::tables;
use crate::engine::column;
use crate::server::daily_use::{DailyUse, OverBudget};
use crate::server::quota::Quota;
use crate::server::reconnects::NotNewer;
use crate::server::suspension::{Suspension, SuspensionOutcome};

/// Table `users`, over a connection that is in a transaction.
pub(super) struct Users<'a> {
    pub(super) connection: &'a Connection,
    pub(super) profile: Profile,
    pub(super) quota: Quota,
    pub(super) fill: &'a Fill,
}

impl Users<'_> {
    pub(super) fn create(
        &self,
        phone: Phone,
        (public_key, aes_key): (&PublicKey, &WrappedKey),
        at: Timestamp,
        max_id: u64,
        invitation: Option<&PresentedInvitation>,
    ) -> rusqlite::Result<CreateOutcome> {
        let invitations = Invitations { connection: self.connection };
        let phone_number = phone.to_string();
        let taken = "SELECT 1 FROM users WHERE phone_number = ?1";
        if self.prepare(taken)?.exists([&phone_number])? {
            return Ok(CreateOutcome::PhoneTaken);
        }
        if let Some(invitation) = invitation
            && invitations.judge(invitation, phone)? == InvitationOutcome::Rejected
        {
            return Ok(CreateOutcome::InvitationRejected);
        }
        if self.quota.is_disk_full(self.fill.disk_free_bytes()) {
            return Ok(CreateOutcome::StoreFull);
        }
        // Not the largest id in `users`: the id of a deleted user must not be given again.
        let next = tables::last_user_id(self.connection)?.saturating_add(1);
        let within = next <= max_id.min(self.profile.max_user_id());
        let Some(id) = UserId::new(next).filter(|_| within) else {
            return Ok(CreateOutcome::NoIdLeft);
        };
        let user_id = id.value().cast_signed();
        self.prepare("UPDATE deployment SET last_user_id = ?1")?.execute([user_id])?;
        self.prepare(
            "INSERT INTO users
             (phone_number, user_id, rsa_public_key, aes_key, last_seen, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
        )?
        .execute(params![
            phone_number,
            user_id,
            public_key.der(),
            aes_key.0,
            at.unix_secs()
        ])?;
        self.prepare("INSERT INTO mailboxes (user_id) VALUES (?1)")?.execute([user_id])?;
        if let Some(invitation) = invitation {
            invitations.use_once(&invitation.hash)?;
        }
        Ok(CreateOutcome::Created(id))
    }

    pub(super) fn find(&self, who: UserRef) -> rusqlite::Result<Option<User>> {
        match who {
            UserRef::Id(id) => self
                .prepare(&format!("SELECT {USER_COLUMNS} FROM users WHERE user_id = ?1"))?
                .query_row([id.value().cast_signed()], row::user),
            UserRef::Phone(phone) => self
                .prepare(&format!("SELECT {USER_COLUMNS} FROM users WHERE phone_number = ?1"))?
                .query_row([phone.to_string()], row::user),
        }
        .optional()
    }

    /// Looks a user up for another one, whose budget of the day is charged.
    pub(super) fn look_up(
        &self,
        asker: UserId,
        phone: Phone,
        day: i64,
        budget: u32,
    ) -> rusqlite::Result<LookupOutcome> {
        let asker = asker.value().cast_signed();
        if !self.prepare("SELECT 1 FROM users WHERE user_id = ?1")?.exists([asker])? {
            return Ok(LookupOutcome::NotFound);
        }
        let mut lookups = self
            .prepare("SELECT day, lookups FROM daily_use WHERE user_id = ?1")?
            .query_row([asker], |row| Ok(DailyUse { day: row.get(0)?, uses: row.get(1)? }))
            .optional()?
            .unwrap_or_default();
        if lookups.charge(day, budget) == Err(OverBudget) {
            return Ok(LookupOutcome::OverBudget);
        }
        self.prepare("REPLACE INTO daily_use (user_id, day, lookups) VALUES (?1, ?2, ?3)")?
            .execute(params![asker, lookups.day, lookups.uses])?;
        let found = self.find(UserRef::Phone(phone))?;
        Ok(found.map_or(LookupOutcome::NotFound, |user| LookupOutcome::Found(Box::new(user))))
    }

    /// Looks a user up of whom something is stored for `recipient`.
    pub(super) fn find_sender(
        &self,
        sender: UserId,
        recipient: UserId,
    ) -> rusqlite::Result<Option<User>> {
        let sql = "SELECT 1 FROM pending_messages
                   WHERE recipient_id = ?1 AND sender_id = ?2 AND kind = 0";
        let ids = [recipient, sender].map(|id| id.value().cast_signed());
        if self.prepare(sql)?.exists(ids)? { self.find(UserRef::Id(sender)) } else { Ok(None) }
    }

    pub(super) fn record_reconnect(
        &self,
        user: UserId,
        at: Timestamp,
        horizon: Timestamp,
        aes_key: &WrappedKey,
    ) -> rusqlite::Result<ReconnectOutcome> {
        let user_id = user.value().cast_signed();
        let dates = self
            .prepare("SELECT reconnects, suspended_at IS NOT NULL FROM users WHERE user_id = ?1")?
            .query_row([user_id], |row| Ok((row::reconnects(row, 0)?, row.get::<_, bool>(1)?)))
            .optional()?;
        let Some((mut dates, is_suspended)) = dates else {
            return Ok(ReconnectOutcome::UnknownUser);
        };
        if dates.accept(at, horizon, tables::newest_time(self.connection)?) == Err(NotNewer) {
            return Ok(ReconnectOutcome::NotNewer);
        }
        if is_suspended {
            self.prepare("UPDATE users SET reconnects = ?2 WHERE user_id = ?1")?
                .execute(params![user_id, dates.encode()])?;
            return Ok(ReconnectOutcome::Suspended);
        }
        self.prepare(
            "UPDATE users SET reconnects = ?2, last_seen = ?3, aes_key = ?4 WHERE user_id = ?1",
        )?
        .execute(params![user_id, dates.encode(), at.unix_secs(), aes_key.0])?;
        Ok(ReconnectOutcome::Recorded(Seq::START))
    }

    /// Suspends an account, or resumes it.
    pub(super) fn set_suspension(
        &self,
        phone: Phone,
        suspension: Suspension,
    ) -> rusqlite::Result<SuspensionOutcome> {
        let phone = phone.to_string();
        let found = self
            .prepare("SELECT user_id, suspended_at IS NOT NULL FROM users WHERE phone_number = ?1")?
            .query_row([&phone], |row| Ok((column::user_id(row, 0)?, row.get::<_, bool>(1)?)))
            .optional()?;
        let Some((user, is_suspended)) = found else { return Ok(SuspensionOutcome::UnknownUser) };
        if is_suspended == matches!(suspension, Suspension::Suspended(_)) {
            return Ok(SuspensionOutcome::Unchanged(user));
        }
        let at = match suspension {
            Suspension::Suspended(at) => Some(at.unix_secs()),
            Suspension::Active => None,
        };
        self.prepare("UPDATE users SET suspended_at = ?2 WHERE phone_number = ?1")?
            .execute(params![phone, at])?;
        Ok(SuspensionOutcome::Changed(user))
    }

    fn prepare(&self, sql: &str) -> rusqlite::Result<CachedStatement<'_>> {
        self.connection.prepare_cached(sql)
    }
}
