//! Control of a host from other threads.

use std::fmt;
use std::sync::Arc;

use sealpost_core::frame::{Event, Machine};

use crate::threads::{Inbox, Mail};

/// Controls a host from another thread. Cheap to clone. Calls made after the host has returned
/// from `run` have no effect.
pub struct Handle<M: Machine>(Arc<Inbox<M>>);

impl<M: Machine> Handle<M> {
    pub(super) const fn new(inbox: Arc<Inbox<M>>) -> Self {
        Self(inbox)
    }

    /// Stops the host gracefully, as a signal does. Further calls have no effect.
    pub fn stop(&self) {
        self.0.post(Mail::Stop);
    }

    /// Runs `inspect` with the machine, on the reactor's thread, which it must not block. If the host
    /// has returned, `inspect` is dropped with the last handle.
    pub fn with_machine(&self, inspect: impl FnOnce(&M) + Send + 'static) {
        self.0.post(Mail::Inspect(Box::new(inspect)));
    }

    /// Gives the machine a command.
    pub fn command(&self, command: M::Command) {
        self.0.post(Mail::Event(Event::Command(command)));
    }
}

impl<M: Machine> Clone for Handle<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M: Machine> fmt::Debug for Handle<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle")
    }
}
