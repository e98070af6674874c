#![cfg(test)]
//! The real machines over real sockets.

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use sealpost_core::address::Transport;
use sealpost_core::client::store::{Content, InboxItem, ReceivedContent};
use sealpost_core::client::{self, Client, Command, Token};
use sealpost_core::crypto::{Crypto, Provider, RustCrypto};
use sealpost_core::entropy::Entropy;
use sealpost_core::ids::{MessageId, Phone, UserRef};
use sealpost_core::keys::{PublicKey, SymmetricKey};
use sealpost_core::server::limits::Limits;
use sealpost_core::server::{self, OtpChannel, OtpDelivery, RegisteredPhones, Registration};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{Deframer, FromServer, Gate, Header, Op, Oversized, Packet, Profile};
use sealpost_mio::{
    Application, ClientHost, Control, Error, Handle, HostConfig, ListeningSocket, LocalAddress,
    ServerHost,
};
use sealpost_storage::client::{ClientStorage, Identity, MemoryClientStorage};
use sealpost_storage::{Quota, SqliteStorage};

const PATIENCE: Duration = Duration::from_mins(1);
const PROFILE: Profile = Profile::Compact;

/// A job runner with a key of its own. The same seed gives the same key.
fn crypto(seed: u8) -> Crypto {
    let mut rng = ChaCha20Rng::from_seed([seed; 32]);
    let key = RustCrypto.generate_key(&mut rng).unwrap();
    let key = RustCrypto.load_key(key.expose()).unwrap();
    Crypto::new(Arc::new(RustCrypto), key, SymmetricKey::from_bytes([seed; 32]), Box::new(rng))
}

/// An application that expects no deliveries: one-time passwords are in band here.
struct ServerApplication;

impl Application<server::Server> for ServerApplication {
    fn deliver(&mut self, _: OtpDelivery) {
        panic!("a one-time password was delivered out of band");
    }

    fn notify(&mut self, notice: server::Notice) -> Control {
        if notice == server::Notice::Stopped { Control::Stop } else { Control::Continue }
    }
}

struct TestServer {
    addr: SocketAddr,
    public_key: PublicKey,
    handle: Handle<server::Server>,
    thread: JoinHandle<Result<(), Error>>,
    _dir: tempfile::TempDir,
}

impl TestServer {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let storage = SqliteStorage::open(&dir.path().join("db"), PROFILE, Quota::default());
        let crypto = crypto(1);
        let public_key = crypto.public_key().clone();
        let machine = server::Server::new(
            server::Config {
                profile: PROFILE,
                server_key: public_key.clone(),
                successor: None,
                servers: server::Servers::One,
                otp_channel: OtpChannel::InBand,
                registered_phones: RegisteredPhones::Told,
                registration: Registration::default(),
                exempt_networks: Vec::new(),
                limits: Limits::without_rates(),
            },
            Entropy::from_seed([2; 32]),
        )
        .unwrap();
        let socket = ListeningSocket::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
        let LocalAddress::Tcp(addr) = *socket.local_address() else { panic!("{socket:?}") };
        let host = ServerHost::new(
            &HostConfig::default(),
            vec![socket],
            storage.unwrap(),
            crypto,
            machine,
            ServerApplication,
        );
        let host = host.unwrap();
        Self {
            addr,
            public_key,
            handle: host.handle(),
            thread: std::thread::spawn(|| host.run()),
            _dir: dir,
        }
    }

    /// Connections that the machine has, as it says itself.
    fn connections(&self) -> usize {
        let (sender, answer) = mpsc::channel();
        self.handle.with_machine(move |machine| {
            sender.send(machine.stats().connections).unwrap();
        });
        answer.recv_timeout(PATIENCE).unwrap()
    }

    fn stop(self) {
        self.handle.stop();
        self.thread.join().unwrap().unwrap();
    }
}

/// Something that a client machine delivered or reported.
#[derive(Debug)]
enum Output {
    Notice(client::Notice),
    Delivered(Box<InboxItem>),
}

/// Passes a client's outputs to the test, in their order.
struct ClientApplication(Sender<Output>);

impl Application<Client> for ClientApplication {
    fn deliver(&mut self, delivery: InboxItem) {
        let _ = self.0.send(Output::Delivered(Box::new(delivery)));
    }

    fn notify(&mut self, notice: client::Notice) -> Control {
        let stopped = matches!(notice, client::Notice::Stopped);
        let _ = self.0.send(Output::Notice(notice));
        if stopped { Control::Stop } else { Control::Continue }
    }
}

/// A client on a thread, and its outputs.
struct TestClient {
    phone: Phone,
    handle: Handle<Client>,
    outputs: Receiver<Output>,
    /// Messages sent.
    sent: Cell<u64>,
    thread: JoinHandle<Result<(), Error>>,
}

impl TestClient {
    /// Starts a client with an empty store, not registered.
    fn start(server: &TestServer, phone: &str, seed: u8) -> Self {
        let phone = phone.parse().unwrap();
        let identity = Identity {
            phone,
            server: *server.public_key.fingerprint(),
            profile: PROFILE,
            transport: Transport::Tcp,
            endpoints: server.addr.to_string().parse().unwrap(),
        };
        let store = MemoryClientStorage::new(identity);
        let crypto = crypto(seed);
        let config = client::Config {
            profile: PROFILE,
            public_key: crypto.public_key().clone(),
            endpoints: NonZeroUsize::MIN,
            limits: client::Limits::default(),
        };
        let entropy = Entropy::from_seed([seed; 32]);
        let machine = Client::new(config, store.load().unwrap(), entropy).unwrap();
        let (sender, outputs) = mpsc::channel();
        let host = ClientHost::new(
            &HostConfig::default(),
            vec![server.addr.to_string().into()],
            store,
            crypto,
            machine,
            ClientApplication(sender),
        );
        let host = host.unwrap();
        Self {
            phone,
            handle: host.handle(),
            outputs,
            sent: Cell::new(0),
            thread: std::thread::spawn(|| host.run()),
        }
    }

    /// Waits for an output from which `pick` returns something.
    fn wait<T>(&self, mut pick: impl FnMut(Output) -> Option<T>) -> T {
        loop {
            let output = self.outputs.recv_timeout(PATIENCE).unwrap();
            if let Some(picked) = pick(output) {
                return picked;
            }
        }
    }

    fn wait_for(&self, is_it: impl Fn(&client::Notice) -> bool) {
        self.wait(|output| {
            matches!(output, Output::Notice(notice) if is_it(&notice)).then_some(())
        });
    }

    fn register(&self) {
        self.handle.command(Command::Register { invitation: None });
        self.wait_for(|notice| matches!(notice, client::Notice::Online { .. }));
    }

    /// Sends a text to `peer`, and returns the message's id.
    fn send(&self, peer: &Self, text: &str) -> MessageId {
        let content = Content::Text(text.to_owned());
        let to = UserRef::Phone(peer.phone);
        self.sent.set(self.sent.get() + 1);
        self.handle.command(Command::Send { token: Token(self.sent.get()), to, content });
        self.wait(|output| match output {
            Output::Notice(client::Notice::Queued { id, .. }) => Some(id),
            Output::Notice(_) | Output::Delivered(_) => None,
        })
    }

    /// Waits for a message, and marks it as shown.
    fn receive(&self) -> (MessageId, Phone, ReceivedContent) {
        let item = self.wait(|output| match output {
            Output::Delivered(item) => Some(item),
            Output::Notice(_) => None,
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
    let server = TestServer::start();
    let alice = TestClient::start(&server, "+491511111111", 11);
    let bob = TestClient::start(&server, "+491522222222", 12);
    alice.register();
    bob.register();

    let id = alice.send(&bob, "hello");
    assert_eq!(bob.receive(), (id, alice.phone, text("hello")));
    alice.wait_for_receipt(id);

    // Bob is away and comes back.
    bob.handle.command(Command::Disconnect);
    bob.wait_for(|notice| matches!(notice, client::Notice::Offline { .. }));
    let id = alice.send(&bob, "are you there?");
    alice.wait_for(|notice| matches!(notice, client::Notice::Stored { ids } if ids.contains(&id)));
    bob.handle.command(Command::Connect);
    assert_eq!(bob.receive(), (id, alice.phone, text("are you there?")));
    alice.wait_for_receipt(id);

    bob.stop();
    alice.stop();
    server.stop();
}

#[test]
fn server_stops_gracefully_while_people_are_online() {
    let server = TestServer::start();
    let alice = TestClient::start(&server, "+491511111111", 11);
    alice.register();
    assert_eq!(server.connections(), 1);
    server.stop();
    alice.wait_for(|notice| matches!(notice, client::Notice::Offline { .. }));
    alice.stop();
}

/// A 105, which is sent before a session and is not signed.
fn server_key_request() -> Packet {
    let since_1970 = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let timestamp = Timestamp::from_unix_secs(i64::try_from(since_1970).unwrap());
    let header = Header { sender: None, recipient: None, timestamp, op: Op::RequestPublicKey };
    Packet::build::<Oversized>(PROFILE, header, &[], |_| Ok([0; 256])).unwrap()
}

#[test]
fn unregistered_client_gets_the_server_key() {
    let server = TestServer::start();
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
