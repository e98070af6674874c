//! One connection: its socket, what is queued for it, and what is known of both directions.

use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use bytes::{Buf, Bytes};
use mio::net::TcpStream;
use sealpost_core::frame::Flow;
use socket2::{SockRef, TcpKeepalive};

/// A socket with edge-triggered readiness: what the poll said once stands until the socket says
/// that it would block. An idle connection holds no buffer.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not states")]
pub(crate) struct Conn {
    stream: TcpStream,
    queue: VecDeque<Bytes>,
    queued: usize,
    /// There may be something to read.
    readable: bool,
    /// The poll said that the peer is done: the end must be read, however short a read falls.
    end_announced: bool,
    /// The socket takes bytes, as far as we know.
    writable: bool,
    pub(crate) flow: Flow,
    pub(crate) state: State,
    pub(crate) congestion: Congestion,
    /// It stands in the list of connections to read from.
    pub(crate) in_ready: bool,
    /// It stands in the list of connections to write to.
    pub(crate) in_dirty: bool,
}

/// How far a connection is from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// In use.
    Open,
    /// Writing failed. What the peer sent before is still read; nothing more is sent.
    Broken,
    /// The machine is done with it. What is queued goes out, what arrives is discarded.
    Flushing(Peer),
    /// All is out and said to be the end; what arrives is discarded until the peer ends too, so
    /// that the peer reads our last packet instead of a reset.
    Lingering,
}

/// Whether the peer may still send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// It may.
    MaySend,
    /// It has ended its direction.
    HasEnded,
}

/// Whether the machine was told that too much is queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Congestion {
    /// It was not.
    Clear,
    /// It was, and waits to hear that all went out.
    Told,
}

/// What a read came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// So many bytes stand in the buffer.
    Bytes(usize),
    /// Nothing is there now.
    Nothing,
    /// The peer has ended its direction.
    End,
    /// The connection failed.
    Failed,
}

/// What a write came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// Everything that was queued.
    All,
    /// Less: the socket takes no more now.
    Some,
    /// The connection failed.
    Failed,
}

impl Conn {
    /// Takes over a socket that does not block.
    pub(crate) fn new(stream: TcpStream) -> Self {
        set_options(&stream);
        Self {
            stream,
            queue: VecDeque::new(),
            queued: 0,
            readable: false,
            end_announced: false,
            writable: true,
            flow: Flow::Resume,
            state: State::Open,
            congestion: Congestion::Clear,
            in_ready: false,
            in_dirty: false,
        }
    }

    /// The socket, to register it with the poll.
    pub(crate) const fn stream_mut(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Notes what the poll said.
    pub(crate) fn note(&mut self, event: &mio::event::Event) {
        if event.is_read_closed() || event.is_error() {
            self.end_announced = true;
        }
        self.readable |= event.is_readable() || self.end_announced;
        self.writable |= event.is_writable() || event.is_write_closed() || event.is_error();
    }

    /// Has the next read go to the socket, whatever the poll said.
    pub(crate) const fn assume_readable(&mut self) {
        self.readable = true;
    }

    /// Whether reading is worth a try, and wanted.
    pub(crate) fn wants_read(&self) -> bool {
        self.readable && self.flow == Flow::Resume
    }

    /// Whether writing is worth a try.
    pub(crate) fn wants_write(&self) -> bool {
        self.writable && !self.queue.is_empty()
    }

    /// Bytes that wait to go out.
    pub(crate) const fn queued(&self) -> usize {
        self.queued
    }

    /// Queues bytes.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.queued += bytes.len();
            self.queue.push_back(bytes);
        }
    }

    /// Forgets what is queued.
    pub(crate) fn discard_queue(&mut self) {
        self.queue = VecDeque::new();
        self.queued = 0;
    }

    /// Reads once, as much as fits.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Received {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return Received::End,
                Ok(len) => {
                    // A read that falls short has emptied the socket, and the next arrival is
                    // reported anew; but an end that was announced is not announced again.
                    self.readable = len == buffer.len() || self.end_announced;
                    return Received::Bytes(len);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.readable = false;
                    return Received::Nothing;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::trace!(%error, "reading failed");
                    return Received::Failed;
                }
            }
        }
    }

    /// Writes until everything is out or the socket takes no more.
    pub(crate) fn write(&mut self) -> Sent {
        while !self.queue.is_empty() {
            if !self.writable {
                return Sent::Some;
            }
            match write_front(&mut self.stream, &self.queue) {
                Ok(0) => return Sent::Failed,
                Ok(len) => self.advance(len),
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::trace!(%error, "writing failed");
                    return Sent::Failed;
                }
            }
        }
        self.queue = VecDeque::new();
        Sent::All
    }

    /// Tells the peer that nothing more comes.
    pub(crate) fn end_writing(&self) -> Result<(), std::io::Error> {
        self.stream.shutdown(Shutdown::Write)
    }

    fn advance(&mut self, mut len: usize) {
        self.queued = self.queued.saturating_sub(len);
        while let Some(front) = self.queue.front_mut() {
            if front.len() > len {
                front.advance(len);
                return;
            }
            len -= front.len();
            self.queue.pop_front();
        }
    }
}

/// One system call for as many packets as it takes.
fn write_front(stream: &mut TcpStream, queue: &VecDeque<Bytes>) -> std::io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); WRITE_SLICES];
    let mut filled = 0;
    for (slice, bytes) in slices.iter_mut().zip(queue) {
        *slice = IoSlice::new(bytes);
        filled += 1;
    }
    stream.write_vectored(slices.get(..filled).unwrap_or_default())
}

/// Packets leave at once instead of waiting for more, and a peer that vanished is noticed. A
/// socket that refuses works without.
fn set_options(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_AFTER)
        .with_interval(KEEPALIVE_EVERY)
        .with_retries(KEEPALIVE_TRIES);
    let set = socket.set_tcp_nodelay(true).and_then(|()| socket.set_tcp_keepalive(&keepalive));
    if let Err(error) = set {
        tracing::debug!(%error, "a socket refused its options");
    }
}

/// Packets in one system call; it takes 1,024 at most.
const WRITE_SLICES: usize = 64;
/// A silent peer is asked after this time, ...
const KEEPALIVE_AFTER: Duration = Duration::from_mins(1);
/// ... again after this, ...
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);
/// ... and given up after so many questions without an answer.
const KEEPALIVE_TRIES: u32 = 4;

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn pair() -> (Conn, std::net::TcpStream) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let near = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        near.set_nonblocking(true).unwrap();
        (Conn::new(TcpStream::from_std(near)), listener.accept().unwrap().0)
    }

    #[test]
    fn idle_connection_holds_no_buffer() {
        let (mut conn, mut peer) = pair();
        for _ in 0..1_000 {
            conn.push(Bytes::from_static(b"packet"));
        }
        assert_eq!(conn.write(), Sent::All);
        peer.read_exact(&mut [0; 6_000]).unwrap();
        assert_eq!((conn.queued(), conn.queue.capacity()), (0, 0));
        assert!(size_of::<Conn>() <= 64, "{} bytes", size_of::<Conn>());
    }

    #[test]
    fn packets_that_went_out_in_part_go_on_where_they_stopped() {
        let (mut conn, _peer) = pair();
        for packet in ["one", "three", "five"] {
            conn.push(Bytes::from_static(packet.as_bytes()));
        }
        conn.advance(5);
        assert_eq!(conn.queue, ["ree", "five"]);
        assert_eq!(conn.queued(), 7);
        conn.advance(3);
        assert_eq!(conn.queue, ["five"]);
    }
}
