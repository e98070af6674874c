//! Control of a host from other threads.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};

use sealpost_core::frame::{Event, Machine};

use crate::threads::{Inbox, Mail};

/// Controls a host from another thread. Cheap to clone. Calls made after the host has returned
/// from `run` have no effect.
pub struct Handle<M: Machine> {
    inbox: Arc<Inbox<M>>,
    visits: Sender<Visit<M>>,
    queued_bytes: Arc<AtomicUsize>,
}

/// A look at the machine between two inputs.
pub(super) type Visit<M> = Box<dyn FnOnce(&M) + Send>;

impl<M: Machine> Handle<M> {
    pub(super) const fn new(
        inbox: Arc<Inbox<M>>,
        visits: Sender<Visit<M>>,
        queued_bytes: Arc<AtomicUsize>,
    ) -> Self {
        Self { inbox, visits, queued_bytes }
    }

    /// Stops the host gracefully, as a signal does. Further calls have no effect.
    pub fn stop(&self) {
        self.inbox.post(Mail::Stop);
    }

    /// Memory of everything that is queued for connections and that their peers have not read, in
    /// bytes, as of the last turn of the host.
    pub fn queued_bytes(&self) -> usize {
        self.queued_bytes.load(Ordering::Relaxed)
    }

    /// Gives the machine a command.
    pub fn command(&self, command: M::Command) {
        self.inbox.post(Mail::Event(Event::Command(command)));
    }

    /// Has `visit` look at the machine, on the reactor's thread, between two inputs. Its result
    /// arrives in the receiver, which is disconnected without a result if the host has ended. A
    /// visit before `run` waits for it. What this handle asked for earlier has reached the machine.
    ///
    /// No connection is served while `visit` runs, so it must be short.
    pub fn with_machine<R: Send + 'static>(
        &self,
        visit: impl FnOnce(&M) -> R + Send + 'static,
    ) -> Receiver<R> {
        let (answer, answered) = mpsc::channel();
        let visit = move |machine: &M| {
            // Nobody may wait for the result any more.
            let _ = answer.send(visit(machine));
        };
        if self.visits.send(Box::new(visit)).is_ok() {
            self.inbox.post(Mail::Visit);
        }
        answered
    }
}

impl<M: Machine> Clone for Handle<M> {
    fn clone(&self) -> Self {
        Self {
            inbox: Arc::clone(&self.inbox),
            visits: self.visits.clone(),
            queued_bytes: Arc::clone(&self.queued_bytes),
        }
    }
}

impl<M: Machine> fmt::Debug for Handle<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle")
    }
}
