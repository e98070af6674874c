//! What other threads have for the reactor, and the call that wakes it.

use std::fmt;
use std::net::TcpStream;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mio::Waker;
use sealpost_core::frame::{Event, Machine};
use sealpost_core::ids::ConnId;

use crate::store_request::{StoreAnswer, StoreRequest};

/// A machine that these hosts can run: what it says crosses threads.
pub trait Hosted:
    Machine<
        StoreOp: StoreRequest,
        StoreOutcome: StoreAnswer,
        Command: Send,
        Delivery: Send,
        Notice: Send,
    > + 'static
{
}

impl<M> Hosted for M where
    M: Machine<
            StoreOp: StoreRequest,
            StoreOutcome: StoreAnswer,
            Command: Send,
            Delivery: Send,
            Notice: Send,
        > + 'static
{
}

/// Something from another thread.
pub(crate) enum Mail<M: Machine> {
    /// For the machine.
    Event(Event<M>),
    /// A connection that was dialled, or `None`.
    Dialled(ConnId, Option<TcpStream>),
    /// The host is to stop.
    Stop,
}

/// A queue with a waker. Many posts between two turns of the reactor cost one wake-up. Its bound
/// is the machine's own: every outcome answers a request, and requests are limited.
pub(crate) struct Inbox<M: Machine> {
    mail: Mutex<Vec<Mail<M>>>,
    waker: Waker,
}

impl<M: Machine> Inbox<M> {
    pub(crate) const fn new(waker: Waker) -> Self {
        Self { mail: Mutex::new(Vec::new()), waker }
    }

    /// Hands something over.
    pub(crate) fn post(&self, mail: Mail<M>) {
        self.post_all([mail]);
    }

    /// Hands several things over, with one wake-up, or none if the reactor was woken already and
    /// has not looked yet.
    pub(crate) fn post_all(&self, mail: impl IntoIterator<Item = Mail<M>>) {
        let mut queue = self.lock();
        let was_empty = queue.is_empty();
        queue.extend(mail);
        let wake = was_empty && !queue.is_empty();
        drop(queue);
        if wake && let Err(error) = self.waker.wake() {
            // Later posts find the queue not empty and don't wake either.
            crate::worker::fail_stop(&format!("the reactor can't be woken: {error}"));
        }
    }

    /// Moves everything into `turn`, which must be empty.
    pub(crate) fn take(&self, turn: &mut Vec<Mail<M>>) {
        std::mem::swap(&mut *self.lock(), turn);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Mail<M>>> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M: Machine> fmt::Debug for Inbox<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inbox")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mio::{Events, Poll, Token};
    use sealpost_core::server::Server;

    use super::*;

    #[test]
    fn many_posts_wake_once() {
        let mut poll = Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), Token(0)).unwrap();
        let inbox = Inbox::<Server>::new(waker);
        let mut events = Events::with_capacity(8);
        let mut wake_ups = || {
            poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
            events.iter().count()
        };

        inbox.post_all([]);
        assert_eq!(wake_ups(), 0);
        inbox.post(Mail::Stop);
        inbox.post_all([Mail::Stop, Mail::Stop]);
        assert_eq!(wake_ups(), 1);
        inbox.post(Mail::Stop);
        assert_eq!(wake_ups(), 0, "it was woken, and has not looked yet");
        let mut turn = Vec::new();
        inbox.take(&mut turn);
        assert_eq!(turn.len(), 4);
        inbox.post(Mail::Stop);
        assert_eq!(wake_ups(), 1);
    }
}
