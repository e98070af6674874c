//! A connected stream socket.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, OwnedFd};

use mio::event::Source;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::net::{RecvFlags, recv};

/// A nonblocking stream socket: TCP, or of the Unix domain. Once connected, they work alike.
#[derive(Debug)]
pub(crate) struct Socket(socket2::Socket);

impl Socket {
    /// Copies what has arrived to the front of `buffer`, and leaves it in the socket. Returns its
    /// length, 0 if the peer has ended its direction before.
    pub(super) fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let (len, _) = recv(&self.0, buffer, RecvFlags::PEEK)?;
        Ok(len)
    }

    /// Ends our direction.
    pub(super) fn end_writing(&self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }
}

impl<S: Into<OwnedFd>> From<S> for Socket {
    fn from(stream: S) -> Self {
        Self(stream.into().into())
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Source for Socket {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        SourceFd(&self.0.as_raw_fd()).register(registry, token, interests)
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        SourceFd(&self.0.as_raw_fd()).reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        SourceFd(&self.0.as_raw_fd()).deregister(registry)
    }
}
