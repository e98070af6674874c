//! One connection: its socket, its write queue, and the state of both directions.

use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::time::Duration;

use bytes::Bytes;
use sealpost_core::frame::Flow;
use socket2::{SockRef, TcpKeepalive};

use super::proxy_header::is_from_a_stranger;
use super::socket::Socket;
use super::tls_stream::TlsStream;
use super::write_queue::WriteQueue;
use crate::tls::TlsSession;

/// A socket with edge-triggered readiness: once the poll has reported a direction as ready, it
/// counts as ready until the socket says that it would block. An idle connection holds no buffer.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not states")]
pub(super) struct Connection {
    stream: Stream,
    queue: WriteQueue,
    /// There may be bytes to read.
    readable: bool,
    /// The poll reported the end of the peer's direction. It must be read even after a read that
    /// fell short, because the poll reports it only once.
    end_announced: bool,
    /// As far as is known, the socket accepts bytes.
    writable: bool,
    pub(super) flow: Flow,
    pub(super) state: State,
    pub(super) congestion: Congestion,
    /// The connection is in the list of connections to read from.
    pub(super) in_ready: bool,
    /// The connection is in the list of connections to write to.
    pub(super) in_dirty: bool,
}

/// A socket, with or without TLS. TLS is boxed, so that a plain connection takes no memory for it.
#[derive(Debug)]
enum Stream {
    Plain(Socket),
    Tls(Box<TlsStream>),
}

/// How far a connection has come on its way to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// In use.
    Open,
    /// Writing failed. Nothing more is sent, but what the peer sent before is still read.
    Broken,
    /// The machine has closed the connection, or the peer has ended its direction. Queued bytes
    /// still go out; arriving bytes are discarded.
    Flushing(PeerDirection),
    /// Everything is sent and our direction is ended. Arriving bytes are discarded until the peer
    /// ends its direction too: closing the socket earlier could send a reset that makes the peer
    /// lose our last packet.
    Lingering,
}

/// Whether the peer may still send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PeerDirection {
    Open,
    Ended,
}

/// Whether the machine was told that too much is queued for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Congestion {
    /// Nothing was queued so far.
    Unused,
    /// It was not told, or has been told since that the queue is empty.
    Clear,
    /// It was told, and will be told when the queue is empty.
    Reported,
}

/// Result of one read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// This many bytes are in the buffer. None, if all that has arrived was for TLS itself.
    Bytes(usize),
    /// Nothing has arrived.
    Nothing,
    /// The peer has ended its direction.
    End,
    /// The connection failed.
    Failed,
}

/// Result of writing the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// Everything that was queued.
    All,
    /// A part: the socket accepts no more for now.
    Part,
    /// The connection failed.
    Failed,
}

impl Connection {
    /// Takes over a nonblocking socket, with its TLS session if it has one.
    pub(super) fn new(socket: Socket, tls: Option<Box<TlsSession>>) -> Self {
        let stream = match tls {
            None => Stream::Plain(socket),
            Some(session) => Stream::Tls(Box::new(TlsStream::new(socket, session))),
        };
        Self {
            stream,
            queue: WriteQueue::default(),
            readable: false,
            end_announced: false,
            writable: true,
            flow: Flow::Resume,
            state: State::Open,
            congestion: Congestion::Unused,
            in_ready: false,
            in_dirty: false,
        }
    }

    /// The socket, for registration with the poll.
    pub(super) fn socket_mut(&mut self) -> &mut Socket {
        match &mut self.stream {
            Stream::Plain(socket) => socket,
            Stream::Tls(tls) => tls.socket_mut(),
        }
    }

    /// Remembers what the poll reported.
    pub(super) fn note_readiness(&mut self, event: &mio::event::Event) {
        if event.is_read_closed() || event.is_error() {
            self.end_announced = true;
        }
        self.readable |= event.is_readable() || self.end_announced;
        self.writable |= event.is_writable() || event.is_write_closed() || event.is_error();
    }

    /// Makes the next read try the socket even if the poll has reported nothing.
    pub(super) const fn assume_readable(&mut self) {
        self.readable = true;
    }

    /// Whether the socket may have bytes and somebody wants them: the machine, or TLS, whose
    /// handshake no pause concerns.
    pub(super) fn wants_read(&self) -> bool {
        self.readable && (self.flow == Flow::Resume || self.is_shaking_hands())
    }

    /// Whether the next bytes belong to a TLS handshake.
    pub(super) fn is_shaking_hands(&self) -> bool {
        match &self.stream {
            Stream::Plain(_) => false,
            Stream::Tls(tls) => tls.is_shaking_hands(),
        }
    }

    /// Whether bytes are queued and the socket may accept them.
    pub(super) fn wants_write(&self) -> bool {
        self.writable && (!self.queue.is_empty() || self.has_ciphertext())
    }

    /// Whether TLS has something to say to the peer.
    fn has_ciphertext(&self) -> bool {
        match &self.stream {
            Stream::Plain(_) => false,
            Stream::Tls(tls) => tls.has_ciphertext(),
        }
    }

    /// The number of bytes that wait to be written.
    pub(super) const fn queued(&self) -> usize {
        self.queue.len()
    }

    /// The memory that the queued bytes take, with what TLS has not finished.
    pub(super) fn queued_memory(&self) -> usize {
        self.queue.memory() + self.tls_memory()
    }

    /// The memory of what TLS has not finished, in either direction.
    pub(super) fn tls_memory(&self) -> usize {
        match &self.stream {
            Stream::Plain(_) => 0,
            Stream::Tls(tls) => tls.memory(),
        }
    }

    /// Queues bytes for [`Connection::write`].
    pub(super) fn push(&mut self, bytes: Bytes) {
        if self.congestion == Congestion::Unused {
            self.congestion = Congestion::Clear;
        }
        self.queue.push(bytes);
    }

    /// Whether anything was ever queued.
    pub(super) fn has_sent(&self) -> bool {
        self.congestion != Congestion::Unused
    }

    /// Drops all queued bytes.
    pub(super) fn discard_queue(&mut self) {
        self.queue.clear();
    }

    /// Reads once, at most as much as `buffer` holds.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Received {
        let socket = match &mut self.stream {
            Stream::Plain(socket) => socket,
            Stream::Tls(tls) => {
                // What comes with the end of a handshake waits if the machine has paused.
                let paused = self.flow == Flow::Pause;
                let received = tls.read(if paused { &mut [] } else { buffer });
                self.readable = tls.may_have_more() || self.end_announced;
                return received;
            }
        };
        loop {
            match socket.read(buffer) {
                Ok(0) => return Received::End,
                Ok(len)
                    if self.congestion == Congestion::Unused
                        && is_from_a_stranger(buffer.get(..len).unwrap_or_default()) =>
                {
                    return Received::Failed;
                }
                Ok(len) => {
                    // A read that falls short has emptied the socket, and the poll will report the
                    // next arrival. It won't report an announced end a second time.
                    self.readable = len == buffer.len() || self.end_announced;
                    return Received::Bytes(len);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.readable = false;
                    return Received::Nothing;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::trace!(%error, "reading from a connection failed");
                    return Received::Failed;
                }
            }
        }
    }

    /// Writes until the queue is empty or the socket accepts no more.
    pub(super) fn write(&mut self) -> Sent {
        let socket = match &mut self.stream {
            Stream::Plain(socket) => socket,
            Stream::Tls(tls) => return tls.write(&mut self.queue, &mut self.writable),
        };
        while !self.queue.is_empty() {
            if !self.writable {
                return Sent::Part;
            }
            match self.queue.write_to(socket) {
                Ok(0) => return Sent::Failed,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::trace!(%error, "writing to a connection failed");
                    return Sent::Failed;
                }
            }
        }
        // An idle connection must not keep the memory of its last burst.
        self.queue.clear();
        Sent::All
    }

    /// Nothing more will be queued: once the queue is written, TLS says so to the peer.
    pub(super) fn end_queue(&mut self) {
        match &mut self.stream {
            Stream::Plain(_) => {}
            Stream::Tls(tls) => tls.end_after_queue(),
        }
    }

    /// Ends our direction: tells the peer that nothing more will come.
    pub(super) fn end_writing(&mut self) -> Result<(), std::io::Error> {
        self.socket_mut().end_writing()
    }
}

/// Has packets sent at once instead of waiting for more, and vanished peers detected. A socket that
/// rejects these options works without them.
pub(super) fn set_options(stream: &impl AsFd) {
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_AFTER)
        .with_interval(KEEPALIVE_EVERY)
        .with_retries(KEEPALIVE_TRIES);
    let set = socket.set_tcp_nodelay(true).and_then(|()| socket.set_tcp_keepalive(&keepalive));
    if let Err(error) = set {
        tracing::debug!(%error, "setting the options of a socket failed");
    }
}

/// Silence after which the system probes a peer ...
const KEEPALIVE_AFTER: Duration = Duration::from_mins(1);
/// ... the interval between further probes ...
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);
/// ... and the number of unanswered probes after which the connection fails.
const KEEPALIVE_TRIES: u32 = 4;

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn idle_connection_holds_no_buffer() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let near = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        near.set_nonblocking(true).unwrap();
        let mut peer = listener.accept().unwrap().0;

        let mut connection = Connection::new(near.into(), None);
        for _ in 0..1_000 {
            connection.push(Bytes::from_static(b"packet"));
        }
        assert_eq!(connection.write(), Sent::All);
        peer.read_exact(&mut [0; 6_000]).unwrap();
        assert_eq!((connection.queued(), connection.queue.capacity()), (0, 0));
        assert!(size_of::<Connection>() <= 72, "{} bytes", size_of::<Connection>());
    }
}
