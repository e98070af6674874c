//! The end of a run: all mailboxes drain, and a shutdown completes.

use sealpost_core::frame::{Deadline, Event, Machine};
use sealpost_core::ids::{ConnId, MessageId, ReceiptId, UserId};
use sealpost_core::server::Server;
use sealpost_core::wire::{
    Header, ItemId, ItemKind, Op, Oversized, Packet, Receipt, ReceiptsTaken,
};

use super::observer::Connection;
use crate::fuzz::bed::FuzzBed;
use crate::fuzz::null_crypto;

impl FuzzBed<'_, Server> {
    /// Makes every socket writable and every online user acknowledge its items, until nothing is left
    /// for online users.
    pub(super) fn drain(&mut self) {
        self.settle();
        let congested =
            self.observer.connections.iter().filter(|(_, connection)| connection.congested);
        for conn in congested.map(|(conn, _)| *conn).collect::<Vec<_>>() {
            self.event(Event::Writable { conn });
        }
        for round in 0..MAX_ROUNDS {
            self.advance_to_deadline();
            self.settle();
            for (conn, user, received) in self.online_users() {
                self.acknowledge(conn, user, &received, round);
            }
            self.settle();
            if round >= 8
                && self
                    .online_users()
                    .iter()
                    .all(|(conn, user, _)| self.left(*conn, *user) == (0, 0))
            {
                return;
            }
        }
        for (conn, user, _) in self.online_users() {
            assert_eq!(self.left(conn, user), (0, 0), "left for {user} on {conn:?}");
        }
    }

    /// Number of items that an online user has not acknowledged, and that the store holds for it.
    fn left(&self, conn: ConnId, user: UserId) -> (usize, u64) {
        let held = self
            .observer
            .connections
            .get(&conn)
            .map_or(0, |connection| connection.unacknowledged.len());
        (held, self.store.usage(user).items())
    }

    fn advance_to_deadline(&mut self) {
        if let Some(Deadline { at, .. }) = self.machine.deadline() {
            self.advance_to(at);
        }
    }

    /// Online users whose packets the server can parse, with all items they ever received: all are
    /// acknowledged again, because the server may have dropped an acknowledgement over a limit.
    fn online_users(&self) -> Vec<(ConnId, UserId, Vec<ItemId>)> {
        let connections =
            self.observer.connections.iter().filter(|(_, connection)| !connection.garbled);
        let recipient = |(conn, connection): (&ConnId, &Connection)| {
            Some((*conn, connection.user?, connection.received.iter().copied().collect()))
        };
        connections.filter_map(recipient).collect()
    }

    fn acknowledge(&mut self, conn: ConnId, user: UserId, held: &[ItemId], round: u64) {
        let messages = held.iter().filter(|key| key.kind == ItemKind::Message);
        for (nth, ItemId { origin, id, .. }) in (1..).zip(messages) {
            // A fresh receipt id, or the server would take the receipt for a repeat. One for each
            // message, because the server drops a receipt that names too many acknowledged ones.
            let receipt_id = ReceiptId(1_000 * (round + 1) + nth);
            let receipt = Receipt { receipt_id, message_ids: vec![MessageId(*id)] };
            self.send_acknowledgement(conn, user, Some(*origin), &receipt.emit());
        }
        let receipts = held.iter().filter(|key| key.kind == ItemKind::Receipt);
        let items: Vec<_> = receipts.map(|key| (key.origin, ReceiptId(key.id))).collect();
        if !items.is_empty() {
            let taken = null_crypto::seal(ReceiptsTaken { items }.emit().expose());
            self.send_acknowledgement(conn, user, None, &taken);
        }
    }

    fn send_acknowledgement(
        &mut self,
        conn: ConnId,
        user: UserId,
        to: Option<UserId>,
        payload: &[u8],
    ) {
        let timestamp = self.now.wall;
        let header = Header { sender: Some(user), recipient: to, timestamp, op: Op::DeliveryAck };
        let sign = |_: &[u8]| Ok::<_, Oversized>(null_crypto::SIGNATURE);
        let packet = Packet::build(self.profile, header, payload, sign).expect("it fits");
        self.queue(conn, packet.bytes());
        self.read_all(conn);
    }

    pub(super) fn stop(&mut self) {
        self.event(Event::Shutdown);
        while !self.observer.stopped {
            let Deadline { at, .. } = self.machine.deadline().expect("a shutdown has a deadline");
            self.advance_to(at);
        }
    }
}

/// Rounds after which everything must be drained. Each sends three items (`Limits::drain_items`).
const MAX_ROUNDS: u64 = 200;
