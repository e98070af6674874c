//! One nonblocking connection: whole packets in, gathered writes out, no allocation per packet.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use bytes::Bytes;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Registry, Token};
use sealpost_core::wire::{Op, Packet, SIGNATURE_LEN};
use sealpost_programs::Failure;

use super::PROFILE;

/// A connection to the server.
pub(crate) struct Link {
    stream: TcpStream,
    /// The start of a packet whose rest has not arrived.
    tail: Vec<u8>,
    out: Vec<u8>,
    /// Bytes of `out` that are written.
    written: usize,
    /// Bytes received and sent since the connection was opened.
    pub(crate) traffic: u64,
}

/// One whole packet in the buffer that it was read into.
#[derive(Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub(crate) bytes: &'a [u8],
}

/// Waits for events of the connections. Leaves `events` empty if there were none in `time`.
/// Continues after an interruption, so that a run can be stopped and continued from a shell.
pub(crate) fn wait(poll: &mut Poll, events: &mut Events, time: Duration) -> Result<(), Failure> {
    loop {
        match poll.poll(events, Some(time)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            done => return Ok(done?),
        }
    }
}

impl Link {
    /// Takes over a connection, and has the poll report its events under `token`.
    pub(crate) fn new(
        stream: std::net::TcpStream,
        registry: &Registry,
        token: Token,
    ) -> Result<Self, Failure> {
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { stream, tail: Vec::new(), out: Vec::new(), written: 0, traffic: 0 })
    }

    /// Queues bytes for the next [`flush`](Self::flush).
    pub(crate) fn queue(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Number of queued bytes that are not written.
    pub(crate) const fn unwritten(&self) -> usize {
        self.out.len() - self.written
    }

    /// Writes as many queued bytes as the socket accepts. The rest follows with the next call.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        while let Some(rest @ [_, ..]) = self.out.get(self.written..) {
            match self.stream.write(rest) {
                Ok(len) => {
                    self.written += len;
                    self.traffic += len as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // A connection that is not established yet is reported like this, too.
                Err(error) if is_not_yet(&error) => return Ok(()),
                Err(error) => return Err(Failure::context("can't write to the server")(error)),
            }
        }
        self.out.clear();
        self.written = 0;
        Ok(())
    }

    /// Reads all bytes that have arrived, using `buffer`, and calls `take` with each whole packet
    /// and the time at which it was read. An end of the connection that arrived together with the
    /// bytes may go unnoticed.
    pub(crate) fn read(
        &mut self,
        buffer: &mut [u8],
        mut take: impl FnMut(Frame<'_>, Instant) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.read_packets(
            buffer,
            |bytes| Ok(Frame::len(bytes)),
            |bytes, at| take(Frame { bytes }, at),
        )
    }

    /// Does the same for packets of any protocol. `packet_len` returns the length of the first
    /// packet, or `None` if too few bytes are there to tell.
    pub(crate) fn read_packets(
        &mut self,
        buffer: &mut [u8],
        packet_len: impl Fn(&[u8]) -> Result<Option<usize>, Failure>,
        mut take: impl FnMut(&[u8], Instant) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        loop {
            let kept = self.tail.len();
            let (front, free) = buffer.split_at_mut(kept);
            front.copy_from_slice(&self.tail);
            let len = match self.stream.read(free) {
                Ok(0) => return Err(Failure::new("the server closed a connection")),
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if is_not_yet(&error) => return Ok(()),
                Err(error) => return Err(Failure::context("can't read from the server")(error)),
            };
            let at = Instant::now();
            self.traffic += len as u64;
            let emptied = len < free.len();
            let mut rest = buffer.get(..kept + len).unwrap_or_default();
            while let Some(len) = packet_len(rest)?
                && let Some((packet, behind)) = rest.split_at_checked(len)
            {
                take(packet, at)?;
                rest = behind;
            }
            self.tail.clear();
            self.tail.extend_from_slice(rest);
            if emptied {
                return Ok(());
            }
        }
    }
}

impl Frame<'_> {
    /// Length of the first packet. `None` if its header is not complete.
    fn len(bytes: &[u8]) -> Option<usize> {
        let &[.., low, high] = bytes.get(..PROFILE.header_len())? else { return None };
        let payload_len = usize::from(u16::from_le_bytes([low, high]));
        Some(PROFILE.header_len() + payload_len + SIGNATURE_LEN)
    }

    /// The op code, if this protocol has it.
    pub(crate) fn op(self) -> Option<Op> {
        Op::from_code(*self.bytes.get(PROFILE.header_len() - 3)?)
    }

    /// Whether the server is the sender.
    pub(crate) fn is_from_server(self) -> bool {
        self.bytes.starts_with(&[0; PROFILE.id_len()])
    }

    /// Whether the packet is for a user, and not for a client without a session.
    pub(crate) fn is_for_user(self) -> bool {
        let recipient = self.bytes.get(PROFILE.id_len()..2 * PROFILE.id_len());
        recipient.is_some_and(|id| id.iter().any(|byte| *byte != 0))
    }

    /// A parsed copy.
    pub(crate) fn packet(self) -> Result<Packet, Failure> {
        Packet::parse(PROFILE, Bytes::copy_from_slice(self.bytes))
            .ok_or_else(|| Failure::new("the server sent something that is not a packet"))
    }
}

/// A buffer with room for the largest packet, and for many usual ones.
pub(crate) fn buffer() -> Vec<u8> {
    vec![0; 256 * 1024]
}

fn is_not_yet(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream as StdStream};

    use super::*;

    #[test]
    fn length_is_known_once_the_header_is_complete() {
        let mut bytes = vec![0; PROFILE.header_len()];
        bytes[PROFILE.header_len() - 2] = 3;
        for len in 0..bytes.len() {
            assert_eq!(Frame::len(&bytes[..len]), None);
        }
        assert_eq!(Frame::len(&bytes), Some(PROFILE.header_len() + 3 + SIGNATURE_LEN));
    }

    #[test]
    fn op_code_and_sender_are_in_the_header() {
        let mut bytes = vec![0; PROFILE.header_len()];
        bytes[PROFILE.header_len() - 3] = 102;
        let frame = Frame { bytes: &bytes };
        assert_eq!((frame.op(), frame.is_from_server()), (Some(Op::Message), true));
    }

    #[test]
    fn packets_are_taken_whole_however_the_bytes_arrive() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = StdStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        let mut poll = Poll::new().unwrap();
        let mut link = Link::new(stream, poll.registry(), Token(0)).unwrap();
        let first_byte = |bytes: &[u8]| Ok(bytes.first().map(|len| usize::from(*len)));
        let (mut buffer, mut events) = (vec![0; 64], Events::with_capacity(8));
        let mut taken = Vec::new();
        for bytes in [&[3, 7][..], &[7, 1, 2], &[9, 4, 8, 8], &[8]] {
            peer.write_all(bytes).unwrap();
            let expected = link.traffic + bytes.len() as u64;
            while link.traffic < expected {
                wait(&mut poll, &mut events, Duration::from_millis(5)).unwrap();
                link.read_packets(&mut buffer, first_byte, |packet, _| {
                    taken.push(packet.to_vec());
                    Ok(())
                })
                .unwrap();
            }
        }
        assert_eq!(taken, [&[3, 7, 7][..], &[1], &[2, 9], &[4, 8, 8, 8]]);
    }
}
