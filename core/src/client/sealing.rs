//! Messages on their way into the outbox: looked up, numbered, sealed, and made durable, in order.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use super::Token;
use super::store::{Binding, Content, OutgoingMessage};
use crate::ids::{MessageId, Phone, UserRef};
use crate::wire::Packet;

/// Numbers messages, and keeps them until they are durable.
///
/// Numbers are given in the order of sending and become durable in that order: if one can't be
/// sealed or stored, it is refused with all that follow it, and their numbers are given again.
#[derive(Debug)]
pub(super) struct Sealing {
    /// The last number that was given. `None` and 0 are the same: the next is 1.
    last: Option<MessageId>,
    /// Those whose recipient is being looked up.
    unresolved: BTreeMap<UserRef, Vec<Outgoing>>,
    /// Those with a number, in its order, without a hole.
    numbered: VecDeque<Numbered>,
    /// How many at the front of `numbered` are being sealed, or are.
    started: usize,
    /// How many of these are being sealed.
    running: usize,
    /// How many at the front of `numbered` the store has been asked to keep.
    enqueuing: usize,
}

/// What the application wants sent.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) token: Token,
    pub(super) content: Content,
}

/// A message with a number.
#[derive(Debug)]
pub(super) struct Numbered {
    pub(super) id: MessageId,
    pub(super) message: Outgoing,
    pub(super) phone: Phone,
    pub(super) to: Binding,
    /// Our message before it to the same recipient.
    pub(super) previous: Option<MessageId>,
    sealed: Option<Packet>,
}

impl Sealing {
    pub(super) const fn new(last: Option<MessageId>) -> Self {
        Self {
            last,
            unresolved: BTreeMap::new(),
            numbered: VecDeque::new(),
            started: 0,
            running: 0,
            enqueuing: 0,
        }
    }

    /// Keeps a message until its recipient was looked up.
    pub(super) fn park(&mut self, to: UserRef, message: Outgoing) {
        self.unresolved.entry(to).or_default().push(message);
    }

    /// Takes what waits for a look-up, in the order of sending.
    pub(super) fn unpark(&mut self, to: UserRef) -> Vec<Outgoing> {
        self.unresolved.remove(&to).unwrap_or_default()
    }

    /// The number that the next message gets.
    pub(super) fn next_id(&self) -> MessageId {
        MessageId(self.last.map_or(1, |last| last.0.saturating_add(1)))
    }

    /// Gives a message the next number.
    pub(super) fn number(
        &mut self,
        message: Outgoing,
        phone: Phone,
        to: Binding,
        previous: Option<MessageId>,
    ) {
        let id = self.next_id();
        self.last = Some(id);
        self.numbered.push_back(Numbered { id, message, phone, to, previous, sealed: None });
    }

    /// The next message to seal, if fewer than `limit` are being sealed.
    pub(super) fn start_next(&mut self, limit: usize) -> Option<&Numbered> {
        if self.running >= limit {
            return None;
        }
        let next = self.numbered.get(self.started)?;
        self.started += 1;
        self.running += 1;
        Some(next)
    }

    /// A message is sealed.
    pub(super) fn complete(&mut self, id: MessageId, packet: Packet) {
        if let Some(numbered) = self.index(id).and_then(|index| self.numbered.get_mut(index)) {
            self.running = self.running.saturating_sub(1);
            numbered.sealed = Some(packet);
        }
    }

    /// The next messages for the store, at most `limit`; none while it is at work on some.
    pub(super) fn next_batch(&mut self, limit: usize) -> Vec<OutgoingMessage> {
        if self.enqueuing > 0 {
            return Vec::new();
        }
        let batch: Vec<_> =
            self.numbered.iter().map_while(Numbered::to_store).take(limit).collect();
        self.enqueuing = batch.len();
        batch
    }

    /// The store has kept the batch.
    pub(super) fn take_batch(&mut self) -> Vec<Numbered> {
        let count = core::mem::take(&mut self.enqueuing).min(self.numbered.len());
        self.started = self.started.saturating_sub(count);
        self.numbered.drain(..count).collect()
    }

    /// The store has not kept the batch: offer it again.
    pub(super) const fn retry_batch(&mut self) {
        self.enqueuing = 0;
    }

    /// Takes a message and all that follow it out, the last first, and their numbers back.
    ///
    /// The caller forgets the jobs that seal them. What the store is at work on stays.
    pub(super) fn give_up_from(&mut self, id: MessageId) -> Vec<Numbered> {
        let from = self.index(id).unwrap_or(self.numbered.len()).max(self.enqueuing);
        let Some(first) = self.numbered.get(from).map(|numbered| numbered.id) else {
            return Vec::new();
        };
        self.last = first.0.checked_sub(1).map(MessageId);
        let given_up: Vec<_> = self.numbered.drain(from..).rev().collect();
        let done = self.numbered.iter().filter(|numbered| numbered.sealed.is_some()).count();
        self.started = self.started.min(self.numbered.len());
        self.running = self.started.saturating_sub(done);
        given_up
    }

    /// Messages, and bytes of their contents.
    pub(super) fn size(&self) -> (usize, usize) {
        let unresolved = self.unresolved.values().flatten();
        let all = unresolved.chain(self.numbered.iter().map(|numbered| &numbered.message));
        all.fold((0, 0), |(messages, bytes), message| {
            (messages + 1, bytes + message.content.as_bytes().len())
        })
    }

    /// The first message with a number.
    pub(super) fn first(&self) -> Option<MessageId> {
        self.numbered.front().map(|numbered| numbered.id)
    }

    /// Nothing is on its way into the outbox, except what waits for a look-up.
    pub(super) fn is_idle(&self) -> bool {
        self.numbered.is_empty()
    }

    fn index(&self, id: MessageId) -> Option<usize> {
        usize::try_from(id.0.checked_sub(self.first()?.0)?).ok()
    }
}

impl Numbered {
    /// For the store, if it is sealed.
    fn to_store(&self) -> Option<OutgoingMessage> {
        Some(OutgoingMessage {
            id: self.id,
            recipient: self.to.user,
            phone: self.phone,
            content: self.message.content.clone(),
            packet: self.sealed.clone()?,
        })
    }

    /// The packet, once it is sealed.
    pub(super) const fn packet(&self) -> Option<&Packet> {
        self.sealed.as_ref()
    }
}
