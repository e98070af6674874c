//! Messages on their way into the outbox: numbered, sealed, and made durable, in order.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::count::Count;
use super::new_message::NewMessage;
use crate::client::store::{Binding, Content, OutgoingMessage, QueuedMessage, Token};
use crate::frame::Pending;
use crate::ids::{MessageId, Phone, UserId};
use crate::wire::Packet;

/// Numbers messages, and keeps them until they are durable.
///
/// Numbers are given in the order of sending and become durable in that order. If a message can't
/// be sealed or stored, it is refused with all that follow it, and their numbers are given again: a
/// later one may name it as the one before it, and its recipient would find that one missing.
#[derive(Debug)]
pub(in crate::client) struct SealingQueue {
    /// Last number that was given. `None` and 0 mean the same: the next number is 1.
    last: Option<MessageId>,
    /// Messages with a number, in the order of numbers, without a hole.
    numbered: VecDeque<NumberedMessage>,
    /// Messages at the front of `numbered` whose sealing was begun.
    started: Count,
    /// Those of them that are being sealed.
    running: Count,
    /// Messages at the front of `numbered` that the store has been asked to keep.
    enqueuing: Count,
}

/// A message with a number.
#[derive(Debug)]
pub(in crate::client) struct NumberedMessage {
    id: MessageId,
    message: NewMessage,
    phone: Phone,
    to: Binding,
    /// Our message before it to the same recipient.
    previous: Option<MessageId>,
    sealed: Option<Packet>,
}

/// A message of ours, sealed and signed. It can't be sent: only the outbox gives packets out, and
/// only once they are durable. A message that left earlier, and was lost in a crash, would have its
/// number used again by another one, which its recipient would take for a repeat.
#[derive(Debug)]
pub(in crate::client) struct SealedMessage(Packet);

/// Messages for the store.
#[derive(Debug)]
pub(in crate::client) struct EnqueueBatch {
    /// As the store keeps them.
    pub(in crate::client) messages: Vec<OutgoingMessage>,
    /// As they go into the outbox.
    pub(in crate::client) queued: Pending<Vec<QueuedMessage>>,
}

impl SealingQueue {
    pub(in crate::client) const fn new(last: Option<MessageId>) -> Self {
        Self {
            last,
            numbered: VecDeque::new(),
            started: Count::ZERO,
            running: Count::ZERO,
            enqueuing: Count::ZERO,
        }
    }

    /// The number that the next message gets.
    pub(in crate::client) fn next_id(&self) -> MessageId {
        // Saturates because the last number comes from the store, which anybody may have written.
        MessageId(self.last.map_or(1, |last| last.0.saturating_add(1)))
    }

    /// Gives a message the next number.
    pub(in crate::client) fn number(
        &mut self,
        message: NewMessage,
        phone: Phone,
        to: Binding,
        previous: Option<MessageId>,
    ) {
        let id = self.next_id();
        self.last = Some(id);
        let numbered = NumberedMessage { id, message, phone, to, previous, sealed: None };
        self.numbered.push_back(numbered);
    }

    /// The next message to seal, if fewer than `limit` are being sealed.
    pub(in crate::client) fn start_next(&mut self, limit: usize) -> Option<&NumberedMessage> {
        if self.running.get() >= limit {
            return None;
        }
        let next = self.numbered.get(self.started.get())?;
        self.started.take(1);
        self.running.take(1);
        Some(next)
    }

    /// A message is sealed.
    pub(in crate::client) fn complete(&mut self, id: MessageId, sealed: SealedMessage) {
        if let Some(numbered) = self.index(id).and_then(|index| self.numbered.get_mut(index)) {
            self.running.release(1);
            numbered.sealed = Some(sealed.0);
        }
    }

    /// The next messages for the store, at most `limit`; none while it is at work on some, because
    /// those would have to be stored first, and may fail.
    pub(in crate::client) fn next_batch(&mut self, limit: usize) -> Option<EnqueueBatch> {
        if self.enqueuing.get() > 0 {
            return None;
        }
        let sealed = self.numbered.iter().map_while(NumberedMessage::to_store);
        let messages: Vec<_> = sealed.take(limit).collect();
        if messages.is_empty() {
            return None;
        }
        self.enqueuing.take(messages.len());
        let queued = messages.iter().map(QueuedMessage::of).collect();
        Some(EnqueueBatch { messages, queued: Pending::new(queued) })
    }

    /// The store has kept the batch: its messages leave the queue.
    pub(in crate::client) fn take_batch(&mut self) -> Vec<NumberedMessage> {
        let count = self.end_batch();
        self.started.release(count);
        self.numbered.drain(..count).collect()
    }

    /// The store has not kept the batch: it may be offered again.
    pub(in crate::client) const fn retry_batch(&mut self) {
        self.end_batch();
    }

    /// Replaces the message before each one to this user id, if it is one of those that have failed.
    /// What is being sealed names it all the same; but if that is given up, the next one does not.
    pub(in crate::client) fn replace_previous(
        &mut self,
        user: UserId,
        failed: &[MessageId],
        previous: Option<MessageId>,
    ) {
        let theirs = self.numbered.iter_mut().filter(|numbered| numbered.to.user == user);
        for numbered in theirs {
            if numbered.previous.is_some_and(|before| failed.contains(&before)) {
                numbered.previous = previous;
            }
        }
    }

    /// Takes a message and all that follow it out, and their numbers back. Returns them, the last
    /// one first.
    ///
    /// The caller abandons the jobs that seal them. What the store is at work on stays.
    pub(in crate::client) fn give_up_from(&mut self, id: MessageId) -> Vec<NumberedMessage> {
        let from = self.index(id).unwrap_or(self.numbered.len()).max(self.enqueuing.get());
        let Some(first) = self.numbered.get(from).map(|numbered| numbered.id) else {
            return Vec::new();
        };
        self.last = first.0.checked_sub(1).map(MessageId);
        let started = self.started.get().min(from);
        let given_up: Vec<_> = self.numbered.drain(from..).rev().collect();
        let unsealed = self.numbered.iter().take(started).filter(|left| left.sealed.is_none());
        self.running.release(self.running.get() - unsealed.count());
        self.started.release(self.started.get() - started);
        given_up
    }

    /// Whether a message with this token is on its way into the outbox.
    pub(in crate::client) fn has(&self, token: Token) -> bool {
        self.numbered.iter().any(|numbered| numbered.message.token == token)
    }

    /// Count of messages, and count of the bytes of their contents.
    pub(in crate::client) fn size(&self) -> (usize, usize) {
        let bytes = self.numbered.iter().map(|numbered| numbered.message.bytes());
        (self.numbered.len(), bytes.sum())
    }

    /// The first message with a number.
    pub(in crate::client) fn first(&self) -> Option<MessageId> {
        self.numbered.front().map(|numbered| numbered.id)
    }

    /// Whether nothing is on its way into the outbox.
    pub(in crate::client) fn is_idle(&self) -> bool {
        self.numbered.is_empty()
    }

    /// Count of messages that are being sealed.
    pub(in crate::client) const fn running(&self) -> usize {
        self.running.get()
    }

    /// Whether the store is at work on a batch.
    pub(in crate::client) const fn is_enqueuing(&self) -> bool {
        self.enqueuing.get() > 0
    }

    pub(in crate::client) fn is_consistent(&self) -> Result<(), &'static str> {
        let started = self.numbered.iter().take(self.started.get());
        let unsealed = started.clone().filter(|numbered| numbered.sealed.is_none()).count();
        if self.started.get() > self.numbered.len() || self.running.get() != unsealed {
            return Err("messages being sealed are not those that were begun");
        }
        if !self.numbered.iter().take(self.enqueuing.get()).all(NumberedMessage::is_sealed) {
            return Err("a message is being stored that is not sealed");
        }
        let numbers = self.numbered.iter().map(|numbered| numbered.id.0);
        if !numbers.clone().zip(numbers.skip(1)).all(|(one, next)| one.checked_add(1) == Some(next))
        {
            return Err("numbers of messages have a hole");
        }
        match self.numbered.back() {
            Some(back) if Some(back.id) != self.last => Err("the last number was not given last"),
            Some(_) | None => Ok(()),
        }
    }

    const fn end_batch(&mut self) -> usize {
        let count = self.enqueuing.get();
        self.enqueuing.release(count);
        count
    }

    fn index(&self, id: MessageId) -> Option<usize> {
        usize::try_from(id.0.checked_sub(self.first()?.0)?).ok()
    }
}

impl NumberedMessage {
    pub(in crate::client) const fn id(&self) -> MessageId {
        self.id
    }

    pub(in crate::client) const fn content(&self) -> &Content {
        &self.message.content
    }

    /// Phone number of the recipient.
    pub(in crate::client) const fn phone(&self) -> Phone {
        self.phone
    }

    /// Id and key of the recipient.
    pub(in crate::client) const fn to(&self) -> &Binding {
        &self.to
    }

    /// Our message before it to the same recipient.
    pub(in crate::client) const fn previous(&self) -> Option<MessageId> {
        self.previous
    }

    /// The application's name for the message.
    pub(in crate::client) const fn token(&self) -> Token {
        self.message.token
    }

    /// The message without its number.
    pub(in crate::client) fn into_message(self) -> NewMessage {
        self.message
    }

    const fn is_sealed(&self) -> bool {
        self.sealed.is_some()
    }

    /// The message for the store, if it is sealed.
    fn to_store(&self) -> Option<OutgoingMessage> {
        Some(OutgoingMessage {
            id: self.id,
            recipient: self.to.user,
            phone: self.phone,
            token: self.message.token,
            draft: self.message.draft,
            content: self.message.content.clone(),
            packet: self.sealed.clone()?,
        })
    }
}

impl SealedMessage {
    /// The result of the job that seals a message.
    pub(in crate::client) const fn new(packet: Packet) -> Self {
        Self(packet)
    }
}

impl QueuedMessage {
    fn of(message: &OutgoingMessage) -> Self {
        let OutgoingMessage { id, recipient, packet, .. } = message;
        Self { id: *id, recipient: *recipient, packet: packet.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::UserRef;
    use crate::keys::PublicKey;
    use crate::time::Timestamp;
    use crate::wire::{Header, Op, Oversized, Profile, SIGNATURE_LEN};

    fn sealed() -> SealedMessage {
        let timestamp = Timestamp::from_unix_secs(0);
        let header = Header { sender: None, recipient: None, timestamp, op: Op::Message };
        let unsigned = |_: &[u8]| Ok::<_, Oversized>([0; SIGNATURE_LEN]);
        SealedMessage::new(Packet::build(Profile::Compact, header, &[0; 8], unsigned).unwrap())
    }

    fn recipient() -> Binding {
        let mut der = hex::decode(DER_HEAD).unwrap();
        der.extend([0xff; 256]);
        der.extend([2, 3, 1, 0, 1]);
        let public_key = PublicKey::from_accepted_der(&der).unwrap();
        Binding { user: UserId::new(1).unwrap(), public_key }
    }

    fn message(token: u64) -> NewMessage {
        let to = UserRef::Id(recipient().user);
        let content = Content::Bytes(Vec::new());
        NewMessage { token: Token(token), to, key: None, draft: None, content }
    }

    /// A queue in which this many messages are being sealed.
    fn sealing(count: u64) -> SealingQueue {
        let mut queue = SealingQueue::new(None);
        for id in 1..=count {
            queue.number(message(id), "+4915112345678".parse().unwrap(), recipient(), None);
            assert_eq!(queue.start_next(9).map(NumberedMessage::id), Some(MessageId(id)));
        }
        queue
    }

    fn ids(batch: Option<EnqueueBatch>) -> Vec<u64> {
        batch.map_or_else(Vec::new, |batch| batch.messages.iter().map(|m| m.id.0).collect())
    }

    #[test]
    fn messages_become_durable_in_the_order_of_numbers() {
        let mut queue = sealing(3);
        queue.complete(MessageId(2), sealed());
        assert_eq!(ids(queue.next_batch(9)), [], "the first is not sealed");
        queue.complete(MessageId(1), sealed());
        assert_eq!(ids(queue.next_batch(9)), [1, 2]);
        assert_eq!(ids(queue.next_batch(9)), [], "one batch at a time");
        assert_eq!(queue.is_consistent(), Ok(()));
        assert_eq!(queue.take_batch().len(), 2);
        assert_eq!((queue.first(), queue.running()), (Some(MessageId(3)), 1));
        assert_eq!(queue.is_consistent(), Ok(()));
    }

    #[test]
    fn a_message_is_given_up_with_all_that_follow_it_and_their_numbers_are_given_again() {
        let mut queue = sealing(4);
        queue.complete(MessageId(1), sealed());
        queue.complete(MessageId(4), sealed());
        assert_eq!(ids(queue.next_batch(9)), [1]);
        let given_up = queue.give_up_from(MessageId(1));
        let given_up: Vec<_> = given_up.iter().map(|numbered| numbered.id().0).collect();
        assert_eq!(given_up, [4, 3, 2], "the store is at work on the first");
        assert_eq!((queue.next_id(), queue.running()), (MessageId(2), 0));
        assert_eq!(queue.is_consistent(), Ok(()));
        queue.retry_batch();
        assert_eq!(ids(queue.next_batch(9)), [1]);
    }

    #[test]
    fn a_message_that_has_failed_is_before_none_of_its_recipient() {
        let mut queue = SealingQueue::new(Some(MessageId(5)));
        let phone = "+4915112345678".parse().unwrap();
        queue.number(message(1), phone, recipient(), Some(MessageId(5)));
        queue.number(message(2), phone, recipient(), Some(MessageId(6)));
        let failed = [4, 5].map(MessageId);
        queue.replace_previous(UserId::new(2).unwrap(), &failed, None);
        queue.replace_previous(recipient().user, &failed, Some(MessageId(3)));
        for previous in [3, 6] {
            let next = queue.start_next(9).map(NumberedMessage::previous);
            assert_eq!(next, Some(Some(MessageId(previous))));
        }
    }

    #[test]
    fn no_more_are_sealed_at_once_than_the_limit() {
        let mut queue = sealing(2);
        queue.number(message(3), "+4915112345678".parse().unwrap(), recipient(), None);
        assert!(queue.start_next(2).is_none());
        queue.complete(MessageId(1), sealed());
        assert!(queue.start_next(2).is_some());
    }

    /// What precedes the modulus in the DER of a public key.
    const DER_HEAD: &str = "30820122300d06092a864886f70d01010105000382010f003082010a0282010100";
}
