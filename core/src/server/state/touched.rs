//! What an input has touched.

use alloc::collections::VecDeque;

use crate::ids::{ConnId, UserId};

/// Mailboxes and connections that changed during an input, in the order of their first change.
/// Steps mark them here; `settle` looks at each and does what has become possible or due.
#[derive(Debug, Default)]
pub(in crate::server) struct Touched {
    mailboxes: VecDeque<UserId>,
    conns: VecDeque<ConnId>,
}

impl Touched {
    /// A mailbox changed: it may append, read a page, or be forgotten.
    pub(in crate::server) fn mailbox(&mut self, owner: UserId) {
        // Most inputs touch one thing several times; an older duplicate only costs a second look.
        if self.mailboxes.back() != Some(&owner) {
            self.mailboxes.push_back(owner);
        }
    }

    /// A connection changed: it may have acknowledgements to send, be done with its session, or
    /// have to be paused or resumed.
    pub(in crate::server) fn conn(&mut self, conn: ConnId) {
        if self.conns.back() != Some(&conn) {
            self.conns.push_back(conn);
        }
    }

    pub(in crate::server) fn next_mailbox(&mut self) -> Option<UserId> {
        self.mailboxes.pop_front()
    }

    pub(in crate::server) fn next_conn(&mut self) -> Option<ConnId> {
        self.conns.pop_front()
    }

    pub(in crate::server) fn is_empty(&self) -> bool {
        self.mailboxes.is_empty() && self.conns.is_empty()
    }
}
