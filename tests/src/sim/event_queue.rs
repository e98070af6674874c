//! The simulator's event queue, shared by every process and link.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use sealpost_core::time::Mono;

/// Future events ordered by time. Events due at the same moment keep the order in which they were
/// scheduled.
#[derive(Debug)]
pub(super) struct EventQueue<T> {
    now: Mono,
    /// Number of events scheduled so far: the tie-breaker that keeps a run deterministic.
    scheduled: u64,
    heap: BinaryHeap<Reverse<Scheduled<T>>>,
}

#[derive(Debug)]
struct Scheduled<T> {
    at: Mono,
    sequence: u64,
    event: T,
}

impl<T> EventQueue<T> {
    pub(super) const fn new() -> Self {
        Self { now: Mono(0), scheduled: 0, heap: BinaryHeap::new() }
    }

    /// Current simulated time: that of the event popped last.
    pub(super) const fn now(&self) -> Mono {
        self.now
    }

    /// Schedules an event. An event in the past is due now.
    pub(super) fn schedule_at(&mut self, at: Mono, event: T) {
        self.scheduled += 1;
        let at = at.max(self.now);
        self.heap.push(Reverse(Scheduled { at, sequence: self.scheduled, event }));
    }

    /// Schedules an event `micros` microseconds from now.
    pub(super) fn schedule_after(&mut self, micros: u64, event: T) {
        self.schedule_at(Mono(self.now.0.saturating_add(micros)), event);
    }

    /// Pops the next event due by `end` and moves the time to it. With no such event, moves the
    /// time to `end`.
    pub(super) fn pop_until(&mut self, end: Mono) -> Option<T> {
        if self.heap.peek().is_none_or(|Reverse(next)| next.at > end) {
            self.now = self.now.max(end);
            return None;
        }
        let Reverse(Scheduled { at, event, .. }) = self.heap.pop()?;
        self.now = at;
        Some(event)
    }
}

impl<T> Ord for Scheduled<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

impl<T> PartialOrd for Scheduled<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Scheduled<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for Scheduled<T> {}
