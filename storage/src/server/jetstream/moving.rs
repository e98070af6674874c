//! A deployment as one side of a migration.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ops::Bound;

use futures_util::future::{try_join, try_join_all, try_join3};
use sealpost_core::ids::UserId;
use sealpost_core::server::store::User;
use sealpost_core::wire::{ItemId, Packet, Profile};
use tokio::time::sleep;

use super::JetStreamStorage;
use super::accounts::Accounts;
use super::append::part_len;
use super::config::Config;
use super::desk::Desk;
use super::failure::{Failure, JetStreamError};
use super::layout::item_of;
use super::mailbox::Mailbox;
use super::mailboxes::{Mailboxes, OpenMailbox, STALE_LISTS, STALE_PAUSE};
use super::opening::OpenJetStreamError;
use super::records::{
    self, Clock, Counters, Lookups, MigrationFields, MigrationState, PhoneOwner, Record,
    UndeliverableRecord,
};
use super::server_keys::ServerKeys;
use super::slot::{Slot, Value, Write};
use super::values::UserNumber;
use crate::database_mark::DatabaseId;
use crate::server::daily_use::DailyUse;
use crate::server::moving::{Account, Deployment, MigrationError, MovedItem, Source, Target};
use crate::server::quota::Quota;
use crate::server::suspension::Suspension;

/// A deployment that accounts are moved into or out of. Only one process must have it open.
#[derive(Debug)]
pub struct MovingDeployment {
    storage: JetStreamStorage,
    /// Id of the database that accounts are moved to, unless a migration has begun.
    database: DatabaseId,
    /// Ids of all accounts, once they were listed.
    users: Option<BTreeSet<UserId>>,
}

/// Where a deployment is on the way between two stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MovingState {
    /// Servers may open it.
    Settled,
    /// The accounts of this database are being moved into it.
    Arriving(DatabaseId),
    /// Its accounts are being moved into this database, or were moved.
    Leaving(DatabaseId),
}

impl MovingDeployment {
    /// Opens a deployment. If there is none of that name, `config` says what becomes of it. `database`
    /// is the id for a database that is to be created, if accounts are moved out.
    pub fn open(
        config: &Config,
        profile: Option<Profile>,
        database: DatabaseId,
    ) -> Result<Self, OpenJetStreamError> {
        let storage = JetStreamStorage::open_to_move(config, profile, Quota::default())?;
        Ok(Self { storage, database, users: None })
    }

    /// Returns the profile of the deployment: the width of its ids.
    pub const fn profile(&self) -> Profile {
        self.storage.profile()
    }

    /// Returns where the deployment is on the way.
    pub fn state(&self) -> Result<MovingState, JetStreamError> {
        Ok(self.run(async |desk| {
            let Some(migration) = read_migration(desk).await?.1 else {
                return Ok(MovingState::Settled);
            };
            let database = migration.database()?;
            Ok(match migration.state {
                MigrationState::Arriving => MovingState::Arriving(database),
                MigrationState::Leaving | MigrationState::Left => MovingState::Leaving(database),
            })
        })?)
    }

    /// Whether a server has the deployment open.
    pub fn is_served(&self) -> bool {
        self.storage.driver.block_on(self.storage.desk.servers.is_any_other())
    }

    /// As [`JetStreamStorage::server_keys`].
    pub fn server_keys(&self) -> Result<Option<ServerKeys>, JetStreamError> {
        self.storage.server_keys()
    }

    /// Notes that the accounts are in the database now.
    pub fn note_left(&mut self) -> Result<(), MigrationError> {
        Ok(self.run(async |desk| {
            let (slot, migration) = read_migration(desk).await?;
            let Some(migration) = migration else { return Ok(()) };
            let left = MigrationFields::new(migration.database()?, MigrationState::Left);
            write_migration(desk, &slot, left.value()?).await
        })?)
    }

    fn run<T>(
        &self,
        task: impl AsyncFnOnce(&Desk) -> Result<T, Failure>,
    ) -> Result<T, EngineFailure> {
        self.storage.driver.block_on(task(&self.storage.desk)).map_err(EngineFailure)
    }

    /// Ids of all accounts, even of those that are being deleted.
    fn users(&mut self) -> Result<&mut BTreeSet<UserId>, MigrationError> {
        let users = match self.users.take() {
            Some(users) => users,
            None => self.run(list_users)?,
        };
        Ok(self.users.insert(users))
    }
}

/// A failure that becomes either of two errors.
#[derive(Debug)]
struct EngineFailure(Failure);

impl From<EngineFailure> for JetStreamError {
    fn from(EngineFailure(failure): EngineFailure) -> Self {
        failure.into()
    }
}

impl From<EngineFailure> for MigrationError {
    fn from(EngineFailure(failure): EngineFailure) -> Self {
        Self::Engine(failure.into())
    }
}

impl Source for MovingDeployment {
    /// The record is written before servers are looked for: one that starts meanwhile finds it.
    fn leave(&mut self) -> Result<DatabaseId, MigrationError> {
        let new = MigrationFields::new(self.database, MigrationState::Leaving);
        let (migration, is_new) = self.run(async |desk| match read_migration(desk).await? {
            (_, Some(known)) => Ok((known, false)),
            (slot, None) => {
                write_migration(desk, &slot, new.value()?).await?;
                Ok((new, true))
            }
        })?;
        if migration.state == MigrationState::Arriving {
            return Err(MigrationError::SourceIncomplete);
        }
        if self.is_served() {
            // The servers may be restarted before they are stopped.
            if is_new {
                self.complete()?;
            }
            return Err(MigrationError::Served);
        }
        Ok(migration.database().map_err(EngineFailure)?)
    }

    fn deployment(&mut self) -> Result<Deployment, MigrationError> {
        Ok(self.run(async |desk| {
            let accounts = desk.accounts();
            let (_, counters) = accounts.counters().await?;
            Ok(Deployment {
                profile: desk.profile,
                last_user_id: counters.user,
                last_invitation_id: counters.invitation,
                newest_time: accounts.newest_time().await?,
                invitations: accounts.invitations().by_hash().await?,
            })
        })?)
    }

    fn count_accounts(&mut self) -> Result<u64, MigrationError> {
        Ok(self.run(async |desk| Ok(desk.accounts().counters().await?.1.users))?)
    }

    fn next_account(&mut self, after: Option<UserId>) -> Result<Option<Account>, MigrationError> {
        let behind = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let Some(id) = self.users()?.range(behind).next().copied() else { return Ok(None) };
        self.account(id).map(Some)
    }
}

impl Target for MovingDeployment {
    fn prepare(&mut self, migration: DatabaseId) -> Result<(), MigrationError> {
        let begun = self.run(async |desk| {
            let (slot, known) = read_migration(desk).await?;
            if let Some(known) = known {
                let is_this = known.database()? == migration;
                return Ok(match known.state {
                    MigrationState::Arriving if is_this => Ok(()),
                    MigrationState::Arriving => Err(MigrationError::OtherMigration),
                    MigrationState::Leaving | MigrationState::Left => {
                        Err(MigrationError::TargetLeft)
                    }
                });
            }
            let (_, counters) = desk.accounts().counters().await?;
            if counters.user > 0 || counters.invitation > 0 {
                return Ok(Err(MigrationError::TargetInUse));
            }
            let arriving = MigrationFields::new(migration, MigrationState::Arriving);
            write_migration(desk, &slot, arriving.value()?).await?;
            Ok(Ok(()))
        })?;
        begun?;
        if self.is_served() { Err(MigrationError::Served) } else { Ok(()) }
    }

    fn delete_between(
        &mut self,
        after: Option<UserId>,
        before: Option<UserId>,
    ) -> Result<(), MigrationError> {
        let between = (
            after.map_or(Bound::Unbounded, Bound::Excluded),
            before.map_or(Bound::Unbounded, Bound::Excluded),
        );
        let gone: Vec<_> = self.users()?.range(between).copied().collect();
        for id in gone {
            self.delete(id)?;
        }
        Ok(())
    }

    /// The items are first and the records of the account last: an account that is there is there
    /// completely, unless the source has changed since.
    fn put(&mut self, account: &Account) -> Result<Vec<ItemId>, MigrationError> {
        let id = account.id();
        if self.users()?.contains(&id) {
            if self.account(id)? == *account {
                return Ok(Vec::new());
            }
            self.delete(id)?;
        }
        self.run(async |desk| {
            put_items(desk, account).await?;
            put_records(desk, account).await
        })?;
        self.users()?.insert(id);
        Ok(Vec::new())
    }

    fn put_deployment(&mut self, deployment: &Deployment) -> Result<(), MigrationError> {
        Ok(self.run(async |desk| put_deployment(desk, deployment).await)?)
    }

    fn complete(&mut self) -> Result<(), MigrationError> {
        Ok(self.run(async |desk| {
            let (slot, migration) = read_migration(desk).await?;
            match migration {
                None => Ok(()),
                Some(_) => write_migration(desk, &slot, Value::Removed).await,
            }
        })?)
    }
}

impl MovingDeployment {
    fn account(&self, id: UserId) -> Result<Account, MigrationError> {
        let (is_closing, account) = self.run(async |desk| read_account(desk, id).await)?;
        if is_closing { Err(MigrationError::HalfDeleted(account.user.phone)) } else { Ok(account) }
    }

    /// Deletes an account of the target.
    fn delete(&mut self, id: UserId) -> Result<(), MigrationError> {
        let account = self.account(id)?;
        self.run(async |desk| {
            // The records first: what is left of the mailbox is not taken for that of an account.
            desk.mailboxes().remove_account(id, account.user.phone).await?;
            let items: Vec<_> = account.items.iter().map(|item| item.id).collect();
            desk.mailboxes().remove(id, &items).await?;
            let open = desk.mailboxes().read(id).await?;
            if open.revision == 0 {
                return Ok(());
            }
            desk.mailboxes().commit(&open, &[], &Mailbox::closed()).await
        })?;
        self.users()?.remove(&id);
        Ok(())
    }
}

async fn read_migration(desk: &Desk) -> Result<(Slot, Option<MigrationFields>), Failure> {
    let slot = desk.connection.read(&desk.layout.migration()).await?;
    let migration = MigrationFields::of(&slot)?;
    Ok((slot, migration))
}

async fn write_migration(desk: &Desk, slot: &Slot, value: Value) -> Result<(), Failure> {
    desk.connection.commit(&[desk.layout.migration().write(slot.revision, value)]).await
}

/// Any replica lists accounts, and may lack the latest; the leader knows how many there are.
async fn list_users(desk: &Desk) -> Result<BTreeSet<UserId>, Failure> {
    for _ in 0..STALE_LISTS {
        let stream = desk.layout.accounts();
        let entries = desk.connection.list_all(&stream, &desk.layout.every_user()).await?;
        let id = |subject: &str| UserId::new(subject.rsplit('.').next()?.parse().ok()?);
        let ids = entries.iter().map(|entry| id(&entry.subject).ok_or(Failure::Damaged("user id")));
        let ids: BTreeSet<_> = ids.collect::<Result<_, _>>()?;
        if ids.len() as u64 == desk.accounts().counters().await?.1.users {
            return Ok(ids);
        }
        sleep(STALE_PAUSE).await;
    }
    Err(Failure::Damaged("count of accounts"))
}

/// Reads an account, and whether it is being deleted.
async fn read_account(desk: &Desk, id: UserId) -> Result<(bool, Account), Failure> {
    let (accounts, mailboxes) = (desk.accounts(), desk.mailboxes());
    let rest = try_join3(
        read_lookups(&accounts, id),
        accounts.undeliverable(id),
        read_mailbox(mailboxes, id),
    );
    let (found, (lookups, undeliverable, (open, items))) =
        try_join(accounts.account_or_closing(id), rest).await?;
    let unreadable = || Failure::Damaged(records::Account::NAME);
    let (_, account) = found.ok_or_else(unreadable)?;
    let user = account.user(id)?;
    if accounts.owner_of(user.phone).await? != Some(id) {
        return Err(Failure::Damaged(PhoneOwner::NAME));
    }
    let suspension = account.suspended_at.map(Into::into);
    let answered = open.mailbox.correspondents.iter().filter(|(_, peer)| peer.answered);
    let read = Account {
        user,
        aes_key: account.aes_key().ok_or_else(unreadable)?,
        created_at: account.created_at.into(),
        reconnects: account.reconnects()?,
        suspension: suspension.map_or(Suspension::Active, Suspension::Suspended),
        lookups: lookups.into(),
        undeliverable,
        answered: answered.map(|(peer, _)| *peer).collect(),
        items,
    };
    Ok((account.closing, read))
}

async fn read_lookups(accounts: &Accounts<'_>, id: UserId) -> Result<Lookups, Failure> {
    let slot = accounts.connection.read(&accounts.layout.lookups(id)).await?;
    Ok(Lookups::of(&slot)?.unwrap_or_default())
}

/// Reads the record and the items of a mailbox. A list that a replica gives is complete if it ends
/// with a record as new as the leader's.
async fn read_mailbox(
    mailboxes: Mailboxes<'_>,
    owner: UserId,
) -> Result<(OpenMailbox, Vec<MovedItem>), Failure> {
    let open = mailboxes.read(owner).await?;
    if open.revision == 0 {
        return Ok((open, Vec::new()));
    }
    let record = open.keys.record();
    for _ in 0..STALE_LISTS {
        let all = open.keys.everything();
        let mut entries = mailboxes.connection.list_all(&record.stream, &all).await?;
        let last = entries.pop().filter(|last| last.subject == record.subject);
        if last.is_none_or(|last| last.revision < open.revision) {
            sleep(STALE_PAUSE).await;
            continue;
        }
        let mut counted = Mailbox::default();
        let mut items = Vec::with_capacity(entries.len());
        for entry in entries {
            let stored_at = entry.stored_at()?;
            let named = item_of(&entry.subject).map(|(_, id)| id);
            let packet = Packet::parse(mailboxes.profile, entry.body);
            let packet = packet.ok_or(Failure::Damaged("packet"))?;
            let id = ItemId::of(&packet).filter(|id| Some(*id) == named);
            let id = id.ok_or(Failure::Damaged("packet"))?;
            counted.count_in(&id, packet.bytes().len() as u64);
            items.push(MovedItem { id, packet, stored_at });
        }
        if counted.usage != open.mailbox.usage {
            return Err(Failure::Damaged("mailbox counter"));
        }
        return Ok((open, items));
    }
    Err(Failure::Unavailable("a replica lags behind".into()))
}

/// Stores the mailbox of an account. A crash leaves the first of the items, to which the others are
/// added.
async fn put_items(desk: &Desk, account: &Account) -> Result<(), Failure> {
    let (mailboxes, owner) = (desk.mailboxes(), account.id());
    let (before, stored) = read_mailbox(mailboxes, owner).await?;
    let is_part = account.items.starts_with(&stored);
    if !is_part {
        let ids: Vec<_> = stored.iter().map(|item| item.id).collect();
        mailboxes.remove(owner, &ids).await?;
    }
    let stored = if is_part { stored.len() } else { 0 };
    let missing = account.items.get(stored..).unwrap_or_default();
    let missing: Vec<_> = missing.iter().map(|item| (item.id, &item.packet)).collect();
    let mut arrivals = account.items.iter().skip(stored).map(|item| item.stored_at);
    let mut rest = missing.as_slice();
    loop {
        let len = if rest.is_empty() { 0 } else { part_len(rest) };
        let (part, behind) = rest.split_at(len);
        let open = mailboxes.read(owner).await?;
        let mut mailbox = with_answers(open.mailbox.clone(), &account.answered);
        // An item that was just removed still has a revision. In a new mailbox there is none.
        let is_new = before.revision == 0;
        let ids: Vec<_> = part.iter().filter(|_| !is_new).map(|(id, _)| *id).collect();
        let mut slots = mailboxes.read_items(&open.keys, &ids).await?.into_iter();
        let mut writes: Vec<Write> = Vec::with_capacity(len);
        for ((id, packet), at) in part.iter().zip(&mut arrivals) {
            mailbox.count_in(id, packet.bytes().len() as u64);
            let replaces = slots.next().map_or(0, |slot| slot.revision);
            let item = Value::Item(packet.bytes().clone(), at);
            writes.push(open.keys.item(id).write(replaces, item));
        }
        if mailbox != open.mailbox {
            mailboxes.commit(&open, &writes, &mailbox).await?;
        }
        rest = behind;
        if rest.is_empty() {
            return Ok(());
        }
    }
}

/// The record of an open mailbox whose owner has answered these people and no others.
fn with_answers(mut mailbox: Mailbox, answered: &BTreeSet<UserId>) -> Mailbox {
    for peer in mailbox.correspondents.values_mut() {
        peer.answered = false;
    }
    for peer in answered {
        mailbox.correspondents.entry(*peer).or_default().answered = true;
    }
    mailbox.correspondents.retain(|_, peer| !peer.is_forgettable());
    Mailbox { is_closed: false, session: None, ..mailbox }
}

/// Stores the records of an account, in one transaction, and counts the account.
async fn put_records(desk: &Desk, account: &Account) -> Result<(), Failure> {
    let (layout, id) = (&desk.layout, account.id());
    let User { phone, .. } = account.user;
    let mut values = vec![
        (layout.phone(phone), PhoneOwner { user: UserNumber(id) }.value()?),
        (layout.user(id), records::Account::moved(account).value()?),
    ];
    if account.lookups != DailyUse::default() {
        values.push((layout.lookups(id), Lookups::from(account.lookups).value()?));
    }
    if !account.undeliverable.is_empty() {
        let messages = UndeliverableRecord::new(&account.undeliverable);
        values.push((layout.undeliverable(id), messages.value()?));
    }
    let writes = values.into_iter().map(async |(key, value)| {
        let revision = desk.connection.read(&key).await?.revision;
        Ok::<_, Failure>(key.write(revision, value))
    });
    let accounts = desk.accounts();
    let (mut writes, (slot, counters)) =
        try_join(try_join_all(writes), accounts.counters()).await?;
    let (user, users) = (counters.user.max(id.value()), counters.users.saturating_add(1));
    let counted = Counters { user, users, ..counters };
    writes.push(layout.counters().write(slot.revision, counted.value()?));
    desk.connection.commit(&writes).await
}

async fn put_deployment(desk: &Desk, deployment: &Deployment) -> Result<(), Failure> {
    let (accounts, clock) = (desk.accounts(), desk.layout.clock());
    accounts.invitations().replace_all(&deployment.invitations).await?;
    let (slot, counters) = accounts.counters().await?;
    let (user, invitation) = (deployment.last_user_id, deployment.last_invitation_id);
    let counters = Counters { user, invitation, ..counters };
    let known = desk.connection.read(&clock).await?;
    let newest = match deployment.newest_time {
        Some(newest) => Clock { newest: newest.into() }.value()?,
        None => Value::Removed,
    };
    let writes = [
        clock.write(known.revision, newest),
        desk.layout.counters().write(slot.revision, counters.value()?),
    ];
    desk.connection.commit(&writes).await
}
