//! Checks what the server holds in memory. The bounds are its limits, plus what one input may add
//! before reading pauses.

use sealpost_core::server::limits::{Limits, packet_memory};
use sealpost_core::server::{Held, Totals};
use sealpost_core::wire::{Packet, SIGNATURE_LEN};

use super::settings::Settings;
use super::world::World;

/// Inputs between two checks. A check costs more than most inputs.
pub(super) const CHECK_INTERVAL: u64 = 16;

impl World {
    /// Checks what a server holds in memory against its limits.
    pub(super) fn check_held(&mut self, server: usize) {
        let Some(server) = &self.servers[server].machine else { return };
        let held = server.held();
        let limits = self.env.settings.server_limits();
        if let Some(what) = excess(&held, &limits, &self.env.settings) {
            self.env.violate(|| format!("the server exceeds a limit: {what}"));
        }
    }

    /// Checks that at rest the servers hold nothing but their connections.
    pub(super) fn check_nothing_held(&mut self) {
        for index in 0..self.servers.len() {
            self.check_nothing_held_by(index);
        }
    }

    fn check_nothing_held_by(&mut self, server: usize) {
        let Some(server) = &self.servers[server].machine else { return };
        let held = server.held();
        let expected = Held {
            otps: held.otps,
            remembered: held.remembered,
            strangers: held.strangers,
            // Refused messages that were given up or delivered instead of repeated are remembered
            // until the session ends.
            refused: held.refused,
            totals: Totals {
                connection_bytes: if held.refused == 0 { 0 } else { held.totals.connection_bytes },
                ..Totals::default()
            },
            ..Held::default()
        };
        if held != expected {
            self.env.violate(|| format!("the server at rest holds {held:?}"));
        }
    }
}

/// Describes the first bound that is exceeded.
fn excess(held: &Held, limits: &Limits, settings: &Settings) -> Option<String> {
    // Reading pauses only after an input, so the packets of one piece come on top of the limit.
    let piece = 1 + settings.piece / SIGNATURE_LEN;
    let checks = limits.checks_per_conn + piece;
    let in_flight = limits.in_flight_items.max(limits.drain_items as usize);
    // Items in flight to recipients that leave wait for the store, too. Mallory and the greedy users
    // are among them.
    let recipients = settings.clients + settings.greedy + 1;
    let unstored = limits.unstored_per_user + checks + recipients * in_flight;
    let bytes = limits.in_flight_bytes.max(limits.drain_bytes as usize) + Packet::MAX_LEN;
    // One input more may arrive before reading pauses.
    let input = settings.piece + Packet::MAX_LEN;
    let spilled = recipients * bytes;
    let window = bytes + in_flight * packet_memory(0);
    // Each request that was admitted may lead to an answer, which is not refused.
    let stranger_jobs = 2 * limits.stranger_jobs;
    let bounds = [
        ("bytes of an incomplete packet", held.incomplete_bytes, Packet::MAX_LEN),
        ("bytes over the rate", held.unread_bytes, limits.unread_bytes),
        ("connections without a session", held.strangers, limits.strangers),
        ("jobs for strangers", held.stranger_jobs, stranger_jobs),
        ("waiting requests", held.waiting_requests, limits.waiting_requests),
        ("packets being verified", held.checks, checks),
        ("replies being signed", held.replies, limits.replies_per_conn + checks + unstored),
        ("refused messages", held.refused, limits.refused_messages),
        ("packets waiting for the store", held.unstored, unstored),
        ("items in flight", held.in_flight_items, in_flight),
        ("bytes in flight", held.in_flight_bytes, bytes),
        (
            "bytes in flight to all",
            held.totals.in_flight_bytes,
            // Over the total, everyone keeps a fair share: those who hold less together as much again.
            // Each share is passed by an item, and the window that passes the total may be a whole one.
            2 * limits.in_flight_bytes_in_all
                + recipients * packet_memory(Packet::MAX_LEN)
                + window,
        ),
        ("bytes of a sender", held.sender_bytes, limits.held_bytes + input + spilled),
        (
            "bytes of all senders",
            held.totals.sender_bytes,
            // At twice the total no packet is taken, but what leaves a window waits for the store.
            2 * limits.held_bytes_in_all + packet_memory(Packet::MAX_LEN) + recipients * window,
        ),
        (
            "bytes of all connections",
            held.totals.connection_bytes,
            limits.connection_bytes_in_all + input + window,
        ),
        (
            "deferred acknowledgements",
            held.deferred,
            // As many items that are not in flight may be named as others.
            2 * in_flight,
        ),
        ("one-time passwords", held.otps, limits.otps),
        ("deliveries of one-time passwords", held.deliveries, limits.otps),
        ("remembered addresses and users", held.remembered, limits.remembered),
    ];
    let over = bounds.into_iter().find(|(_, count, most)| count > most);
    over.map(|(what, count, most)| format!("{count} {what}, at most {most}"))
}
