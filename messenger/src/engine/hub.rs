//! What the thread of outputs shares with everybody who waits for them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sealpost_core::client::Notice;

use super::clock;
use crate::api::{Changed, Connection, EndReason, Notification, ReceiveEnded};

/// The state of the engine outside its machine and its store.
#[derive(Debug)]
pub(super) struct Hub {
    state: Mutex<State>,
    /// Something arrived, or a subscription ended.
    moved: Condvar,
}

#[derive(Debug)]
struct State {
    connection: Connection,
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

/// Receives every notice until it is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    hub: Arc<Hub>,
    number: u64,
    notices: Receiver<Arc<Notice>>,
}

impl Hub {
    pub(super) fn new(arrived: u64) -> Self {
        let connection = Connection::Connecting { since: clock::now() };
        let state = State {
            connection,
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

    /// Passes a notice on to everybody who waits for one.
    pub(super) fn tell(&self, notice: Notice) {
        let notice = Arc::new(notice);
        self.lock().watches.retain(|_, watch| watch.send(Arc::clone(&notice)).is_ok());
    }

    /// Passes a change on to displays. One that does not keep up loses its seat.
    pub(super) fn show(&self, changed: &Changed) {
        let mut state = self.lock();
        let before = state.seats.len();
        state.seats.retain(|_, seat| {
            !seat.is_display
                || seat.notifications.try_send(Notification::Changed(changed.clone())).is_ok()
        });
        if state.seats.len() < before {
            state.end_of_seats();
            self.moved.notify_all();
        }
    }

    /// Whether anybody is told what changed.
    pub(super) fn has_displays(&self) -> bool {
        self.lock().seats.values().any(|seat| seat.is_display)
    }

    /// Begins to watch notices. What is commanded later is answered to the watch.
    pub(super) fn watch(self: &Arc<Self>) -> Watch {
        let (sender, notices) = mpsc::channel();
        let mut state = self.lock();
        let number = state.number();
        if !state.has_stopped {
            state.watches.insert(number, sender);
        }
        Watch { hub: Arc::clone(self), number, notices }
    }

    /// Gives somebody a seat, to which notifications go. Its channel is closed when it is lost.
    pub(super) fn enter(&self, notifications: SyncSender<Notification>) -> u64 {
        let mut state = self.lock();
        let number = state.number();
        if !state.has_stopped {
            state.seats.insert(number, Seat { notifications, is_display: false, caught_up: None });
        }
        number
    }

    /// Gives up a seat, and ends its subscriptions.
    pub(super) fn leave(&self, seat: u64) {
        let mut state = self.lock();
        state.seats.remove(&seat);
        state.end_of_seats();
        self.moved.notify_all();
    }

    /// Begins to tell a seat what changed.
    pub(super) fn make_display(&self, seat: u64) {
        if let Some(seat) = self.lock().seats.get_mut(&seat) {
            seat.is_display = true;
        }
    }

    pub(super) fn connection(&self) -> Connection {
        self.lock().connection.clone()
    }

    /// Whether there is no session, and the client does not try to begin one.
    pub(super) fn has_given_up(&self) -> bool {
        matches!(self.lock().connection, Connection::Offline { next_attempt: None, .. })
    }

    /// Why there is no session: a colon and the reason, or nothing if there is one.
    pub(super) fn trouble(&self) -> String {
        match &self.lock().connection {
            Connection::Offline { reason, .. } => format!(": {reason}"),
            Connection::Connecting { .. } | Connection::Online { .. } => String::new(),
        }
    }

    pub(super) fn set_connection(&self, connection: &Connection) {
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
    pub(super) fn note_unreachable(&self, reason: String) {
        self.lock().unreachable = Some(reason);
    }

    pub(super) fn take_unreachable(&self) -> Option<String> {
        self.lock().unreachable.take()
    }

    /// Lets consumers see the inbox up to this place.
    pub(super) fn arrived(&self, place: u64) {
        let mut state = self.lock();
        state.arrived = state.arrived.max(place);
        self.moved.notify_all();
    }

    pub(super) fn arrived_up_to(&self) -> u64 {
        self.lock().arrived
    }

    /// Makes a subscription of a seat the current one of a consumer. Returns its number, and where its
    /// notifications go; `None` if there are too many.
    pub(super) fn subscribe(
        &self,
        seat: u64,
        consumer: &str,
    ) -> Option<(u64, SyncSender<Notification>)> {
        let mut state = self.lock();
        if state.consumers.len() >= SUBSCRIPTIONS_MAX && !state.consumers.contains_key(consumer) {
            return None;
        }
        let notifications = state.seats.get(&seat)?.notifications.clone();
        let number = state.number();
        let subscription = Subscription { number, seat, sent: 0, unacknowledged: VecDeque::new() };
        let before = state.consumers.insert(consumer.to_owned(), subscription);
        if let Some(before) = before.filter(|before| before.seat != seat) {
            state.tell_end(before.seat, consumer, EndReason::TakenOver);
        }
        state.tell_caught_up();
        self.moved.notify_all();
        Some((number, notifications))
    }

    /// Ends the subscription of a consumer, at the request of a seat, which is not told.
    pub(super) fn unsubscribe(&self, consumer: &str, by: Option<u64>) {
        let mut state = self.lock();
        if let Some(ended) = state.consumers.remove(consumer)
            && Some(ended.seat) != by
        {
            state.tell_end(ended.seat, consumer, EndReason::Unsubscribed);
        }
        state.tell_caught_up();
        self.moved.notify_all();
    }

    /// Ends a subscription that can't be served, unless another one has taken its place.
    pub(super) fn fail(&self, consumer: &str, number: u64) {
        let mut state = self.lock();
        if let Some(current) = state.consumers.get(consumer)
            && current.number == number
        {
            let seat = current.seat;
            state.consumers.remove(consumer);
            state.tell_end(seat, consumer, EndReason::Failed);
            self.tell_caught_up(state);
        }
    }

    /// Records what a consumer has acknowledged, so that more is sent to it.
    pub(super) fn acknowledged(&self, consumer: &str, up_to: u64) {
        let mut state = self.lock();
        if let Some(subscription) = state.consumers.get_mut(consumer) {
            subscription.unacknowledged.retain(|place| *place > up_to);
        }
        self.moved.notify_all();
    }

    /// Records that something is sent to a consumer.
    pub(super) fn sending(&self, consumer: &str, number: u64, place: u64) {
        let mut state = self.lock();
        if let Some(subscription) = state.consumers.get_mut(consumer)
            && subscription.number == number
        {
            subscription.unacknowledged.push_back(place);
        }
    }

    /// Waits until something after a place is there. Returns how much of it may be sent, or `None` if
    /// another subscription took the place of this one, or the engine has stopped.
    pub(super) fn wait(&self, consumer: &str, number: u64, after: u64) -> Option<usize> {
        let mut state = self.lock();
        loop {
            let subscription = state.consumers.get_mut(consumer)?;
            if subscription.number != number {
                return None;
            }
            subscription.sent = after;
            let room = WINDOW.saturating_sub(subscription.unacknowledged.len());
            if state.arrived > after && room > 0 {
                return Some(room);
            }
            if state.tell_caught_up() == Seats::Lost {
                self.moved.notify_all();
                continue;
            }
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The engine has stopped: nobody waits any more.
    pub(super) fn stop(&self) {
        let mut state = self.lock();
        state.has_stopped = true;
        state.watches.clear();
        state.seats.clear();
        state.consumers.clear();
        self.moved.notify_all();
    }

    pub(super) fn has_stopped(&self) -> bool {
        self.lock().has_stopped
    }

    /// Waits until the engine has stopped.
    pub(super) fn wait_for_the_end(&self) {
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

/// How waiting ended without what was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Vain {
    TimedOut,
    Stopped,
}

impl Watch {
    /// Waits until `pick` returns something for a notice, at most until `deadline`.
    pub(super) fn until<T>(
        &self,
        deadline: Instant,
        mut pick: impl FnMut(&Notice) -> Option<T>,
    ) -> Result<T, Vain> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let notice = self.notices.recv_timeout(left).map_err(|error| match error {
                RecvTimeoutError::Timeout => Vain::TimedOut,
                RecvTimeoutError::Disconnected => Vain::Stopped,
            })?;
            if let Some(picked) = pick(&notice) {
                return Ok(picked);
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.hub.lock().watches.remove(&self.number);
    }
}

/// The time that is `seconds` from now.
pub(super) fn deadline_in(seconds: u32) -> Instant {
    Instant::now() + Duration::from_secs(u64::from(seconds))
}

/// Most consumers with a subscription at once.
const SUBSCRIPTIONS_MAX: usize = 64;
/// What is sent to a consumer before it acknowledges.
const WINDOW: usize = 100;

#[cfg(test)]
mod tests {
    use std::thread;

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
