//! What a server has done and what it holds: for logs, displays and tests. And whether what it holds
//! fits together.

use alloc::collections::BTreeMap;

use super::Server;
use super::awaits::{AwaitJob, AwaitStore};
use super::state::conn::Conn;
use super::state::mailbox::Mailbox;
use super::state::session::Session;
use super::state::unstored::Unstored;
use crate::ids::ConnId;

/// What a server has done since its start, and how many are connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections at the moment.
    pub connections: usize,
    /// Sessions at the moment.
    pub sessions: usize,
    /// Messages and receipts forwarded at once.
    pub forwarded: u64,
    /// Messages and receipts stored.
    pub stored: u64,
}

/// What a server holds in memory at the moment, by what bounds it ([`Limits`](super::Limits)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Users with items on their way to them or to the store, or with a drain under way.
    pub mailboxes: usize,
    /// Jobs and store operations whose outcome is awaited.
    pub awaited: usize,
    /// Store operations that failed and are to be repeated.
    pub unfinished: usize,
    /// One-time passwords.
    pub otps: usize,
    /// Addresses, or phones, in the largest of the rate limiters.
    pub remembered: usize,
    /// Bytes of an incomplete packet: the most of any connection.
    pub incomplete_bytes: usize,
    /// Requests that wait: the most of any connection.
    pub waiting_requests: usize,
    /// Packets that are being verified: the most of any connection.
    pub checks: usize,
    /// Answers that are being made: the most of any connection.
    pub replies: usize,
    /// Messages that were refused for now: the most of any session.
    pub refused: usize,
    /// Packets that wait for the store: the most of any sender.
    pub unstored: usize,
    /// Items in flight: the most to any recipient.
    pub in_flight_items: usize,
    /// Their bytes: the most to any recipient.
    pub in_flight_bytes: usize,
    /// Items named by acknowledgements that wait for an append: the most of any recipient.
    pub deferred: usize,
}

impl Server {
    /// What the server has done, and how many are connected.
    pub fn stats(&self) -> Stats {
        let (connections, sessions) = (self.connections.len(), self.connections.sessions());
        Stats { connections, sessions, ..self.stats }
    }

    /// What the server holds. Looks at every connection and every mailbox.
    pub fn held(&self) -> Held {
        let conns =
            |count: fn(&Conn) -> usize| most(self.connections.iter().map(|(_, c)| count(c)));
        let mailboxes =
            |count: fn(&Mailbox) -> usize| most(self.mailboxes.iter().map(|(_, m)| count(m)));
        Held {
            mailboxes: self.mailboxes.len(),
            awaited: self.out.awaited(),
            unfinished: self.unfinished.len(),
            otps: self.otps.len(),
            remembered: self.admission.remembered(),
            incomplete_bytes: conns(Conn::incomplete_bytes),
            waiting_requests: conns(Conn::waiting_requests),
            checks: conns(|conn| conn.session().map_or(0, |session| session.arrivals.len())),
            replies: conns(Conn::replies),
            refused: conns(|conn| conn.session().map_or(0, Session::refused_len)),
            unstored: self.mailboxes.unstored.most(),
            in_flight_items: mailboxes(|mailbox| mailbox.in_flight().len()),
            in_flight_bytes: mailboxes(|mailbox| mailbox.in_flight().bytes()),
            deferred: mailboxes(Mailbox::deferred_len),
        }
    }

    /// See [`Machine::is_consistent`](crate::frame::Machine::is_consistent). What is counted is
    /// compared with the continuations that release it: a count below them was released twice. A
    /// count above them is possible, when a host has answered with a wrong outcome.
    pub(super) fn check_consistency(&self) -> Result<(), &'static str> {
        if !self.touched.is_empty() {
            return Err("an input ended with something touched that was not settled");
        }
        self.otps.is_consistent()?;
        self.connections.is_consistent()?;
        for (_, mailbox) in self.mailboxes.iter() {
            mailbox.is_consistent()?;
            if mailbox.is_idle() {
                return Err("a mailbox is kept in which there is nothing to remember");
            }
        }
        self.check_jobs()?;
        self.check_stores()
    }

    fn check_jobs(&self) -> Result<(), &'static str> {
        let mut replies: BTreeMap<ConnId, usize> = BTreeMap::new();
        for job in self.out.jobs() {
            match job {
                AwaitJob::Reply { conn, .. } => *replies.entry(*conn).or_default() += 1,
                AwaitJob::AckSealed { conn } => {
                    let session = self.connections.get(*conn).and_then(Conn::session);
                    if session.is_some_and(|session| !session.acks.is_sealing()) {
                        return Err(
                            "acknowledgements are being sealed without the session knowing",
                        );
                    }
                }
                AwaitJob::RegisterOpened(_)
                | AwaitJob::ConfirmOpened(_)
                | AwaitJob::ReconnectOpened { .. }
                | AwaitJob::ReconnectOpenedUnverified(_)
                | AwaitJob::ReconnectVerified(_)
                | AwaitJob::Signed { .. }
                | AwaitJob::Sealed { .. }
                | AwaitJob::ServerKey
                | AwaitJob::Granted(_)
                | AwaitJob::NoMoreMessages { .. } => {}
            }
        }
        for store in self.out.stores() {
            if let AwaitStore::LookedUp { conn, .. } = store {
                *replies.entry(*conn).or_default() += 1;
            }
        }
        let counted = |conn: &ConnId| self.connections.get(*conn).map(Conn::replies);
        if replies.iter().any(|(conn, made)| counted(conn).is_some_and(|count| count < *made)) {
            return Err("more answers to a connection are being made than it counts");
        }
        Ok(())
    }

    fn check_stores(&self) -> Result<(), &'static str> {
        let mut unstored = Unstored::default();
        for (_, mailbox) in self.mailboxes.iter() {
            mailbox.queue().iter().for_each(|packet| unstored.enter(packet.get()));
        }
        for store in self.out.stores() {
            match store {
                AwaitStore::Appended { recipient, packets } => {
                    packets.get().iter().for_each(|packet| unstored.enter(packet.get()));
                    if !self.mailboxes.get(*recipient).is_some_and(Mailbox::is_appending) {
                        return Err("an append is under way without its mailbox knowing");
                    }
                }
                AwaitStore::PageRead { owner, conn } => {
                    let mailbox = self.mailboxes.get(*owner);
                    let draining = mailbox.filter(|mailbox| mailbox.conn() == Some(*conn));
                    if draining.is_some_and(|mailbox| !mailbox.is_reading()) {
                        return Err("a page is being read without its mailbox knowing");
                    }
                }
                AwaitStore::RegistrantFound(_)
                | AwaitStore::UserCreated(_)
                | AwaitStore::ReconnectorFound(_)
                | AwaitStore::ReconnectorFoundByPhone(_)
                | AwaitStore::ReconnectRecorded(_)
                | AwaitStore::Counted(_)
                | AwaitStore::LookedUp { .. }
                | AwaitStore::Settled(_)
                | AwaitStore::ReceiptsDropped(_)
                | AwaitStore::Expired => {}
            }
        }
        if !self.mailboxes.unstored.covers(&unstored) {
            return Err("more packets of a sender wait for the store than are counted");
        }
        Ok(())
    }
}

fn most(counts: impl Iterator<Item = usize>) -> usize {
    counts.max().unwrap_or(0)
}
