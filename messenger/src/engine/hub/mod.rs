//! What the thread of outputs shares with everybody who waits for them.
//!
//! | file | content |
//! |---|---|
//! | `watch` | waiting for notices of the machine |
//! | `seats` | whoever calls methods, and what displays are told |
//! | `subscriptions` | consumers: what was sent to them, and when there is more |

mod seats;
mod subscriptions;
mod watch;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::mpsc::{Sender, SyncSender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use sealpost_core::client::Notice;
use sealpost_core::ids::EndpointIndex;

use super::clock;
use crate::api::{Changed, Connection, EndReason, Notification, ReceiveEnded};
pub(super) use watch::{Vain, Watch, deadline_in};

/// The state of the engine outside its machine and its store.
#[derive(Debug)]
pub(in crate::engine) struct Hub {
    state: Mutex<State>,
    /// Something arrived, or a subscription ended.
    moved: Condvar,
}

#[derive(Debug)]
struct State {
    connection: Connection,
    /// The server of the last session.
    endpoint: Option<EndpointIndex>,
    /// Why the server could not be reached the last time.
    unreachable: Option<String>,
    /// Whoever waits for notices. Empty once the engine has stopped.
    watches: BTreeMap<u64, Sender<Arc<Notice>>>,
    /// Whoever calls methods. Empty once the engine has stopped.
    seats: BTreeMap<u64, Seat>,
    /// The current subscription of each consumer.
    consumers: BTreeMap<String, Subscription>,
    /// Place of the last item of the inbox that consumers may see.
    arrived: u64,
    next: u64,
    has_stopped: bool,
}

/// Somebody who calls methods.
#[derive(Debug)]
struct Seat {
    notifications: SyncSender<Notification>,
    /// Whether it is told what changed.
    is_display: bool,
    /// *Caught up*, which it is told after the messages that its consumers get.
    caught_up: Option<Connection>,
}

#[derive(Debug)]
struct Subscription {
    number: u64,
    seat: u64,
    /// Everything up to this place was sent.
    sent: u64,
    /// Places of what was sent and not acknowledged, in order.
    unacknowledged: VecDeque<u64>,
}

impl Hub {
    pub(in crate::engine) fn new(arrived: u64) -> Self {
        let connection = Connection::Connecting { since: clock::now() };
        let state = State {
            connection,
            endpoint: None,
            unreachable: None,
            watches: BTreeMap::new(),
            seats: BTreeMap::new(),
            consumers: BTreeMap::new(),
            arrived,
            next: 0,
            has_stopped: false,
        };
        Self { state: Mutex::new(state), moved: Condvar::new() }
    }

    pub(in crate::engine) fn connection(&self) -> Connection {
        self.lock().connection.clone()
    }

    /// The server that the session is with; `None` without a session.
    pub(in crate::engine) fn endpoint(&self) -> Option<EndpointIndex> {
        let state = self.lock();
        state.endpoint.filter(|_| matches!(state.connection, Connection::Online { .. }))
    }

    /// Remembers with which server a session begins.
    pub(in crate::engine) fn note_endpoint(&self, endpoint: EndpointIndex) {
        self.lock().endpoint = Some(endpoint);
    }

    /// Whether there is no session, and the client does not try to begin one.
    pub(in crate::engine) fn has_given_up(&self) -> bool {
        matches!(self.lock().connection, Connection::Offline { next_attempt: None, .. })
    }

    /// Why there is no session: a colon and the reason, or nothing if there is one.
    pub(in crate::engine) fn trouble(&self) -> String {
        match &self.lock().connection {
            Connection::Offline { reason, .. } => format!(": {reason}"),
            Connection::Connecting { .. } | Connection::Online { .. } => String::new(),
        }
    }

    pub(in crate::engine) fn set_connection(&self, connection: &Connection) {
        let mut state = self.lock();
        state.connection = connection.clone();
        let is_caught_up = matches!(connection, Connection::Online { waiting: None, .. });
        for seat in state.seats.values_mut() {
            seat.caught_up = (is_caught_up && seat.is_display).then(|| connection.clone());
        }
        if is_caught_up {
            self.tell_caught_up(state);
        } else {
            drop(state);
            self.show(&Changed::Connection { connection: connection.clone() });
        }
    }

    /// Tells whoever has everything that arrived that nothing more waits at the server.
    fn tell_caught_up(&self, mut state: MutexGuard<'_, State>) {
        if state.tell_caught_up() == Seats::Lost {
            self.moved.notify_all();
        }
    }

    /// Remembers why the server can't be reached, until [`take_unreachable`](Self::take_unreachable).
    pub(in crate::engine) fn note_unreachable(&self, reason: String) {
        self.lock().unreachable = Some(reason);
    }

    pub(in crate::engine) fn take_unreachable(&self) -> Option<String> {
        self.lock().unreachable.take()
    }

    /// The engine has stopped: nobody waits any more.
    pub(in crate::engine) fn stop(&self) {
        let mut state = self.lock();
        state.has_stopped = true;
        state.watches.clear();
        state.seats.clear();
        state.consumers.clear();
        self.moved.notify_all();
    }

    pub(in crate::engine) fn has_stopped(&self) -> bool {
        self.lock().has_stopped
    }

    /// Waits until the engine has stopped.
    pub(in crate::engine) fn wait_for_the_end(&self) {
        let mut state = self.lock();
        while !state.has_stopped {
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that holds the lock can leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Tells a seat that a subscription has ended. One that does not keep up loses its seat.
    fn tell_end(&mut self, seat: u64, consumer: &str, reason: EndReason) {
        let ended = ReceiveEnded { consumer: consumer.to_owned(), reason };
        if let Some(held) = self.seats.get(&seat)
            && held.notifications.try_send(Notification::ReceiveEnded(ended)).is_err()
        {
            self.seats.remove(&seat);
            self.end_of_seats();
        }
    }

    /// Tells the seats that wait for it, and whose consumers were sent everything that arrived, that they
    /// have caught up.
    fn tell_caught_up(&mut self) -> Seats {
        let is_behind = |subscription: &&Subscription| subscription.sent < self.arrived;
        let behind: BTreeSet<u64> = self
            .consumers
            .values()
            .filter(is_behind)
            .map(|subscription| subscription.seat)
            .collect();
        let before = self.seats.len();
        self.seats.retain(|number, seat| {
            let Some(connection) = seat.caught_up.take_if(|_| !behind.contains(number)) else {
                return true;
            };
            let changed = Notification::Changed(Changed::Connection { connection });
            seat.notifications.try_send(changed).is_ok()
        });
        if self.seats.len() == before {
            return Seats::Kept;
        }
        self.end_of_seats();
        Seats::Lost
    }

    /// Ends the subscriptions of seats that are gone.
    fn end_of_seats(&mut self) {
        let seats = &self.seats;
        self.consumers.retain(|_, subscription| seats.contains_key(&subscription.seat));
    }

    fn number(&mut self) -> u64 {
        self.next = self.next.saturating_add(1);
        self.next
    }
}

/// Whether seats did not keep up and were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seats {
    Kept,
    Lost,
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn caught_up_comes_after_what_consumers_are_sent() {
        let hub = Arc::new(Hub::new(0));
        let (sender, notifications) = mpsc::sync_channel(10);
        let seat = hub.enter(sender);
        hub.make_display(seat);
        let (number, _) = hub.subscribe(seat, "bot").unwrap();
        hub.arrived(5);
        let connection = Connection::Online { since: clock::now(), waiting: None };
        hub.set_connection(&connection);
        assert!(notifications.try_recv().is_err(), "what arrived was not sent yet");
        let waiting = Arc::clone(&hub);
        let pump = thread::spawn(move || waiting.wait("bot", number, 5));
        let told = notifications.recv_timeout(Duration::from_mins(1)).unwrap();
        assert_eq!(told, Notification::Changed(Changed::Connection { connection }));
        hub.stop();
        assert_eq!(pump.join().unwrap(), None);
    }

    #[test]
    fn caught_up_comes_at_once_to_whoever_has_no_consumer_and_when_one_ends() {
        let hub = Hub::new(0);
        let [(all, without), (some, with)] = [(); 2].map(|()| mpsc::sync_channel(10));
        let [_, seat] = [all, some].map(|sender| {
            let seat = hub.enter(sender);
            hub.make_display(seat);
            seat
        });
        hub.subscribe(seat, "bot").unwrap();
        hub.arrived(5);
        hub.set_connection(&Connection::Online { since: clock::now(), waiting: None });
        assert!(without.try_recv().is_ok() && with.try_recv().is_err());
        hub.unsubscribe("bot", Some(seat));
        assert!(with.try_recv().is_ok());
    }
}
