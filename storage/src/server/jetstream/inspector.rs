//! Reading a deployment, for the operator.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use sealpost_core::ids::{UserId, UserRef};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::Profile;

use super::accounts::{Accounts, ListedAccount};
use super::config::Config;
use super::connection::{Connection, Traffic};
use super::driver::Driver;
use super::failure::{Failure, JetStreamError};
use super::layout::{Layout, item_of};
use super::mailbox::Mailbox;
use super::opening::{self, OpenJetStreamError};
use super::records::Record as _;
use super::servers::Listener;
use crate::server::invitations::InvitationRecord;
use crate::server::sqlite::{Stats, UserRecord};
use crate::server::usage::Usage;

/// A deployment, open for reading only. Cheap to clone; the clones share one connection. Unlike
/// those of [`Inspector`](crate::Inspector), its answers are not of one point in time while servers
/// run.
#[derive(Clone, Debug)]
pub struct JetStreamInspector {
    pub(super) connection: Connection,
    pub(super) layout: Layout,
    pub(super) profile: Profile,
    /// Dropped last: the connection needs it.
    pub(super) driver: Arc<Driver>,
}

/// Figures that take a read of the record of every mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Census {
    /// Figures about the whole store.
    pub stats: Stats,
    /// Usage of the largest mailboxes, largest first, without empty ones.
    pub largest: Vec<Usage>,
}

impl JetStreamInspector {
    /// Opens a deployment that exists, whether or not servers are running. Does not ask whether the
    /// engine syncs.
    pub fn open(config: &Config) -> Result<Self, OpenJetStreamError> {
        config.validate()?;
        let driver = Driver::start()?;
        let (connection, (layout, profile)) = driver.block_on(async {
            let connection = opening::connect_to_read(config, &Listener::default()).await?;
            let opened = opening::open_to_read(&connection, config).await?;
            opening::refuse_migration(&connection, &opened.0).await?;
            Ok::<_, OpenJetStreamError>((connection, opened))
        })?;
        Ok(Self { connection, layout, profile, driver: Arc::new(driver) })
    }

    /// Returns the profile of the deployment: the width of its ids.
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// Returns the next `limit` users after `after` in the order of their ids, or the first ones if
    /// `None`.
    pub fn users(
        &self,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<UserRecord>, JetStreamError> {
        Ok(self.driver.block_on(self.page_of_users(after, limit as usize))?)
    }

    /// Returns one user; `None` if nobody is registered there.
    pub fn user(&self, who: UserRef) -> Result<Option<UserRecord>, JetStreamError> {
        let found = async {
            let id = match who {
                UserRef::Id(id) => Some(id),
                UserRef::Phone(phone) => self.accounts().owner_of(phone).await?,
            };
            match id {
                Some(id) => self.record(id).await,
                None => Ok(None),
            }
        };
        Ok(self.driver.block_on(found)?)
    }

    /// Returns all invitations, in the order of their ids.
    pub fn invitations(&self) -> Result<Vec<InvitationRecord>, JetStreamError> {
        Ok(self.driver.block_on(self.accounts().invitations().list())?)
    }

    /// Returns how many accounts there are, without reading them.
    pub fn count_users(&self) -> Result<u64, JetStreamError> {
        Ok(self.driver.block_on(self.accounts().counters())?.1.users)
    }

    /// Returns figures about the whole store, and up to `largest` mailboxes.
    pub fn census(&self, largest: usize) -> Result<Census, JetStreamError> {
        Ok(self.driver.block_on(self.take_census(largest))?)
    }

    /// Fails unless the engine answers within a time. Asks the leader of one stream.
    pub fn probe(&self, within: Duration) -> Result<(), JetStreamError> {
        Ok(self.driver.block_on(self.connection.probe(&self.layout.layout(), within))?)
    }

    /// Returns the state of the connection, and what has passed over it.
    pub fn traffic(&self) -> Traffic {
        self.connection.traffic()
    }

    /// Ids are given out one after the other, so a page is found by reading them in turn.
    async fn page_of_users(
        &self,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<UserRecord>, Failure> {
        let last = self.accounts().counters().await?.1.user;
        let mut users = Vec::new();
        let mut next = after.map_or(0, UserId::value).saturating_add(1);
        while next <= last && users.len() < limit {
            let wave = (next..=last).take(READ_AT_ONCE.min(limit - users.len()));
            let ids: Vec<_> = wave.filter_map(UserId::new).collect();
            next = next.saturating_add(ids.len() as u64);
            let records = try_join_all(ids.into_iter().map(|id| self.record(id))).await?;
            users.extend(records.into_iter().flatten());
        }
        Ok(users)
    }

    async fn record(&self, user: UserId) -> Result<Option<UserRecord>, Failure> {
        let Some(listed) = self.accounts().listed(user).await? else { return Ok(None) };
        let ListedAccount { user, created_at, suspension } = listed;
        let keys = self.layout.mailbox(user.id);
        let slot = self.connection.read(&keys.record()).await?;
        let mailbox = Mailbox::of(&slot)?.unwrap_or_default().usage;
        let oldest = match mailbox.items() {
            0 => None,
            _ => self.oldest(&keys.stream, &keys.items()).await?,
        };
        Ok(Some(UserRecord { user, created_at, suspension, mailbox, oldest }))
    }

    async fn take_census(&self, largest: usize) -> Result<Census, Failure> {
        let (_, counters) = self.accounts().counters().await?;
        let mut census = Census {
            stats: Stats {
                users: counters.users,
                last_user_id: counters.user,
                pending: Usage::default(),
                oldest: None,
            },
            largest: Vec::new(),
        };
        for shard in 0..self.layout.shards {
            self.count_in(shard, &mut census, largest).await?;
        }
        Ok(census)
    }

    async fn count_in(
        &self,
        shard: u16,
        census: &mut Census,
        largest: usize,
    ) -> Result<(), Failure> {
        let stream = self.layout.mailboxes(shard);
        let mut next = Some(1);
        while let Some(from) = next {
            let listing =
                self.connection.list(&stream, &self.layout.every_mailbox(shard), from).await?;
            next = listing.next;
            for entry in &listing.entries {
                let usage = Mailbox::read(entry)?.usage;
                census.stats.pending.add_all(usage);
                if usage.all_bytes() > 0 {
                    census.largest.push(usage);
                }
            }
            census.largest.sort_unstable_by_key(|usage| std::cmp::Reverse(usage.all_bytes()));
            census.largest.truncate(largest);
        }
        let oldest = self.oldest(&stream, &self.layout.every_item(shard)).await?;
        let known = census.stats.oldest;
        census.stats.oldest = known.into_iter().chain(oldest).min();
        Ok(())
    }

    /// When the first item that matches a filter was stored.
    async fn oldest(&self, stream: &str, items: &str) -> Result<Option<Timestamp>, Failure> {
        let first = self.connection.first(stream, items).await?;
        let item = first.filter(|entry| item_of(&entry.subject).is_some());
        item.map(|entry| entry.stored_at()).transpose()
    }

    fn accounts(&self) -> Accounts<'_> {
        Accounts { connection: &self.connection, layout: &self.layout, profile: self.profile }
    }
}

/// Accounts that are read at once: each of them takes up to three requests.
const READ_AT_ONCE: usize = 32;
