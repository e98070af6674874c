//! Consumers: what was sent to them, and when there is more.

use std::collections::VecDeque;
use std::sync::PoisonError;
use std::sync::mpsc::SyncSender;

use super::{Hub, Seats, Subscription};
use crate::api::{EndReason, Notification};

impl Hub {
    /// Lets consumers see the inbox up to this place.
    pub(in crate::engine) fn arrived(&self, place: u64) {
        let mut state = self.lock();
        state.arrived = state.arrived.max(place);
        self.moved.notify_all();
    }

    pub(in crate::engine) fn arrived_up_to(&self) -> u64 {
        self.lock().arrived
    }

    /// Makes a subscription of a seat the current one of a consumer. Returns its number, and where its
    /// notifications go; `None` if there are too many.
    pub(in crate::engine) fn subscribe(
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
    pub(in crate::engine) fn unsubscribe(&self, consumer: &str, by: Option<u64>) {
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
    pub(in crate::engine) fn fail(&self, consumer: &str, number: u64) {
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
    pub(in crate::engine) fn acknowledged(&self, consumer: &str, up_to: u64) {
        let mut state = self.lock();
        if let Some(subscription) = state.consumers.get_mut(consumer) {
            subscription.unacknowledged.retain(|place| *place > up_to);
        }
        self.moved.notify_all();
    }

    /// Records that something is sent to a consumer.
    pub(in crate::engine) fn sending(&self, consumer: &str, number: u64, place: u64) {
        let mut state = self.lock();
        if let Some(subscription) = state.consumers.get_mut(consumer)
            && subscription.number == number
        {
            subscription.unacknowledged.push_back(place);
        }
    }

    /// Waits until something after a place is there. Returns how much of it may be sent, or `None` if
    /// another subscription took the place of this one, or the engine has stopped.
    pub(in crate::engine) fn wait(&self, consumer: &str, number: u64, after: u64) -> Option<usize> {
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
}

/// Most consumers with a subscription at once.
const SUBSCRIPTIONS_MAX: usize = 64;
/// What is sent to a consumer before it acknowledges.
const WINDOW: usize = 100;
