//! One nonblocking connection: whole packets in, gathered writes out, no allocation per packet.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use bytes::Bytes;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Registry, Token};
use sealpost_core::wire::{Op, Packet, SIGNATURE_LEN};
use sealpost_programs::Failure;

use crate::PROFILE;

/// A connection to the server.
pub(crate) struct Link {
    stream: TcpStream,
    /// The start of a packet whose rest has not come.
    tail: Vec<u8>,
    out: Vec<u8>,
    /// How much of `out` is written.
    written: usize,
    /// Bytes received and sent since the beginning.
    pub(crate) traffic: u64,
}

/// A packet in the buffer that it was read into.
#[derive(Clone, Copy)]
pub(crate) struct Frame<'a> {
    /// The whole packet.
    pub(crate) bytes: &'a [u8],
}

/// Waits for what happens on the connections; no event: nothing did in that time. A run that was
/// stopped and continued, as by a shell, goes on.
pub(crate) fn wait(poll: &mut Poll, events: &mut Events, time: Duration) -> Result<(), Failure> {
    loop {
        match poll.poll(events, Some(time)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            done => return Ok(done?),
        }
    }
}

impl Link {
    /// Takes a connection over, and has its events reported under `token`.
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

    /// Adds to what the next [`flush`](Self::flush) writes.
    pub(crate) fn queue(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Writes what is queued, as far as the socket takes it. The rest follows at the next call.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        while let Some(rest @ [_, ..]) = self.out.get(self.written..) {
            match self.stream.write(rest) {
                Ok(len) => {
                    self.written += len;
                    self.traffic += len as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Not connected yet is reported like this, too.
                Err(error) if is_not_yet(&error) => return Ok(()),
                Err(error) => return Err(Failure::context("can't write to the server")(error)),
            }
        }
        self.out.clear();
        self.written = 0;
        Ok(())
    }

    /// Reads all that has come, by way of `buffer`, and has each whole packet taken with the time
    /// at which it was read.
    pub(crate) fn read(
        &mut self,
        buffer: &mut [u8],
        mut take: impl FnMut(Frame<'_>, Instant) -> Result<(), Failure>,
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
            while let Some((frame, behind)) = Frame::split(rest) {
                take(frame, at)?;
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

impl<'a> Frame<'a> {
    /// The packet in front, and what is behind it; `None` if it is not whole.
    fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let &[.., low, high] = bytes.get(..PROFILE.header_len())? else { return None };
        let payload_len = usize::from(u16::from_le_bytes([low, high]));
        let (bytes, behind) =
            bytes.split_at_checked(PROFILE.header_len() + payload_len + SIGNATURE_LEN)?;
        Some((Self { bytes }, behind))
    }

    /// What it is, if it is of this protocol.
    pub(crate) fn op(self) -> Option<Op> {
        Op::from_code(*self.bytes.get(PROFILE.header_len() - 3)?)
    }

    /// Whether the server made it.
    pub(crate) fn is_from_server(self) -> bool {
        self.bytes.starts_with(&[0; PROFILE.id_len()])
    }

    /// A copy, parsed.
    pub(crate) fn packet(self) -> Result<Packet, Failure> {
        Packet::parse(PROFILE, Bytes::copy_from_slice(self.bytes))
            .ok_or_else(|| Failure::new("what the server sent is no packet"))
    }
}

/// Room for the largest packet, and for many of the usual ones.
pub(crate) fn buffer() -> Vec<u8> {
    vec![0; 256 * 1024]
}

fn is_not_yet(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_split_off_only_when_it_is_whole() {
        let mut bytes = vec![0; PROFILE.header_len() + 3 + SIGNATURE_LEN];
        bytes[PROFILE.header_len() - 3] = 102;
        bytes[PROFILE.header_len() - 2] = 3;
        let whole = bytes.len();
        bytes.extend([7; 5]);
        for len in 0..whole {
            assert!(Frame::split(&bytes[..len]).is_none());
        }
        let (frame, behind) = Frame::split(&bytes).unwrap();
        assert_eq!((frame.bytes.len(), behind), (whole, &[7; 5][..]));
        assert_eq!((frame.op(), frame.is_from_server()), (Some(Op::Message), true));
    }
}
