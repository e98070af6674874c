//! What is to happen, and when: one queue for the whole world.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use sealpost_core::time::Mono;

/// Appointments by time; those of one moment, in the order in which they were made.
#[derive(Debug)]
pub(super) struct Agenda<T> {
    now: Mono,
    made: u64,
    queue: BinaryHeap<Reverse<Appointment<T>>>,
}

#[derive(Debug)]
struct Appointment<T> {
    at: Mono,
    number: u64,
    what: T,
}

impl<T> Agenda<T> {
    pub(super) const fn new() -> Self {
        Self { now: Mono(0), made: 0, queue: BinaryHeap::new() }
    }

    /// The time of what happened last.
    pub(super) const fn now(&self) -> Mono {
        self.now
    }

    /// Makes an appointment, not before now.
    pub(super) fn at(&mut self, at: Mono, what: T) {
        self.made += 1;
        self.queue.push(Reverse(Appointment { at: at.max(self.now), number: self.made, what }));
    }

    /// Makes an appointment so many microseconds from now.
    pub(super) fn after(&mut self, micros: u64, what: T) {
        self.at(Mono(self.now.0.saturating_add(micros)), what);
    }

    /// Goes on to the next appointment, if it is due by then; else to that moment.
    pub(super) fn next_until(&mut self, end: Mono) -> Option<T> {
        if self.queue.peek().is_none_or(|Reverse(next)| next.at > end) {
            self.now = self.now.max(end);
            return None;
        }
        let Reverse(Appointment { at, what, .. }) = self.queue.pop()?;
        self.now = at;
        Some(what)
    }
}

impl<T> Ord for Appointment<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl<T> PartialOrd for Appointment<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Appointment<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for Appointment<T> {}
