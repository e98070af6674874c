//! Operations on mailboxes.
//!
//! A transaction covers one stream, and a mailbox is in one stream. It changes items and replaces
//! the record of the mailbox, all or nothing; so the counters are always right. An operation on two
//! mailboxes is two transactions, in an order that does no harm if the second one is missing.

use futures_util::future::{try_join, try_join_all};
use sealpost_core::ids::UserId;
use sealpost_core::server::AccountChange;
use sealpost_core::server::store::{CreateOutcome, Page, PageLimit, Seq, Settlement, StoredItem};
use sealpost_core::wire::{ItemId, Packet, Profile};
use tokio::time::sleep;

use super::accounts::{Accounts, NewAccount};
use super::connection::Connection;
use super::failure::Failure;
use super::fill::Fill;
use super::layout::{Layout, MailboxKeys, item_of};
use super::mailbox::Mailbox;
use super::pace::Pace;
use super::recent::Recent;
use super::records::Record;
use super::retry::retried;
use super::servers::Servers;
use super::slot::{Entry, Slot, Value, Write};
use crate::server::quota::Quota;
use crate::server::usage::Usage;

/// Mailboxes, and the records of their owners.
#[derive(Clone, Copy)]
pub(super) struct Mailboxes<'a> {
    pub(super) connection: &'a Connection,
    pub(super) layout: &'a Layout,
    pub(super) profile: Profile,
    pub(super) quota: Quota,
    pub(super) fill: &'a Fill,
    pub(super) pace: &'a Pace,
    pub(super) recent: &'a Recent,
    pub(super) servers: &'a Servers,
}

/// A mailbox as it was read, to be changed.
pub(super) struct OpenMailbox {
    owner: UserId,
    pub(super) keys: MailboxKeys,
    pub(super) revision: u64,
    pub(super) mailbox: Mailbox,
}

impl<'a> Mailboxes<'a> {
    pub(super) const fn accounts(&self) -> Accounts<'a> {
        let Self { connection, layout, profile, .. } = *self;
        Accounts { connection, layout, profile }
    }

    /// What is on record of a mailbox.
    pub(super) async fn record(&self, owner: UserId) -> Result<Mailbox, Failure> {
        Ok(self.read(owner).await?.mailbox)
    }

    /// Opens a mailbox to append to it; `None` if its owner has no account. A new account has a
    /// mailbox without a record.
    pub(super) async fn open(&self, owner: UserId) -> Result<Option<OpenMailbox>, Failure> {
        let open = self.read_to_change(owner).await?;
        let exists = open.revision > 0 || self.accounts().exists(owner).await?;
        Ok(Some(open).filter(|open| exists && !open.mailbox.is_closed))
    }

    async fn read_to_change(&self, owner: UserId) -> Result<OpenMailbox, Failure> {
        self.pace.turn(owner).await;
        self.read(owner).await
    }

    /// Reads a mailbox, to change it where no other server does.
    pub(super) async fn read(&self, owner: UserId) -> Result<OpenMailbox, Failure> {
        let keys = self.layout.mailbox(owner);
        let slot = self.connection.read(&keys.record()).await?;
        let mailbox = Mailbox::of(&slot)?.unwrap_or_default();
        Ok(OpenMailbox { owner, keys, revision: slot.revision, mailbox })
    }

    /// Writes changes of items together with the record of their mailbox.
    pub(super) async fn commit(
        &self,
        open: &OpenMailbox,
        changes: &[Write],
        mailbox: &Mailbox,
    ) -> Result<(), Failure> {
        // The record is last, so its sequence is above those of all items.
        let record = open.keys.record().write(open.revision, mailbox.value()?);
        let revision = self.connection.commit_last(changes, &record).await?;
        self.recent.changed(open.owner, revision);
        self.pace.changed(open.owner);
        self.fill.change(open.mailbox.usage, mailbox.usage);
        Ok(())
    }

    /// Creates an account, whose first session begins with it.
    pub(super) async fn create_account(
        &self,
        new: NewAccount<'_>,
    ) -> Result<CreateOutcome, Failure> {
        let outcome = self.accounts().create(new).await?;
        if let CreateOutcome::Created(user) = outcome {
            // The account exists. If the session could not be recorded, the first page does it.
            let _ = self.begin_session(user, 0).await;
        }
        Ok(outcome)
    }

    /// A session of a user begins on this server, at this place among those of the user. Returns
    /// the usage of the mailbox; `None` if a later session has begun elsewhere. If the account was
    /// deleted or suspended meanwhile, the session is not recorded, and the machine is told.
    pub(super) async fn begin_session(
        &self,
        user: UserId,
        place: u64,
    ) -> Result<Option<Usage>, Failure> {
        retried(async || self.try_begin_session(user, place).await).await
    }

    async fn try_begin_session(&self, user: UserId, place: u64) -> Result<Option<Usage>, Failure> {
        let accounts = self.accounts();
        let read = try_join(self.read_to_change(user), accounts.account_or_closing(user));
        let (open, account) = read.await?;
        let usage = open.mailbox.usage;
        let change = account.map_or(Some(AccountChange::Deleted), |(_, account)| account.change());
        if let Some(change) = change {
            self.servers.found_changed(user, change);
            return Ok(Some(usage));
        }
        let before = open.mailbox.session.as_ref();
        if before.is_some_and(|before| before.place > place) {
            return Ok(None);
        }
        let session = Some(self.servers.session(place));
        self.commit(&open, &[], &Mailbox { session, ..open.mailbox.clone() }).await?;
        self.servers.displace(user, before, place).await;
        Ok(Some(usage))
    }

    /// A session on this server that began with its account, and could not be recorded then, is recorded
    /// now. Otherwise this server would not be told what others append.
    async fn record_first_session(&self, open: &OpenMailbox) -> Result<(), Failure> {
        let is_recorded = open.mailbox.session.is_some() || open.mailbox.is_closed;
        if is_recorded || !self.accounts().exists(open.owner).await? {
            return Ok(());
        }
        let session = Some(self.servers.session(0));
        let mailbox = Mailbox { session, ..open.mailbox.clone() };
        // If another server was faster, it has the session.
        self.commit(open, &[], &mailbox).await
    }

    pub(super) async fn read_items(
        &self,
        keys: &MailboxKeys,
        ids: &[ItemId],
    ) -> Result<Vec<Slot>, Failure> {
        let keys: Vec<_> = ids.iter().map(|id| keys.item(id)).collect();
        try_join_all(keys.iter().map(|key| self.connection.read(key))).await
    }

    /// Any replica lists items, so the list may lack the latest. It ends with the record of the
    /// mailbox, whose revision the leader has told: a list whose record is older is read again. Items that
    /// were just deleted may still be in it; their recipient gets them once more, and ignores them.
    pub(super) async fn page(
        &self,
        recipient: UserId,
        after: Seq,
        limit: PageLimit,
    ) -> Result<Page, Failure> {
        let open = self.read(recipient).await?;
        // If that fails, the next page repeats it.
        let _ = self.record_first_session(&open).await;
        let known = self.recent.revision(recipient).max(open.revision);
        self.servers.found(recipient, &open.mailbox);
        if known == 0 || open.mailbox.is_closed {
            return Ok(Page { items: Vec::new(), more: false });
        }
        for _ in 0..STALE_LISTS {
            if let Some(page) = self.fresh_page(&open.keys, known, after, limit).await? {
                return Ok(page);
            }
            sleep(STALE_PAUSE).await;
        }
        Err(Failure::Unavailable("a replica lags behind".into()))
    }

    /// Reads a page; `None` if the replica that answered lacks the latest writes, up to the one that is
    /// known.
    async fn fresh_page(
        &self,
        keys: &MailboxKeys,
        known: u64,
        after: Seq,
        limit: PageLimit,
    ) -> Result<Option<Page>, Failure> {
        let (mut page, mut bytes) = (Page { items: Vec::new(), more: false }, 0);
        let record = keys.record();
        // The record is in every list, even in one that begins behind all items.
        let mut next = Some(after.0.saturating_add(1).min(known));
        while let Some(from) = next {
            let listing = self.connection.list(&record.stream, &keys.everything(), from).await?;
            for entry in listing.entries {
                if entry.subject == record.subject {
                    return Ok((entry.revision >= known).then_some(page));
                }
                if entry.revision <= after.0 {
                    continue;
                }
                bytes += entry.body.len() as u64;
                let full =
                    page.items.len() as u64 >= limit.items.into() || bytes > limit.bytes.into();
                // The first item is returned however large it is. Otherwise reading would stop at it.
                if full && !page.items.is_empty() {
                    page.more = true;
                    return Ok(Some(page));
                }
                page.items.push(self.item(&entry)?);
            }
            next = listing.next;
        }
        Ok(None)
    }

    fn item(&self, entry: &Entry) -> Result<StoredItem, Failure> {
        let packet = Packet::parse(self.profile, entry.body.clone());
        let packet = packet.ok_or(Failure::Damaged("packet"))?;
        let named = item_of(&entry.subject).map(|(_, item)| item);
        if named != ItemId::of(&packet) {
            return Err(Failure::Damaged("packet"));
        }
        Ok(StoredItem { seq: Seq(entry.revision), packet })
    }

    /// 1. The receipt is appended to its sender's mailbox. 2. The messages are deleted from the
    ///    recipient's.
    ///
    /// A crash in between leaves the messages: the recipient gets them again, knows their ids, and
    /// acknowledges them again. In the other order, it would lose the receipt, which nobody sends
    /// again.
    pub(super) async fn settle(
        &self,
        settlement: &Settlement,
        receipt: ItemId,
        sender: UserId,
    ) -> Result<(), Failure> {
        let packets = std::slice::from_ref(&settlement.receipt);
        self.append(sender, &[receipt], packets, settlement.at).await?;
        self.remove(settlement.recipient, &settlement.delivered).await
    }

    /// Deletes items of one mailbox. Skips those that are gone or in another mailbox. Many are
    /// deleted in several transactions; what a crash leaves is deleted by the repeated request.
    pub(super) async fn remove(&self, owner: UserId, ids: &[ItemId]) -> Result<(), Failure> {
        for chunk in ids.chunks(MAX_REMOVED) {
            retried(async || self.try_remove(owner, chunk).await).await?;
        }
        Ok(())
    }

    async fn try_remove(&self, owner: UserId, ids: &[ItemId]) -> Result<(), Failure> {
        let open = self.read_to_change(owner).await?;
        if open.revision == 0 {
            return Ok(());
        }
        let mut mailbox = open.mailbox.clone();
        let mut removals: Vec<Write> = Vec::new();
        for (id, slot) in ids.iter().zip(self.read_items(&open.keys, ids).await?) {
            let Some(entry) = &slot.entry else { continue };
            let removal = open.keys.item(id).write(slot.revision, Value::Removed);
            // An item may be named twice.
            if removals.iter().any(|other| other.key.subject == removal.key.subject) {
                continue;
            }
            mailbox.count_out(id, entry.body.len() as u64)?;
            removals.push(removal);
        }
        if removals.is_empty() {
            return Ok(());
        }
        self.commit(&open, &removals, &mailbox).await
    }

    pub(super) async fn record_answers(
        &self,
        owner: UserId,
        peers: &[UserId],
    ) -> Result<(), Failure> {
        retried(async || {
            let Some(open) = self.open(owner).await? else { return Ok(()) };
            let mut mailbox = open.mailbox.clone();
            for peer in peers {
                if !mailbox.correspondent(*peer).answered && self.accounts().exists(*peer).await? {
                    mailbox.record_answer(*peer);
                }
            }
            if mailbox == open.mailbox {
                return Ok(());
            }
            self.commit(&open, &[], &mailbox).await
        })
        .await
    }
}

/// Items that one transaction removes at most. A transaction of the engine has 1,000 messages at
/// most.
const MAX_REMOVED: usize = 500;

/// How often a list of a replica that lags behind is read again. Replicas lag by milliseconds, or by
/// seconds if they restart.
pub(super) const STALE_LISTS: u32 = 40;
pub(super) const STALE_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);
