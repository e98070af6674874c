//! Mail from other threads to the reactor, and the waker that makes the reactor look.

use std::fmt;
use std::net::{IpAddr, TcpStream};
use std::sync::{Mutex, MutexGuard, PoisonError};

use mio::Waker;
use sealpost_core::frame::{Event, Machine};
use sealpost_core::ids::ConnId;

use crate::dial_error::DialError;
use crate::tls::TlsSession;

/// A piece of mail from another thread.
pub(crate) enum Mail<M: Machine> {
    /// An event for the machine.
    Event(Event<M>),
    /// The result of dialling.
    Dialled(ConnId, Result<Dialled, DialError>),
    /// Accepted connections wait.
    Arrivals,
    /// A visit of the machine waits.
    Visit,
    /// A request to stop the host.
    Stop,
}

/// A connection to the server.
#[derive(Debug)]
pub(crate) struct Dialled {
    /// Nonblocking.
    pub(crate) socket: TcpStream,
    pub(crate) peer: IpAddr,
    /// With a complete handshake.
    pub(crate) tls: Option<Box<TlsSession>>,
}

/// A queue with a waker. Many posts between two turns of the reactor cost one wake-up. The machine
/// bounds the queue: every outcome answers a request, and requests are limited.
pub(crate) struct Inbox<M: Machine> {
    mail: Mutex<Vec<Mail<M>>>,
    waker: Waker,
}

impl<M: Machine> Inbox<M> {
    pub(crate) const fn new(waker: Waker) -> Self {
        Self { mail: Mutex::new(Vec::new()), waker }
    }

    /// Posts one piece of mail.
    pub(crate) fn post(&self, mail: Mail<M>) {
        self.post_all([mail]);
    }

    /// Posts several pieces with one wake-up; with none if the reactor was woken before and has not
    /// looked yet.
    pub(crate) fn post_all(&self, mail: impl IntoIterator<Item = Mail<M>>) {
        let mut queue = self.lock();
        let was_empty = queue.is_empty();
        queue.extend(mail);
        let wake = was_empty && !queue.is_empty();
        drop(queue);
        if wake && let Err(error) = self.waker.wake() {
            // Later posts find the queue filled and don't wake either, so nothing would ever be
            // taken again.
            super::spawn::fail_stop(&format!("waking the reactor failed: {error}"));
        }
    }

    /// Moves all mail into `turn`, which must be empty.
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
        assert_eq!(wake_ups(), 0, "the reactor was woken and has not looked yet");
        let mut turn = Vec::new();
        inbox.take(&mut turn);
        assert_eq!(turn.len(), 4);
        inbox.post(Mail::Stop);
        assert_eq!(wake_ups(), 1);
    }
}
