//! Checks what the server stores. After each commit the contents of the mailboxes are compared with
//! the quota, and each refusal with the contents: nobody gets more than a share, and nobody is
//! refused while there is room for that person.

use std::collections::{BTreeMap, BTreeSet};

use sealpost_core::ids::UserId;
use sealpost_core::server::store::{Appended, StoreOp, StoreReply};
use sealpost_core::wire::{ItemId, ItemKind, Packet};
use sealpost_storage::{MemoryStorage, Quota, Shares};

use super::disk::Done;
use super::server_store::ServerStore;
use super::trust::Verdict;
use super::world::World;

/// The mailboxes in the server's store, by owner.
pub(super) struct Mailboxes(BTreeMap<UserId, Mailbox>);

#[derive(Clone, Debug, Default)]
struct Mailbox {
    by_sender: BTreeMap<UserId, Amount>,
    receipt_bytes: u64,
}

/// Messages and the bytes of their packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Amount {
    messages: u64,
    bytes: u64,
}

impl World {
    /// Checks the contents of the server's store after a commit.
    pub(super) fn check_disk(&mut self, server: usize, done: &[Done<ServerStore>]) {
        let now = self.env.queue.now();
        let day = self.servers[server].host.now(now).wall.days_since_1970();
        let mailboxes =
            has_changed_mailboxes(done).then(|| Mailboxes::in_store(&self.store.read()));
        let quota = self.env.settings.quota();
        let mut verdict = self.allowances.note(done, &self.env.settings, now, day);
        if let Some(mailboxes) = mailboxes {
            let written = |owner, peer| self.has_written(owner, peer);
            verdict = verdict
                .and_then(|()| mailboxes.check_quota(&quota, written))
                .and_then(|()| mailboxes.check_refusals(&quota, done, self.allowances.answered()))
                .and_then(|()| self.allowances.check_receipts(&mailboxes, &self.env.settings, now));
        }
        self.check(verdict);
    }
}

fn has_changed_mailboxes(done: &[Done<ServerStore>]) -> bool {
    done.iter().any(|(_, op, outcome)| outcome.is_ok() && (appends(op) || removes(op)))
}

const fn appends(op: &StoreOp) -> bool {
    matches!(op, StoreOp::Append { .. } | StoreOp::Settle(_))
}

const fn removes(op: &StoreOp) -> bool {
    matches!(op, StoreOp::Settle(_) | StoreOp::DropReceipts { .. } | StoreOp::Expire { .. })
}

impl Mailboxes {
    fn in_store(store: &MemoryStorage) -> Self {
        let mut mailboxes: BTreeMap<_, Mailbox> = BTreeMap::new();
        for (owner, packet) in store.packets() {
            let Some(item) = ItemId::of(packet) else { continue };
            let mailbox = mailboxes.entry(owner).or_default();
            match item.kind {
                ItemKind::Message => mailbox.by_sender.entry(item.origin).or_default().add(packet),
                ItemKind::Receipt => mailbox.receipt_bytes += len(packet),
            }
        }
        Self(mailboxes)
    }

    /// Bytes of the receipts that are stored for a user.
    pub(super) fn receipt_bytes(&self, owner: UserId) -> u64 {
        self.0.get(&owner).map_or(0, |mailbox| mailbox.receipt_bytes)
    }

    /// Checks that the whole store, each mailbox and each sender's part of it are within bounds.
    fn check_quota(&self, quota: &Quota, written: impl Fn(UserId, UserId) -> bool) -> Verdict {
        let messages: u64 = self.0.values().map(|mailbox| mailbox.messages().bytes).sum();
        if messages > quota.store_bytes {
            return Err(format!("{messages} bytes of messages are stored"));
        }
        for (owner, mailbox) in &self.0 {
            let all = mailbox.messages();
            if all.exceeds(quota, 4) {
                return Err(format!("user {owner} has {all:?} in the mailbox"));
            }
            if quota.shares == Shares::Unlimited {
                continue;
            }
            let mut strangers = Amount::default();
            for (sender, amount) in &mailbox.by_sender {
                let is_stranger = !written(*owner, *sender);
                if is_stranger {
                    strangers = strangers.plus(*amount);
                }
                if amount.exceeds(quota, if is_stranger { 1 } else { 3 }) {
                    return Err(format!("user {owner} has {amount:?} from user {sender}"));
                }
            }
            if strangers.exceeds(quota, 3) {
                return Err(format!("user {owner} has {strangers:?} from strangers"));
            }
        }
        Ok(())
    }

    /// Checks that a message was refused only for want of room. What a commit removes might have
    /// taken that room before.
    fn check_refusals(
        &self,
        quota: &Quota,
        done: &[Done<ServerStore>],
        answered: &BTreeSet<(UserId, UserId)>,
    ) -> Verdict {
        if done.iter().any(|(_, op, _)| removes(op)) {
            return Ok(());
        }
        for (_, op, outcome) in done {
            let (StoreOp::Append { recipient, packets, .. }, Ok(StoreReply::Appended(each))) =
                (op, outcome)
            else {
                continue;
            };
            // Behind a message that was refused, the others of its sender are refused with it.
            let mut refused = BTreeSet::new();
            for (packet, appended) in packets.iter().zip(each) {
                let is_refusal = matches!(appended, Appended::MailboxFull | Appended::StoreFull);
                let Some(sender) = packet.header().sender.filter(|_| is_refusal) else { continue };
                let is_answered = answered.contains(&(*recipient, sender));
                let room = match appended {
                    Appended::StoreFull => self.bytes() + len(packet) <= quota.store_bytes,
                    _ => self.has_room(quota, *recipient, sender, packet, is_answered),
                };
                if refused.insert(sender) && room {
                    return Err(format!(
                        "a message from user {sender} to {recipient} is refused as {appended:?}"
                    ));
                }
            }
        }
        Ok(())
    }

    /// Bytes of all items.
    fn bytes(&self) -> u64 {
        self.0.values().map(|mailbox| mailbox.messages().bytes + mailbox.receipt_bytes).sum()
    }

    /// Whether one more packet of a sender fits in a mailbox.
    fn has_room(
        &self,
        quota: &Quota,
        owner: UserId,
        sender: UserId,
        packet: &Packet,
        is_answered: bool,
    ) -> bool {
        let mailbox = self.0.get(&owner).cloned().unwrap_or_default();
        let fits = |mut amount: Amount, quarters| {
            amount.add(packet);
            !amount.exceeds(quota, quarters)
        };
        let (all, share) =
            (mailbox.messages(), mailbox.by_sender.get(&sender).copied().unwrap_or_default());
        let fits_share = match (quota.shares, is_answered) {
            (Shares::Unlimited, _) => true,
            (Shares::Limited, true) => fits(share, 3),
            (Shares::Limited, false) => fits(share, 1) && fits(all, 3),
        };
        fits(all, 4) && fits_share
    }
}

impl Mailbox {
    /// All messages.
    fn messages(&self) -> Amount {
        self.by_sender.values().fold(Amount::default(), |sum, amount| sum.plus(*amount))
    }
}

impl Amount {
    fn add(&mut self, packet: &Packet) {
        *self = self.plus(Self { messages: 1, bytes: len(packet) });
    }

    const fn plus(self, other: Self) -> Self {
        Self { messages: self.messages + other.messages, bytes: self.bytes + other.bytes }
    }

    /// Whether it is more than so many quarters of a mailbox.
    const fn exceeds(self, quota: &Quota, quarters: u64) -> bool {
        4 * self.messages > quarters * quota.messages || 4 * self.bytes > quarters * quota.bytes
    }
}

fn len(packet: &Packet) -> u64 {
    packet.bytes().len() as u64
}
