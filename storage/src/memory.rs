//! The server's store in memory: the executable specification of every [`StoreOp`].

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use sealpost_core::frame::StoreError;
use sealpost_core::ids::{Phone, UserId, UserRef};
use sealpost_core::keys::{PublicKey, WrappedKey};
use sealpost_core::server::store::{
    Appended, CreateOutcome, Page, PageLimit, ReconnectOutcome, Seq, Settlement, StoreOp,
    StoreOutcome, StoreReply, StoredItem, User,
};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{ItemId, ItemKind, Packet, Profile};

use crate::request::{self, Misuse};
use crate::{Quota, Storage, Usage};

/// Everything in ordered maps. A clone is a snapshot: what a disk would hold after a crash.
#[derive(Clone, Debug)]
pub struct MemoryStorage {
    profile: Profile,
    quota: Quota,
    last_user_id: u64,
    last_seq: u64,
    accounts: BTreeMap<UserId, Account>,
    /// Where each item is. An item's name is unique in the whole store.
    places: BTreeMap<ItemId, (UserId, Seq)>,
}

#[derive(Clone, Debug)]
struct Account {
    user: User,
    aes_key: WrappedKey,
    last_reconnect: Option<Timestamp>,
    mailbox: Mailbox,
}

/// Items in order, counted as they come and go: every append asks how many there are.
#[derive(Clone, Debug, Default)]
struct Mailbox {
    items: BTreeMap<Seq, Item>,
    usage: Usage,
}

#[derive(Clone, Debug)]
struct Item {
    key: ItemId,
    packet: Packet,
    stored_at: Timestamp,
}

impl MemoryStorage {
    /// An empty store of a deployment.
    pub const fn new(profile: Profile, quota: Quota) -> Self {
        Self {
            profile,
            quota,
            last_user_id: 0,
            last_seq: 0,
            accounts: BTreeMap::new(),
            places: BTreeMap::new(),
        }
    }

    /// Deletes a user, what waits for them, and messages of theirs that wait for others: nobody
    /// could verify those any more. Receipts stay, as their readers know the key. Returns whether
    /// there was a user.
    pub fn delete_user(&mut self, phone: Phone) -> bool {
        let Some(id) = self.find(UserRef::Phone(phone)).map(|account| account.user.id) else {
            return false;
        };
        self.accounts.remove(&id);
        let gone = |key: &ItemId| key.kind == ItemKind::Message && key.origin == id;
        for account in self.accounts.values_mut() {
            account.mailbox.remove_all(gone);
        }
        self.places.retain(|key, (recipient, _)| *recipient != id && !gone(key));
        true
    }

    /// The wrapped key of a user's last session.
    pub fn aes_key(&self, user: UserId) -> Option<WrappedKey> {
        self.accounts.get(&user).map(|account| account.aes_key)
    }

    /// What a mailbox holds; nothing if nobody has this id.
    pub fn usage(&self, user: UserId) -> Usage {
        self.accounts.get(&user).map(|account| account.mailbox.usage).unwrap_or_default()
    }

    /// Every item, mailbox by mailbox, in order.
    pub fn packets(&self) -> impl Iterator<Item = (UserId, &Packet)> {
        self.accounts.iter().flat_map(|(id, account)| {
            account.mailbox.items.values().map(move |item| (*id, &item.packet))
        })
    }

    fn run(&mut self, request: &StoreOp) -> Result<StoreReply, Misuse> {
        Ok(match request {
            StoreOp::CreateUser { phone, public_key, aes_key, at, max_id } => {
                StoreReply::Created(self.create_user(*phone, public_key, *aes_key, *at, *max_id))
            }
            StoreOp::FindUser(who) => {
                StoreReply::Found(self.find(*who).map(|account| Box::new(account.user.clone())))
            }
            StoreOp::RecordReconnect { user, at, aes_key } => {
                StoreReply::ReconnectRecorded(self.resume(*user, *at, *aes_key))
            }
            StoreOp::Count(user) => {
                let items = self.usage(*user).items();
                StoreReply::Counted(u32::try_from(items).unwrap_or(u32::MAX))
            }
            StoreOp::Append { recipient, packets, at } => {
                StoreReply::Appended(self.append(*recipient, packets, *at)?)
            }
            StoreOp::Page { recipient, after, limit } => {
                StoreReply::Page(self.page(*recipient, *after, *limit))
            }
            StoreOp::Settle(settlement) => {
                self.settle(settlement)?;
                StoreReply::Settled
            }
            StoreOp::DropReceipts { recipient, receipts: keys } => {
                request::receipts(keys)?;
                self.remove_all(*recipient, keys);
                StoreReply::ReceiptsDropped
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
        public_key: &PublicKey,
        aes_key: WrappedKey,
        at: Timestamp,
        max_id: u64,
    ) -> CreateOutcome {
        if self.find(UserRef::Phone(phone)).is_some() {
            return CreateOutcome::PhoneTaken;
        }
        let next = self.last_user_id.saturating_add(1);
        let within = next <= max_id.min(self.profile.max_user_id());
        let Some(id) = UserId::new(next).filter(|_| within) else {
            return CreateOutcome::NoIdLeft;
        };
        self.last_user_id = next;
        let user = User { id, phone, public_key: public_key.clone(), last_seen: at };
        let mailbox = Mailbox::default();
        let account = Account { user, aes_key, last_reconnect: None, mailbox };
        self.accounts.insert(id, account);
        CreateOutcome::Created(id)
    }

    fn resume(&mut self, user: UserId, at: Timestamp, aes_key: WrappedKey) -> ReconnectOutcome {
        let Some(account) = self.accounts.get_mut(&user) else {
            return ReconnectOutcome::UnknownUser;
        };
        if account.last_reconnect.is_some_and(|last| at <= last) {
            return ReconnectOutcome::NotNewer;
        }
        account.last_reconnect = Some(at);
        account.user.last_seen = at;
        account.aes_key = aes_key;
        ReconnectOutcome::Recorded
    }

    fn append(
        &mut self,
        recipient: UserId,
        packets: &[Packet],
        at: Timestamp,
    ) -> Result<Vec<Appended>, Misuse> {
        let keys = request::items(self.profile, recipient, packets)?;
        let mut refused = BTreeSet::new();
        let append_one = |(key, packet): (ItemId, &Packet)| {
            let Some(account) = self.accounts.get(&recipient) else {
                return Appended::UnknownUser;
            };
            if self.places.contains_key(&key) {
                return Appended::Duplicate;
            }
            let in_turn = key.kind == ItemKind::Receipt || !refused.contains(&key.origin);
            if !in_turn || !account.mailbox.usage.admits(self.quota, key.kind, len(packet)) {
                refused.insert(key.origin);
                return Appended::MailboxFull;
            }
            self.insert(recipient, key, packet, at);
            Appended::Stored
        };
        Ok(keys.into_iter().zip(packets).map(append_one).collect())
    }

    fn page(&self, recipient: UserId, after: Seq, limit: PageLimit) -> Page {
        let mut page = Page { items: Vec::new(), more: false };
        let mut bytes = 0;
        let mailbox = self.accounts.get(&recipient).map(|account| &account.mailbox.items);
        let behind = (Bound::Excluded(after), Bound::Unbounded);
        for (seq, item) in mailbox.into_iter().flat_map(|mailbox| mailbox.range(behind)) {
            bytes += len(&item.packet);
            let full = page.items.len() as u64 >= limit.items.into() || bytes > limit.bytes.into();
            if full && !page.items.is_empty() {
                page.more = true;
                break;
            }
            page.items.push(StoredItem { seq: *seq, packet: item.packet.clone() });
        }
        page
    }

    fn settle(&mut self, settlement: &Settlement) -> Result<(), Misuse> {
        let (key, sender) = request::receipt(self.profile, settlement)?;
        self.remove_all(settlement.recipient, &settlement.delivered);
        if self.accounts.contains_key(&sender) && !self.places.contains_key(&key) {
            self.insert(sender, key, &settlement.receipt, settlement.at);
        }
        Ok(())
    }

    fn expire(&mut self, before: Timestamp, limit: u32) -> u32 {
        let all = self.accounts.iter().flat_map(|(id, account)| {
            let items = account.mailbox.items.iter();
            items.map(move |(seq, item)| (item.stored_at, *seq, *id, item.key))
        });
        let mut expired: Vec<_> = all.filter(|(stored_at, ..)| *stored_at < before).collect();
        expired.sort_unstable();
        expired.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        for (_, _, recipient, key) in &expired {
            self.remove(*recipient, key);
        }
        u32::try_from(expired.len()).unwrap_or(limit)
    }

    fn insert(&mut self, recipient: UserId, key: ItemId, packet: &Packet, stored_at: Timestamp) {
        let Some(account) = self.accounts.get_mut(&recipient) else { return };
        self.last_seq += 1;
        let seq = Seq(self.last_seq);
        self.places.insert(key, (recipient, seq));
        account.mailbox.insert(seq, Item { key, packet: packet.clone(), stored_at });
    }

    fn remove_all(&mut self, recipient: UserId, keys: &[ItemId]) {
        for key in keys {
            self.remove(recipient, key);
        }
    }

    /// Removes an item from a mailbox; nothing happens if it is gone or in another one.
    fn remove(&mut self, recipient: UserId, key: &ItemId) {
        let Some(&(owner, seq)) = self.places.get(key) else { return };
        if owner != recipient {
            return;
        }
        self.places.remove(key);
        if let Some(account) = self.accounts.get_mut(&recipient) {
            account.mailbox.remove(seq);
        }
    }
}

impl Mailbox {
    fn insert(&mut self, seq: Seq, item: Item) {
        self.usage.add(item.key.kind, len(&item.packet));
        self.items.insert(seq, item);
    }

    fn remove(&mut self, seq: Seq) {
        if let Some(item) = self.items.remove(&seq) {
            self.usage.remove(item.key.kind, len(&item.packet));
        }
    }

    /// Removes all with such a name.
    fn remove_all(&mut self, gone: impl Fn(&ItemId) -> bool) {
        let (items, usage) = (&mut self.items, &mut self.usage);
        for (_, item) in items.extract_if(.., |_, item| gone(&item.key)) {
            usage.remove(item.key.kind, len(&item.packet));
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
    }
}

fn len(packet: &Packet) -> u64 {
    packet.bytes().len() as u64
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::conformance::{self, Subject};

    /// Hands its state over when it is reopened.
    pub(crate) struct Memory(MemoryStorage);

    impl Memory {
        pub(crate) const fn new(profile: Profile, quota: Quota) -> Self {
            Self(MemoryStorage::new(profile, quota))
        }
    }

    impl Storage for Memory {
        type Op = StoreOp;
        type Outcome = StoreOutcome;

        fn commit(&mut self, requests: &[StoreOp], outcomes: &mut Vec<StoreOutcome>) {
            self.0.commit(requests, outcomes);
        }
    }

    impl Subject for Memory {
        fn reopen(self) -> Self {
            Self(self.0.clone())
        }

        fn delete_user(&mut self, phone: Phone) -> bool {
            self.0.delete_user(phone)
        }

        fn aes_key(&mut self, user: UserId) -> Option<WrappedKey> {
            self.0.aes_key(user)
        }
    }

    #[test]
    fn memory_conforms() {
        conformance::run_all(Memory::new);
    }
}
