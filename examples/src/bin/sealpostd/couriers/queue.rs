//! One-time passwords that wait to be delivered.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sealpost_core::server::OtpDelivery;

/// A bounded queue that can be closed. The places from which passwords were requested take turns, so
/// that somebody who requests many does not hold up the others.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// For each place the passwords that wait, at least one.
    waiting: BTreeMap<Place, VecDeque<OtpDelivery>>,
    /// Every place with a password that waits, once, in the order of turns.
    turns: VecDeque<Place>,
    len: usize,
    closed: bool,
    finishing: bool,
}

/// The addresses that one person can be expected to have: one of IPv4, a /64 network of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    V4(Ipv4Addr),
    V6([u16; 4]),
}

/// Result of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waited {
    /// The time has passed.
    Elapsed,
    /// The queue was closed: give up.
    Closed,
}

impl Queue {
    pub(super) const fn new() -> Self {
        let state = State {
            waiting: BTreeMap::new(),
            turns: VecDeque::new(),
            len: 0,
            closed: false,
            finishing: false,
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Adds a password, and returns whether there was room for it: in all, for its place, and for
    /// its phone number.
    pub(super) fn push(&self, delivery: OtpDelivery) -> bool {
        let room = self.lock().push(delivery);
        if room {
            // A courier that waits before another attempt may be woken too, and waits on.
            self.changed.notify_all();
        }
        room
    }

    /// Waits for the next password. Returns `None` once the queue is closed, even if it still holds
    /// passwords.
    pub(super) fn next(&self) -> Option<OtpDelivery> {
        let empty = |state: &mut State| state.len == 0 && !state.closed && !state.finishing;
        let state = self.changed.wait_while(self.lock(), empty);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if state.closed { None } else { state.pop() }
    }

    /// Waits for a time, or until the queue is closed.
    pub(super) fn wait(&self, time: Duration) -> Waited {
        let waited = self.changed.wait_timeout_while(self.lock(), time, |state| !state.closed);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.closed { Waited::Closed } else { Waited::Elapsed }
    }

    /// Takes no more passwords. Those that wait are still delivered.
    pub(super) fn finish(&self) {
        self.lock().finishing = true;
        self.changed.notify_all();
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, delivery: OtpDelivery) -> bool {
        let mut all = self.waiting.values().flatten();
        if self.len >= CAPACITY || all.any(|other| other.phone == delivery.phone) {
            return false;
        }
        let place = Place::of(delivery.peer);
        let of_place = self.waiting.entry(place).or_default();
        if of_place.len() >= CAPACITY_OF_PLACE {
            return false;
        }
        if of_place.is_empty() {
            self.turns.push_back(place);
        }
        of_place.push_back(delivery);
        self.len += 1;
        true
    }

    fn pop(&mut self) -> Option<OtpDelivery> {
        let place = self.turns.pop_front()?;
        let of_place = self.waiting.get_mut(&place)?;
        let delivery = of_place.pop_front();
        if of_place.is_empty() {
            self.waiting.remove(&place);
        } else {
            self.turns.push_back(place);
        }
        self.len -= 1;
        delivery
    }
}

impl Place {
    fn of(peer: IpAddr) -> Self {
        match peer.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(network(address)),
        }
    }
}

fn network(address: Ipv6Addr) -> [u16; 4] {
    let [a, b, c, d, ..] = address.segments();
    [a, b, c, d]
}

/// Most passwords that wait. With every courier at its time-out, the last one is delivered while it
/// is still valid.
const CAPACITY: usize = 128;

/// Most passwords that wait for one place. Ample for people who share an address.
const CAPACITY_OF_PLACE: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::couriers::example;

    /// A password for the `phone`-th number, requested from the `host`-th address.
    fn delivery(host: u8, phone: usize) -> OtpDelivery {
        OtpDelivery {
            peer: Ipv4Addr::new(192, 0, 2, host).into(),
            phone: format!("+49151{phone:08}").parse().unwrap(),
            ..example()
        }
    }

    #[test]
    fn full_queue_takes_no_more() {
        let queue = Queue::new();
        for phone in 0..CAPACITY {
            let host = u8::try_from(phone / CAPACITY_OF_PLACE).unwrap();
            assert!(queue.push(delivery(host, phone)));
        }
        assert!(!queue.push(delivery(200, CAPACITY)));
        assert_eq!(queue.next(), Some(delivery(0, 0)));
        assert!(queue.push(delivery(200, CAPACITY)));
    }

    #[test]
    fn place_has_a_share_of_the_queue_and_a_phone_one_place_in_it() {
        let queue = Queue::new();
        for phone in 0..CAPACITY_OF_PLACE {
            assert!(queue.push(delivery(1, phone)));
        }
        assert!(!queue.push(delivery(1, 100)));
        assert!(queue.push(delivery(2, 100)));
        assert!(!queue.push(delivery(3, 100)), "it waits already");
    }

    #[test]
    fn places_take_turns() {
        let queue = Queue::new();
        for (host, phone) in [(1, 1), (1, 2), (1, 3), (2, 4), (3, 5), (3, 6)] {
            assert!(queue.push(delivery(host, phone)));
        }
        let order = [(1, 1), (2, 4), (3, 5), (1, 2), (3, 6), (1, 3)];
        for (host, phone) in order {
            assert_eq!(queue.next(), Some(delivery(host, phone)));
        }
    }

    #[test]
    fn place_is_an_address_of_ipv4_or_a_network_of_ipv6() {
        let place = |address: &str| Place::of(address.parse().unwrap());
        assert_eq!(place("192.0.2.1"), place("::ffff:192.0.2.1"));
        assert_ne!(place("192.0.2.1"), place("192.0.2.2"));
        assert_eq!(place("2001:db8::1"), place("2001:db8::ffff:1"));
        assert_ne!(place("2001:db8::1"), place("2001:db8:0:1::1"));
    }

    #[test]
    fn closed_queue_returns_nothing_and_ends_waits() {
        let queue = Queue::new();
        queue.push(example());
        queue.close();
        assert_eq!(queue.next(), None);
        assert_eq!(queue.wait(Duration::from_secs(1_000)), Waited::Closed);
    }
}
