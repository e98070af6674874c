//! What follows from the steps of an input, once they are done.

use alloc::vec::Vec;

use crate::frame::{Pending, Verified};
use crate::ids::{ConnId, UserId};
use crate::server::Server;
use crate::server::alarm::Alarm;
use crate::server::awaits::AwaitStore;
use crate::server::state::conn::{Conn, FlowStep};
use crate::server::state::drain::DrainStep;
use crate::server::state::session::Session;
use crate::server::steps::relieve::Relief;
use crate::server::store::StoreOp;
use crate::wire::Packet;

impl Server {
    /// Does what has become possible or due in whatever the input touched.
    ///
    /// Mailboxes come first: only when their appends have begun is it known whether a sender still
    /// waits for something. Then connections. Their farewells may end sessions, which touches
    /// mailboxes again, and so may packets that waited for the end of a pause, so the loop repeats
    /// until nothing is touched; each round ends sessions, takes packets or begins operations, of
    /// which there are finitely many. Drains that wait for memory come when it is known what the others
    /// have left. Then it is known what is held, and connections may have to be
    /// closed, which touches mailboxes once more. The stop comes last, when everything is known to be
    /// done.
    pub(in crate::server) fn settle(&mut self) {
        loop {
            if let Some(user) = self.touched.next_mailbox() {
                self.settle_mailbox(user);
            } else if let Some(conn) = self.touched.next_conn() {
                self.settle_conn(conn);
            } else if let Some(user) = self.mailboxes.in_flight.next_with_room(&self.config.limits)
            {
                self.settle_mailbox(user);
            } else if self.relieve() == Relief::Unneeded {
                break;
            }
        }
        self.stop_when_done();
    }

    /// Appends what waits, reads the next page or announces the end of the drain, and forgets the
    /// mailbox if nothing is left in it.
    ///
    /// An append comes before a page: it makes what is in memory visible to the page behind it.
    pub(in crate::server) fn settle_mailbox(&mut self, user: UserId) {
        self.mailboxes.recount(user);
        self.mailboxes.in_flight.forget_waiting(user);
        let limits = &self.config.limits;
        let share = self.mailboxes.in_flight.share(limits, self.connections.sessions());
        let Some((mailbox, unstored)) = self.mailboxes.get_mut(user) else { return };
        let step = if let Some(until) = mailbox.rests_until(self.now.mono) {
            self.alarms.arm_if_idle(Alarm::Mailbox(user), until);
            None
        } else {
            if let Some(packets) = mailbox.begin_append(limits, unstored, self.sharing.moment()) {
                let at = self.now.wall;
                let op = StoreOp::Append {
                    recipient: user,
                    packets: packets.iter().map(Verified::get).cloned().collect::<Vec<Packet>>(),
                    at,
                };
                let packets = Pending::new(packets);
                self.out.store(op, AwaitStore::Appended { recipient: user, packets });
            }
            mailbox.next_drain_step(limits, share)
        };
        if let Some((since, conn)) = mailbox.owing_since(self.now.mono).zip(mailbox.conn()) {
            self.alarms.arm_if_idle(Alarm::Unresponsive(conn), since + limits.unresponsive);
        }
        match step {
            Some(DrainStep::ReadPage { conn, after, limit }) => {
                let op = StoreOp::Page { recipient: user, after, limit };
                let memory = limit.memory();
                self.mailboxes.in_flight.begin_page(memory);
                self.out.store(op, AwaitStore::PageRead { owner: user, conn, memory });
            }
            Some(DrainStep::AwaitRoom) => self.mailboxes.in_flight.await_room(user),
            Some(DrainStep::Announce { conn, drained }) => self.announce(conn, drained),
            Some(DrainStep::Live { conn, since }) => {
                self.sharing.taken(user, since);
                if let Some((_, session)) = self.connections.session_mut(conn) {
                    session.all_taken();
                }
                self.mailboxes.drop_if_idle(user);
            }
            None => self.mailboxes.drop_if_idle(user),
        }
    }

    /// Acknowledgements go before the farewell, which waits for them. The farewell goes before the
    /// flow, which must not be changed on a connection that is being closed.
    fn settle_conn(&mut self, conn_id: ConnId) {
        let session = self.connections.get(conn_id).and_then(Conn::session);
        let (has_acks, is_leaving) = session.map_or((false, false), |session| {
            (!session.sent().acks.is_idle(), session.farewell().is_some())
        });
        if has_acks {
            self.seal_acks(conn_id);
        }
        if is_leaving {
            self.finish_farewell(conn_id);
        }
        self.update_flow(conn_id);
    }

    /// Pauses or resumes reading from a connection. What arrived before a pause comes before what is
    /// read after it.
    fn update_flow(&mut self, conn_id: ConnId) {
        let sessions = self.connections.sessions();
        let share = self.config.limits.held_share(self.held_memory(), sessions);
        let Some(conn) = self.connections.recount(conn_id) else { return };
        if let Some(until) = conn.slowed_until(self.now.mono) {
            self.alarms.arm(Alarm::Flow(conn_id), until);
        }
        let limits = &self.config.limits;
        let user = conn.session().map(Session::user);
        let unstored = user.map(|user| self.mailboxes.unstored.of(user)).unwrap_or_default();
        match conn.update_flow(limits, unstored, share, self.now.mono) {
            Some(FlowStep::Change(flow)) => self.out.flow(conn_id, flow),
            Some(FlowStep::Take(unread)) => self.on_bytes(conn_id, &unread),
            None => {}
        }
    }
}
