//! Checks that everything stored agrees, for tests.

use std::collections::BTreeMap;

use sealpost_core::ids::UserId;
use sealpost_core::keys::WrappedKey;
use sealpost_core::wire::{ItemId, Packet};

use super::JetStreamStorage;
use super::layout::item_of;
use super::mailbox::Mailbox;
use super::records::{
    Account, Counters, InvitationFields, PhoneOwner, Record, UndeliverableRecord,
};
use super::slot::{Entry, Slot};
use crate::server::quota::MAX_UNDELIVERABLE;

/// Everything that is stored of accounts.
#[derive(Debug, Default)]
struct Accounts {
    counters: Counters,
    users: BTreeMap<UserId, Account>,
    phones: BTreeMap<u64, UserId>,
    undeliverable: BTreeMap<UserId, usize>,
    invitations: Vec<u64>,
}

impl JetStreamStorage {
    /// Panics if two records disagree.
    pub(super) fn audit(&self) {
        let accounts = self.read_accounts();
        for (phone, id) in &accounts.phones {
            let user = accounts.users[id].user(*id).unwrap();
            assert_eq!(user.phone.digits(), *phone);
        }
        assert_eq!(accounts.phones.len(), accounts.users.len(), "each user has one phone number");
        assert_eq!(accounts.counters.users, accounts.users.len() as u64);
        for (id, account) in &accounts.users {
            assert!(id.value() <= accounts.counters.user && !account.closing);
            assert!(account.reconnects().is_ok() && account.aes_key().is_some());
        }
        for (sender, messages) in &accounts.undeliverable {
            assert!(accounts.users.contains_key(sender));
            assert!((1..=MAX_UNDELIVERABLE as usize).contains(messages));
        }
        for id in &accounts.invitations {
            assert!((1..=accounts.counters.invitation).contains(id));
        }
        for shard in 0..self.desk.layout.shards {
            let everything = self.desk.layout.mailbox_subjects(shard);
            self.audit_shard(
                &self.list(&self.desk.layout.mailboxes(shard), &everything),
                &accounts,
            );
        }
    }

    fn audit_shard(&self, entries: &[Entry], accounts: &Accounts) {
        let mut records: BTreeMap<UserId, (u64, Mailbox)> = BTreeMap::new();
        let mut counted: BTreeMap<UserId, (u64, Mailbox)> = BTreeMap::new();
        for entry in entries {
            if let Some((owner, item)) = item_of(&entry.subject) {
                let packet = Packet::parse(self.desk.profile, entry.body.clone()).unwrap();
                assert_eq!(ItemId::of(&packet), Some(item));
                assert_eq!(packet.header().recipient, Some(owner));
                entry.stored_at().unwrap();
                let (last, mailbox) = counted.entry(owner).or_default();
                *last = entry.revision;
                mailbox.count_in(&item, packet.bytes().len() as u64);
            } else {
                let owner = entry.subject.rsplit('.').nth(1).unwrap().parse().unwrap();
                let mailbox = serde_json::from_slice(&entry.body).unwrap();
                records.insert(UserId::new(owner).unwrap(), (entry.revision, mailbox));
            }
        }
        for (owner, (revision, mailbox)) in &mut records {
            let (last, expected) = counted.remove(owner).unwrap_or_default();
            assert!(last < *revision, "the record is newer than every item");
            assert_eq!(mailbox.usage, expected.usage);
            assert_eq!(mailbox.is_closed, !accounts.users.contains_key(owner));
            // What is remembered of those whom the owner has answered is no counter.
            for peer in mailbox.correspondents.values_mut() {
                peer.answered = false;
            }
            mailbox.correspondents.retain(|_, peer| !peer.is_forgettable());
            assert_eq!(mailbox.correspondents, expected.correspondents);
        }
        assert!(counted.is_empty(), "items without a mailbox: {counted:?}");
    }

    fn read_accounts(&self) -> Accounts {
        let mut accounts = Accounts::default();
        for entry in self.list(&self.desk.layout.accounts(), &self.desk.layout.account_subjects()) {
            let name: Vec<_> = entry.subject.split('.').skip(2).map(str::to_owned).collect();
            let id = || UserId::new(name[1].parse().unwrap()).unwrap();
            let slot = Slot { revision: entry.revision, entry: Some(entry) };
            match name[0].as_str() {
                "layout" | "clock" | "lookups" | "server-key" | "migration" => {}
                "counters" => accounts.counters = read(&slot),
                "user" => drop(accounts.users.insert(id(), read(&slot))),
                "phone" => {
                    let owner: PhoneOwner = read(&slot);
                    accounts.phones.insert(name[1].parse().unwrap(), owner.user.0);
                }
                "undeliverable" => {
                    let messages = read::<UndeliverableRecord>(&slot).messages().unwrap();
                    accounts.undeliverable.insert(id(), messages.len());
                }
                "invitation" => {
                    let invitation: InvitationFields = read(&slot);
                    accounts.invitations.push(invitation.record().unwrap().id);
                }
                other => panic!("unknown record {other}"),
            }
        }
        accounts
    }

    /// Returns the wrapped session key on record.
    pub(super) fn aes_key(&self, user: UserId) -> Option<WrappedKey> {
        self.read_accounts().users.get(&user).and_then(Account::aes_key)
    }

    fn list(&self, stream: &str, filter: &str) -> Vec<Entry> {
        self.driver.block_on(self.desk.connection.list_all(stream, filter)).unwrap()
    }
}

fn read<R: Record>(slot: &Slot) -> R {
    R::of(slot).unwrap().unwrap()
}
