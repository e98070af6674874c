//! Dials servers without blocking the reactor, name look-up and TLS handshake included.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sealpost_core::frame::Machine;
use sealpost_core::ids::{ConnId, EndpointIndex};
use sealpost_core::time::Mono;

use super::race;
use crate::destination::Destination;
use crate::dial_error::DialError;
use crate::error::Error;
use crate::threads::{Dialled, HostedMachine, Inbox, Mail, spawn};
use crate::tls::{Stage, TlsClient, TlsSession};

/// Dials one server or several. Each attempt has a thread of its own, because name look-up blocks and has no
/// time-out.
#[derive(Debug)]
pub(crate) struct Dialler<M: Machine> {
    /// At the positions by which the machine names them.
    servers: Vec<Destination>,
    timeout: Duration,
    inbox: Arc<Inbox<M>>,
    /// Attempts under way with their deadlines, soonest first.
    pending: Vec<(Mono, ConnId)>,
}

impl<M: HostedMachine> Dialler<M> {
    /// Creates a dialler of `servers`.
    pub(crate) const fn new(
        servers: Vec<Destination>,
        timeout: Duration,
        inbox: Arc<Inbox<M>>,
    ) -> Self {
        Self { servers, timeout, inbox, pending: Vec::new() }
    }

    /// Starts an attempt. It ends with [`Mail::Dialled`], or by [`Dialler::expired`]. `None` if there
    /// is no such server.
    pub(crate) fn dial(
        &mut self,
        conn: ConnId,
        endpoint: EndpointIndex,
        now: Mono,
    ) -> Option<Result<(), Error>> {
        let server = self.servers.get(endpoint.0)?.clone();
        let (timeout, inbox) = (self.timeout, Arc::clone(&self.inbox));
        let is_one_of_several = self.servers.len() > 1;
        let started = spawn("dial", move || {
            let dialled = match connect(&server, timeout) {
                Err(error) if is_one_of_several => Err(error.at(server.host_port)),
                dialled => dialled,
            };
            inbox.post(Mail::Dialled(conn, dialled));
        });
        Some(started.map(|_| self.pending.push((now + self.timeout, conn))))
    }

    /// Removes a pending attempt. Returns whether there was one.
    pub(crate) fn take_pending(&mut self, conn: ConnId) -> bool {
        let before = self.pending.len();
        self.pending.retain(|(_, pending)| *pending != conn);
        self.pending.len() < before
    }

    /// Whether bytes from the server are the alert with which a server that speaks TLS answers one
    /// who does not: a record of its own (RFC 8446, 5.1 and 6). No packet begins like that, and few
    /// arrivals are as short.
    pub(crate) fn lacks_tls(&self, data: &[u8]) -> bool {
        self.servers.iter().all(|server| server.tls.is_none())
            && matches!(data, [21, 3, _, 0, 2, 2, _])
    }

    /// When [`Dialler::expired`] must be called.
    pub(crate) fn deadline(&self) -> Option<Mono> {
        self.pending.first().map(|(at, _)| *at)
    }

    /// Removes and returns an attempt that has timed out. Call again until `None`.
    pub(crate) fn expired(&mut self, now: Mono) -> Option<ConnId> {
        let (_, conn) = *self.pending.first().filter(|(at, _)| *at <= now)?;
        self.pending.remove(0);
        Some(conn)
    }
}

/// Connects to the first address of a name that answers, and shakes hands if TLS is asked for.
fn connect(server: &Destination, timeout: Duration) -> Result<Dialled, DialError> {
    let begin = Instant::now();
    let left = || timeout.saturating_sub(begin.elapsed());
    let addresses = resolve(&server.host_port).map_err(DialError::NoSuchHost)?;
    let addresses = race::alternate_families(addresses.collect());
    tracing::debug!(server = server.host_port, ?addresses, "dialling");
    // A part of the time remains to say which addresses did not answer.
    let mut socket = race::connect(&addresses, left().saturating_sub(timeout / 10))?;
    let peer = socket.peer_addr()?.ip().to_canonical();
    let tls = match &server.tls {
        None => None,
        Some(tls) => Some(Box::new(shake_hands(&mut socket, tls, left)?)),
    };
    Ok(Dialled { socket, peer, tls })
}

/// Runs a TLS handshake. The socket is nonblocking before and after.
fn shake_hands(
    socket: &mut TcpStream,
    tls: &TlsClient,
    left: impl Fn() -> Duration,
) -> Result<TlsSession, DialError> {
    let mut session = tls.connect()?;
    socket.set_nonblocking(false)?;
    session.process()?;
    while session.stage() == Stage::Handshake {
        let patience = Some(left()).filter(|left| !left.is_zero());
        let patience = patience.ok_or(DialError::TimedOut)?;
        socket.set_read_timeout(Some(patience))?;
        socket.set_write_timeout(Some(patience))?;
        send(socket, &mut session)?;
        let (len, _) = session.read_from(socket)?;
        if len == 0 {
            return Err(DialError::NoTls);
        }
        let processed = session.process();
        // After a failure the server is told why.
        let sent = send(socket, &mut session);
        processed?;
        sent?;
    }
    if !session.is_sealpost() {
        return Err(DialError::NoSealpost);
    }
    socket.set_nonblocking(true)?;
    Ok(session)
}

fn send(socket: &mut TcpStream, session: &mut TlsSession) -> io::Result<()> {
    let len = session.outgoing().len();
    socket.write_all(session.outgoing())?;
    session.sent(len);
    Ok(())
}

/// Looks up the addresses of `HOST:PORT`.
fn resolve(server: &str) -> io::Result<impl Iterator<Item = SocketAddr>> {
    // The standard library reads a scope in brackets only if it is a number. The system's resolver
    // knows the names of interfaces too.
    match server.strip_prefix('[').and_then(|server| server.split_once("]:")) {
        Some((host, port)) => {
            let port = port.parse().map_err(|_| io::ErrorKind::InvalidInput)?;
            (host, port).to_socket_addrs()
        }
        None => server.to_socket_addrs(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use mio::{Poll, Token, Waker};
    use sealpost_core::server::Server;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const FIRST: EndpointIndex = EndpointIndex(0);

    #[test]
    fn attempt_that_timed_out_is_no_longer_pending() {
        let poll = Poll::new().unwrap();
        let inbox = Inbox::<Server>::new(Waker::new(poll.registry(), Token(0)).unwrap());
        let nobody = "127.0.0.1:0".to_owned();
        let mut dialler = Dialler::new(vec![nobody.into()], 10 * SECOND, Arc::new(inbox));
        let start = Mono(0);
        dialler.dial(ConnId(1), FIRST, start).unwrap().unwrap();
        dialler.dial(ConnId(2), FIRST, start + SECOND).unwrap().unwrap();
        assert!(dialler.dial(ConnId(3), EndpointIndex(1), start).is_none(), "no such server");
        assert_eq!(dialler.deadline(), Some(start + 10 * SECOND));

        let late = start + 10 * SECOND;
        assert_eq!(dialler.expired(late), Some(ConnId(1)));
        assert_eq!(dialler.expired(late), None);
        assert!(!dialler.take_pending(ConnId(1)));
        assert!(dialler.take_pending(ConnId(2)));
        assert!(!dialler.take_pending(ConnId(2)), "it was taken already");
        assert_eq!(dialler.deadline(), None);
    }

    #[test]
    fn scope_is_the_name_or_the_number_of_an_interface() {
        let loopback = |server| {
            let mut addresses = resolve(server).unwrap();
            let Some(SocketAddr::V6(address)) = addresses.next() else { panic!("no address") };
            (address.ip().to_string(), address.scope_id(), address.port())
        };
        assert_eq!(loopback("[::1]:7465"), ("::1".to_owned(), 0, 7_465));
        assert_eq!(loopback("[fe80::1%1]:7465"), ("fe80::1".to_owned(), 1, 7_465));
        #[cfg(target_os = "linux")]
        assert_eq!(loopback("[fe80::1%lo]:7465"), ("fe80::1".to_owned(), 1, 7_465));
    }

    #[test]
    fn name_without_an_answer_is_an_error() {
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = connect(&nobody.to_string().into(), SECOND).unwrap_err();
        assert_eq!(error.to_string(), format!("{nobody} refused the connection"));
        let error = connect(&"no port".to_owned().into(), SECOND).unwrap_err();
        assert!(matches!(error, DialError::NoSuchHost(_)), "{error}");
    }

    #[test]
    fn name_is_dialled_at_all_of_its_addresses() {
        let alive = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = alive.local_addr().unwrap();
        // Where localhost is ::1 first, nobody listens there.
        let server = format!("localhost:{}", address.port());
        let dialled = connect(&server.into(), 10 * SECOND).unwrap();
        assert_eq!(dialled.socket.peer_addr().unwrap(), address);
    }

    #[test]
    fn longest_time_out_does_not_overflow() {
        let somebody = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = somebody.local_addr().unwrap().to_string();
        assert!(connect(&address.into(), Duration::MAX).is_ok());
    }
}
