//! Messages that are being signed again, because the user id of their sender or of their recipient
//! has changed (PROTOCOL 6.2). Number, date and payload stay, so that a recipient who has received
//! one before sees that it is the same.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::count::Count;
use super::outbox::Withdrawn;
use crate::client::store::QueuedMessage;
use crate::frame::Pending;
use crate::ids::{MessageId, UserId};
use crate::wire::Packet;

/// One batch of messages, taken out of the outbox. They return when the store holds them with their
/// new packets; until then, the store holds them with the former ones.
#[derive(Debug)]
pub(in crate::client) struct Readdressing {
    /// Messages that are being signed, each with the user id that it is for now.
    signing: BTreeMap<MessageId, (UserId, Withdrawn)>,
    /// Messages that are signed, and wait for the others of the batch.
    signed: Vec<QueuedMessage>,
    /// Those of them that the store is at work on.
    storing: Count,
}

impl Readdressing {
    pub(in crate::client) const fn new() -> Self {
        Self { signing: BTreeMap::new(), signed: Vec::new(), storing: Count::ZERO }
    }

    /// A message is being signed for this recipient.
    pub(in crate::client) fn begin(&mut self, to: UserId, message: Withdrawn) {
        self.signing.insert(message.get().id, (to, message));
    }

    /// A message is signed.
    pub(in crate::client) fn complete(&mut self, id: MessageId, packet: Packet) {
        if let Some((recipient, _)) = self.signing.remove(&id) {
            self.signed.push(QueuedMessage { id, recipient, packet });
        }
    }

    /// A message could not be signed. Returns it as it was.
    pub(in crate::client) fn give_up(&mut self, id: MessageId) -> Option<Withdrawn> {
        self.signing.remove(&id).map(|(_, message)| message)
    }

    /// The batch for the store, once all of it is signed.
    pub(in crate::client) fn next_batch(
        &mut self,
    ) -> Option<(Vec<QueuedMessage>, Pending<Vec<QueuedMessage>>)> {
        if !self.signing.is_empty() || self.signed.is_empty() || self.storing.get() > 0 {
            return None;
        }
        self.storing.take(self.signed.len());
        Some((self.signed.clone(), Pending::new(self.signed.clone())))
    }

    /// The store holds the batch.
    pub(in crate::client) fn batch_stored(&mut self) {
        self.batch_failed();
        self.signed.clear();
    }

    /// The store has not taken the batch: it may be offered again.
    pub(in crate::client) const fn batch_failed(&mut self) {
        self.storing.release(self.storing.get());
    }

    /// Whether no message is being signed again.
    pub(in crate::client) fn is_idle(&self) -> bool {
        self.signing.is_empty() && self.signed.is_empty()
    }

    /// Count of messages that are being signed.
    pub(in crate::client) fn signing(&self) -> usize {
        self.signing.len()
    }

    /// Whether the store is at work on the batch.
    pub(in crate::client) const fn is_storing(&self) -> bool {
        self.storing.get() > 0
    }

    /// Count of messages, and count of the bytes of their packets.
    pub(in crate::client) fn size(&self) -> (usize, usize) {
        let signing = self.signing.values().map(|(_, message)| &message.get().packet);
        let packets = signing.chain(self.signed.iter().map(|message| &message.packet));
        packets.fold((0, 0), |(count, bytes), packet| (count + 1, bytes + packet.bytes().len()))
    }
}
