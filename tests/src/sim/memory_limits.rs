//! What the server may hold in memory: its limits, and what one input brings over them before
//! reading pauses.

use sealpost_core::server::Held;
use sealpost_core::server::limits::Limits;
use sealpost_core::wire::{Packet, Receipt, SIGNATURE_LEN};

use super::plan::Settings;
use super::world::World;

/// Inputs from one look to the next: to look at everything costs more than most inputs.
pub(super) const EVERY: u64 = 16;

impl World {
    /// Holds what the server has in memory against its limits.
    pub(super) fn check_held(&mut self) {
        let Some(server) = &self.server.machine else { return };
        let held = server.held();
        let limits = self.env.settings.server_limits();
        if let Some(what) = excess(&held, &limits, &self.env.settings) {
            self.env.violate(|| format!("the server holds too much: {what}"));
        }
    }

    /// Once everything has arrived, nothing is held beside the connections.
    pub(super) fn check_nothing_held(&mut self) {
        let Some(server) = &self.server.machine else { return };
        let held = server.held();
        let expected = Held {
            otps: held.otps,
            remembered: held.remembered,
            // What came to its end in another way than by being repeated; until the session ends.
            refused: held.refused,
            ..Held::default()
        };
        if held != expected {
            self.env.violate(|| format!("the server at rest holds {held:?}"));
        }
    }
}

/// What there is too much of.
fn excess(held: &Held, limits: &Limits, settings: &Settings) -> Option<String> {
    // Reading pauses after an input: the packets of one piece come in addition.
    let piece = 1 + settings.piece / SIGNATURE_LEN;
    let checks = limits.checks_per_conn + piece;
    let in_flight = limits.in_flight_items.max(limits.drain_items as usize);
    // What readers hold in memory alone goes to the store when they leave; the attacker is one.
    let readers = settings.clients + 1;
    let unstored = limits.unstored_per_user + checks + readers * in_flight;
    let bytes = limits.in_flight_bytes.max(limits.drain_bytes as usize);
    let bounds = [
        ("bytes of an incomplete packet", held.incomplete_bytes, Packet::MAX_LEN),
        ("requests that wait", held.waiting_requests, limits.waiting_requests),
        ("packets being checked", held.checks, checks),
        ("answers being made", held.replies, limits.replies_per_conn + checks + unstored),
        ("messages refused", held.refused, limits.refused_messages),
        ("packets that wait for the store", held.unstored, unstored),
        ("items in flight", held.in_flight_items, in_flight),
        ("bytes in flight", held.in_flight_bytes, bytes + Packet::MAX_LEN),
        ("acknowledged items", held.deferred, limits.in_flight_items + 2 * Receipt::MAX_ITEMS),
        ("one-time passwords", held.otps, limits.otps),
        ("addresses and phones", held.remembered, limits.remembered),
    ];
    let over = bounds.into_iter().find(|(_, count, most)| count > most);
    over.map(|(what, count, most)| format!("{count} {what}, at most {most}"))
}
