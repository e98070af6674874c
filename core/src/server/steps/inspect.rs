//! What the server has done, what it holds, and whether that fits together. Nothing here changes
//! anything.

use alloc::collections::BTreeMap;

use crate::ids::ConnId;
use crate::server::Server;
use crate::server::awaits::{AwaitJob, AwaitStore};
use crate::server::counters::Counters;
use crate::server::limits::{ANSWER, packet_memory};
use crate::server::state::conn::Conn;
use crate::server::state::mailbox::Mailbox;
use crate::server::state::session::Session;
use crate::server::state::unstored::Unstored;
use crate::server::stats::{Held, Stats, Totals};

impl Server {
    /// What the server has done, and how many are connected.
    pub fn stats(&self) -> Stats {
        let (connections, sessions) = (self.connections.len(), self.connections.sessions());
        let (shed, relieved) = (self.shedding.total(), self.relieved.total());
        let Counters { messages, receipts, .. } = &self.counters;
        Stats {
            connections,
            sessions,
            shed,
            relieved,
            forwarded: messages.forwarded + receipts.forwarded,
            stored: messages.stored + receipts.stored,
            clock_is_implausible: self.clock_is_implausible,
        }
    }

    /// What the server has counted since its start.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What the server holds in total. Takes the same time however much it is.
    pub fn totals(&self) -> Totals {
        Totals {
            mailboxes: self.mailboxes.len(),
            awaited: self.out.awaited(),
            sender_bytes: self.held_memory(),
            connection_bytes: self.connection_memory(),
            in_flight_bytes: self.mailboxes.in_flight.memory(),
        }
    }

    /// What the server holds. Looks at every connection and every mailbox, so it is for tests.
    pub fn held(&self) -> Held {
        let conns =
            |count: fn(&Conn) -> usize| most(self.connections.iter().map(|(_, c)| count(c)));
        let mailboxes =
            |count: fn(&Mailbox) -> usize| most(self.mailboxes.iter().map(|(_, m)| count(m)));
        Held {
            totals: self.totals(),
            unfinished: self.unfinished.len(),
            otps: self.otps.len(),
            deliveries: self.deliveries.len(),
            strangers: self.connections.strangers(),
            stranger_jobs: self.out.stranger_jobs(),
            remembered: most(
                [self.admission.remembered(), self.user_meters.len(), self.daily_bytes.len()]
                    .into_iter(),
            ),
            incomplete_bytes: conns(Conn::incomplete_bytes),
            unread_bytes: conns(Conn::unread_bytes),
            waiting_requests: conns(Conn::waiting_requests),
            checks: conns(|conn| conn.session().map_or(0, Session::arriving)),
            replies: conns(Conn::replies),
            refused: conns(|conn| conn.session().map_or(0, |session| session.sent().refused_len())),
            unstored: self.mailboxes.unstored.most().packets,
            sender_bytes: most(self.connections.iter().map(|(_, conn)| self.sender_bytes(conn))),
            in_flight_items: mailboxes(|mailbox| mailbox.in_flight().len()),
            in_flight_bytes: mailboxes(|mailbox| mailbox.in_flight().bytes()),
            deferred: mailboxes(Mailbox::deferred_len),
        }
    }

    /// Bytes of a session's packets that are being verified or wait for the store.
    fn sender_bytes(&self, conn: &Conn) -> usize {
        let unstored = |session: &Session| self.mailboxes.unstored.of(session.user()).bytes;
        conn.session().map_or(0, |session| session.arriving_bytes() + unstored(session))
    }

    /// See [`Machine::is_consistent`](crate::frame::Machine::is_consistent). What is counted is
    /// compared with the continuations that release it: a count below them was released twice. A
    /// count above them is possible, when a host has answered with a wrong outcome.
    pub(in crate::server) fn check_consistency(&self) -> Result<(), &'static str> {
        if !self.touched.is_empty() {
            return Err("an input ended with something touched that was not settled");
        }
        self.otps.is_consistent()?;
        self.connections.is_consistent()?;
        self.mailboxes.is_consistent()?;
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
        let mut checking = 0;
        for job in self.out.jobs() {
            match job {
                AwaitJob::Signed { arrival, .. } | AwaitJob::Sealed { arrival, .. } => {
                    checking += packet_memory(arrival.bytes);
                }
                AwaitJob::Reply { conn, .. } => {
                    checking += packet_memory(ANSWER);
                    *replies.entry(*conn).or_default() += 1;
                }
                AwaitJob::AckSealed { conn, bytes } => {
                    checking += packet_memory(*bytes);
                    let session = self.connections.get(*conn).and_then(Conn::session);
                    if session.is_some_and(|session| !session.sent().acks.is_sealing()) {
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
                | AwaitJob::ServerKey(_)
                | AwaitJob::Granted(_)
                | AwaitJob::NoMoreMessages { .. } => {}
            }
        }
        for store in self.out.stores() {
            if let AwaitStore::LookedUp { conn, .. } = store {
                checking += packet_memory(ANSWER);
                *replies.entry(*conn).or_default() += 1;
            }
        }
        let sessions = self.connections.iter().filter_map(|(_, conn)| conn.session());
        let verified = sessions.flat_map(Session::verified).map(packet_memory);
        if self.checking.memory() < checking + verified.sum::<usize>() {
            return Err("more memory is used by jobs than is counted");
        }
        let counted = |conn: &ConnId| self.connections.get(*conn).map(Conn::replies);
        if replies.iter().any(|(conn, made)| counted(conn).is_some_and(|count| count < *made)) {
            return Err("more answers to a connection are being made than it counts");
        }
        Ok(())
    }

    fn check_stores(&self) -> Result<(), &'static str> {
        let mut unstored = Unstored::default();
        let mut pages = 0;
        for (_, mailbox) in self.mailboxes.iter() {
            for packet in mailbox.queue() {
                unstored.enter(packet.get());
            }
        }
        for store in self.out.stores() {
            match store {
                AwaitStore::Appended { recipient, packets } => {
                    for packet in packets.get() {
                        unstored.enter(packet.get());
                    }
                    if !self.mailboxes.get(*recipient).is_some_and(Mailbox::is_appending) {
                        return Err("an append is under way without its mailbox knowing");
                    }
                }
                AwaitStore::PageRead { owner, conn, memory } => {
                    pages += *memory;
                    let mailbox = self.mailboxes.get(*owner);
                    let draining = mailbox.filter(|mailbox| mailbox.conn() == Some(*conn));
                    if draining.is_some_and(|mailbox| !mailbox.is_reading()) {
                        return Err("a page is being read without its mailbox knowing");
                    }
                }
                AwaitStore::InvitationChecked(_)
                | AwaitStore::RegistrantFound(_)
                | AwaitStore::UserCreated(_)
                | AwaitStore::ReconnectorFound(_)
                | AwaitStore::ReconnectorFoundByPhone(_)
                | AwaitStore::ReconnectRecorded(_)
                | AwaitStore::SessionBegun { .. }
                | AwaitStore::LookedUp { .. }
                | AwaitStore::Settled(_)
                | AwaitStore::ReceiptsDropped(_)
                | AwaitStore::AnswersRecorded
                | AwaitStore::UndeliverableRead { .. }
                | AwaitStore::UndeliverableForgotten { .. }
                | AwaitStore::ClockRecorded { .. }
                | AwaitStore::Expired => {}
            }
        }
        if self.mailboxes.in_flight.pages() < pages {
            return Err("pages that are being read take more memory than is counted");
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
