//! Requests that a store carries out each for itself, until their outcomes are reported.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sealpost_core::ids::Ticket;

/// Reports outcomes, and knows which requests the store has begun and not finished.
pub(super) struct UnderWay<Outcome> {
    since: Mutex<BTreeMap<Ticket, Instant>>,
    is_over: Condvar,
    report: Mutex<Reporter<Outcome>>,
}

/// Takes outcomes out of a vector.
type Reporter<Outcome> = Box<dyn FnMut(&mut Vec<(Ticket, Outcome)>) + Send>;

impl<Outcome> UnderWay<Outcome> {
    pub(super) fn new(
        report: impl FnMut(&mut Vec<(Ticket, Outcome)>) + Send + 'static,
    ) -> Arc<Self> {
        let (since, is_over) = (Mutex::default(), Condvar::new());
        Arc::new(Self { since, is_over, report: Mutex::new(Box::new(report)) })
    }

    /// Lets requests begin, of which `begin` names those that the store does not commit. None of them
    /// ends before it is known.
    pub(super) fn begin_all(&self, now: Instant, begin: impl FnOnce(&mut dyn FnMut(Ticket))) {
        let mut since = self.since();
        begin(&mut |ticket| {
            since.insert(ticket, now);
        });
    }

    /// Reports the outcome of a request that has begun. Returns how long it took.
    pub(super) fn end(&self, ticket: Ticket, outcome: Outcome) -> Duration {
        let begin = self.since().get(&ticket).copied();
        self.report(&mut vec![(ticket, outcome)]);
        let mut since = self.since();
        since.remove(&ticket);
        if since.is_empty() {
            self.is_over.notify_all();
        }
        begin.map(|begin| begin.elapsed()).unwrap_or_default()
    }

    pub(super) fn report(&self, results: &mut Vec<(Ticket, Outcome)>) {
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        report(results);
    }

    /// Waits until no request is under way.
    pub(super) fn wait(&self) {
        let mut since = self.since();
        while !since.is_empty() {
            since = self.is_over.wait(since).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn since(&self) -> MutexGuard<'_, BTreeMap<Ticket, Instant>> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
