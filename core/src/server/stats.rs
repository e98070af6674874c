//! What a server has done and what it holds, for logs, displays and tests.

use super::Server;
use super::conn::{Conn, Phase};
use super::mailbox::Mailbox;

/// What a server has done since its start, and who is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections at the moment.
    pub connections: usize,
    /// Sessions at the moment.
    pub sessions: usize,
    /// Messages and receipts forwarded at once.
    pub forwarded: u64,
    /// Messages and receipts that were stored.
    pub stored: u64,
}

/// What a server holds in memory at the moment, by what bounds it
/// ([`Limits`](crate::server::limits::Limits)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Users for whom something is on its way to them or to the store, or is being drained.
    pub mailboxes: usize,
    /// Jobs and store operations whose outcome is awaited.
    pub awaited: usize,
    /// Store operations that failed and are to be repeated.
    pub unfinished: usize,
    /// One-time passwords.
    pub otps: usize,
    /// Addresses, or phones, in the largest of the rate limiters.
    pub remembered: usize,
    /// The bytes of an incomplete packet, the most of a connection.
    pub incomplete_bytes: usize,
    /// Requests that wait, the most of a connection.
    pub waiting_requests: usize,
    /// Packets that are being checked, the most of a connection.
    pub checks: usize,
    /// Answers that are being made, the most of a connection.
    pub replies: usize,
    /// Messages that were refused for now, the most of a session.
    pub refused: usize,
    /// Packets that wait for the store, the most of a user's.
    pub unstored: usize,
    /// Items in flight, the most of a reader.
    pub in_flight_items: usize,
    /// Their bytes, the most of a reader.
    pub in_flight_bytes: usize,
    /// Items named by acknowledgements that wait for an append, the most of a reader.
    pub deferred: usize,
}

impl Server {
    /// What the server has done, and who is there.
    pub fn stats(&self) -> Stats {
        Stats { connections: self.conns.len(), sessions: self.sessions.len(), ..self.stats }
    }

    /// What the server holds. Looks at every connection and every mailbox.
    pub fn held(&self) -> Held {
        let conns = |count: fn(&Conn) -> usize| most(self.conns.values().map(|conn| count(conn)));
        let readers = |count: fn(&Mailbox) -> usize| {
            most(self.mailboxes.values().map(|mailbox| count(mailbox)))
        };
        Held {
            mailboxes: self.mailboxes.len(),
            awaited: self.out.awaited(),
            unfinished: self.retries.len(),
            otps: self.otps.len(),
            remembered: self.admission.remembered(),
            incomplete_bytes: conns(Conn::incomplete_bytes),
            waiting_requests: conns(|conn| match &conn.phase {
                Phase::AwaitReply { waiting } => waiting.len(),
                Phase::ExpectRequest | Phase::Session(_) | Phase::Closing => 0,
            }),
            checks: conns(|conn| conn.session().map_or(0, |session| session.arrivals.len())),
            replies: conns(|conn| conn.replies as usize),
            refused: conns(|conn| conn.session().map_or(0, super::session::Session::refused_len)),
            unstored: self.backlog.most(),
            in_flight_items: readers(|mailbox| mailbox.in_flight().len()),
            in_flight_bytes: readers(|mailbox| mailbox.in_flight().bytes()),
            deferred: readers(Mailbox::deferred_len),
        }
    }
}

fn most(counts: impl Iterator<Item = usize>) -> usize {
    counts.max().unwrap_or(0)
}
