//! Waiting for notices of the machine.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use sealpost_core::client::Notice;

use super::Hub;

/// Receives every notice until it is dropped.
#[derive(Debug)]
pub(in crate::engine) struct Watch {
    hub: Arc<Hub>,
    number: u64,
    notices: Receiver<Arc<Notice>>,
}

impl Hub {
    /// Passes a notice on to everybody who waits for one.
    pub(in crate::engine) fn tell(&self, notice: Notice) {
        let notice = Arc::new(notice);
        self.lock().watches.retain(|_, watch| watch.send(Arc::clone(&notice)).is_ok());
    }

    /// Begins to watch notices. What is commanded later is answered to the watch.
    pub(in crate::engine) fn watch(self: &Arc<Self>) -> Watch {
        let (sender, notices) = mpsc::channel();
        let mut state = self.lock();
        let number = state.number();
        if !state.has_stopped {
            state.watches.insert(number, sender);
        }
        Watch { hub: Arc::clone(self), number, notices }
    }
}

/// How waiting ended without what was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Vain {
    TimedOut,
    Stopped,
}

impl Watch {
    /// Waits until `pick` returns something for a notice, at most until `deadline`.
    pub(in crate::engine) fn until<T>(
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
pub(in crate::engine) fn deadline_in(seconds: u32) -> Instant {
    Instant::now() + Duration::from_secs(u64::from(seconds))
}
