//! Registration over the wire, as every client must do it: 105, 100, 101.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use sealpost_core::address::ServerAddress;
use sealpost_core::crypto::{
    Crypto, Draft, Job, Outcome, OwnKey, Part, PrivateKey, Provider, RequestKind,
};
use sealpost_core::ids::{Phone, UserId};
use sealpost_core::keys::{PublicKey, SymmetricKey};
use sealpost_core::wire::{
    ConfirmRequest, FromServer, Header, Op, Otp, OtpIssued, Oversized, Packet, RegisterRequest,
    SIGNATURE_LEN,
};
use sealpost_programs::{Failure, entropy, runner};
use socket2::{Domain, Socket, Type};

use crate::clients::PROFILE;
use crate::clients::user::{User, emit, now};
use crate::system::parallel;

/// Registers users: knows the server and its key, and draws unused phone numbers.
pub(crate) struct Registry {
    provider: Arc<dyn Provider>,
    server: SocketAddr,
    server_key: PublicKey,
    next_phone: AtomicU64,
    dialled: AtomicU64,
}

impl Registry {
    /// Asks the server for its key, and compares the key with the address.
    pub(crate) fn open(
        provider: Arc<dyn Provider>,
        address: &ServerAddress,
    ) -> Result<Self, Failure> {
        let endpoint = address.endpoints().first();
        let server = (endpoint.host(), endpoint.port())
            .to_socket_addrs()?
            .next()
            .ok_or_else(|| Failure::new("the server's host name has no address"))?;
        let mut stream = TcpStream::connect(server)?;
        stream.write_all(&key_request()?)?;
        let answer = receive(&mut stream)?;
        let FromServer::ServerKey { packet, public_key } = FromServer::parse(answer)? else {
            return Err(Failure::new("the server answered a 105 with something else"));
        };
        if public_key.fingerprint() != address.fingerprint() {
            return Err(Failure::new("the server's key does not match its address"));
        }
        provider.verify(&public_key, packet.signed(), packet.signature())?;
        let mut seed = entropy()?;
        Ok(Self {
            provider,
            server,
            server_key: public_key,
            next_phone: AtomicU64::new(seed.below(FIRST_PHONES)),
            dialled: AtomicU64::new(0),
        })
    }

    /// Generates `count` key pairs, on all cores.
    pub(crate) fn keys(&self, count: usize) -> Result<Vec<Arc<dyn PrivateKey>>, Failure> {
        parallel::map(0..count, |_| {
            let mut rng = sealpost_programs::random_rng()?;
            let der = self.provider.generate_key(&mut *rng)?;
            Ok(self.provider.load_key(der.expose())?)
        })
    }

    /// Registers `count` users, each with the next of these keys in turn, and keeps their
    /// connections: a new account starts with a session.
    pub(crate) fn users(
        &self,
        keys: &[Arc<dyn PrivateKey>],
        count: usize,
    ) -> Result<Vec<(User, TcpStream)>, Failure> {
        let keys = keys.iter().cycle().take(count).cloned();
        parallel::map_on(CONVERSATIONS, keys, |key| self.register(&key))
    }

    /// Registers one user.
    pub(crate) fn register(&self, key: &Arc<dyn PrivateKey>) -> Result<(User, TcpStream), Failure> {
        let (newcomer, stream) = self.register_unchecked(key)?;
        Ok((newcomer.check()?, stream))
    }

    /// Registers one user, and leaves the server's answers to be opened and verified later.
    pub(crate) fn register_unchecked(
        &self,
        key: &Arc<dyn PrivateKey>,
    ) -> Result<(Newcomer, TcpStream), Failure> {
        let mut stream: TcpStream = self.dial()?.into();
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut applicant = Applicant::new(self, key)?;
        stream.write_all(&applicant.register()?)?;
        let issued = receive(&mut stream)?;
        let otp = applicant.otp(&issued)?;
        let confirm = applicant.confirm(otp)?;
        stream.write_all(&confirm)?;
        let granted = receive(&mut stream)?;
        Ok((Newcomer { applicant, issued, confirm, granted }, stream))
    }

    /// Builds a 100 for a phone number that nobody has registered.
    pub(crate) fn registration_request(&self, key: &Arc<dyn PrivateKey>) -> Result<Bytes, Failure> {
        Applicant::new(self, key)?.register()
    }

    /// Opens a blocking connection.
    fn dial(&self) -> Result<Socket, Failure> {
        let socket = self.socket(self.next_source())?;
        socket.connect(&self.server.into())?;
        Ok(socket)
    }

    /// Starts a nonblocking connection, which may not be established yet.
    pub(crate) fn dial_nonblocking(&self) -> Result<TcpStream, Failure> {
        self.dial_nonblocking_from(self.next_source())
    }

    /// Starts a nonblocking connection from a local address if the server is on this machine,
    /// otherwise from the address that the system chooses.
    pub(crate) fn dial_nonblocking_from(&self, source: Ipv4Addr) -> Result<TcpStream, Failure> {
        let socket = self.socket(source)?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        match socket.connect(&self.server.into()) {
            Err(error) if error.raw_os_error() == Some(IN_PROGRESS) => Ok(socket.into()),
            other => Ok(other.map(|()| socket.into())?),
        }
    }

    /// Returns several local addresses in turn: the ports of closed connections stay occupied for a
    /// minute, and an address has only 28,000.
    fn next_source(&self) -> Ipv4Addr {
        let turn = self.dialled.fetch_add(1, Ordering::Relaxed) % SOURCES;
        Ipv4Addr::new(127, 0, 1, u8::try_from(turn + 1).unwrap_or(1))
    }

    fn socket(&self, source: Ipv4Addr) -> Result<Socket, Failure> {
        let socket = Socket::new(Domain::for_address(self.server), Type::STREAM, None)?;
        if let IpAddr::V4(ip) = self.server.ip()
            && ip.is_loopback()
        {
            socket.bind(&SocketAddr::from((source, 0)).into())?;
        }
        Ok(socket)
    }

    fn phone(&self) -> Result<Phone, Failure> {
        // +999 belongs to no country.
        let number = self.next_phone.fetch_add(1, Ordering::Relaxed);
        Ok(format!("+999{number:012}").parse()?)
    }
}

/// Builds a 105 that asks for the server's key.
pub(crate) fn key_request() -> Result<Bytes, Failure> {
    let header = header(Op::RequestPublicKey);
    let unsigned = |_: &[u8]| Ok::<_, Oversized>([0; SIGNATURE_LEN]);
    Ok(Packet::build(PROFILE, header, &[], unsigned)?.bytes().clone())
}

/// A user during registration.
struct Applicant {
    provider: Arc<dyn Provider>,
    crypto: Crypto,
    server_key: PublicKey,
    phone: Phone,
    reply_key: SymmetricKey,
}

impl Applicant {
    fn new(registry: &Registry, key: &Arc<dyn PrivateKey>) -> Result<Self, Failure> {
        let unused = SymmetricKey::from_bytes([0; 32]);
        Ok(Self {
            provider: Arc::clone(&registry.provider),
            crypto: runner(Arc::clone(&registry.provider), Arc::clone(key), unused)?,
            server_key: registry.server_key.clone(),
            phone: registry.phone()?,
            reply_key: entropy()?.symmetric_key(),
        })
    }

    /// Builds a 100.
    fn register(&mut self) -> Result<Bytes, Failure> {
        let header = header(Op::Register);
        let request = RegisterRequest {
            reply_key: self.reply_key.clone(),
            phone: self.phone,
            timestamp: header.timestamp,
            invitation: None,
        };
        let part = Part::Oaep {
            to: self.server_key.clone(),
            label: RequestKind::Register.label(),
            plaintext: request.emit(),
        };
        emit(&mut self.crypto, Draft { profile: PROFILE, header, parts: vec![part], signer: None })
    }

    /// Opens a 200. Its signature is verified later.
    fn otp(&mut self, answer: &Packet) -> Result<Otp, Failure> {
        let code = answer.op().code();
        let FromServer::OtpIssued(packet) = FromServer::parse(answer.clone())? else {
            return Err(Failure::new(format_args!("the server answered a 100 with a {code}")));
        };
        let (iv, sealed) = packet
            .payload()
            .split_first_chunk()
            .ok_or_else(|| Failure::new("a 200 is too short"))?;
        let opened = self.provider.cbc_open(&self.reply_key, iv, sealed)?;
        OtpIssued::parse(opened.expose())?
            .otp
            .ok_or_else(|| Failure::usage("the server must send one-time passwords in band"))
    }

    /// Builds a 101.
    fn confirm(&mut self, otp: Otp) -> Result<Bytes, Failure> {
        let public_key = self.crypto.public_key().clone();
        let request = ConfirmRequest {
            reply_key: self.reply_key.clone(),
            otp,
            fingerprint: *public_key.fingerprint(),
            phone: self.phone,
        };
        let oaep = Part::Oaep {
            to: self.server_key.clone(),
            label: RequestKind::Confirm.label(),
            plaintext: request.emit(),
        };
        let parts = vec![oaep, Part::Clear(Bytes::copy_from_slice(public_key.der()))];
        let header = header(Op::Confirm);
        emit(
            &mut self.crypto,
            Draft { profile: PROFILE, header, parts, signer: Some(OwnKey::First) },
        )
    }
}

/// A registered user whose answers from the server are not verified yet.
pub(crate) struct Newcomer {
    applicant: Applicant,
    issued: Packet,
    confirm: Bytes,
    granted: Packet,
}

impl Newcomer {
    /// Verifies the 200, and verifies and opens the 201.
    pub(crate) fn check(self) -> Result<User, Failure> {
        let Self { applicant, issued, confirm, granted } = self;
        let Applicant { provider, mut crypto, server_key, phone, reply_key } = applicant;
        provider.verify(&server_key, issued.signed(), issued.signature())?;
        let code = granted.op().code();
        let FromServer::SessionIssued { packet, user } = FromServer::parse(granted)? else {
            return Err(Failure::new(format_args!("the server answered a 101 with a {code}")));
        };
        let job = Job::OpenGrant { packet, signer: server_key.clone() };
        let Outcome::GrantOpened(Ok(grant)) = crypto.run(job) else {
            return Err(Failure::new("a 201 is not authentic"));
        };
        let confirm = Packet::parse(PROFILE, confirm);
        if confirm.is_none_or(|confirm| confirm.request_hash().0 != grant.request_hash) {
            return Err(Failure::new("a 201 does not answer the request"));
        }
        let session_key = grant.session_key;
        Ok(User { id: user, phone, crypto, server_key, session_key, reply_key })
    }
}

fn header(op: Op) -> Header {
    Header { sender: None::<UserId>, recipient: None, timestamp: now(), op }
}

/// Reads the next packet from a blocking connection.
fn receive(stream: &mut TcpStream) -> Result<Packet, Failure> {
    let mut bytes = vec![0; PROFILE.header_len()];
    stream.read_exact(&mut bytes)?;
    let (_, payload_len) = Header::parse(PROFILE, &bytes)
        .ok_or_else(|| Failure::new("the server sent something that is not a packet"))?;
    let head_len = bytes.len();
    bytes.resize(head_len + payload_len + SIGNATURE_LEN, 0);
    stream.read_exact(bytes.get_mut(head_len..).unwrap_or_default())?;
    Packet::parse(PROFILE, bytes.into())
        .ok_or_else(|| Failure::new("the server sent something that is not a packet"))
}

/// Concurrent registrations: enough to keep the server busy while the clients compute.
const CONVERSATIONS: usize = 16;
/// Local addresses to dial from.
const SOURCES: u64 = 64;
/// The first phone number is drawn below this bound, so that runs against one server don't collide.
const FIRST_PHONES: u64 = 900_000_000_000;
const PATIENCE: Duration = Duration::from_secs(30);
/// EINPROGRESS on Linux.
const IN_PROGRESS: i32 = 115;
