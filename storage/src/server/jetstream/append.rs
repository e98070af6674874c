//! Appending to a mailbox.

use std::collections::BTreeMap;
use std::convert::Infallible;

use sealpost_core::ids::UserId;
use sealpost_core::server::store::Appended;
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{ItemId, ItemKind, Packet};

use super::failure::Failure;
use super::mailbox::Mailbox;
use super::mailboxes::{Mailboxes, OpenMailbox};
use super::retry::retried;
use super::slot::{Value, Write};
use crate::server::quota::Occupancy;

/// What is known of a sender during an append.
#[derive(Clone, Copy, Debug, Default)]
struct Sender {
    /// Whether the sender has an account; `None` until it was looked up.
    exists: Option<bool>,
    /// Why one of the sender's messages was refused: a later one must not overtake it.
    refused: Option<Appended>,
}

/// Part of an append, which is one transaction.
#[derive(Clone, Copy)]
struct Part<'a> {
    recipient: UserId,
    items: &'a [(ItemId, &'a Packet)],
    at: Timestamp,
}

/// Outcome of an attempt to append a part.
enum Attempt {
    Done(Vec<Appended>, BTreeMap<UserId, Sender>),
    /// It must be known which of the items are stored already.
    Unsure,
}

impl Mailboxes<'_> {
    /// Appends `packets`, whose item ids are `ids`. A large append is several transactions: what a
    /// crash leaves of it is found by the repeated request, as duplicates.
    pub(super) async fn append(
        &self,
        recipient: UserId,
        ids: &[ItemId],
        packets: &[Packet],
        at: Timestamp,
    ) -> Result<Vec<Appended>, Failure> {
        let mut outcomes = Vec::with_capacity(packets.len());
        let mut senders = BTreeMap::new();
        let all: Vec<_> = ids.iter().copied().zip(packets).collect();
        let mut rest = all.as_slice();
        while !rest.is_empty() {
            let (items, behind) = rest.split_at(part_len(rest));
            let part = Part { recipient, items, at };
            outcomes.extend(self.append_part(part, &mut senders).await?);
            rest = behind;
        }
        Ok(outcomes)
    }

    /// Most items are new, so the first attempt only assumes it, and the engine verifies it.
    async fn append_part(
        &self,
        part: Part<'_>,
        senders: &mut BTreeMap<UserId, Sender>,
    ) -> Result<Vec<Appended>, Failure> {
        let mut is_unsure = false;
        retried(async || {
            let Some(open) = self.open(part.recipient).await? else {
                return Ok(vec![Appended::UnknownUser; part.items.len()]);
            };
            loop {
                match self.attempt(part, &open, senders.clone(), is_unsure).await? {
                    Attempt::Done(outcomes, after) => {
                        *senders = after;
                        return Ok(outcomes);
                    }
                    // Happens once: the next attempt looks.
                    Attempt::Unsure => is_unsure = true,
                }
            }
        })
        .await
    }

    async fn attempt(
        &self,
        part: Part<'_>,
        open: &OpenMailbox,
        mut senders: BTreeMap<UserId, Sender>,
        is_unsure: bool,
    ) -> Result<Attempt, Failure> {
        let ids: Vec<_> = part.items.iter().map(|(id, _)| *id).collect();
        let stored = if is_unsure { self.read_items(&open.keys, &ids).await? } else { Vec::new() };
        let mut stored = stored.iter();
        let (mut mailbox, mut writes) = (open.mailbox.clone(), Vec::<Write>::new());
        let mut outcomes = Vec::with_capacity(part.items.len());
        for (id, packet) in part.items {
            let slot = stored.next();
            let key = open.keys.item(id);
            let is_repeated = writes.iter().any(|write| write.key.subject == key.subject);
            if is_repeated || slot.is_some_and(|slot| slot.entry.is_some()) {
                outcomes.push(Appended::Duplicate);
                continue;
            }
            let len = packet.bytes().len() as u64;
            let sender = senders.entry(id.origin).or_default();
            if id.kind == ItemKind::Message
                && let Err(why) = self.admit(&mailbox, open, id.origin, sender, len).await?
            {
                if !is_unsure {
                    return Ok(Attempt::Unsure);
                }
                sender.refused = Some(why);
                outcomes.push(why);
                continue;
            }
            mailbox.count_in(id, len);
            let item = Value::Item(packet.bytes().clone(), part.at);
            writes.push(key.write(slot.map_or(0, |slot| slot.revision), item));
            outcomes.push(Appended::Stored);
        }
        if !writes.is_empty() {
            match self.commit(open, &writes, &mailbox).await {
                Err(Failure::Conflict) if !is_unsure => return Ok(Attempt::Unsure),
                committed => committed?,
            }
            self.servers.appended(part.recipient, mailbox.session.as_ref()).await;
        }
        Ok(Attempt::Done(outcomes, senders))
    }

    /// Checks whether one more message fits into a mailbox, which was `open` before the append.
    ///
    /// An account that is deleted after it was looked up may leave a message that nobody can verify.
    /// Its recipient refuses it, and it expires.
    async fn admit(
        &self,
        mailbox: &Mailbox,
        open: &OpenMailbox,
        origin: UserId,
        sender: &mut Sender,
        len: u64,
    ) -> Result<Result<(), Appended>, Failure> {
        if let Some(why) = sender.refused {
            return Ok(Err(why));
        }
        let exists = match sender.exists {
            Some(exists) => exists,
            None => *sender.exists.insert(self.accounts().exists(origin).await?),
        };
        if !exists {
            return Ok(Err(Appended::UnknownUser));
        }
        let added = mailbox.usage.all_bytes().saturating_sub(open.mailbox.usage.all_bytes());
        let limit = self.quota.store_bytes.saturating_sub(added).saturating_sub(len);
        let stored = self.fill.stored_bytes(self.connection, self.layout, limit).await?;
        let occupancy = Occupancy {
            mailbox: mailbox.usage,
            store_bytes: stored.saturating_add(added),
            disk_free_bytes: None,
        };
        let share = || Ok::<_, Infallible>(mailbox.correspondent(origin));
        match self.quota.admit(&occupancy, len, share) {
            Ok(admitted) => Ok(admitted),
            Err(never) => match never {},
        }
    }
}

/// How many of these items one transaction takes.
pub(super) fn part_len(items: &[(ItemId, &Packet)]) -> usize {
    let mut bytes = 0_usize;
    let fitting = items.iter().take(MAX_ITEMS).take_while(|(_, packet)| {
        bytes = bytes.saturating_add(packet.bytes().len());
        bytes <= MAX_BYTES
    });
    fitting.count().max(1)
}

/// Items of one transaction, which has 1,000 messages at most, and their bytes: a replica takes them
/// in one piece.
const MAX_ITEMS: usize = 500;
const MAX_BYTES: usize = 1 << 20;
