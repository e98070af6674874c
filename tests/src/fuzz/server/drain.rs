//! When faults stop: the server comes to rest, everything drains, and a stop comes to its end.

use sealpost_core::frame::{Deadline, Event, Machine};
use sealpost_core::ids::{ConnId, MessageId, ReceiptId, UserId};
use sealpost_core::wire::{
    Header, ItemId, ItemKind, Op, Oversized, Packet, Receipt, ReceiptsTaken,
};

use super::Bed;
use super::observer::Connection;
use crate::fuzz::null_crypto;

impl Bed<'_> {
    /// Every socket takes bytes, every recipient acknowledges what it has: nothing is left for those
    /// who are online.
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
            for (conn, user, received) in self.recipients() {
                self.acknowledge(conn, user, &received, round);
            }
            self.settle();
            if round >= 8
                && self.recipients().iter().all(|(conn, user, _)| self.left(*conn, *user) == (0, 0))
            {
                return;
            }
        }
        for (conn, user, _) in self.recipients() {
            assert_eq!(self.left(conn, user), (0, 0), "left for {user} on {conn:?}");
        }
    }

    /// What a recipient has not acknowledged, and what the store holds for it.
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

    /// Who is online and understood, and what they have received: an acknowledgement among too many
    /// may have been dropped.
    fn recipients(&self) -> Vec<(ConnId, UserId, Vec<ItemId>)> {
        let connections =
            self.observer.connections.iter().filter(|(_, connection)| !connection.garbled);
        let recipient = |(conn, connection): (&ConnId, &Connection)| {
            Some((*conn, connection.user?, connection.received.iter().copied().collect()))
        };
        connections.filter_map(recipient).collect()
    }

    fn acknowledge(&mut self, conn: ConnId, user: UserId, held: &[ItemId], round: u64) {
        let mut origins: Vec<_> = held.iter().map(|key| key.origin).collect();
        origins.dedup();
        let of = |kind, origin: UserId| {
            held.iter().filter(move |key| key.kind == kind && key.origin == origin)
        };
        for origin in origins {
            let message_ids: Vec<_> =
                of(ItemKind::Message, origin).map(|key| MessageId(key.id)).collect();
            if !message_ids.is_empty() {
                // No other receipt has this number: it must not be taken for a repeat.
                let receipt_id = ReceiptId(1_000 * (round + 1) + origin.value());
                let receipt = Receipt { receipt_id, message_ids };
                self.say_honestly(conn, user, Some(origin), &receipt.emit());
            }
        }
        let receipts = held.iter().filter(|key| key.kind == ItemKind::Receipt);
        let items: Vec<_> = receipts.map(|key| (key.origin, ReceiptId(key.id))).collect();
        if !items.is_empty() {
            let taken = null_crypto::seal(ReceiptsTaken { items }.emit().expose());
            self.say_honestly(conn, user, None, &taken);
        }
    }

    fn say_honestly(&mut self, conn: ConnId, user: UserId, to: Option<UserId>, payload: &[u8]) {
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
            let Deadline { at, .. } = self.machine.deadline().expect("a stop comes to its end");
            self.advance_to(at);
        }
    }
}

/// Rounds of work until the server must be at rest: what it holds goes out three at a time.
const MAX_ROUNDS: u64 = 200;
