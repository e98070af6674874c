//! One-time passwords that wait to be delivered.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sealpost_core::server::OtpDelivery;

/// A bounded queue that can be closed.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    waiting: VecDeque<OtpDelivery>,
    closed: bool,
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
        let state = State { waiting: VecDeque::new(), closed: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Adds a password, and returns whether there was room for it.
    pub(super) fn push(&self, delivery: OtpDelivery) -> bool {
        let mut state = self.lock();
        let room = state.waiting.len() < CAPACITY;
        if room {
            state.waiting.push_back(delivery);
            self.changed.notify_one();
        }
        room
    }

    /// Waits for the next password. Returns `None` once the queue is closed, even if it still holds
    /// passwords.
    pub(super) fn next(&self) -> Option<OtpDelivery> {
        let empty = |state: &mut State| state.waiting.is_empty() && !state.closed;
        let state = self.changed.wait_while(self.lock(), empty);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if state.closed { None } else { state.waiting.pop_front() }
    }

    /// Waits for a time, or until the queue is closed.
    pub(super) fn wait(&self, time: Duration) -> Waited {
        let waited = self.changed.wait_timeout_while(self.lock(), time, |state| !state.closed);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.closed { Waited::Closed } else { Waited::Elapsed }
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Most passwords that wait. A courier that is further behind would deliver expired passwords.
const CAPACITY: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::couriers::example;

    #[test]
    fn full_queue_takes_no_more() {
        let queue = Queue::new();
        for _ in 0..CAPACITY {
            assert!(queue.push(example()));
        }
        assert!(!queue.push(example()));
        assert_eq!(queue.next(), Some(example()));
        assert!(queue.push(example()));
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
