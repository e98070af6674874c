//! A socket whose bytes are encrypted with TLS.

use std::io::{ErrorKind, Write};

use super::connection::{Received, Sent};
use super::proxy_header::is_from_a_stranger;
use super::socket::Socket;
use super::write_queue::WriteQueue;
use crate::tls::{PLAINTEXT_MAX, Stage, TlsSession};

/// A nonblocking socket and its TLS session.
#[derive(Debug)]
pub(super) struct TlsStream {
    socket: Socket,
    session: Box<TlsSession>,
    source: Source,
    end: End,
}

/// What is known about unread ciphertext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Unknown,
    /// The latest read has emptied the socket.
    Empty,
}

/// How far our direction has come on its way to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    No,
    /// After what is queued.
    Requested,
    /// The peer is told, or can't be told any more.
    Done,
}

impl TlsStream {
    pub(super) const fn new(socket: Socket, session: Box<TlsSession>) -> Self {
        Self { socket, session, source: Source::Unknown, end: End::No }
    }

    pub(super) const fn socket_mut(&mut self) -> &mut Socket {
        &mut self.socket
    }

    /// Memory of everything that is on its way, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.session.memory()
    }

    pub(super) fn is_shaking_hands(&self) -> bool {
        self.session.stage() == Stage::Handshake
    }

    /// Whether there is ciphertext for the peer.
    pub(super) fn has_ciphertext(&self) -> bool {
        !self.session.outgoing().is_empty()
    }

    /// Whether another read may find something without another report of the poll.
    pub(super) fn may_have_more(&self) -> bool {
        let is_over = matches!(self.session.stage(), Stage::PeerEnded | Stage::Failed);
        self.source == Source::Unknown || self.session.has_plaintext() || is_over
    }

    /// Reads from the socket once, a record at most, and decrypts what has arrived. First returns
    /// what earlier reads have left.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Received {
        if self.session.has_plaintext() {
            // The poll may have reported more in the meantime.
            self.source = Source::Unknown;
            return Received::Bytes(self.session.take_plaintext(buffer));
        }
        match self.session.stage() {
            Stage::Handshake | Stage::Open => {}
            Stage::PeerEnded => return Received::End,
            Stage::Failed => return Received::Failed,
        }
        loop {
            match self.session.read_from(&mut self.socket) {
                // Without a close_notify, anyone on the way may have cut the connection.
                Ok((0, _)) => {
                    tracing::trace!("a TLS connection was cut off");
                    return Received::Failed;
                }
                Ok(_)
                    if self.session.stage() == Stage::Handshake
                        && is_from_a_stranger(self.session.incoming()) =>
                {
                    return Received::Failed;
                }
                Ok((_, may_have_more)) => {
                    self.source = if may_have_more { Source::Unknown } else { Source::Empty };
                    return self.process(buffer);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.source = Source::Empty;
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

    fn process(&mut self, buffer: &mut [u8]) -> Received {
        if let Err(error) = self.session.process() {
            tracing::debug!(%error, "a TLS connection failed");
            // The alert that says why. If it can't go out now, the peer does without.
            if let Ok(len) = self.socket.write(self.session.outgoing()) {
                self.session.sent(len);
            }
        }
        let len = self.session.take_plaintext(buffer);
        if len > 0 || self.session.has_plaintext() {
            return Received::Bytes(len);
        }
        match self.session.stage() {
            Stage::Handshake | Stage::Open => Received::Bytes(0),
            Stage::PeerEnded => Received::End,
            Stage::Failed => Received::Failed,
        }
    }

    /// Encrypts and writes until the queue is empty or the socket accepts no more. Encrypts only as
    /// much as goes out: one record at a time.
    pub(super) fn write(&mut self, queue: &mut WriteQueue, writable: &mut bool) -> Sent {
        loop {
            if self.has_ciphertext() {
                if !*writable {
                    return Sent::Part;
                }
                match self.socket.write(self.session.outgoing()) {
                    Ok(0) => return Sent::Failed,
                    Ok(len) => self.session.sent(len),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => *writable = false,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => {
                        tracing::trace!(%error, "writing to a connection failed");
                        return Sent::Failed;
                    }
                }
                continue;
            }
            match (self.session.stage(), self.end) {
                (Stage::Failed, _) => return Sent::Failed,
                // The end of the handshake will have this called again.
                (Stage::Handshake, _) if !queue.is_empty() => return Sent::Part,
                (Stage::Open | Stage::PeerEnded, _) if !queue.is_empty() => {
                    if self.encrypt(queue).is_err() {
                        return Sent::Failed;
                    }
                }
                (Stage::Open | Stage::PeerEnded, End::Requested) => {
                    self.end = End::Done;
                    if self.session.end().is_err() {
                        return Sent::Failed;
                    }
                }
                (Stage::Handshake | Stage::Open | Stage::PeerEnded, _) => {
                    queue.clear();
                    return Sent::All;
                }
            }
        }
    }

    /// Has the peer told that nothing more will come, once the queue is written.
    pub(super) fn end_after_queue(&mut self) {
        if self.end == End::No {
            self.end = End::Requested;
        }
    }

    /// Encrypts what is at the front of the queue, a record at most.
    fn encrypt(&mut self, queue: &mut WriteQueue) -> Result<(), rustls::Error> {
        let mut bytes = vec![0; queue.len().min(PLAINTEXT_MAX)];
        // Writing into a slice fills it and can't fail.
        let len = queue.write_to(&mut bytes.as_mut_slice()).unwrap_or(0);
        self.session.encrypt(bytes.get(..len).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream as Peer;
    use std::time::Duration;

    use mio::{Events, Poll};
    use sealpost_core::time::Mono;

    use super::super::arrivals::Arrival;
    use super::super::connections::{Connections, HANDSHAKE_READS};
    use super::super::listening_socket::Encryption;
    use super::*;
    use crate::certificates::{TestAuthority, TestCertificate};
    use crate::config::HostConfig;
    use crate::tls::{CertificateChain, TlsClient, TlsServer};

    #[test]
    fn a_turn_has_few_handshakes() {
        let authority = TestAuthority::new();
        let TestCertificate { chain, key } = authority.issue(&["example.org"]);
        let chain = CertificateChain::from_pem(chain.as_bytes()).unwrap();
        let server = TlsServer::new(chain, key.as_bytes()).unwrap();
        let authorities = authority.pem();
        let client = TlsClient::with_authorities("example.org", authorities.as_bytes()).unwrap();

        let mut poll = Poll::new().unwrap();
        let registry = poll.registry().try_clone().unwrap();
        let limits = HostConfig::default().queue_limits();
        let mut connections = Connections::new(registry, limits, Duration::ZERO);
        connections.accept_tls(server);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let peers: Vec<_> = (0..3 * HANDSHAKE_READS)
            .map(|_| {
                let mut peer = Peer::connect(listener.local_addr().unwrap()).unwrap();
                let mut session = client.connect().unwrap();
                session.process().unwrap();
                peer.write_all(session.outgoing()).unwrap();
                peer.set_nonblocking(true).unwrap();
                let (near, from) = listener.accept().unwrap();
                near.set_nonblocking(true).unwrap();
                connections.add_accepted(Arrival {
                    socket: near.into(),
                    peer: from.ip(),
                    encryption: Encryption::OfHost,
                });
                peer
            })
            .collect();
        let mut events = Events::with_capacity(100);
        poll.poll(&mut events, None).unwrap();
        events.iter().for_each(|event| connections.note_readiness(event));

        let (mut turn, mut buffer) = (Vec::new(), [0; 100]);
        let answered = || peers.iter().filter(|peer| peer.peek(&mut [0]).is_ok()).count();
        for handshakes in 1..=3 {
            connections.take_ready(&mut turn);
            for id in turn.drain(..) {
                assert_eq!(connections.read(id, &mut buffer, Mono(0)), None);
            }
            connections.flush();
            assert_eq!(answered(), handshakes * HANDSHAKE_READS);
        }
    }
}
