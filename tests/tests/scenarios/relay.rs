//! A TCP relay between one client and the server, whose connections can be cut.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use sealpost_tests::scenarios::Reachability;

/// Address of the server while it is running.
pub(crate) type ServerAddr = Arc<Mutex<Option<SocketAddr>>>;

/// Accepts connections and forwards each to the server.
pub(crate) struct Relay {
    addr: SocketAddr,
    state: Arc<Mutex<State>>,
    thread: Option<JoinHandle<()>>,
}

struct State {
    server: ServerAddr,
    reachability: Reachability,
    /// Bytes forwarded at once.
    piece: usize,
    /// Both ends of every connection, including closed ones.
    connections: Vec<[TcpStream; 2]>,
    stopped: bool,
}

impl Relay {
    /// Starts a relay to a server whose address may change. It forwards `piece` bytes at a time.
    pub(crate) fn start(server: ServerAddr, piece: usize) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        let state = State {
            server,
            reachability: Reachability::Reachable,
            piece,
            connections: Vec::new(),
            stopped: false,
        };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        let accept = move || {
            while let Ok((client, _)) = listener.accept() {
                if !shared.lock().unwrap().accept(client) {
                    return;
                }
            }
        };
        Self { addr, state, thread: Some(thread::spawn(accept)) }
    }

    /// Address that the client dials.
    pub(crate) const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Changes whether new connections are forwarded.
    pub(crate) fn set_reachability(&self, reachability: Reachability) {
        self.state().reachability = reachability;
    }

    /// Breaks every connection; bytes in flight are lost.
    pub(crate) fn cut(&self) {
        self.state().cut();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    /// Forwards a connection if the server is reachable. Returns whether to accept more.
    fn accept(&mut self, client: TcpStream) -> bool {
        if self.reachability == Reachability::Reachable
            && let Some(addr) = *self.server.lock().unwrap()
            && let Ok(server) = TcpStream::connect(addr)
        {
            for (from, to) in [(&client, &server), (&server, &client)] {
                from.set_nodelay(true).unwrap();
                let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                let buffer = vec![0; self.piece];
                thread::spawn(|| forward(from, to, buffer));
            }
            self.connections.push([client, server]);
        }
        !self.stopped
    }

    fn cut(&mut self) {
        for end in self.connections.drain(..).flatten() {
            // Fails if the peer closed first.
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}

/// Copies bytes until one end is closed, then closes the other.
fn forward(mut from: TcpStream, mut to: TcpStream, mut buffer: Vec<u8>) {
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
            state.stopped = true;
            state.cut();
        }
        // Unblocks the thread that waits in `accept`.
        let _ = TcpStream::connect(self.addr);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
