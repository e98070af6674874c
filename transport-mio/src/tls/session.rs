//! One side of a TLS connection, without its socket.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, UnbufferedStatus};
use rustls::{ClientConfig, Error, ServerConfig};

use super::ALPN;

/// Turns ciphertext of the peer into bytes, and bytes into ciphertext. The buffers of rustls' other
/// interface never shrink below 4 KiB. These take no memory while nothing is on its way.
pub(crate) struct TlsSession {
    side: Side,
    stage: Stage,
    /// Ciphertext from the peer, up to what can be decrypted.
    incoming: BytesMut,
    /// Decrypted bytes that were not taken yet.
    plaintext: BytesMut,
    /// Ciphertext for the peer.
    outgoing: BytesMut,
}

enum Side {
    Server(UnbufferedServerConnection),
    Client(UnbufferedClientConnection),
}

/// How far a session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The handshake is under way. Nothing can be encrypted yet.
    Handshake,
    /// Both may send.
    Open,
    /// The peer has said that it will send no more.
    PeerEnded,
    /// The peer has violated the protocol, or refused us.
    Failed,
}

/// What is to be encrypted.
enum Task<'a> {
    Nothing,
    Bytes(&'a [u8]),
    CloseNotify,
}

/// How far one call of rustls has come.
enum Step {
    /// There is more to do.
    Advanced,
    /// The peer has said that it will send no more.
    PeerEnded,
    /// The handshake needs more from the peer.
    Blocked,
    /// Everything is processed, and the task is done.
    Done,
}

impl TlsSession {
    /// Begins as a server.
    pub(super) fn server(config: Arc<ServerConfig>) -> Result<Self, Error> {
        Ok(Self::new(Side::Server(UnbufferedServerConnection::new(config)?)))
    }

    /// Begins as a client.
    pub(super) fn client(
        config: Arc<ClientConfig>,
        host: ServerName<'static>,
    ) -> Result<Self, Error> {
        Ok(Self::new(Side::Client(UnbufferedClientConnection::new(config, host)?)))
    }

    fn new(side: Side) -> Self {
        let [incoming, plaintext, outgoing] = [(); 3].map(|()| BytesMut::new());
        Self { side, stage: Stage::Handshake, incoming, plaintext, outgoing }
    }

    pub(crate) const fn stage(&self) -> Stage {
        self.stage
    }

    /// Whether the peer has confirmed that it speaks Sealpost (RFC 7301).
    pub(crate) fn is_sealpost(&self) -> bool {
        let protocol = match &self.side {
            Side::Server(connection) => connection.alpn_protocol(),
            Side::Client(connection) => connection.alpn_protocol(),
        };
        protocol == Some(ALPN)
    }

    /// Memory of everything that is on its way, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.incoming.capacity() + self.plaintext.capacity() + self.outgoing.capacity()
    }

    /// Reads ciphertext once, a record at most, without looking at it. Returns its length, and
    /// whether `source` may have more.
    pub(crate) fn read_from(&mut self, source: &mut impl Read) -> io::Result<(usize, bool)> {
        let before = self.incoming.len();
        self.incoming.resize(before + RECORD, 0);
        let read = source.read(self.incoming.get_mut(before..).unwrap_or_default());
        self.incoming.truncate(before + read.as_ref().map_or(0, |len| *len));
        read.map(|len| (len, len == RECORD))
    }

    /// What was read and could not be processed yet.
    pub(crate) fn incoming(&self) -> &[u8] {
        &self.incoming
    }

    /// Processes what was read. What there is to say to the peer is in [`TlsSession::outgoing`]
    /// afterwards, after an error too.
    pub(crate) fn process(&mut self) -> Result<(), Error> {
        self.run(&Task::Nothing)
    }

    /// Encrypts bytes. The handshake must be complete.
    pub(crate) fn encrypt(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.run(&Task::Bytes(bytes))
    }

    /// Tells the peer that nothing more will come. The handshake must be complete.
    pub(crate) fn end(&mut self) -> Result<(), Error> {
        self.run(&Task::CloseNotify)
    }

    /// Moves decrypted bytes to the front of `buffer`. Returns how many.
    pub(crate) fn take_plaintext(&mut self, buffer: &mut [u8]) -> usize {
        let len = self.plaintext.len().min(buffer.len());
        self.plaintext.copy_to_slice(buffer.get_mut(..len).unwrap_or_default());
        free_if_empty(&mut self.plaintext);
        len
    }

    pub(crate) fn has_plaintext(&self) -> bool {
        !self.plaintext.is_empty()
    }

    /// The ciphertext for the peer.
    pub(crate) fn outgoing(&self) -> &[u8] {
        &self.outgoing
    }

    /// Removes ciphertext that was sent.
    pub(crate) fn sent(&mut self, len: usize) {
        self.outgoing.advance(len.min(self.outgoing.len()));
        free_if_empty(&mut self.outgoing);
    }

    /// Processes everything that was read, then does the task.
    fn run(&mut self, task: &Task<'_>) -> Result<(), Error> {
        let result = loop {
            match self.step(task) {
                Ok(Step::Advanced) => {}
                Ok(Step::PeerEnded) => self.stage = Stage::PeerEnded,
                Ok(Step::Blocked) => break Ok(()),
                Ok(Step::Done) => {
                    if self.stage == Stage::Handshake {
                        self.stage = Stage::Open;
                    }
                    break Ok(());
                }
                Err(error) => {
                    self.stage = Stage::Failed;
                    // Encodes the alert that tells the peer what was wrong, if there is one.
                    let _ = self.step(&Task::Nothing);
                    break Err(error);
                }
            }
        };
        match self.stage {
            Stage::Handshake | Stage::Open => free_if_empty(&mut self.incoming),
            // Nobody will look at the rest.
            Stage::PeerEnded | Stage::Failed => self.incoming = BytesMut::new(),
        }
        result
    }

    fn step(&mut self, task: &Task<'_>) -> Result<Step, Error> {
        let Self { side, incoming, plaintext, outgoing, .. } = self;
        let (discard, step) = match side {
            Side::Server(connection) => {
                step(connection.process_tls_records(incoming), plaintext, outgoing, task)
            }
            Side::Client(connection) => {
                step(connection.process_tls_records(incoming), plaintext, outgoing, task)
            }
        };
        incoming.advance(discard.min(incoming.len()));
        step
    }
}

/// Handles one answer of rustls. Returns the length of the ciphertext that is done with.
#[expect(clippy::wildcard_enum_match_arm, reason = "rustls may add states that need a setting")]
fn step<Data>(
    UnbufferedStatus { mut discard, state, .. }: UnbufferedStatus<'_, '_, Data>,
    plaintext: &mut BytesMut,
    outgoing: &mut BytesMut,
    task: &Task<'_>,
) -> (usize, Result<Step, Error>) {
    let step = state.and_then(|state| match state {
        ConnectionState::ReadTraffic(mut records) => {
            while let Some(record) = records.next_record() {
                let record = record?;
                discard += record.discard;
                plaintext.extend_from_slice(record.payload);
            }
            Ok(Step::Advanced)
        }
        ConnectionState::EncodeTlsData(mut message) => {
            let needed = match message.encode(&mut []) {
                Err(EncodeError::InsufficientSize(error)) => error.required_size,
                Ok(_) | Err(EncodeError::AlreadyEncoded) => 0,
            };
            append(outgoing, needed, |buffer| message.encode(buffer))
        }
        // All ciphertext goes out in the order of this buffer.
        ConnectionState::TransmitTlsData(transmit) => {
            transmit.done();
            Ok(Step::Advanced)
        }
        ConnectionState::WriteTraffic(mut traffic) => match task {
            Task::Nothing => Ok(Step::Done),
            Task::Bytes(bytes) => {
                let needed = bytes.len() + OVERHEAD;
                append(outgoing, needed, |buffer| traffic.encrypt(bytes, buffer))
            }
            Task::CloseNotify => {
                append(outgoing, OVERHEAD, |buffer| traffic.queue_close_notify(buffer))
            }
        }
        .map(|_| Step::Done),
        ConnectionState::PeerClosed => Ok(Step::PeerEnded),
        ConnectionState::BlockedHandshake => Ok(Step::Blocked),
        ConnectionState::Closed => Ok(Step::Done),
        // Early data is never accepted, and there is no other state.
        _ => Err(Error::General("unexpected state of TLS".into())),
    });
    (discard, step)
}

/// Appends what `write` produces, which takes at most `most` bytes.
fn append<E: ToString>(
    outgoing: &mut BytesMut,
    most: usize,
    write: impl FnOnce(&mut [u8]) -> Result<usize, E>,
) -> Result<Step, Error> {
    let before = outgoing.len();
    outgoing.resize(before + most, 0);
    let written = write(outgoing.get_mut(before..).unwrap_or_default());
    outgoing.truncate(before + written.as_ref().map_or(0, |len| *len));
    written.map(|_| Step::Advanced).map_err(|error| Error::General(error.to_string()))
}

/// An idle connection must not keep the memory of its last burst.
fn free_if_empty(buffer: &mut BytesMut) {
    if buffer.is_empty() {
        *buffer = BytesMut::new();
    }
}

impl fmt::Debug for TlsSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSession").field("stage", &self.stage).finish_non_exhaustive()
    }
}

/// Most plaintext that is encrypted at once: one record (RFC 8446, 5.1).
pub(crate) const PLAINTEXT_MAX: usize = 1 << 14;
/// Longest encrypted record with its header (RFC 8446, 5.2).
const RECORD: usize = PLAINTEXT_MAX + 256 + 5;
/// Bytes that encrypting adds to a record at most, with an update of the key before it.
const OVERHEAD: usize = 256;

#[cfg(test)]
mod tests {
    use rustls::NamedGroup;

    use super::super::{CertificateChain, TlsClient, TlsServer};
    use super::*;
    use crate::certificates::{TestAuthority, TestCertificate};

    fn both() -> [TlsSession; 2] {
        let authority = TestAuthority::new();
        let TestCertificate { chain, key } = authority.issue(&["example.org"]);
        let chain = CertificateChain::from_pem(chain.as_bytes()).unwrap();
        let server = TlsServer::new(chain, key.as_bytes()).unwrap();
        let authorities = authority.pem();
        let client = TlsClient::with_authorities("example.org", authorities.as_bytes()).unwrap();
        [client.connect().unwrap(), server.accept().unwrap()]
    }

    /// Moves ciphertext from one side to the other, in pieces.
    fn carry(from: &mut TlsSession, to: &mut TlsSession, piece: usize) -> Result<(), Error> {
        let ciphertext = from.outgoing().to_vec();
        from.sent(ciphertext.len());
        for mut piece in ciphertext.chunks(piece) {
            while !piece.is_empty() {
                to.read_from(&mut piece).unwrap();
            }
            to.process()?;
        }
        Ok(())
    }

    fn shake_hands(piece: usize) -> [TlsSession; 2] {
        let [mut client, mut server] = both();
        client.process().unwrap();
        for _ in 0..2 {
            carry(&mut client, &mut server, piece).unwrap();
            carry(&mut server, &mut client, piece).unwrap();
        }
        assert_eq!([client.stage(), server.stage()], [Stage::Open; 2]);
        [client, server]
    }

    fn taken(session: &mut TlsSession) -> Vec<u8> {
        let mut bytes = vec![0; 100_000];
        let len = session.take_plaintext(&mut bytes);
        bytes.truncate(len);
        bytes
    }

    #[test]
    fn bytes_arrive_in_order_however_they_are_cut() {
        for piece in [1, 2, 100, usize::MAX] {
            let [mut client, mut server] = shake_hands(piece);
            client.encrypt(b"one").unwrap();
            client.encrypt(&[7; PLAINTEXT_MAX]).unwrap();
            carry(&mut client, &mut server, piece).unwrap();
            assert_eq!(taken(&mut server), [&b"one"[..], &[7; PLAINTEXT_MAX]].concat());
        }
    }

    #[test]
    fn key_exchange_is_hybrid() {
        for session in shake_hands(usize::MAX) {
            let group = match &session.side {
                Side::Server(connection) => connection.negotiated_key_exchange_group(),
                Side::Client(connection) => connection.negotiated_key_exchange_group(),
            };
            assert_eq!(group.unwrap().name(), NamedGroup::X25519MLKEM768);
        }
    }

    #[test]
    fn idle_session_holds_no_buffer() {
        let [mut client, mut server] = shake_hands(1_000);
        client.encrypt(&[7; 10_000]).unwrap();
        assert!(client.memory() >= 10_000);
        carry(&mut client, &mut server, 1_000).unwrap();
        assert!(server.memory() >= 10_000);
        taken(&mut server);
        assert_eq!([client.memory(), server.memory()], [0; 2]);
    }

    #[test]
    fn nothing_is_sent_that_would_resume_a_session() {
        let [mut client, mut server] = both();
        client.process().unwrap();
        carry(&mut client, &mut server, usize::MAX).unwrap();
        carry(&mut server, &mut client, usize::MAX).unwrap();
        carry(&mut client, &mut server, usize::MAX).unwrap();
        assert_eq!(server.outgoing(), b"");
    }

    #[test]
    fn end_is_told_after_what_was_sent() {
        let [mut client, mut server] = shake_hands(usize::MAX);
        client.encrypt(b"last words").unwrap();
        client.end().unwrap();
        carry(&mut client, &mut server, 1).unwrap();
        assert_eq!(
            (server.stage(), &taken(&mut server)[..]),
            (Stage::PeerEnded, &b"last words"[..])
        );
        server.encrypt(b"still heard").unwrap();
        carry(&mut server, &mut client, 1).unwrap();
        assert_eq!(taken(&mut client), b"still heard");
    }

    #[test]
    fn altered_byte_fails_and_leaves_what_came_before() {
        let [mut client, mut server] = shake_hands(usize::MAX);
        client.encrypt(b"before").unwrap();
        client.encrypt(b"after").unwrap();
        let last = client.outgoing.len() - 1;
        client.outgoing[last] ^= 1;
        assert!(carry(&mut client, &mut server, usize::MAX).is_err());
        assert_eq!((server.stage(), &taken(&mut server)[..]), (Stage::Failed, &b"before"[..]));
        assert!(carry(&mut server, &mut client, usize::MAX).is_err(), "the client gets an alert");
    }

    #[test]
    fn garbage_is_answered_with_an_alert() {
        let [_, mut server] = both();
        server.read_from(&mut &b"\0\0\0\x002026-11-26 12:00:00\x69"[..]).unwrap();
        server.process().unwrap_err();
        assert!(matches!(server.outgoing(), [21, 3, _, 0, 2, 2, _]), "{:?}", server.outgoing());
        assert_eq!(server.stage(), Stage::Failed);
    }
}
