#![cfg(test)]
//! The real server machine over real sockets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use sealpost_core::client::store::{Content, InboxItem, ReceivedContent};
use sealpost_core::client::{self, Client, Command, Token};
use sealpost_core::crypto::{Crypto, Provider, RustCrypto};
use sealpost_core::entropy::Entropy;
use sealpost_core::ids::{MessageId, Phone, UserRef};
use sealpost_core::keys::{PublicKey, SymmetricKey};
use sealpost_core::server::limits::Limits;
use sealpost_core::server::{self, OtpChannel};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{Deframer, FromServer, Gate, Header, Op, Oversized, Packet, Profile};
use sealpost_mio::{
    Application, ClientHost, Config, Control, Error, Handle, Operator, OtpCourier, OtpRoute, Server,
};
use sealpost_storage::client::{ClientStorage, Identity, MemoryClientStorage};
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

/// What a client says, in one order.
#[derive(Debug)]
enum Said {
    Notice(client::Notice),
    Delivered(Box<InboxItem>),
}

struct Ear(Sender<Said>);

impl Application<Client> for Ear {
    fn deliver(&mut self, delivery: InboxItem) {
        let _ = self.0.send(Said::Delivered(Box::new(delivery)));
    }

    fn notify(&mut self, notice: client::Notice) -> Control {
        let stopped = matches!(notice, client::Notice::Stopped);
        let _ = self.0.send(Said::Notice(notice));
        if stopped { Control::Stop } else { Control::Continue }
    }
}

/// A client on a thread, and what it says.
struct Sealpost {
    phone: Phone,
    handle: Handle<Client>,
    said: Receiver<Said>,
    thread: JoinHandle<Result<(), Error>>,
}

impl Sealpost {
    /// A client with an empty store, not registered.
    fn start(server: &Sealpostd, phone: &str, seed: u8) -> Self {
        let phone = phone.parse().unwrap();
        let identity = Identity {
            phone,
            server: *server.public_key.fingerprint(),
            profile: PROFILE,
            host_port: server.addr.to_string(),
        };
        let store = MemoryClientStorage::new(identity);
        let crypto = crypto(seed);
        let config = client::Config {
            profile: PROFILE,
            public_key: crypto.public_key().clone(),
            limits: client::Limits::default(),
        };
        let machine = Client::new(config, store.load().unwrap(), Entropy::from_seed([seed; 32]));
        let (sender, said) = mpsc::channel();
        let host = ClientHost::new(
            &Config::default(),
            server.addr.to_string(),
            store,
            crypto,
            machine,
            Ear(sender),
        );
        let host = host.unwrap();
        Self { phone, handle: host.handle(), said, thread: std::thread::spawn(|| host.run()) }
    }

    /// Waits until the client says what `pick` picks.
    fn wait<T>(&self, mut pick: impl FnMut(Said) -> Option<T>) -> T {
        loop {
            let said = self.said.recv_timeout(PATIENCE).unwrap();
            if let Some(picked) = pick(said) {
                return picked;
            }
        }
    }

    fn wait_for(&self, is_it: impl Fn(&client::Notice) -> bool) {
        self.wait(|said| matches!(said, Said::Notice(notice) if is_it(&notice)).then_some(()));
    }

    fn register(&self) {
        self.handle.command(Command::Register);
        self.wait_for(|notice| matches!(notice, client::Notice::Online { .. }));
    }

    /// Writes to `peer`, and returns the message's id.
    fn write(&self, peer: &Self, text: &str) -> MessageId {
        let content = Content::Text(text.to_owned());
        let to = UserRef::Phone(peer.phone);
        self.handle.command(Command::Send { token: Token(1), to, content });
        self.wait(|said| match said {
            Said::Notice(client::Notice::Queued { id, .. }) => Some(id),
            Said::Notice(_) | Said::Delivered(_) => None,
        })
    }

    fn read(&self) -> (MessageId, Phone, ReceivedContent) {
        let item = self.wait(|said| match said {
            Said::Delivered(item) => Some(item),
            Said::Notice(_) => None,
        });
        self.handle.command(Command::MarkShown { up_to: item.place });
        (item.message.id, item.message.phone, item.message.content)
    }

    fn wait_for_receipt(&self, id: MessageId) {
        self.wait_for(
            |notice| matches!(notice, client::Notice::Delivered { ids, .. } if ids.contains(&id)),
        );
    }

    fn stop(self) {
        self.handle.stop();
        self.thread.join().unwrap().unwrap();
    }
}

fn text(text: &str) -> ReceivedContent {
    ReceivedContent::Opened(Content::Text(text.to_owned()))
}

#[test]
fn message_and_receipt_travel_between_two_people() {
    let server = Sealpostd::start();
    let alice = Sealpost::start(&server, "+491511111111", 11);
    let bob = Sealpost::start(&server, "+491522222222", 12);
    alice.register();
    bob.register();

    let id = alice.write(&bob, "hello");
    assert_eq!(bob.read(), (id, alice.phone, text("hello")));
    alice.wait_for_receipt(id);

    // To somebody who is away, and comes back.
    bob.handle.command(Command::Disconnect);
    bob.wait_for(|notice| matches!(notice, client::Notice::Offline { .. }));
    let id = alice.write(&bob, "are you there?");
    alice.wait_for(|notice| matches!(notice, client::Notice::Stored(ids) if ids.contains(&id)));
    bob.handle.command(Command::Connect);
    assert_eq!(bob.read(), (id, alice.phone, text("are you there?")));
    alice.wait_for_receipt(id);

    bob.stop();
    alice.stop();
    server.stop();
}

#[test]
fn server_stops_in_order_while_people_are_online() {
    let server = Sealpostd::start();
    let alice = Sealpost::start(&server, "+491511111111", 11);
    alice.register();
    server.stop();
    alice.wait_for(|notice| matches!(notice, client::Notice::Offline { .. }));
    alice.stop();
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
