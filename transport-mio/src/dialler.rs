//! Connecting to the server, names included, without holding up the reactor.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sealpost_core::ids::ConnId;
use sealpost_core::machine::Machine;
use sealpost_core::time::Mono;

use crate::error::Error;
use crate::inbox::{Hosted, Inbox, Mail};
use crate::worker;

/// Dials one server, each time on a thread of its own: name look-up blocks, and has no time-out.
#[derive(Debug)]
pub(crate) struct Dialler<M: Machine> {
    server: String,
    timeout: Duration,
    inbox: Arc<Inbox<M>>,
    /// What is being dialled, and when that is given up, soonest first.
    pending: Vec<(Mono, ConnId)>,
}

impl<M: Hosted> Dialler<M> {
    /// Dials `server`, as `HOST:PORT`.
    pub(crate) const fn new(server: String, timeout: Duration, inbox: Arc<Inbox<M>>) -> Self {
        Self { server, timeout, inbox, pending: Vec::new() }
    }

    /// Begins to dial. [`Mail::Dialled`] follows, or else the time-out.
    pub(crate) fn dial(&mut self, conn: ConnId, now: Mono) -> Result<(), Error> {
        let (server, timeout, inbox) = (self.server.clone(), self.timeout, Arc::clone(&self.inbox));
        worker::spawn("dial", move || {
            let stream = connect(&server, timeout);
            if let Err(error) = &stream {
                tracing::debug!(%error, "dialling failed");
            }
            inbox.post(Mail::Dialled(conn, stream.ok()));
        })?;
        self.pending.push((now + self.timeout, conn));
        Ok(())
    }

    /// Whether the connection that was dialled is still wanted. Asked once.
    pub(crate) fn is_awaited(&mut self, conn: ConnId) -> bool {
        let before = self.pending.len();
        self.pending.retain(|(_, pending)| *pending != conn);
        self.pending.len() < before
    }

    /// When [`Dialler::expired`] wants to be called.
    pub(crate) fn deadline(&self) -> Option<Mono> {
        self.pending.first().map(|(at, _)| *at)
    }

    /// A connection for which it is too late; call again until `None`.
    pub(crate) fn expired(&mut self, now: Mono) -> Option<ConnId> {
        let (_, conn) = *self.pending.first().filter(|(at, _)| *at <= now)?;
        self.pending.remove(0);
        Some(conn)
    }
}

/// Tries each address that the name has, within one time-out.
fn connect(server: &str, timeout: Duration) -> io::Result<TcpStream> {
    let give_up = Instant::now() + timeout;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in server.to_socket_addrs()? {
        let left = give_up.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match TcpStream::connect_timeout(&address, left) {
            Ok(stream) => {
                stream.set_nonblocking(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}
