//! Accepting connections, without letting a shortage or a flood stop the service.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::TcpListener;
use mio::{Interest, Registry, Token};
use rustix::io::Errno;
use sealpost_core::time::Mono;
use socket2::{Domain, Protocol, Socket, Type};

use crate::error::Error;
use crate::sockets::Sockets;

/// A listening socket with edge-triggered readiness, a cap, and a pause for when the system has
/// run out of files or memory.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: TcpListener,
    cap: usize,
    pause: Duration,
    supply: Supply,
    crowd: Crowd,
    /// Connections may be waiting.
    ready: bool,
}

/// Whether the system has files and memory for another connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Supply {
    Ample,
    /// It had not; it is asked again then. Reported once until a connection was accepted.
    Short {
        until: Mono,
    },
}

/// Whether there was room for the last connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Crowd {
    Room,
    /// There was none. Reported once until there is.
    Full,
}

impl Listener {
    /// Listens on `address`. At most `cap` connections are kept; after a shortage none is accepted
    /// for `pause`.
    pub(crate) fn bind(address: SocketAddr, cap: usize, pause: Duration) -> Result<Self, Error> {
        let socket = listen(address).map_err(|source| {
            if source.kind() == io::ErrorKind::AddrInUse {
                Error::PortInUse(address)
            } else {
                Error::Listen { address, source }
            }
        })?;
        Ok(Self { socket, cap, pause, supply: Supply::Ample, crowd: Crowd::Room, ready: false })
    }

    /// Where it listens: the port that the system chose, if 0 was asked for.
    pub(crate) fn local_addr(&self) -> Result<SocketAddr, Error> {
        self.socket.local_addr().map_err(Error::system("read the listening address"))
    }

    /// Has the poll report under `token` that connections wait.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> Result<(), Error> {
        registry
            .register(&mut self.socket, token, Interest::READABLE)
            .map_err(Error::system("watch the listening socket"))
    }

    /// The poll said that connections wait.
    pub(crate) const fn note(&mut self) {
        self.ready = true;
    }

    /// When [`Listener::accept`] wants to be called, if before the poll says so.
    pub(crate) const fn deadline(&self) -> Option<Mono> {
        match (self.ready, self.supply) {
            (false, _) => None,
            (true, Supply::Ample) => Some(Mono(0)),
            (true, Supply::Short { until }) => Some(until),
        }
    }

    /// Accepts what waits, up to a budget, so that those who are connected get their turn.
    pub(crate) fn accept(&mut self, sockets: &mut Sockets, now: Mono) {
        if self.deadline().is_none_or(|at| at > now) {
            return;
        }
        for _ in 0..ACCEPT_BUDGET {
            match self.socket.accept() {
                Ok((stream, peer)) => {
                    self.supply = Supply::Ample;
                    if sockets.len() < self.cap {
                        self.crowd = Crowd::Room;
                        sockets.accepted(stream, peer.ip().to_canonical());
                    } else {
                        self.refuse();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.ready = false;
                    return;
                }
                Err(error) if is_shortage(&error) => return self.run_short(&error, now),
                // The peer was gone before it was accepted, or the network had an error.
                Err(error) => tracing::debug!(%error, "accepting failed"),
            }
        }
    }

    fn refuse(&mut self) {
        if self.crowd == Crowd::Room {
            tracing::warn!(cap = self.cap, "too many connections: new ones are closed at once");
        }
        self.crowd = Crowd::Full;
    }

    fn run_short(&mut self, error: &io::Error, now: Mono) {
        if self.supply == Supply::Ample {
            tracing::warn!(%error, "no connection can be accepted for now; those there are go on");
        }
        self.supply = Supply::Short { until: now + self.pause };
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A server that restarts takes its port again while connections of the last one fade.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

fn is_shortage(error: &io::Error) -> bool {
    let shortages = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOBUFS];
    error.raw_os_error().is_some_and(|code| shortages.iter().any(|e| e.raw_os_error() == code))
}

/// Connections accepted in a row.
const ACCEPT_BUDGET: usize = 128;
/// Connections that the system keeps waiting: all clients come back at once after a restart.
const BACKLOG: i32 = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_shortages_pause() {
        for (errno, shortage) in [
            (Errno::MFILE, true),
            (Errno::NFILE, true),
            (Errno::NOMEM, true),
            (Errno::CONNABORTED, false),
        ] {
            assert_eq!(is_shortage(&errno.into()), shortage, "{errno}");
        }
    }

    #[test]
    fn shortage_pauses_accepting_for_a_moment() {
        let address = "127.0.0.1:0".parse().unwrap();
        let mut listener = Listener::bind(address, 1, Duration::from_millis(100)).unwrap();
        assert_eq!(listener.deadline(), None);
        listener.note();
        assert_eq!(listener.deadline(), Some(Mono(0)));
        listener.run_short(&Errno::MFILE.into(), Mono(7));
        assert_eq!(listener.deadline(), Some(Mono(100_007)));
    }

    #[test]
    fn taken_port_is_named() {
        let first = Listener::bind("127.0.0.1:0".parse().unwrap(), 1, Duration::ZERO).unwrap();
        let taken = first.local_addr().unwrap();
        let error = Listener::bind(taken, 1, Duration::ZERO).unwrap_err();
        assert!(matches!(error, Error::PortInUse(address) if address == taken), "{error}");
    }
}
