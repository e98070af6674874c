//! Access to the store of a running host from other threads.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

use sealpost_storage::Storage;

use super::commit_times::CommitTimes;
use super::storage_thread::Queue;

/// Reaches the store of a running host from another thread. Cheap to clone.
pub struct StoreHandle<S: Storage> {
    queue: Arc<Queue<S::Op>>,
    visits: Sender<Visit<S>>,
}

/// Work on the store that is done between two commits.
pub(super) type Visit<S> = Box<dyn FnOnce(&mut S) + Send>;

/// The visits on their way to the storage thread. Its end drops them, which tells those who wait.
pub(super) type Visits<S> = Receiver<Visit<S>>;

impl<S: Storage> StoreHandle<S> {
    pub(super) fn new(queue: Arc<Queue<S::Op>>) -> (Self, Visits<S>) {
        let (visits, theirs) = mpsc::channel();
        (Self { queue, visits }, theirs)
    }

    /// Has `visit` run with the store, on its thread, between two commits. Its result arrives in
    /// the receiver, which is disconnected without a result if the host has ended.
    ///
    /// No commit begins before `visit` has returned, so it must be short: long work is cut into
    /// several visits. Visits take turns with commits.
    pub fn with_store<R: Send + 'static>(
        &self,
        visit: impl FnOnce(&mut S) -> R + Send + 'static,
    ) -> Receiver<R> {
        let (answer, answered) = mpsc::channel();
        let visit = move |store: &mut S| {
            // Nobody may wait for the result any more.
            let _ = answer.send(visit(store));
        };
        if self.visits.send(Box::new(visit)).is_ok() {
            self.queue.announce_visit();
        }
        answered
    }

    /// Number of requests that wait for the next commit.
    pub fn waiting_requests(&self) -> usize {
        self.queue.waiting_requests()
    }

    /// How long the commits so far took.
    pub fn commit_times(&self) -> CommitTimes {
        self.queue.commit_times()
    }
}

impl<S: Storage> Clone for StoreHandle<S> {
    fn clone(&self) -> Self {
        Self { queue: Arc::clone(&self.queue), visits: self.visits.clone() }
    }
}

impl<S: Storage> fmt::Debug for StoreHandle<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreHandle")
    }
}
