//! Deletion of accounts.

use std::collections::BTreeMap;

use sealpost_core::ids::{Phone, UserId};
use sealpost_core::wire::{InReplyTo, ItemId, ItemKind, Packet};

use super::failure::Failure;
use super::layout::item_of;
use super::mailbox::Mailbox;
use super::mailboxes::Mailboxes;
use super::records::{Counters, Record};
use super::retry::retried;
use super::slot::Value;
use crate::server::quota::MAX_UNDELIVERABLE;

impl Mailboxes<'_> {
    /// Deletes a user. Each step can be repeated, and the phone number leads to the account until the
    /// last one: after a crash, the operator runs the command again.
    ///
    /// 1. The account is marked. From now on it counts as gone, and messages from it are not stored.
    /// 2. The mailbox is closed, so that what is listed next is all that there will be.
    /// 3. Its messages are remembered for their senders as undeliverable.
    /// 4. Its items are deleted, and the counters are reset.
    /// 5. Messages from the user are deleted from other mailboxes: nobody could verify them.
    /// 6. The records of the account are deleted, and the phone number is free.
    ///
    /// The record of the mailbox stays, closed: a late append of another server finds it.
    pub(super) async fn delete_user(&self, phone: Phone) -> Result<Option<UserId>, Failure> {
        let Some(user) = self.accounts().owner_of(phone).await? else { return Ok(None) };
        retried(async || self.mark(user).await).await?;
        retried(async || self.close(user).await).await?;
        self.remember_undeliverable(user).await?;
        self.empty(user).await?;
        self.remove_messages_from(user).await?;
        retried(async || self.remove_account(user, phone).await).await?;
        self.fill.forget();
        Ok(Some(user))
    }

    async fn mark(&self, user: UserId) -> Result<(), Failure> {
        let Some((revision, mut account)) = self.accounts().account_or_closing(user).await? else {
            return Ok(());
        };
        if account.closing {
            return Ok(());
        }
        account.closing = true;
        self.accounts().replace(user, revision, &account).await.map(drop)
    }

    async fn close(&self, user: UserId) -> Result<(), Failure> {
        let key = self.layout.mailbox(user).record();
        let slot = self.connection.read(&key).await?;
        let mut mailbox = Mailbox::of(&slot)?.unwrap_or_default();
        if mailbox.is_closed {
            return Ok(());
        }
        mailbox.is_closed = true;
        self.connection.commit(&[key.write(slot.revision, mailbox.value()?)]).await
    }

    /// A message that is remembered already is not remembered twice, so this can be repeated.
    async fn remember_undeliverable(&self, user: UserId) -> Result<(), Failure> {
        let keys = self.layout.mailbox(user);
        let record = self.connection.read(&keys.record()).await?;
        let mut senders: BTreeMap<UserId, Vec<InReplyTo>> = BTreeMap::new();
        let (mut last, mut next) = (0, Some(1));
        while let Some(from) = next {
            let stream = &keys.record().stream;
            let listing = self.connection.list(stream, &keys.everything(), from).await?;
            next = listing.next;
            for entry in listing.entries {
                last = entry.revision;
                let item = item_of(&entry.subject).map(|(_, item)| item);
                let Some(ItemId { kind: ItemKind::Message, origin, .. }) = item else { continue };
                // A damaged item has no hash, and must not keep the account from being deleted.
                if let Some(packet) = Packet::parse(self.profile, entry.body) {
                    senders.entry(origin).or_default().push(packet.request_hash().in_reply_to());
                }
            }
        }
        // The list ends with the record of the mailbox, unless a replica lags behind.
        if last < record.revision {
            return Err(Failure::Unavailable("a replica lags behind".into()));
        }
        senders.remove(&user);
        for (sender, messages) in senders {
            if !self.accounts().exists(sender).await? {
                continue;
            }
            self.accounts()
                .change_undeliverable(sender, |known| {
                    for message in &messages {
                        if known.len() < MAX_UNDELIVERABLE as usize && !known.contains(message) {
                            known.push(*message);
                        }
                    }
                })
                .await?;
        }
        Ok(())
    }

    async fn empty(&self, user: UserId) -> Result<(), Failure> {
        let keys = self.layout.mailbox(user);
        let record = keys.record();
        let stream = self.connection.context().get_stream_no_info(&record.stream).await;
        let stream = stream.map_err(|error| Failure::Refused(error.to_string()))?;
        let purge =
            async || stream.purge().filter(keys.items()).await.map_err(Failure::unavailable);
        self.connection.patiently(purge).await?;
        retried(async || {
            let revision = self.connection.read(&record).await?.revision;
            self.connection.commit(&[record.write(revision, Mailbox::closed().value()?)]).await
        })
        .await
    }

    async fn remove_messages_from(&self, user: UserId) -> Result<(), Failure> {
        for shard in 0..self.layout.shards {
            let (stream, filter) =
                (self.layout.mailboxes(shard), self.layout.every_message_from(shard, user));
            let mut next = Some(1);
            while let Some(from) = next {
                let listing = self.connection.list(&stream, &filter, from).await?;
                next = listing.next;
                let mut mailboxes: BTreeMap<UserId, Vec<ItemId>> = BTreeMap::new();
                for entry in &listing.entries {
                    if let Some((owner, item)) = item_of(&entry.subject) {
                        mailboxes.entry(owner).or_default().push(item);
                    }
                }
                for (owner, items) in mailboxes {
                    self.remove(owner, &items).await?;
                }
            }
        }
        Ok(())
    }

    pub(super) async fn remove_account(&self, user: UserId, phone: Phone) -> Result<(), Failure> {
        let keys = [
            self.layout.user(user),
            self.layout.phone(phone),
            self.layout.lookups(user),
            self.layout.undeliverable(user),
        ];
        let mut writes = Vec::new();
        for key in keys {
            let slot = self.connection.read(&key).await?;
            if slot.entry.is_some() {
                writes.push(key.write(slot.revision, Value::Removed));
            }
        }
        // The first one of them is the account, which is counted while it is there.
        if writes.first().is_some_and(|write| write.key.subject == self.layout.user(user).subject) {
            let (slot, counters) = self.accounts().counters().await?;
            let counted = Counters { users: counters.users.saturating_sub(1), ..counters };
            writes.push(self.layout.counters().write(slot.revision, counted.value()?));
        }
        self.connection.commit(&writes).await
    }
}

#[cfg(test)]
mod tests {
    use sealpost_core::server::store::{Appended, Seq, SessionOutcome, StoreOp, StoreReply};
    use sealpost_core::wire::Profile;

    use super::*;
    use crate::conformance::{at, message, phone, public_key, wrapped_key};
    use crate::server::Quota;
    use crate::server::jetstream::bed::JetStreamBed;
    use crate::server::jetstream::test_engine::TestEngine;
    use crate::storage::Storage;

    /// Deletes a user as far as a process comes that dies after this many steps.
    async fn die_after(steps: u32, mailboxes: Mailboxes<'_>, user: UserId) {
        if steps >= 1 {
            mailboxes.mark(user).await.unwrap();
        }
        if steps >= 2 {
            mailboxes.close(user).await.unwrap();
        }
        if steps >= 3 {
            mailboxes.remember_undeliverable(user).await.unwrap();
        }
        if steps >= 4 {
            mailboxes.empty(user).await.unwrap();
        }
        if steps >= 5 {
            mailboxes.remove_messages_from(user).await.unwrap();
        }
    }

    #[test]
    fn deletion_that_a_crash_interrupted_is_finished_by_the_next_one() {
        let Some(engine) = TestEngine::start() else { return };
        let [alice, bob] = [1, 2].map(|id| UserId::new(id).unwrap());
        for steps in 0..=5 {
            let mut bed = JetStreamBed::new(&engine, Profile::Wide, Quota::default());
            let commit = |bed: &mut JetStreamBed, requests: &[StoreOp]| {
                let mut outcomes = Vec::new();
                bed.commit(requests, &mut outcomes);
                outcomes.into_iter().map(Result::unwrap).collect::<Vec<_>>()
            };
            let create = |n| StoreOp::CreateUser {
                phone: phone(n),
                public_key: public_key(n),
                aes_key: wrapped_key(1),
                at: at(0),
                max_id: 100,
                invitation: None,
            };
            let append = |from, to, id| StoreOp::Append {
                recipient: to,
                packets: vec![message(Profile::Wide, from, to, id, 20)],
                at: at(1),
            };
            let told = message(Profile::Wide, alice, bob, 1, 20).request_hash().in_reply_to();
            commit(&mut bed, &[create(1), create(2), append(alice, bob, 1), append(bob, alice, 1)]);

            let storage = bed.storage();
            storage.driver.block_on(die_after(steps, storage.desk.mailboxes(), bob));
            assert_eq!(storage.delete_user(phone(2)).unwrap(), Some(bob), "{steps}");
            storage.audit();
            assert_eq!(storage.delete_user(phone(2)).unwrap(), None);

            let undeliverable = StoreOp::Undeliverable { sender: alice, limit: 9 };
            let (count, late) =
                (StoreOp::BeginSession { user: alice, place: Seq::START }, append(bob, alice, 2));
            let replies = commit(&mut bed, &[undeliverable, count, late, create(2)]);
            assert_eq!(replies[0], StoreReply::Undeliverable(vec![told]), "{steps}");
            let StoreReply::SessionBegun(SessionOutcome::Begun(waiting)) = replies[1] else {
                panic!()
            };
            assert_eq!((waiting.items, waiting.undeliverable), (0, 1));
            assert_eq!(replies[2], StoreReply::Appended(vec![Appended::UnknownUser]));
            assert!(matches!(replies[3], StoreReply::Created(_)), "the number is free");
        }
    }
}
