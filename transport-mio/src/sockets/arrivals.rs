//! Accepted connections on their way to the reactor.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::listening_socket::Encryption;
use super::socket::Socket;

/// A short queue. While it is full the accepting thread waits, and further connections wait in the
/// system's queue.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    queue: Mutex<Queue>,
    /// Half of the queue is free again, or it is closed.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    connections: VecDeque<Arrival>,
    is_closed: bool,
}

/// An accepted connection.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) socket: Socket,
    /// Address that limits by address count: that of the peer, or the one that a proxy names.
    pub(super) peer: IpAddr,
    pub(super) encryption: Encryption,
}

/// No more connections are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Closed;

impl Arrivals {
    /// Adds a connection. If the queue is full, waits until half of it is free. Calls `knock` if the queue was empty.
    pub(super) fn push(&self, arrival: Arrival, knock: impl Fn()) -> Result<(), Closed> {
        let mut queue = self.lock();
        while queue.connections.len() >= ROOM && !queue.is_closed {
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        if queue.is_closed {
            return Err(Closed);
        }
        queue.connections.push_back(arrival);
        let is_first = queue.connections.len() == 1;
        drop(queue);
        if is_first {
            knock();
        }
        Ok(())
    }

    /// Takes the connection that has waited longest. The accepting thread goes on once half of the
    /// queue is free: to be woken for each connection would cost more than the connection.
    pub(super) fn pop(&self) -> Option<Arrival> {
        let mut queue = self.lock();
        let arrival = queue.connections.pop_front();
        let has_room = queue.connections.len() == ROOM / 2;
        drop(queue);
        if has_room {
            self.changed.notify_one();
        }
        arrival
    }

    pub(super) fn check_open(&self) -> Result<(), Closed> {
        if self.lock().is_closed { Err(Closed) } else { Ok(()) }
    }

    /// Ends the queue: whoever waits for room, or adds a connection later, is told.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connections that wait at most. Each takes one of the files that the host keeps free.
pub(super) const ROOM: usize = 16;

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::net::{Ipv4Addr, TcpListener};
    use std::sync::Arc;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    /// A moment in which a thread that does not wait would have gone on.
    const MOMENT: Duration = Duration::from_millis(50);
    const PATIENCE: Duration = Duration::from_secs(30);

    fn arrival(number: u8) -> Arrival {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        stream.set_nonblocking(true).unwrap();
        Arrival {
            socket: stream.into(),
            peer: Ipv4Addr::new(192, 0, 2, number).into(),
            encryption: Encryption::OfHost,
        }
    }

    #[test]
    fn only_the_first_who_waits_knocks() {
        let arrivals = Arrivals::default();
        let knocks = Cell::new(0);
        let push = |number| arrivals.push(arrival(number), || knocks.set(knocks.get() + 1));
        assert_eq!([push(1), push(2)], [Ok(()); 2]);
        assert_eq!(knocks.get(), 1);
        let peers = [(); 3].map(|()| arrivals.pop().map(|arrival| arrival.peer.to_string()));
        assert_eq!(peers, [Some("192.0.2.1".to_owned()), Some("192.0.2.2".to_owned()), None]);
        assert_eq!(push(3), Ok(()));
        assert_eq!(knocks.get(), 2);
    }

    /// Fills the queue, and adds one more on another thread, which reports the result.
    fn overfilled() -> (Arc<Arrivals>, mpsc::Receiver<Result<(), Closed>>) {
        let arrivals = Arc::new(Arrivals::default());
        for _ in 0..ROOM {
            arrivals.push(arrival(1), || ()).unwrap();
        }
        let (pushed, result) = mpsc::channel();
        let theirs = Arc::clone(&arrivals);
        thread::spawn(move || pushed.send(theirs.push(arrival(2), || ())));
        assert!(result.recv_timeout(MOMENT).is_err(), "there was no room");
        (arrivals, result)
    }

    #[test]
    fn a_full_queue_takes_another_once_half_of_it_is_free() {
        let (arrivals, result) = overfilled();
        for _ in 0..ROOM / 2 {
            assert!(arrivals.pop().is_some());
        }
        assert_eq!(result.recv_timeout(PATIENCE), Ok(Ok(())));
    }

    #[test]
    fn whoever_waits_for_room_is_told_of_the_end() {
        let (arrivals, result) = overfilled();
        arrivals.close();
        assert_eq!(result.recv_timeout(PATIENCE), Ok(Err(Closed)));
        assert_eq!(arrivals.check_open(), Err(Closed));
    }
}
