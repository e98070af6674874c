//! Names of streams and subjects. `docs/ENGINE.md` is normative.

use sealpost_core::ids::{Phone, UserId};
use sealpost_core::wire::{InvitationHash, ItemId, ItemKind};

use super::slot::Key;

/// Where everything of one deployment is.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) deployment: String,
    /// Streams over which mailboxes are spread.
    pub(super) shards: u16,
}

/// Where one mailbox is.
#[derive(Clone, Debug)]
pub(super) struct MailboxKeys {
    pub(super) stream: String,
    subject: String,
}

impl Layout {
    pub(super) fn accounts(&self) -> String {
        format!("{}-accounts", self.deployment)
    }

    pub(super) fn mailboxes(&self, shard: u16) -> String {
        format!("{}-mailboxes-{shard}", self.deployment)
    }

    /// The layout itself, which is read first.
    pub(super) fn layout(&self) -> Key {
        self.account_key("layout")
    }

    /// The last ids that were given out.
    pub(super) fn counters(&self) -> Key {
        self.account_key("counters")
    }

    /// The newest time on record.
    pub(super) fn clock(&self) -> Key {
        self.account_key("clock")
    }

    /// The keys that the deployment's servers have.
    pub(super) fn server_key(&self) -> Key {
        self.account_key("server-key")
    }

    /// The migration that the deployment is one side of.
    pub(super) fn migration(&self) -> Key {
        self.account_key("migration")
    }

    /// Filter of all accounts in their stream.
    pub(super) fn every_user(&self) -> String {
        self.account_key("user.*").subject
    }

    pub(super) fn user(&self, user: UserId) -> Key {
        self.account_key(format_args!("user.{user}"))
    }

    pub(super) fn phone(&self, phone: Phone) -> Key {
        self.account_key(format_args!("phone.{}", phone.digits()))
    }

    pub(super) fn lookups(&self, user: UserId) -> Key {
        self.account_key(format_args!("lookups.{user}"))
    }

    pub(super) fn undeliverable(&self, user: UserId) -> Key {
        self.account_key(format_args!("undeliverable.{user}"))
    }

    pub(super) fn invitation(&self, hash: &InvitationHash) -> Key {
        let hash = base16ct::lower::encode_string(&hash.0);
        self.account_key(format_args!("invitation.{hash}"))
    }

    /// Filter of all invitations in the stream of the accounts.
    pub(super) fn every_invitation(&self) -> String {
        self.account_key("invitation.*").subject
    }

    pub(super) fn account_subjects(&self) -> String {
        self.account_key(">").subject
    }

    pub(super) fn mailbox_subjects(&self, shard: u16) -> String {
        format!("{}.mailboxes.{shard}.>", self.deployment)
    }

    /// Filter of the records of all mailboxes in a shard.
    pub(super) fn every_mailbox(&self, shard: u16) -> String {
        format!("{}.mailboxes.{shard}.*.mailbox", self.deployment)
    }

    /// Filter of all items in a shard.
    pub(super) fn every_item(&self, shard: u16) -> String {
        format!("{}.mailboxes.{shard}.*.*.*.*", self.deployment)
    }

    /// Filter of all messages from one sender in a shard.
    pub(super) fn every_message_from(&self, shard: u16, sender: UserId) -> String {
        format!("{}.mailboxes.{shard}.*.{MESSAGE}.{sender}.*", self.deployment)
    }

    /// Ids are given out one after the other, so the remainder spreads them evenly.
    pub(super) fn mailbox(&self, owner: UserId) -> MailboxKeys {
        let shard = u16::try_from(owner.value() % u64::from(self.shards.max(1))).unwrap_or(0);
        let subject = format!("{}.mailboxes.{shard}.{owner}", self.deployment);
        MailboxKeys { stream: self.mailboxes(shard), subject }
    }

    fn account_key(&self, name: impl std::fmt::Display) -> Key {
        let subject = format!("{}.accounts.{name}", self.deployment);
        Key { stream: self.accounts(), subject }
    }
}

impl MailboxKeys {
    /// The record of the mailbox.
    pub(super) fn record(&self) -> Key {
        self.key("mailbox")
    }

    pub(super) fn item(&self, item: &ItemId) -> Key {
        let kind = match item.kind {
            ItemKind::Message => MESSAGE,
            ItemKind::Receipt => RECEIPT,
        };
        self.key(format_args!("{kind}.{}.{}", item.origin, item.id))
    }

    /// Filter of the record and all items.
    pub(super) fn everything(&self) -> String {
        self.key(">").subject
    }

    /// Filter of all items.
    pub(super) fn items(&self) -> String {
        self.key("*.*.*").subject
    }

    fn key(&self, name: impl std::fmt::Display) -> Key {
        Key { stream: self.stream.clone(), subject: format!("{}.{name}", self.subject) }
    }
}

/// Owner of the mailbox, and id, of an item with this subject.
pub(super) fn item_of(subject: &str) -> Option<(UserId, ItemId)> {
    let mut tokens = subject.rsplit('.');
    let id = tokens.next()?.parse().ok()?;
    let origin = UserId::new(tokens.next()?.parse().ok()?)?;
    let kind = match tokens.next()? {
        MESSAGE => ItemKind::Message,
        RECEIPT => ItemKind::Receipt,
        _ => return None,
    };
    let owner = UserId::new(tokens.next()?.parse().ok()?)?;
    Some((owner, ItemId { kind, origin, id }))
}

const MESSAGE: &str = "message";
const RECEIPT: &str = "receipt";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subject_of_an_item_names_its_mailbox_and_its_id() {
        let layout = Layout { deployment: "sealpost".into(), shards: 16 };
        let [owner, origin] = [35, u64::MAX].map(|id| UserId::new(id).unwrap());
        for kind in [ItemKind::Message, ItemKind::Receipt] {
            let item = ItemId { kind, origin, id: u64::MAX };
            let key = layout.mailbox(owner).item(&item);
            assert_eq!(key.stream, "sealpost-mailboxes-3");
            assert_eq!(item_of(&key.subject), Some((owner, item)));
        }
        let record = layout.mailbox(owner).record();
        assert_eq!(record.subject, "sealpost.mailboxes.3.35.mailbox");
        assert_eq!(item_of(&record.subject), None);
    }
}
