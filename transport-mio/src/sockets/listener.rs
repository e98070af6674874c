//! Accepts connections, so that neither a shortage nor a flood stops the service.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use mio::{Events, Poll, Token, Waker};
use rustix::io::Errno;

use super::arrivals::{Arrival, Arrivals, Closed};
use super::connections::Connections;
use super::listening_socket::ListeningSocket;
use super::proxies::Proxies;
use super::socket::Socket;
use crate::error::Error;
use crate::threads::{fail_stop, join, spawn};

/// Listening sockets, and the thread that accepts from them. A flood of connections keeps that thread
/// busy, and not the reactor, which takes a few of them in each turn.
#[derive(Debug)]
pub(crate) struct Listener {
    arrivals: Arc<Arrivals>,
    /// Wakes the thread.
    waker: Waker,
    thread: Option<JoinHandle<()>>,
    cap: usize,
    room: Room,
    /// Connections may be waiting.
    ready: bool,
}

/// Whether the latest connection was below the cap. Reaching the cap is logged once, until there is
/// room again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    Free,
    Full,
}

impl Listener {
    /// Starts to accept from `sockets`. Keeps at most `cap` connections, and accepts none for `pause`
    /// after a shortage of files or memory. Connections from `proxies` begin with a PROXY header.
    /// Calls `knock` when connections wait and none waited before.
    pub(crate) fn start(
        mut sockets: Vec<ListeningSocket>,
        proxies: Vec<IpNet>,
        cap: usize,
        pause: Duration,
        knock: impl Fn() + Send + 'static,
    ) -> Result<Self, Error> {
        let poll = Poll::new().map_err(Error::system("create a poll"))?;
        for socket in &mut sockets {
            socket
                .register(poll.registry(), LISTENER)
                .map_err(Error::system("watch a listening socket"))?;
        }
        let waker = Waker::new(poll.registry(), WAKER).map_err(Error::system("create a waker"))?;
        let arrivals = Arc::new(Arrivals::default());
        let doorkeeper = Doorkeeper {
            sockets,
            proxies: Proxies::new(proxies),
            poll,
            pause,
            supply: Supply::Ample,
            arrivals: Arc::clone(&arrivals),
        };
        let thread = Some(spawn("accept", move || doorkeeper.run(knock))?);
        Ok(Self { arrivals, waker, thread, cap, room: Room::Free, ready: false })
    }

    /// Remembers that connections wait.
    pub(crate) const fn set_ready(&mut self) {
        self.ready = true;
    }

    /// Whether [`Listener::take`] has something to do.
    pub(crate) const fn is_ready(&self) -> bool {
        self.ready
    }

    /// Takes waiting connections, a few in a row, so that established ones get their turn.
    pub(crate) fn take(&mut self, connections: &mut Connections) {
        if !self.ready {
            return;
        }
        for _ in 0..TAKEN_PER_TURN {
            let Some(arrival) = self.arrivals.pop() else {
                self.ready = false;
                return;
            };
            if connections.len() < self.cap || connections.give_up_lingering() {
                self.room = Room::Free;
                connections.add_accepted(arrival);
            } else {
                self.report_full();
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
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.arrivals.close();
        if let Err(error) = self.waker.wake() {
            fail_stop(&format!("waking the accepting thread failed: {error}"));
        }
        join(&mut self.thread);
    }
}

/// The thread that accepts. It pauses when the system has run out of files or memory.
struct Doorkeeper {
    sockets: Vec<ListeningSocket>,
    proxies: Proxies,
    poll: Poll,
    pause: Duration,
    supply: Supply,
    arrivals: Arc<Arrivals>,
}

/// Whether the system has files and memory for another connection. Each shortage is logged once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Supply {
    Ample,
    /// Accepting failed, and is tried again after a pause.
    Short,
}

impl Doorkeeper {
    fn run(mut self, knock: impl Fn()) {
        yield_to_others();
        let mut events = Events::with_capacity(2);
        loop {
            let pause = (self.supply == Supply::Short).then_some(self.pause);
            let timeout = pause.into_iter().chain(self.proxies.timeout(Instant::now())).min();
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    fail_stop(&format!("waiting for connections failed: {error}"))
                }
                Ok(()) | Err(_) => {}
            }
            if self.admit(&knock) == Err(Closed) {
                return;
            }
        }
    }

    /// Accepts until no connection waits, or none can be accepted for now: one from each socket in
    /// turn, so that a flood of one does not close the others.
    fn admit(&mut self, knock: &impl Fn()) -> Result<(), Closed> {
        loop {
            for arrival in self.proxies.take_complete(self.poll.registry(), Instant::now()) {
                self.arrivals.push(arrival, knock)?;
            }
            let mut may_have_more = false;
            for index in 0..self.sockets.len() {
                may_have_more |= self.accept(index, knock)?;
            }
            if !may_have_more {
                return self.arrivals.check_open();
            }
        }
    }

    /// Accepts from one socket once. Returns whether another connection may wait there.
    fn accept(&mut self, index: usize, knock: &impl Fn()) -> Result<bool, Closed> {
        let Some(socket) = self.sockets.get(index) else { return Ok(false) };
        let encryption = socket.encryption();
        match socket.accept() {
            Ok((socket, peer)) => {
                self.supply = Supply::Ample;
                if has_ended(&socket) {
                    return Ok(true);
                }
                let arrival = Arrival { socket, peer, encryption };
                if self.proxies.includes(peer) {
                    self.proxies.hold(arrival, self.poll.registry(), Instant::now());
                } else {
                    self.arrivals.push(arrival, knock)?;
                }
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            // The peer left before it was accepted, or the network failed: the next connection in
            // the queue is not affected.
            Err(error) if is_passing(&error) => {
                tracing::debug!(%error, "accepting a connection failed");
                Ok(true)
            }
            Err(error) => {
                self.note_shortage(&error);
                Ok(false)
            }
        }
    }

    fn note_shortage(&mut self, error: &io::Error) {
        if self.supply == Supply::Ample {
            tracing::warn!(
                %error,
                "can't accept new connections for now, retrying; existing ones are still served"
            );
        }
        self.supply = Supply::Short;
    }
}

/// Lowers the priority of this thread: if all cores are busy, those who are connected come first.
fn yield_to_others() {
    // Elsewhere the call would affect the whole process.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::debug!(%error, "can't lower the priority of the accepting thread");
    }
}

/// Whether the peer has left without a word. Nobody needs to hear of such a connection.
fn has_ended(socket: &Socket) -> bool {
    match socket.peek(&mut [0]) {
        Ok(len) => len == 0,
        Err(error) => error.kind() != io::ErrorKind::WouldBlock,
    }
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

const LISTENER: Token = Token(0);
const WAKER: Token = Token(1);
/// Most connections that the reactor takes in one turn.
const TAKEN_PER_TURN: usize = 2;
/// With this niceness a thread gets a third of what the others get if all cores are busy.
#[cfg(target_os = "linux")]
const NICE: i32 = 5;

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{SocketAddr, TcpStream as Peer};
    use std::sync::mpsc;

    use super::super::arrivals::ROOM;
    use super::super::listening_socket::LocalAddress;
    use super::*;
    use crate::config::HostConfig;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn socket() -> (ListeningSocket, SocketAddr) {
        let socket = ListeningSocket::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
        let LocalAddress::Tcp(address) = *socket.local_address() else { panic!("{socket:?}") };
        (socket, address)
    }

    fn connections() -> Connections {
        let limits = HostConfig::default().queue_limits();
        let registry = Poll::new().unwrap().registry().try_clone().unwrap();
        Connections::new(registry, limits, Duration::ZERO)
    }

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
    fn peer_that_left_without_a_word_is_not_taken() {
        let (socket, address) = socket();
        for _ in 0..3 {
            drop(Peer::connect(address).unwrap());
        }
        let mut stays = Peer::connect(address).unwrap();
        stays.write_all(b"x").unwrap();
        let (knock, knocks) = mpsc::channel();
        let knock = move || knock.send(()).unwrap();
        let mut listener =
            Listener::start(vec![socket], vec![], 10, Duration::ZERO, knock).unwrap();
        knocks.recv_timeout(PATIENCE).unwrap();
        let taken = listener.arrivals.pop().unwrap();
        assert_eq!(taken.socket.peek(&mut [0]).unwrap(), 1);
        listener.set_ready();
        let mut connections = connections();
        listener.take(&mut connections);
        assert_eq!((connections.len(), listener.is_ready()), (0, false));
    }

    #[test]
    fn a_turn_takes_few_of_those_who_wait() {
        let (socket, address) = socket();
        let peers: Vec<_> = (0..3 * ROOM).map(|_| Peer::connect(address).unwrap()).collect();
        let (knock, knocks) = mpsc::channel();
        let knock = move || knock.send(()).unwrap();
        let mut listener =
            Listener::start(vec![socket], vec![], peers.len(), Duration::ZERO, knock).unwrap();
        let mut connections = connections();
        while connections.len() < peers.len() {
            knocks.recv_timeout(PATIENCE).unwrap();
            listener.set_ready();
            while listener.is_ready() {
                let before = connections.len();
                listener.take(&mut connections);
                assert!(connections.len() - before <= TAKEN_PER_TURN);
            }
        }
    }

    /// Ends when the thread has ended.
    #[test]
    fn thread_that_waits_for_room_ends_with_the_listener() {
        let (socket, address) = socket();
        let peers: Vec<_> = (0..3 * ROOM).map(|_| Peer::connect(address).unwrap()).collect();
        let (knock, knocks) = mpsc::channel();
        let knock = move || knock.send(()).unwrap();
        let listener =
            Listener::start(vec![socket], vec![], peers.len(), Duration::ZERO, knock).unwrap();
        knocks.recv_timeout(PATIENCE).unwrap();
        drop(listener);
        assert_eq!(knocks.recv_timeout(PATIENCE), Err(mpsc::RecvTimeoutError::Disconnected));
    }
}
