//! A server under siege: ordinary users, whom it must serve, and attackers, whom it must bear.
//!
//! - `cast`: who takes part.
//! - `party`: one ordinary user, who comes back whenever the connection is lost.
//! - `letters`: what one ordinary user writes to another, and what became of it.
//! - `pair`: one who writes and one who reads.
//! - `phase`: latencies in a part of the siege.
//! - `town`: all ordinary users, on one thread.
//! - `attacker`: the contract of an attacker, and what it did.
//! - `greedy`, `tactics`: attackers with an account.
//! - `stranger`: attackers without one.
//! - `horde`: many attackers, on one thread.
//! - `footprint`: what the server takes of memory and disk.
//! - `report`: what came of it, and the floors that a good server reaches.

mod attacker;
pub(crate) mod cast;
pub(crate) mod footprint;
pub(crate) mod greedy;
pub(crate) mod horde;
mod letters;
mod pair;
mod party;
mod phase;
pub(crate) mod report;
pub(crate) mod stranger;
mod tactics;
pub(crate) mod town;

use std::net::Ipv4Addr;

/// Local address of an ordinary user or an attacker. Everybody who is under siege has one of their
/// own: the server limits what one address may do.
pub(crate) fn source(network: u8, index: usize) -> Ipv4Addr {
    let [.., high, low] = (index + 1).to_be_bytes();
    Ipv4Addr::new(127, network, high, low)
}

/// Second bytes of the addresses of ordinary users, users with an account who attack, and
/// strangers.
pub(crate) const ORDINARY: u8 = 2;
pub(crate) const GREEDY: u8 = 3;
pub(crate) const STRANGERS: u8 = 4;
