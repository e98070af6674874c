//! Accepts connections, so that neither a shortage nor a flood stops the service.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::TcpListener;
use mio::{Interest, Registry, Token};
use rustix::io::Errno;
use sealpost_core::time::Mono;
use socket2::{Domain, Protocol, Socket, Type};

use super::connections::Connections;
use crate::error::Error;

/// A listening socket with edge-triggered readiness and a cap on connections. It pauses when the
/// system has run out of files or memory.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: TcpListener,
    cap: usize,
    pause: Duration,
    supply: Supply,
    room: Room,
    /// Connections may be waiting.
    ready: bool,
}

/// Whether the system has files and memory for another connection. Each shortage is logged once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Supply {
    Ample,
    /// Accepting failed and is tried again at this time.
    Short {
        until: Mono,
    },
}

/// Whether the latest connection was below the cap. Reaching the cap is logged once, until there is
/// room again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    Free,
    Full,
}

impl Listener {
    /// Listens on `address`. Keeps at most `cap` connections, and accepts none for `pause` after a
    /// shortage.
    pub(crate) fn bind(address: SocketAddr, cap: usize, pause: Duration) -> Result<Self, Error> {
        let socket = listen(address).map_err(|source| {
            if source.kind() == io::ErrorKind::AddrInUse {
                Error::AddressInUse(address)
            } else {
                Error::Listen { address, source }
            }
        })?;
        Ok(Self { socket, cap, pause, supply: Supply::Ample, room: Room::Free, ready: false })
    }

    /// The local address, with the port that the system chose if 0 was requested.
    pub(crate) fn local_addr(&self) -> Result<SocketAddr, Error> {
        self.socket.local_addr().map_err(Error::system("read the listening address"))
    }

    /// Has the poll report waiting connections under `token`.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> Result<(), Error> {
        registry
            .register(&mut self.socket, token, Interest::READABLE)
            .map_err(Error::system("watch the listening socket"))
    }

    /// Remembers that the poll reported waiting connections.
    pub(crate) const fn set_ready(&mut self) {
        self.ready = true;
    }

    /// When [`Listener::accept`] must be called even if the poll reports nothing new.
    pub(crate) const fn deadline(&self) -> Option<Mono> {
        match (self.ready, self.supply) {
            (false, _) => None,
            (true, Supply::Ample) => Some(Mono(0)),
            (true, Supply::Short { until }) => Some(until),
        }
    }

    /// Accepts waiting connections. Accepts at most a fixed number in a row, so that established
    /// connections get their turn during a flood of new ones.
    pub(crate) fn accept(&mut self, connections: &mut Connections, now: Mono) {
        if self.deadline().is_none_or(|at| at > now) {
            return;
        }
        for _ in 0..ACCEPT_BUDGET {
            match self.socket.accept() {
                Ok((stream, peer)) => {
                    self.supply = Supply::Ample;
                    if connections.len() < self.cap || connections.give_up_lingering() {
                        self.room = Room::Free;
                        connections.add_accepted(stream, peer.ip().to_canonical());
                    } else {
                        self.report_full();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.ready = false;
                    return;
                }
                // The peer left before it was accepted, or the network failed: the next connection
                // in the queue is not affected.
                Err(error) if is_passing(&error) => {
                    tracing::debug!(%error, "accepting a connection failed");
                }
                Err(error) => return self.pause_accepting(&error, now),
            }
        }
    }

    fn report_full(&mut self) {
        if self.room == Room::Free {
            tracing::warn!(
                cap = self.cap,
                "the limit on connections is reached: closing new ones at once"
            );
        }
        self.room = Room::Full;
    }

    fn pause_accepting(&mut self, error: &io::Error, now: Mono) {
        if self.supply == Supply::Ample {
            tracing::warn!(
                %error,
                "can't accept new connections for now, retrying; existing ones are still served"
            );
        }
        self.supply = Supply::Short { until: now + self.pause };
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted server can take its port again while old connections are in TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// Whether accepting failed because of the one connection that was to be accepted (accept(2)).
/// After any other error, for lack of files or memory above all, the connection stays in the queue,
/// and trying again at once would only spin.
fn is_passing(error: &io::Error) -> bool {
    let passing = [
        Errno::CONNABORTED,
        Errno::INTR,
        Errno::PROTO,
        Errno::NOPROTOOPT,
        Errno::OPNOTSUPP,
        Errno::NETDOWN,
        Errno::NETUNREACH,
        Errno::HOSTDOWN,
        Errno::HOSTUNREACH,
    ];
    error.raw_os_error().is_some_and(|code| passing.iter().any(|e| e.raw_os_error() == code))
}

/// Most connections accepted in a row.
const ACCEPT_BUDGET: usize = 16;
/// Connections that the system queues for us: all clients reconnect at once after a restart.
const BACKLOG: i32 = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_errors_of_one_connection_do_not_pause() {
        for (errno, passing) in [
            (Errno::MFILE, false),
            (Errno::NFILE, false),
            (Errno::NOMEM, false),
            (Errno::INVAL, false),
            (Errno::CONNABORTED, true),
            (Errno::HOSTUNREACH, true),
        ] {
            assert_eq!(is_passing(&errno.into()), passing, "{errno}");
        }
    }

    #[test]
    fn shortage_pauses_accepting_for_a_moment() {
        let address = "127.0.0.1:0".parse().unwrap();
        let mut listener = Listener::bind(address, 1, Duration::from_millis(100)).unwrap();
        assert_eq!(listener.deadline(), None);
        listener.set_ready();
        assert_eq!(listener.deadline(), Some(Mono(0)));
        listener.pause_accepting(&Errno::MFILE.into(), Mono(7));
        assert_eq!(listener.deadline(), Some(Mono(100_007)));
    }

    #[test]
    fn taken_port_is_named() {
        let first = Listener::bind("127.0.0.1:0".parse().unwrap(), 1, Duration::ZERO).unwrap();
        let taken = first.local_addr().unwrap();
        let error = Listener::bind(taken, 1, Duration::ZERO).unwrap_err();
        assert!(matches!(error, Error::AddressInUse(address) if address == taken), "{error}");
    }
}
