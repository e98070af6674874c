//! The server's store in memory: the executable specification of every [`StoreOp`].

mod invitations;
mod mailbox;
#[cfg(all(test, feature = "jetstream"))]
mod moving;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::time::Duration;

use sealpost_core::frame::StoreError;
use sealpost_core::ids::{Phone, UserId, UserRef};
use sealpost_core::keys::{PublicKey, WrappedKey};
use sealpost_core::server::store::{
    Appended, CreateOutcome, InvitationOutcome, LookupOutcome, Page, PresentedInvitation,
    ReconnectOutcome, Seq, SessionOutcome, Settlement, StoreOp, StoreOutcome, StoreReply, User,
};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{InReplyTo, ItemId, ItemKind, Packet, Profile};

use super::clock;
use super::daily_use::{DailyUse, OverBudget};
use super::invitations::{InvitationRecord, NewInvitation};
use super::quota::{MAX_UNDELIVERABLE, Occupancy, Quota};
use super::reconnects::{NotNewer, ReconnectDates};
use super::request::{self, Misuse};
use super::suspension::{Suspension, SuspensionOutcome};
use super::usage::Usage;
use crate::storage::Storage;
use invitations::Invitations;
use mailbox::{Item, Mailbox, packet_len};

/// The server's store in ordered maps. A clone is a snapshot: what a disk would hold after a crash.
#[derive(Clone, Debug)]
pub struct MemoryStorage {
    profile: Profile,
    quota: Quota,
    last_user_id: u64,
    last_seq: u64,
    newest_time: Option<Timestamp>,
    accounts: BTreeMap<UserId, Account>,
    /// Mailbox and place of each item. An item id is unique in the whole store.
    places: BTreeMap<ItemId, (UserId, Seq)>,
    /// Messages that went with their recipient's account, by sender, oldest first.
    undeliverable: BTreeMap<UserId, Vec<InReplyTo>>,
    invitations: Invitations,
}

#[derive(Clone, Debug)]
struct Account {
    user: User,
    aes_key: WrappedKey,
    reconnects: ReconnectDates,
    suspension: Suspension,
    lookups: DailyUse,
    mailbox: Mailbox,
}

impl MemoryStorage {
    /// Creates the empty store of a new deployment.
    pub const fn new(profile: Profile, quota: Quota) -> Self {
        Self {
            profile,
            quota,
            last_user_id: 0,
            last_seq: 0,
            newest_time: None,
            accounts: BTreeMap::new(),
            places: BTreeMap::new(),
            undeliverable: BTreeMap::new(),
            invitations: Invitations::new(),
        }
    }

    /// Deletes a user, their mailbox, and the messages from them in other mailboxes, which nobody
    /// could verify any more. Receipts from them stay: their recipients already know the key. The
    /// messages in the mailbox are remembered as undeliverable. Returns the id that the user had;
    /// `None` if nobody was registered there.
    pub fn delete_user(&mut self, phone: Phone) -> Option<UserId> {
        let id = self.find(UserRef::Phone(phone))?.user.id;
        let deleted = self.accounts.remove(&id)?;
        self.undeliverable.remove(&id);
        for (_, item) in deleted.mailbox.items() {
            if item.id.kind == ItemKind::Message && self.accounts.contains_key(&item.id.origin) {
                let messages = self.undeliverable.entry(item.id.origin).or_default();
                if messages.len() < MAX_UNDELIVERABLE as usize {
                    messages.push(item.packet.request_hash().in_reply_to());
                }
            }
        }
        let gone = |item: &ItemId| item.kind == ItemKind::Message && item.origin == id;
        for account in self.accounts.values_mut() {
            account.mailbox.remove_all(gone);
            account.mailbox.forget_answer(id);
        }
        self.places.retain(|item, (recipient, _)| *recipient != id && !gone(item));
        debug_assert!(self.is_consistent(), "after the deletion of a user");
        Some(id)
    }

    /// Suspends an account, or resumes it.
    pub fn set_suspension(&mut self, phone: Phone, suspension: Suspension) -> SuspensionOutcome {
        let mut accounts = self.accounts.values_mut();
        let Some(account) = accounts.find(|account| account.user.phone == phone) else {
            return SuspensionOutcome::UnknownUser;
        };
        let user = account.user.id;
        if (account.suspension == Suspension::Active) == (suspension == Suspension::Active) {
            return SuspensionOutcome::Unchanged(user);
        }
        account.suspension = suspension;
        SuspensionOutcome::Changed(user)
    }

    /// Records an invitation. Returns its id.
    pub fn create_invitation(&mut self, new: NewInvitation) -> u64 {
        self.invitations.create(new)
    }

    /// Deletes an invitation, which is good for nothing from then on. Returns whether there was one.
    pub fn revoke_invitation(&mut self, id: u64) -> bool {
        self.invitations.revoke(id)
    }

    /// Returns all invitations, in the order of their ids.
    pub fn invitations(&self) -> Vec<InvitationRecord> {
        self.invitations.list()
    }

    /// Gives no user id that another state of this store has given, as after a restoration.
    pub fn skip_user_ids_of(&mut self, newer: &Self) {
        self.last_user_id = self.last_user_id.max(newer.last_user_id);
    }

    /// Takes the operator's word that the clock is right: it is the newest time on record.
    pub const fn trust_clock(&mut self, clock: Timestamp) {
        self.newest_time = Some(clock);
    }

    /// Returns the wrapped key of a user's latest session.
    pub fn aes_key(&self, user: UserId) -> Option<WrappedKey> {
        self.accounts.get(&user).map(|account| account.aes_key)
    }

    /// Returns the usage of a mailbox; zero if nobody has this id.
    pub fn usage(&self, user: UserId) -> Usage {
        self.accounts.get(&user).map(|account| account.mailbox.usage()).unwrap_or_default()
    }

    /// Iterates over all items with their recipients, mailbox by mailbox, in order.
    pub fn packets(&self) -> impl Iterator<Item = (UserId, &Packet)> {
        self.items().map(|(recipient, _, item)| (recipient, &item.packet))
    }

    /// Whether everything that must hold between two requests does:
    ///
    /// - every account is filed under its own id, which was given out, and has a phone number of
    ///   its own;
    /// - the counters of every mailbox agree with its items;
    /// - every item is listed under its id with its mailbox and place, and nothing else is listed;
    /// - only users of the store have undeliverable messages, and none too many;
    /// - no invitation has more uses left than it was made with;
    /// - no place is larger than the last one that was used.
    ///
    /// Debug builds assert this after every commit.
    pub fn is_consistent(&self) -> bool {
        let phones: BTreeSet<_> =
            self.accounts.values().map(|account| account.user.phone).collect();
        let listed = |(recipient, seq, item): (UserId, Seq, &Item)| {
            self.places.get(&item.id) == Some(&(recipient, seq)) && seq.0 <= self.last_seq
        };
        phones.len() == self.accounts.len()
            && self.accounts.iter().all(|(id, account)| {
                account.user.id == *id
                    && id.value() <= self.last_user_id
                    && account.reconnects.is_consistent()
                    && account.mailbox.is_consistent()
            })
            && self.undeliverable.iter().all(|(sender, messages)| {
                self.accounts.contains_key(sender)
                    && (1..=MAX_UNDELIVERABLE as usize).contains(&messages.len())
            })
            && self.invitations.is_consistent()
            && self.items().all(listed)
            && self.items().count() == self.places.len()
    }

    fn items(&self) -> impl Iterator<Item = (UserId, Seq, &Item)> {
        self.accounts.iter().flat_map(|(recipient, account)| {
            account.mailbox.items().map(|(seq, item)| (*recipient, seq, item))
        })
    }

    fn run(&mut self, request: &StoreOp) -> Result<StoreReply, Misuse> {
        Ok(match request {
            StoreOp::CreateUser { phone, public_key, aes_key, at, max_id, invitation } => {
                let key = (public_key, *aes_key);
                StoreReply::Created(self.create_user(*phone, key, *at, *max_id, *invitation))
            }
            StoreOp::CheckInvitation { invitation, phone } => {
                StoreReply::InvitationChecked(self.invitations.judge(*invitation, *phone))
            }
            StoreOp::FindUser(who) => {
                StoreReply::Found(self.find(*who).map(|account| Box::new(account.user.clone())))
            }
            StoreOp::LookUp { asker, phone, day, budget } => {
                StoreReply::LookedUp(self.look_up(*asker, *phone, *day, *budget))
            }
            StoreOp::FindSender { sender, recipient } => {
                let account = self.find(UserRef::Id(*sender)).filter(|_| {
                    self.accounts
                        .get(recipient)
                        .is_some_and(|owner| owner.mailbox.has_from(*sender))
                });
                StoreReply::Found(account.map(|account| Box::new(account.user.clone())))
            }
            StoreOp::RecordReconnect { user, at, horizon, aes_key } => {
                StoreReply::ReconnectRecorded(self.record_reconnect(*user, *at, *horizon, *aes_key))
            }
            StoreOp::BeginSession { user, .. } => {
                let undeliverable = self.undeliverable.get(user).map_or(0, Vec::len);
                let waiting = self.usage(*user).waiting(undeliverable as u64);
                StoreReply::SessionBegun(SessionOutcome::Begun(waiting))
            }
            StoreOp::RecordAnswers { owner, peers } => {
                self.record_answers(*owner, peers);
                StoreReply::AnswersRecorded
            }
            StoreOp::Undeliverable { sender, limit } => {
                let messages = self.undeliverable.get(sender).into_iter().flatten();
                StoreReply::Undeliverable(messages.take(*limit as usize).copied().collect())
            }
            StoreOp::ForgetUndeliverable { sender, messages } => {
                self.forget_undeliverable(*sender, messages);
                StoreReply::UndeliverableForgotten
            }
            StoreOp::Append { recipient, packets, at } => {
                StoreReply::Appended(self.append(*recipient, packets, *at)?)
            }
            StoreOp::Page { recipient, after, limit } => {
                let account = self.accounts.get(recipient);
                let nothing = Page { items: Vec::new(), more: false };
                let page = account.map(|account| account.mailbox.page(*after, *limit));
                StoreReply::Page(page.unwrap_or(nothing))
            }
            StoreOp::Settle(settlement) => {
                self.settle(settlement)?;
                StoreReply::Settled
            }
            StoreOp::DropReceipts { recipient, receipts } => {
                request::only_receipts(receipts)?;
                self.remove_all(*recipient, receipts);
                StoreReply::ReceiptsDropped
            }
            StoreOp::RecordClock { clock, max_step } => {
                StoreReply::ClockRecorded(self.record_clock(*clock, *max_step))
            }
            StoreOp::Expire { before, limit } => StoreReply::Expired(self.expire(*before, *limit)),
        })
    }

    fn find(&self, who: UserRef) -> Option<&Account> {
        match who {
            UserRef::Id(id) => self.accounts.get(&id),
            UserRef::Phone(phone) => {
                self.accounts.values().find(|account| account.user.phone == phone)
            }
        }
    }

    fn create_user(
        &mut self,
        phone: Phone,
        (public_key, aes_key): (&PublicKey, WrappedKey),
        at: Timestamp,
        max_id: u64,
        invitation: Option<PresentedInvitation>,
    ) -> CreateOutcome {
        if self.find(UserRef::Phone(phone)).is_some() {
            return CreateOutcome::PhoneTaken;
        }
        let is_rejected =
            |invitation| self.invitations.judge(invitation, phone) == InvitationOutcome::Rejected;
        if invitation.is_some_and(is_rejected) {
            return CreateOutcome::InvitationRejected;
        }
        let next = self.last_user_id.saturating_add(1);
        let within = next <= max_id.min(self.profile.max_user_id());
        let Some(id) = UserId::new(next).filter(|_| within) else {
            return CreateOutcome::NoIdLeft;
        };
        self.last_user_id = next;
        if let Some(invitation) = invitation {
            self.invitations.use_once(&invitation.hash);
        }
        let user = User { id, phone, public_key: public_key.clone(), last_seen: at };
        let mailbox = Mailbox::default();
        let (reconnects, lookups) = (ReconnectDates::default(), DailyUse::default());
        let suspension = Suspension::Active;
        let account = Account { user, aes_key, reconnects, suspension, lookups, mailbox };
        self.accounts.insert(id, account);
        CreateOutcome::Created(id)
    }

    fn look_up(&mut self, asker: UserId, phone: Phone, day: i64, budget: u32) -> LookupOutcome {
        let Some(account) = self.accounts.get_mut(&asker) else { return LookupOutcome::NotFound };
        if account.lookups.charge(day, budget) == Err(OverBudget) {
            return LookupOutcome::OverBudget;
        }
        match self.find(UserRef::Phone(phone)) {
            Some(account) => LookupOutcome::Found(Box::new(account.user.clone())),
            None => LookupOutcome::NotFound,
        }
    }

    fn record_reconnect(
        &mut self,
        user: UserId,
        at: Timestamp,
        horizon: Timestamp,
        aes_key: WrappedKey,
    ) -> ReconnectOutcome {
        let Some(account) = self.accounts.get_mut(&user) else {
            return ReconnectOutcome::UnknownUser;
        };
        if account.reconnects.accept(at, horizon, self.newest_time) == Err(NotNewer) {
            return ReconnectOutcome::NotNewer;
        }
        if account.suspension != Suspension::Active {
            return ReconnectOutcome::Suspended;
        }
        account.user.last_seen = at;
        account.aes_key = aes_key;
        ReconnectOutcome::Recorded(Seq::START)
    }

    fn append(
        &mut self,
        recipient: UserId,
        packets: &[Packet],
        at: Timestamp,
    ) -> Result<Vec<Appended>, Misuse> {
        let ids = request::item_ids(self.profile, recipient, packets)?;
        // Senders who had a message refused, and why: a later one must not overtake it.
        let mut refused = BTreeMap::new();
        let append_one = |(id, packet): (ItemId, &Packet)| {
            let Some(account) = self.accounts.get(&recipient) else {
                return Appended::UnknownUser;
            };
            if self.places.contains_key(&id) {
                return Appended::Duplicate;
            }
            if id.kind == ItemKind::Message {
                let earlier = refused.get(&id.origin).map_or(Ok(()), |why| Err(*why));
                let sender = earlier.and_then(|()| {
                    let exists = self.accounts.contains_key(&id.origin);
                    exists.then_some(id.origin).ok_or(Appended::UnknownUser)
                });
                let admitted = sender.and_then(|sender| self.admit(account, sender, packet));
                if let Err(why) = admitted {
                    refused.insert(id.origin, why);
                    return why;
                }
            }
            self.insert(recipient, id, packet, at);
            Appended::Stored
        };
        Ok(ids.into_iter().zip(packets).map(append_one).collect())
    }

    fn admit(&self, account: &Account, sender: UserId, packet: &Packet) -> Result<(), Appended> {
        let all = self.accounts.values().map(|account| account.mailbox.usage().all_bytes());
        let occupancy = Occupancy {
            mailbox: account.mailbox.usage(),
            store_bytes: all.sum(),
            disk_free_bytes: None,
        };
        let sender = || Ok::<_, Infallible>(account.mailbox.correspondent(sender));
        match self.quota.admit(&occupancy, packet_len(packet), sender) {
            Ok(admitted) => admitted,
            Err(never) => match never {},
        }
    }

    fn record_answers(&mut self, owner: UserId, peers: &[UserId]) {
        let known: Vec<_> =
            peers.iter().filter(|peer| self.accounts.contains_key(peer)).copied().collect();
        if let Some(account) = self.accounts.get_mut(&owner) {
            for peer in known {
                account.mailbox.record_answer(peer);
            }
        }
    }

    fn forget_undeliverable(&mut self, sender: UserId, told: &[InReplyTo]) {
        if let Some(messages) = self.undeliverable.get_mut(&sender) {
            messages.retain(|message| !told.contains(message));
            if messages.is_empty() {
                self.undeliverable.remove(&sender);
            }
        }
    }

    fn settle(&mut self, settlement: &Settlement) -> Result<(), Misuse> {
        let (receipt, sender) = request::receipt_id(self.profile, settlement)?;
        self.remove_all(settlement.recipient, &settlement.delivered);
        if self.accounts.contains_key(&sender) && !self.places.contains_key(&receipt) {
            self.insert(sender, receipt, &settlement.receipt, settlement.at);
        }
        Ok(())
    }

    fn record_clock(&mut self, clock: Timestamp, max_step: Duration) -> Timestamp {
        let newest = clock::newest(self.newest_time, clock, max_step);
        self.newest_time = Some(newest);
        newest
    }

    fn expire(&mut self, before: Timestamp, limit: u32) -> u32 {
        let all =
            self.items().map(|(recipient, seq, item)| (item.stored_at, seq, recipient, item.id));
        let mut expired: Vec<_> = all.filter(|(stored_at, ..)| *stored_at < before).collect();
        expired.sort_unstable();
        expired.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        for (_, _, recipient, id) in &expired {
            self.remove(*recipient, id);
        }
        let items = u32::try_from(expired.len()).unwrap_or(limit);
        items + self.invitations.expire(before, limit.saturating_sub(items))
    }

    fn insert(&mut self, recipient: UserId, id: ItemId, packet: &Packet, stored_at: Timestamp) {
        let Some(account) = self.accounts.get_mut(&recipient) else { return };
        // Not derived from the last item: its place must not be used again once it is gone.
        self.last_seq += 1;
        let seq = Seq(self.last_seq);
        self.places.insert(id, (recipient, seq));
        account.mailbox.insert(seq, Item { id, packet: packet.clone(), stored_at });
    }

    fn remove_all(&mut self, recipient: UserId, ids: &[ItemId]) {
        for id in ids {
            self.remove(recipient, id);
        }
    }

    /// Removes an item from a mailbox. Does nothing if it is gone or in another mailbox.
    fn remove(&mut self, recipient: UserId, id: &ItemId) {
        let Some(&(owner, seq)) = self.places.get(id) else { return };
        if owner != recipient {
            return;
        }
        self.places.remove(id);
        if let Some(account) = self.accounts.get_mut(&recipient) {
            account.mailbox.remove(seq);
        }
    }
}

impl Storage for MemoryStorage {
    type Op = StoreOp;
    type Outcome = StoreOutcome;

    fn commit(&mut self, requests: &[StoreOp], outcomes: &mut Vec<StoreOutcome>) {
        outcomes.clear();
        let run = |request| self.run(request).map_err(|Misuse| StoreError::Corrupt);
        outcomes.extend(requests.iter().map(run));
        debug_assert!(self.is_consistent(), "after a commit");
    }
}
