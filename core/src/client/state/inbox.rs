//! The inbox: what arrived is stored a batch at a time, and goes to the application once it is
//! durable, in the order of its places.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::store::{InboxId, IncomingMessage};

/// Keeps what has arrived until it is durable, and whether the application has caught up with the
/// store.
#[derive(Debug)]
pub(super) struct Inbox {
    /// What the store was not given yet.
    arrived: VecDeque<IncomingMessage>,
    /// How many messages the store is at work on. One batch at a time: if that fails, nothing that
    /// stands behind it must have been stored.
    storing: usize,
    feed: Feed,
    /// How many pages were asked for.
    pages: u64,
}

/// What the store was asked to receive.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) messages: Vec<IncomingMessage>,
    /// Pages asked for before it was.
    pages: u64,
}

/// Where what is new to the application comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Feed {
    /// A page of the store is to be asked for, from behind this place.
    Behind(InboxId),
    /// One was asked for; `Dirty` if something was appended since.
    Reading(Since),
    /// Everything in the store was delivered: what is appended is delivered from memory.
    Live,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Since {
    Clean,
    Dirty,
}

impl Inbox {
    pub(super) const fn new() -> Self {
        Self { arrived: VecDeque::new(), storing: 0, feed: Feed::Behind(InboxId::START), pages: 0 }
    }

    /// A message has arrived, and is to be stored behind those before it.
    pub(super) fn push(&mut self, message: IncomingMessage) {
        self.arrived.push_back(message);
    }

    /// What the store is to be given now, if anything.
    pub(super) fn next_batch(&mut self, limit: usize) -> Option<Batch> {
        if self.storing > 0 || self.arrived.is_empty() {
            return None;
        }
        let count = limit.clamp(1, self.arrived.len());
        self.storing = count;
        Some(Batch { messages: self.arrived.drain(..count).collect(), pages: self.pages })
    }

    /// The store has answered for its batch, and can be given the next.
    pub(super) const fn batch_ended(&mut self) {
        self.storing = 0;
    }

    /// Forgets what the store was not given.
    pub(super) fn forget_arrived(&mut self) {
        self.arrived.clear();
    }

    /// How many messages have arrived and are not durable yet.
    pub(super) fn storing(&self) -> usize {
        self.arrived.len() + self.storing
    }

    /// Whether what this batch has appended is for the application now. If not, a page of the store
    /// brings it.
    pub(super) fn delivers(&mut self, batch: &Batch) -> bool {
        match &mut self.feed {
            Feed::Live => batch.pages == self.pages,
            Feed::Behind(_) => false,
            Feed::Reading(since) => {
                if batch.pages == self.pages {
                    *since = Since::Dirty;
                }
                false
            }
        }
    }

    /// The place behind which the store is to be read, if it is.
    pub(super) fn next_page(&mut self) -> Option<InboxId> {
        let Feed::Behind(after) = self.feed else { return None };
        self.feed = Feed::Reading(Since::Clean);
        self.pages += 1;
        Some(after)
    }

    /// A page came, up to this place; `more` stands behind it.
    pub(super) fn page_read(&mut self, up_to: InboxId, more: bool) {
        self.feed = match self.feed {
            Feed::Reading(Since::Clean) if !more => Feed::Live,
            Feed::Reading(_) | Feed::Behind(_) | Feed::Live => Feed::Behind(up_to),
        };
    }

    /// The page could not be read: ask again from behind this place.
    pub(super) fn page_failed(&mut self, after: InboxId) {
        self.feed = Feed::Behind(after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::store::{ReceivedContent, Trust};
    use crate::ids::{MessageId, UserId};
    use crate::time::Timestamp;

    fn message(id: u64) -> IncomingMessage {
        IncomingMessage {
            sender: UserId::new(1).unwrap(),
            phone: "+4915112345678".parse().unwrap(),
            id: MessageId(id),
            previous: None,
            sent_at: Timestamp::from_unix_secs(0),
            received_at: Timestamp::from_unix_secs(0),
            content: ReceivedContent::Undecryptable,
            trust: Trust::FirstUse,
        }
    }

    #[test]
    fn one_batch_is_stored_at_a_time_and_failure_takes_all_behind_it() {
        let mut inbox = Inbox::new();
        assert!(inbox.next_batch(2).is_none());
        (1..=5).for_each(|id| inbox.push(message(id)));
        let ids = |batch: Batch| batch.messages.iter().map(|m| m.id.0).collect::<Vec<_>>();
        assert_eq!(ids(inbox.next_batch(2).unwrap()), [1, 2]);
        assert!(inbox.next_batch(2).is_none(), "the first is being stored");
        assert_eq!(inbox.storing(), 5);
        inbox.batch_ended();
        assert_eq!(ids(inbox.next_batch(0).unwrap()), [3], "a limit of none would never end");
        inbox.batch_ended();
        inbox.forget_arrived();
        assert!(inbox.next_batch(2).is_none());
        assert_eq!(inbox.storing(), 0);
    }

    #[test]
    fn what_a_page_brings_is_not_delivered_from_memory_as_well() {
        let mut inbox = Inbox::new();
        inbox.push(message(1));
        let before = inbox.next_batch(9).unwrap();
        assert_eq!(inbox.next_page(), Some(InboxId::START));
        inbox.batch_ended();
        assert!(!inbox.delivers(&before), "the page was asked for behind it");
        inbox.push(message(2));
        let after = inbox.next_batch(9).unwrap();
        inbox.page_read(InboxId(1), false);
        inbox.batch_ended();
        assert!(inbox.delivers(&after));
    }

    #[test]
    fn what_is_appended_while_a_page_is_read_comes_with_the_next() {
        let mut inbox = Inbox::new();
        assert_eq!(inbox.next_page(), Some(InboxId::START));
        inbox.push(message(1));
        let batch = inbox.next_batch(9).unwrap();
        inbox.batch_ended();
        assert!(!inbox.delivers(&batch));
        inbox.page_read(InboxId::START, false);
        assert_eq!(inbox.next_page(), Some(InboxId::START));
        inbox.page_read(InboxId(1), false);
        assert_eq!(inbox.next_page(), None);
    }
}
