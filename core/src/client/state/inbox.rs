//! The inbox: what arrived is stored a batch at a time, and goes to the application once it is
//! durable, in the order of its places.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::count::Count;
use super::peer_packet::AuthenticMessage;
use crate::client::store::{InboxId, IncomingMessage};

/// Messages that have arrived and are not durable yet, and whether the application has caught up
/// with the store.
#[derive(Debug)]
pub(in crate::client) struct Inbox {
    /// Messages that the store was not given yet.
    arrived: VecDeque<IncomingMessage>,
    /// Messages that the store is at work on. One batch at a time: if it fails, nothing after it
    /// may have been stored, or messages of one sender would be delivered out of order.
    storing: Count,
    feed: Feed,
    /// Count of pages that were asked for.
    pages: u64,
}

/// A batch that the store was asked to receive.
#[derive(Clone, Copy, Debug)]
pub(in crate::client) struct Batch {
    /// Pages asked for before it was. A page asked for later brings its messages too.
    pages: u64,
}

/// Where the application's new messages come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Feed {
    /// A page of the store is to be asked for, from behind this place.
    Behind(InboxId),
    /// A page was asked for.
    Reading(Since),
    /// Everything in the store was delivered: what is appended is delivered from memory.
    Live,
}

/// Whether something was appended since a page was asked for, so that the page may lack it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Since {
    Clean,
    Dirty,
}

/// Who delivers the messages that a batch has appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::client) enum DeliveredBy {
    /// The batch itself, from memory.
    Batch,
    /// A page of the store. Delivering them from memory too would show them twice.
    Page,
}

impl Inbox {
    pub(in crate::client) const fn new() -> Self {
        let feed = Feed::Behind(InboxId::START);
        Self { arrived: VecDeque::new(), storing: Count::ZERO, feed, pages: 0 }
    }

    /// A message has arrived, to be stored after those before it.
    pub(in crate::client) fn push(&mut self, message: AuthenticMessage) {
        self.arrived.push_back(message.into_incoming());
    }

    /// What the store is to be given now, if anything.
    pub(in crate::client) fn next_batch(
        &mut self,
        limit: usize,
    ) -> Option<(Vec<IncomingMessage>, Batch)> {
        if self.storing.get() > 0 || self.arrived.is_empty() {
            return None;
        }
        let count = limit.min(self.arrived.len());
        self.storing.take(count);
        Some((self.arrived.drain(..count).collect(), Batch { pages: self.pages }))
    }

    /// The store has answered for its batch, and can be given the next.
    pub(in crate::client) const fn batch_ended(&mut self) {
        self.storing.release(self.storing.get());
    }

    /// Forgets what the store was not given.
    pub(in crate::client) fn forget_arrived(&mut self) {
        self.arrived.clear();
    }

    /// Count of messages that have arrived and are not durable yet.
    pub(in crate::client) fn undurable(&self) -> usize {
        self.arrived.len() + self.storing.get()
    }

    /// Whether the store is at work on a batch.
    pub(in crate::client) const fn is_storing(&self) -> bool {
        self.storing.get() > 0
    }

    /// Who delivers what this batch has appended.
    pub(in crate::client) fn delivered_by(&mut self, batch: Batch) -> DeliveredBy {
        // The store takes operations in order, so a page that was asked for after the batch
        // contains the batch.
        let in_asked_page = batch.pages != self.pages;
        match &mut self.feed {
            Feed::Live if in_asked_page => DeliveredBy::Page,
            Feed::Live => DeliveredBy::Batch,
            Feed::Behind(_) => DeliveredBy::Page,
            Feed::Reading(since) => {
                if !in_asked_page {
                    *since = Since::Dirty;
                }
                DeliveredBy::Page
            }
        }
    }

    /// The place behind which the store is to be read, if it is.
    pub(in crate::client) const fn next_page(&mut self) -> Option<InboxId> {
        let Feed::Behind(after) = self.feed else { return None };
        self.feed = Feed::Reading(Since::Clean);
        self.pages += 1;
        Some(after)
    }

    /// A page was read, up to this place; `more` says whether the store holds more behind it.
    pub(in crate::client) fn page_read(&mut self, up_to: InboxId, more: bool) {
        self.feed = match self.feed {
            Feed::Reading(Since::Clean) if !more => Feed::Live,
            Feed::Reading(_) | Feed::Behind(_) | Feed::Live => Feed::Behind(up_to),
        };
    }

    /// The page could not be read, and is to be asked for again from behind this place.
    pub(in crate::client) const fn page_failed(&mut self, after: InboxId) {
        self.feed = Feed::Behind(after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::store::{ReceivedContent, Trust};
    use crate::ids::{MessageId, UserId};
    use crate::keys::Fingerprint;
    use crate::time::Timestamp;
    use crate::wire::RequestHash;

    fn message(id: u64) -> AuthenticMessage {
        AuthenticMessage::assumed(IncomingMessage {
            sender: UserId::new(1).unwrap(),
            phone: "+4915112345678".parse().unwrap(),
            signed_by: Fingerprint([1; 32]),
            id: MessageId(id),
            packet_hash: RequestHash([0; 32]),
            previous: None,
            sent_at: Timestamp::from_unix_secs(0),
            received_at: Timestamp::from_unix_secs(0),
            content: ReceivedContent::Undecryptable,
            trust: Trust::FirstUse,
        })
    }

    #[test]
    fn one_batch_is_stored_at_a_time_and_failure_takes_all_behind_it() {
        let mut inbox = Inbox::new();
        assert!(inbox.next_batch(2).is_none());
        (1..=5).for_each(|id| inbox.push(message(id)));
        let ids = |(messages, _): (Vec<IncomingMessage>, Batch)| {
            messages.iter().map(|message| message.id.0).collect::<Vec<_>>()
        };
        assert_eq!(ids(inbox.next_batch(2).unwrap()), [1, 2]);
        assert!(inbox.next_batch(2).is_none(), "the first is being stored");
        assert_eq!(inbox.undurable(), 5);
        inbox.batch_ended();
        assert_eq!(ids(inbox.next_batch(1).unwrap()), [3]);
        inbox.batch_ended();
        inbox.forget_arrived();
        assert!(inbox.next_batch(2).is_none());
        assert_eq!(inbox.undurable(), 0);
    }

    #[test]
    fn what_a_page_brings_is_not_delivered_from_memory_as_well() {
        let mut inbox = Inbox::new();
        inbox.push(message(1));
        let (_, before) = inbox.next_batch(9).unwrap();
        assert_eq!(inbox.next_page(), Some(InboxId::START));
        inbox.batch_ended();
        assert_eq!(
            inbox.delivered_by(before),
            DeliveredBy::Page,
            "it was asked for after the batch"
        );
        inbox.push(message(2));
        let (_, after) = inbox.next_batch(9).unwrap();
        inbox.page_read(InboxId(1), false);
        inbox.batch_ended();
        assert_eq!(inbox.delivered_by(after), DeliveredBy::Batch);
    }

    #[test]
    fn what_is_appended_while_a_page_is_read_comes_with_the_next() {
        let mut inbox = Inbox::new();
        assert_eq!(inbox.next_page(), Some(InboxId::START));
        inbox.push(message(1));
        let (_, batch) = inbox.next_batch(9).unwrap();
        inbox.batch_ended();
        assert_eq!(inbox.delivered_by(batch), DeliveredBy::Page);
        inbox.page_read(InboxId::START, false);
        assert_eq!(inbox.next_page(), Some(InboxId::START));
        inbox.page_read(InboxId(1), false);
        assert_eq!(inbox.next_page(), None);
    }
}
