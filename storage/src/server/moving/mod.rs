//! Moving a deployment from one store to another.
//!
//! [`migrate`] copies account by account, in the order of ids, and reads each one back from the target
//! before it goes on. A migration that was interrupted is repeated: what is there already is compared, and
//! not copied again. No server opens the target before [`Target::complete`]: a database has another name
//! until then, and a deployment in NATS JetStream a record that says so.
//!
//! Both stores have an id in common, by which an interrupted migration finds its target again: that of the
//! database, whether it is the source or the target.
//!
//! - `account`: what is moved, as plain values; `error`: why it is not.
//! - The stores implement [`Source`] and [`Target`] in modules of their own, named as this one.

mod account;
mod error;

use std::collections::BTreeSet;

use sealpost_core::ids::UserId;
use sealpost_core::wire::ItemId;

pub(super) use account::MovedItem;
pub use account::{Account, Deployment};
pub use error::MigrationError;

use crate::database_mark::DatabaseId;

/// A store that is read.
pub trait Source {
    /// Begins or resumes moving away from the store. Returns the id of the database that is one side of
    /// the migration. From now on no server must serve the store; one in NATS JetStream refuses them.
    fn leave(&mut self) -> Result<DatabaseId, MigrationError>;

    /// Reads what belongs to no account.
    fn deployment(&mut self) -> Result<Deployment, MigrationError>;

    /// Returns how many accounts there are.
    fn count_accounts(&mut self) -> Result<u64, MigrationError>;

    /// Reads the account with the lowest id above `after`, or the first one if `None`.
    fn next_account(&mut self, after: Option<UserId>) -> Result<Option<Account>, MigrationError>;
}

/// A store that is filled.
pub trait Target: Source {
    /// Begins or resumes a migration.
    ///
    /// # Errors
    /// [`MigrationError::TargetInUse`] if the store has, or has had, accounts or invitations of its own;
    /// [`MigrationError::OtherMigration`] or [`MigrationError::TargetLeft`] if it is one side of another
    /// migration.
    fn prepare(&mut self, migration: DatabaseId) -> Result<(), MigrationError>;

    /// Deletes accounts with ids above `after` and below `before`: the source had them when the
    /// migration was interrupted, and has them no more.
    fn delete_between(
        &mut self,
        after: Option<UserId>,
        before: Option<UserId>,
    ) -> Result<(), MigrationError>;

    /// Stores an account, unless it is stored already. Returns the items that are left out because the
    /// store has an item with the same id in another mailbox. After a crash, the same call completes
    /// what it left.
    fn put(&mut self, account: &Account) -> Result<Vec<ItemId>, MigrationError>;

    /// Stores what belongs to no account.
    fn put_deployment(&mut self, deployment: &Deployment) -> Result<(), MigrationError>;

    /// Lets servers open the store.
    fn complete(&mut self) -> Result<(), MigrationError>;
}

/// How far a migration has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Accounts that were copied and compared.
    pub accounts: u64,
    /// Accounts of the source.
    pub all_accounts: u64,
    /// Messages and receipts that were copied and compared.
    pub items: u64,
}

/// What was moved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Migrated {
    /// Number of accounts.
    pub accounts: u64,
    /// Number of messages and receipts.
    pub items: u64,
    /// Owners of mailboxes, and how many of their items were left out, because the database has an item
    /// with the same id in another mailbox.
    pub left_out: Vec<(UserId, u64)>,
}

/// Copies everything from one store to another, and compares it. The caller makes sure that no server
/// opens the source again, and then calls [`Target::complete`].
pub fn migrate(
    source: &mut impl Source,
    target: &mut impl Target,
    mut progress: impl FnMut(Progress),
) -> Result<Migrated, MigrationError> {
    let migration = source.leave()?;
    target.prepare(migration)?;
    let mut so_far = Progress { all_accounts: source.count_accounts()?, ..Progress::default() };
    let (mut migrated, mut last) = (Migrated::default(), None);
    progress(so_far);
    while let Some(account) = source.next_account(last)? {
        let id = account.id();
        target.delete_between(last, Some(id))?;
        let left_out = target.put(&account)?;
        let expected = account.without(&left_out);
        verify_account(&expected, target.next_account(last)?)?;
        if !left_out.is_empty() {
            migrated.left_out.push((id, left_out.len() as u64));
        }
        so_far.accounts += 1;
        so_far.items += expected.items();
        progress(so_far);
        last = Some(id);
    }
    target.delete_between(last, None)?;
    let deployment = source.deployment()?;
    target.put_deployment(&deployment)?;
    if target.deployment()? != deployment {
        return Err(MigrationError::DeploymentDiffers);
    }
    for found in [source.count_accounts()?, target.count_accounts()?] {
        if found != so_far.accounts {
            return Err(MigrationError::CountDiffers { moved: so_far.accounts, found });
        }
    }
    Ok(Migrated { accounts: so_far.accounts, items: so_far.items, ..migrated })
}

fn verify_account(expected: &Account, found: Option<Account>) -> Result<(), MigrationError> {
    let id = expected.id();
    let field = match found {
        None => Some("record"),
        Some(found) => expected.difference(&found),
    };
    field.map_or(Ok(()), |field| Err(MigrationError::AccountDiffers { id, field }))
}

/// Reads everything that [`migrate`] would copy into a database, and changes nothing.
pub fn rehearse(
    source: &mut impl Source,
    mut progress: impl FnMut(Progress),
) -> Result<Migrated, MigrationError> {
    let mut so_far = Progress { all_accounts: source.count_accounts()?, ..Progress::default() };
    let (mut migrated, mut last) = (Migrated::default(), None);
    let mut ids: BTreeSet<ItemId> = BTreeSet::new();
    source.deployment()?;
    while let Some(account) = source.next_account(last)? {
        let left_out = account.items.iter().filter(|item| !ids.insert(item.id)).count() as u64;
        if left_out > 0 {
            migrated.left_out.push((account.id(), left_out));
        }
        so_far.accounts += 1;
        so_far.items += account.items() - left_out;
        progress(so_far);
        last = Some(account.id());
    }
    Ok(Migrated { accounts: so_far.accounts, items: so_far.items, ..migrated })
}
