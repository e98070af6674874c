//! The inbox: what arrived goes to the application once it is durable, in the order of its places.

use super::store::{Arrival, InboxId, IncomingMessage};
use crate::in_order::{InOrder, Slot};

/// Keeps what the store is at work on, and whether the application has caught up with the store.
#[derive(Debug)]
pub(super) struct Inbox {
    storing: InOrder<Settled>,
    feed: Feed,
    /// How many pages were asked for.
    pages: u64,
}

/// What the store was asked to receive.
#[derive(Debug)]
pub(super) struct Storing {
    slot: Slot,
    /// Pages asked for before it was.
    pages: u64,
    pub(super) message: IncomingMessage,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) message: IncomingMessage,
    /// `None` if the store failed.
    pub(super) arrival: Option<Arrival>,
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
        Self { storing: InOrder::new(), feed: Feed::Behind(InboxId::START), pages: 0 }
    }

    /// A message is given to the store.
    pub(super) fn begin(&mut self, message: IncomingMessage) -> Storing {
        Storing { slot: self.storing.push(), pages: self.pages, message }
    }

    /// The store has answered; `None` if it failed.
    pub(super) fn settle(&mut self, storing: Storing, arrival: Option<Arrival>) {
        let Storing { slot, pages, message } = storing;
        self.storing.complete(slot, Settled { message, arrival, pages });
    }

    /// The next message whose turn it is.
    pub(super) fn next_settled(&mut self) -> Option<Settled> {
        self.storing.pop_ready()
    }

    /// How many the store is at work on.
    pub(super) fn storing(&self) -> usize {
        self.storing.len()
    }

    /// Whether a message that was appended is for the application now. If not, a page of the store
    /// brings it.
    pub(super) fn delivers(&mut self, settled: &Settled) -> bool {
        match &mut self.feed {
            Feed::Live => settled.pages == self.pages,
            Feed::Behind(_) => false,
            Feed::Reading(since) => {
                if settled.pages == self.pages {
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
    use crate::client::replay::Continuity;
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

    fn appended(place: u64) -> Arrival {
        Arrival::Appended { place: InboxId(place), continuity: Continuity::Next }
    }

    #[test]
    fn what_a_page_brings_is_not_delivered_from_memory_as_well() {
        let mut inbox = Inbox::new();
        let before = inbox.begin(message(1));
        assert_eq!(inbox.next_page(), Some(InboxId::START));
        let after = inbox.begin(message(2));
        inbox.page_read(InboxId(1), false);
        // The page was asked for behind the first message, and before the second.
        inbox.settle(after, Some(appended(2)));
        inbox.settle(before, Some(appended(1)));
        let first = inbox.next_settled().unwrap();
        assert!(!inbox.delivers(&first));
        let second = inbox.next_settled().unwrap();
        assert!(inbox.delivers(&second));
    }

    #[test]
    fn what_is_appended_while_a_page_is_read_comes_with_the_next() {
        let mut inbox = Inbox::new();
        assert_eq!(inbox.next_page(), Some(InboxId::START));
        let storing = inbox.begin(message(1));
        inbox.settle(storing, Some(appended(1)));
        let settled = inbox.next_settled().unwrap();
        assert!(!inbox.delivers(&settled));
        inbox.page_read(InboxId::START, false);
        assert_eq!(inbox.next_page(), Some(InboxId::START));
        inbox.page_read(InboxId(1), false);
        assert_eq!(inbox.next_page(), None);
    }
}
