#![cfg(test)]
//! The real server machine over real sockets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use sealpost_core::crypto::{Crypto, Provider, PublicKey, RustCrypto, SymmetricKey};
use sealpost_core::entropy::Entropy;
use sealpost_core::limits::Limits;
use sealpost_core::server::{self, OtpChannel};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{Deframer, FromServer, Gate, Header, Op, Oversized, Packet, Profile};
use sealpost_mio::{Config, Error, Handle, Operator, OtpCourier, OtpRoute, Server};
use sealpost_storage::{Quota, SqliteStorage};

const PATIENCE: Duration = Duration::from_mins(1);
const PROFILE: Profile = Profile::Compact;

/// Runs jobs with a new key. The same seed, the same key.
fn crypto(seed: u8) -> Crypto {
    let mut rng = ChaCha20Rng::from_seed([seed; 32]);
    let key = RustCrypto.generate_key(&mut rng).unwrap();
    let key = RustCrypto.load_key(key.expose()).unwrap();
    Crypto::new(Arc::new(RustCrypto), key, SymmetricKey::from_bytes([seed; 32]), Box::new(rng))
}

struct Sealpostd {
    addr: SocketAddr,
    public_key: PublicKey,
    handle: Handle<server::Server>,
    thread: JoinHandle<Result<(), Error>>,
    _dir: tempfile::TempDir,
}

impl Sealpostd {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let storage = SqliteStorage::open(&dir.path().join("db"), PROFILE, Quota::default());
        let crypto = crypto(1);
        let public_key = crypto.public_key().clone();
        let machine = server::Server::new(
            server::Config {
                profile: PROFILE,
                server_key: public_key.clone(),
                otp_channel: OtpChannel::InBand,
                limits: Limits::without_rates(),
            },
            Entropy::from_seed([2; 32]),
        );
        let operator = Operator::new(OtpCourier::start(&OtpRoute::InBand).unwrap());
        let listen = "127.0.0.1:0".parse().unwrap();
        let host =
            Server::bind(&Config::default(), listen, storage.unwrap(), crypto, machine, operator)
                .unwrap();
        Self {
            addr: host.local_addr(),
            public_key,
            handle: host.handle(),
            thread: std::thread::spawn(|| host.run()),
            _dir: dir,
        }
    }

    fn stop(self) {
        self.handle.stop();
        self.thread.join().unwrap().unwrap();
    }
}

/// A 105 before a session, which nobody signs.
fn server_key_request() -> Packet {
    let since_1970 = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let timestamp = Timestamp::from_unix_secs(i64::try_from(since_1970).unwrap());
    let header = Header { sender: None, recipient: None, timestamp, op: Op::RequestPublicKey };
    Packet::build::<Oversized>(PROFILE, header, &[], |_| Ok([0; 256])).unwrap()
}

#[test]
fn stranger_is_told_the_server_key() {
    let server = Sealpostd::start();
    let mut stream = TcpStream::connect(server.addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(server_key_request().bytes()).unwrap();

    let mut deframer = Deframer::new(PROFILE);
    let mut buffer = [0; 4_096];
    let answer = loop {
        let len = stream.read(&mut buffer).unwrap();
        assert_ne!(len, 0, "the server closed");
        if let Some(packet) = deframer.next(&mut &buffer[..len], Gate::Client).unwrap() {
            break FromServer::parse(packet).unwrap();
        }
    };
    let FromServer::ServerKey { public_key, .. } = answer else { panic!("{answer:?}") };
    assert!(public_key == server.public_key);
    drop(stream);
    server.stop();
}
