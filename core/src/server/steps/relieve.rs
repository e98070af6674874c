//! Memory runs short: the connections that hold most of it are closed.

use alloc::vec::Vec;

use crate::ids::ConnId;
use crate::server::state::conn::Conn;
use crate::server::state::mailbox::Mailbox;
use crate::server::state::session::Session;
use crate::server::{Notice, Server};

/// Whether connections had to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Relief {
    Unneeded,
    Given,
}

impl Server {
    /// Memory of what all connections hold, and of what is in flight to them.
    pub(in crate::server) const fn connection_memory(&self) -> usize {
        self.connections.held_bytes() + self.mailboxes.in_flight.memory()
    }

    /// Closes the connections that hold most, if all together hold too much. Nothing acknowledged is
    /// lost: what was in flight goes to the store, and senders repeat the rest.
    ///
    /// A part of the limit is made free, because finding the connections takes a look at all of them:
    /// another look is due only when that part is filled again.
    pub(in crate::server) fn relieve(&mut self) -> Relief {
        let limit = self.config.limits.connection_bytes_in_all;
        let mut left = self.connection_memory();
        if left <= limit {
            return Relief::Unneeded;
        }
        let held = self.connections.iter().map(|(id, conn)| (self.memory_of(conn), id));
        let mut held: Vec<(usize, ConnId)> = held.filter(|(memory, _)| *memory > 0).collect();
        held.sort_unstable_by(|a, b| b.cmp(a));
        let enough = limit - limit / FREED_SHARE;
        let mut relief = Relief::Unneeded;
        for (memory, conn) in held {
            if left <= enough {
                break;
            }
            left = left.saturating_sub(memory);
            self.close(conn);
            self.count_relief();
            relief = Relief::Given;
        }
        relief
    }

    fn memory_of(&self, conn: &Conn) -> usize {
        let mailbox = conn.session().map(Session::user).and_then(|user| self.mailboxes.get(user));
        conn.counted() + mailbox.map_or(0, Mailbox::counted)
    }

    fn count_relief(&mut self) {
        if let Some(count) = self.relieved.add(self.now.mono) {
            self.out.notify(Notice::ConnectionsShed { count });
        }
    }
}

/// Fraction of the limit that is made free.
const FREED_SHARE: usize = 8;
