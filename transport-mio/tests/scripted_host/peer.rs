//! The other end of a host's connection: plain, or over TLS.

use std::cell::Cell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::TLS13;
use rustls::{ClientConfig, Connection, RootCertStore, ServerConfig};
use sealpost_mio::{CertificateChain, TlsClient, TlsServer};

use crate::certificates::{TestAuthority, TestCertificate};

thread_local! {
    static OVER_TLS: Cell<bool> = const { Cell::new(false) };
}

/// Runs a test whose hosts and peers speak TLS.
pub(crate) fn over_tls(test: fn()) {
    set_over_tls();
    test();
}

/// Has the hosts and peers of this test speak TLS from now on.
pub(crate) fn set_over_tls() {
    OVER_TLS.set(true);
}

pub(crate) fn is_over_tls() -> bool {
    OVER_TLS.get()
}

/// The certificate of every host and every peer that accepts.
pub(crate) fn tls_server() -> TlsServer {
    let TestCertificate { chain, key } = certificate();
    let chain = CertificateChain::from_pem(chain.as_bytes()).unwrap();
    TlsServer::new(chain, key.as_bytes()).unwrap()
}

pub(crate) fn tls_client(host: &str) -> TlsClient {
    TlsClient::with_authorities(host, authority().pem().as_bytes()).unwrap()
}

/// Another implementation of the protocol's transport than the host's: rustls' own buffers and
/// blocking sockets. Over TLS if the test is.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) socket: TcpStream,
    tls: Option<Arc<Mutex<Connection>>>,
    /// Held while ciphertext is taken and sent, so that records stay in order.
    sending: Arc<Mutex<()>>,
    /// Decrypted bytes that were not read yet: rustls holds few, and takes nothing more meanwhile.
    plaintext: Vec<u8>,
}

impl Peer {
    /// Connects, without a handshake: the first read or write begins it.
    pub(crate) fn connect(addr: SocketAddr) -> io::Result<Self> {
        let socket = TcpStream::connect(addr)?;
        Ok(if is_over_tls() { Self::with_tls(socket, client()) } else { Self::plain(socket) })
    }

    pub(crate) fn accept(listener: &TcpListener) -> Self {
        let (socket, _) = listener.accept().unwrap();
        if is_over_tls() { Self::with_tls(socket, server()) } else { Self::plain(socket) }
    }

    fn plain(socket: TcpStream) -> Self {
        Self { socket, tls: None, sending: Arc::default(), plaintext: Vec::new() }
    }

    fn with_tls(socket: TcpStream, connection: Connection) -> Self {
        socket.set_nodelay(true).unwrap();
        Self { tls: Some(Arc::new(Mutex::new(connection))), ..Self::plain(socket) }
    }

    /// Accepts a connection over TLS, as a server with this certificate that speaks `protocol`, or
    /// does not say what it speaks.
    pub(crate) fn accept_as(
        listener: &TcpListener,
        certificate: &TestCertificate,
        protocol: &[u8],
    ) -> Self {
        let (socket, _) = listener.accept().unwrap();
        socket.set_read_timeout(Some(super::PATIENCE)).unwrap();
        Self::with_tls(socket, server_with(certificate, protocol))
    }

    /// The certificate of the other end, as DER.
    pub(crate) fn certificate(&self) -> Vec<u8> {
        let tls = self.tls.as_ref().unwrap().lock().unwrap();
        tls.peer_certificates().unwrap()[0].to_vec()
    }

    /// Completes the handshake, if there is one.
    pub(crate) fn shake_hands(&mut self) -> io::Result<()> {
        if let Some(tls) = &self.tls {
            let mut tls = tls.lock().unwrap();
            while tls.is_handshaking() {
                tls.complete_io(&mut self.socket)?;
            }
        }
        Ok(())
    }

    pub(crate) fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.socket.set_read_timeout(timeout)
    }

    pub(crate) fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.socket.set_write_timeout(timeout)
    }

    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        let socket = self.socket.try_clone()?;
        let (tls, sending) = (self.tls.clone(), Arc::clone(&self.sending));
        Ok(Self { socket, tls, sending, plaintext: Vec::new() })
    }

    /// Ends this peer's direction, as the protocol demands.
    pub(crate) fn end(&mut self) {
        if let Some(tls) = &self.tls {
            tls.lock().unwrap().send_close_notify();
            self.send_ciphertext().unwrap();
        }
        self.socket.shutdown(Shutdown::Write).unwrap();
    }

    /// Whether the host has ended its direction, in whatever way.
    pub(crate) fn has_ended(&mut self) -> bool {
        match self.read(&mut [0]) {
            Ok(len) => len == 0,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        }
    }

    fn send_ciphertext(&self) -> io::Result<()> {
        let Some(tls) = &self.tls else { return Ok(()) };
        let _sending = self.sending.lock().unwrap();
        let mut ciphertext = Vec::new();
        {
            let mut tls = tls.lock().unwrap();
            while tls.wants_write() {
                tls.write_tls(&mut ciphertext)?;
            }
        }
        (&self.socket).write_all(&ciphertext)
    }
}

impl Read for Peer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = self.tls.clone() else { return self.socket.read(buffer) };
        loop {
            self.send_ciphertext()?;
            if !self.plaintext.is_empty() {
                let len = self.plaintext.len().min(buffer.len());
                buffer[..len].copy_from_slice(&self.plaintext[..len]);
                self.plaintext.drain(..len);
                return Ok(len);
            }
            match tls.lock().unwrap().reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
            let mut ciphertext = vec![0; 16 * 1024];
            let len = self.socket.read(&mut ciphertext)?;
            let mut rest = &ciphertext[..len];
            let mut tls = tls.lock().unwrap();
            loop {
                tls.read_tls(&mut rest)?;
                let state = tls.process_new_packets().map_err(io::Error::other)?;
                let held = self.plaintext.len();
                self.plaintext.resize(held + state.plaintext_bytes_to_read(), 0);
                tls.reader().read_exact(&mut self.plaintext[held..])?;
                if rest.is_empty() {
                    break;
                }
            }
        }
    }
}

impl Write for Peer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = self.tls.clone() else { return self.socket.write(bytes) };
        if tls.lock().unwrap().is_handshaking() {
            self.shake_hands()?;
        }
        let len = tls.lock().unwrap().writer().write(bytes)?;
        self.send_ciphertext()?;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The authority that peers trust.
pub(crate) fn authority() -> &'static TestAuthority {
    static AUTHORITY: OnceLock<TestAuthority> = OnceLock::new();
    AUTHORITY.get_or_init(TestAuthority::new)
}

fn certificate() -> &'static TestCertificate {
    static CERTIFICATE: OnceLock<TestCertificate> = OnceLock::new();
    CERTIFICATE.get_or_init(|| authority().issue(&["127.0.0.1", "localhost"]))
}

fn client() -> Connection {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority().pem().as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"sealpost/1".to_vec()];
    let name = ServerName::try_from("127.0.0.1").unwrap();
    rustls::ClientConnection::new(config.into(), name).unwrap().into()
}

fn server() -> Connection {
    server_with(certificate(), b"sealpost/1")
}

fn server_with(TestCertificate { chain, key }: &TestCertificate, protocol: &[u8]) -> Connection {
    let chain = vec![CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let mut config = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    if !protocol.is_empty() {
        config.alpn_protocols = vec![protocol.to_vec()];
    }
    rustls::ServerConnection::new(config.into()).unwrap().into()
}
