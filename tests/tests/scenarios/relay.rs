//! What stands between one client and the server: a relay whose connections can be cut.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use sealpost_tests::scenario::Road;

/// Where the server listens, while it does.
pub(crate) type Whereabouts = Arc<Mutex<Option<SocketAddr>>>;

/// Takes connections, and carries each on to the server.
pub(crate) struct Relay {
    addr: SocketAddr,
    state: Arc<Mutex<State>>,
    thread: Option<JoinHandle<()>>,
}

struct State {
    server: Whereabouts,
    road: Road,
    /// Bytes carried at once.
    piece: usize,
    /// Both ends of every connection, those that are gone among them.
    lines: Vec<[TcpStream; 2]>,
    over: bool,
}

impl Relay {
    /// Of a server that may move, and comes and goes. Carries `piece` bytes at a time.
    pub(crate) fn start(server: Whereabouts, piece: usize) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        let state = State { server, road: Road::Open, piece, lines: Vec::new(), over: false };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        let accept = move || {
            while let Ok((client, _)) = listener.accept() {
                if !shared.lock().unwrap().take(client) {
                    return;
                }
            }
        };
        Self { addr, state, thread: Some(thread::spawn(accept)) }
    }

    /// What a client dials.
    pub(crate) const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// From now on.
    pub(crate) fn set_road(&self, road: Road) {
        self.state().road = road;
    }

    /// Every connection ends, with what was under way on it.
    pub(crate) fn cut(&self) {
        self.state().cut();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    /// Carries a connection on, if it can be. Returns whether others are taken after it.
    fn take(&mut self, client: TcpStream) -> bool {
        if self.road == Road::Open
            && let Some(addr) = *self.server.lock().unwrap()
            && let Ok(server) = TcpStream::connect(addr)
        {
            for (from, to) in [(&client, &server), (&server, &client)] {
                from.set_nodelay(true).unwrap();
                let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                let buffer = vec![0; self.piece];
                thread::spawn(|| carry(from, to, buffer));
            }
            self.lines.push([client, server]);
        }
        !self.over
    }

    fn cut(&mut self) {
        for end in self.lines.drain(..).flatten() {
            // It may be gone already.
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}

/// Carries bytes until one end is gone; then the other one goes too.
fn carry(mut from: TcpStream, mut to: TcpStream, mut buffer: Vec<u8>) {
    while let Ok(len @ 1..) = from.read(&mut buffer)
        && to.write_all(&buffer[..len]).is_ok()
    {}
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
}

impl Drop for Relay {
    fn drop(&mut self) {
        {
            let mut state = self.state();
            state.over = true;
            state.cut();
        }
        // Wakes the one who waits in `accept`.
        let _ = TcpStream::connect(self.addr);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
