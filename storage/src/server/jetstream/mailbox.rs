//! The record of one mailbox: its counters, and what it remembers of each correspondent.

use std::collections::BTreeMap;

use sealpost_core::ids::UserId;
use sealpost_core::wire::{ItemId, ItemKind};
use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::records::Record;
use crate::server::quota::{Correspondent, MAX_ANSWERED};
use crate::server::usage::{NotCounted, Usage};

/// The record of a mailbox. Every transaction that changes an item replaces it too: so all changes
/// of one mailbox are in one order, whichever server makes them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub(super) struct Mailbox {
    pub(super) usage: Usage,
    pub(super) correspondents: BTreeMap<UserId, Correspondent>,
    /// The owner's account is gone or going: nothing is appended any more.
    pub(super) is_closed: bool,
    /// The owner's last session.
    pub(super) session: Option<SessionRecord>,
}

/// A session, which may have ended: nobody notes the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionRecord {
    /// Name of the server.
    pub(super) server: String,
    /// Place among the owner's sessions: the revision of the account that recorded its 106, or 0 for the
    /// one that began with the account.
    pub(super) place: u64,
}

impl Record for Mailbox {
    const NAME: &'static str = "mailbox";
}

impl Mailbox {
    /// The record of a deleted user's mailbox.
    pub(super) fn closed() -> Self {
        Self { is_closed: true, ..Self::default() }
    }

    pub(super) fn correspondent(&self, sender: UserId) -> Correspondent {
        self.correspondents.get(&sender).copied().unwrap_or_default()
    }

    /// The owner has written to `peer`. Ignored if too many are remembered.
    pub(super) fn record_answer(&mut self, peer: UserId) {
        let answered = self.correspondents.values().filter(|peer| peer.answered).count();
        if answered < MAX_ANSWERED as usize {
            self.correspondents.entry(peer).or_default().answered = true;
        }
    }

    pub(super) fn count_in(&mut self, item: &ItemId, len: u64) {
        self.usage.add(item.kind, len);
        if item.kind == ItemKind::Message {
            self.correspondents.entry(item.origin).or_default().add(1, len);
        }
    }

    /// Counts an item out. Counters that would fall below zero are damaged.
    pub(super) fn count_out(&mut self, item: &ItemId, len: u64) -> Result<(), Failure> {
        let damaged = || Failure::Damaged("mailbox counter");
        self.usage.remove(item.kind, len).map_err(|NotCounted| damaged())?;
        if item.kind == ItemKind::Message {
            let mut left = self.correspondent(item.origin);
            left.messages = left.messages.checked_sub(1).ok_or_else(damaged)?;
            left.bytes = left.bytes.checked_sub(len).ok_or_else(damaged)?;
            if left.is_forgettable() {
                self.correspondents.remove(&item.origin);
            } else {
                self.correspondents.insert(item.origin, left);
            }
        }
        Ok(())
    }
}

/// The record as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    messages: u64,
    receipts: u64,
    bytes: u64,
    receipt_bytes: u64,
    /// Messages, bytes, and whether the owner has answered, by sender.
    correspondents: BTreeMap<u64, (u64, u64, bool)>,
    closed: bool,
    session: Option<SessionRecord>,
}

impl TryFrom<Fields> for Mailbox {
    type Error = &'static str;

    fn try_from(fields: Fields) -> Result<Self, &'static str> {
        let Fields { messages, receipts, bytes, receipt_bytes, .. } = fields;
        let correspondent = |(id, (messages, bytes, answered))| {
            let id = UserId::new(id).ok_or("user id 0")?;
            Ok((id, Correspondent { messages, bytes, answered }))
        };
        Ok(Self {
            usage: Usage { messages, receipts, bytes, receipt_bytes },
            correspondents: fields
                .correspondents
                .into_iter()
                .map(correspondent)
                .collect::<Result<_, &'static str>>()?,
            is_closed: fields.closed,
            session: fields.session,
        })
    }
}

impl From<Mailbox> for Fields {
    fn from(mailbox: Mailbox) -> Self {
        let Usage { messages, receipts, bytes, receipt_bytes } = mailbox.usage;
        let correspondents = mailbox
            .correspondents
            .into_iter()
            .map(|(id, peer)| (id.value(), (peer.messages, peer.bytes, peer.answered)));
        Self {
            messages,
            receipts,
            bytes,
            receipt_bytes,
            correspondents: correspondents.collect(),
            closed: mailbox.is_closed,
            session: mailbox.session,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(origin: u64) -> ItemId {
        ItemId { kind: ItemKind::Message, origin: UserId::new(origin).unwrap(), id: 1 }
    }

    #[test]
    fn record_reads_back() {
        let mut mailbox = Mailbox::default();
        mailbox.count_in(&message(u64::MAX), 300);
        mailbox.record_answer(UserId::new(7).unwrap());
        mailbox.session = Some(SessionRecord { server: "Xy1".into(), place: 12 });
        let text = serde_json::to_string(&mailbox).unwrap();
        assert_eq!(
            text,
            r#"{"messages":1,"receipts":0,"bytes":300,"receipt_bytes":0,"correspondents":{"7":[0,0,true],"18446744073709551615":[1,300,false]},"closed":false,"session":{"server":"Xy1","place":12}}"#
        );
        assert_eq!(serde_json::from_str::<Mailbox>(&text).unwrap(), mailbox);
        assert!(serde_json::from_str::<Mailbox>(&text.replace("\"7\"", "\"0\"")).is_err());
    }

    #[test]
    fn item_is_counted_out_once() {
        let mut mailbox = Mailbox::default();
        mailbox.count_in(&message(1), 300);
        mailbox.count_out(&message(1), 300).unwrap();
        assert_eq!(mailbox, Mailbox::default());
        assert!(matches!(mailbox.count_out(&message(1), 300), Err(Failure::Damaged(_))));
    }
}
