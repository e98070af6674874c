//! A server and two clients in one thread, without sockets, files or clocks. Prints the journey of
//! a message as the machines see it: one line for each action.
//!
//!     cargo run --example two_machines
//!
//! All randomness comes from fixed seeds, so every run prints the same.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Arc;

use bytes::Bytes;
use chacha20::ChaCha20Rng;
use chacha20::rand_core::SeedableRng;
use sealpost_core::address::Transport;
use sealpost_core::client::store::Content;
use sealpost_core::client::{self, Client, Command, Token};
use sealpost_core::crypto::{Crypto, Job, Provider, RustCrypto};
use sealpost_core::entropy::Entropy;
use sealpost_core::frame::{Event, Flow, Host, Input, Machine, pump};
use sealpost_core::ids::{ConnId, EndpointIndex, Phone, Ticket, UserRef};
use sealpost_core::keys::{PublicKey, SymmetricKey};
use sealpost_core::server::limits::Limits;
use sealpost_core::server::{self, OtpChannel, RegisteredPhones, Registration, Server};
use sealpost_core::time::{Mono, Now, Timestamp};
use sealpost_core::wire::{Packet, Profile};
use sealpost_programs::{Failure, Line, report};
use sealpost_storage::client::{ClientStorage, Identity, MemoryClientStorage};
use sealpost_storage::{MemoryStorage, Quota, Storage};

fn main() -> ExitCode {
    report("two_machines", run())
}

fn run() -> Result<(), Failure> {
    let mut network = Network::new()?;
    Line::text("--- Alice and Bob register: 105 → 204, 100 → 200, 101 → 201 ---")?;
    network.alice.command(Command::Register { invitation: None });
    network.run();
    network.bob.command(Command::Register { invitation: None });
    network.run();
    Line::text("\n--- Alice sends to Bob: his key is looked up, then message and receipt ---")?;
    let (token, to) = (Token(1), UserRef::Phone(BOB.parse()?));
    network.alice.command(Command::Send { token, to, content: Content::Text("Hello Bob".into()) });
    network.run();
    Ok(())
}

/// The three machines, and the connections between them.
struct Network {
    server: Node<Server, MemoryStorage>,
    alice: Node<Client, MemoryClientStorage>,
    bob: Node<Client, MemoryClientStorage>,
    /// The server's id of each connection, with the client at the other end and that client's id.
    connections: BTreeMap<ConnId, (ClientName, ConnId)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ClientName {
    Alice,
    Bob,
}

/// A machine and its host.
struct Node<M: Machine, S> {
    machine: M,
    host: QueueHost<M, S>,
}

/// A host whose store and cryptography answer at once, and whose network is a queue.
struct QueueHost<M: Machine, S> {
    name: &'static str,
    store: S,
    crypto: Crypto,
    /// Events for the machine.
    events: VecDeque<Event<M>>,
    /// What the machine has sent, on which connection.
    outgoing: VecDeque<(ConnId, Transmission)>,
}

/// What goes to the other end of a connection.
enum Transmission {
    Dial,
    Packet(Bytes),
    Close,
}

impl Network {
    fn new() -> Result<Self, Failure> {
        let crypto = crypto(1)?;
        let server_key = crypto.public_key().clone();
        let config = server::Config {
            profile: Profile::Compact,
            server_key: server_key.clone(),
            successor: None,
            servers: server::Servers::One,
            otp_channel: OtpChannel::InBand,
            registered_phones: RegisteredPhones::Told,
            registration: Registration::default(),
            exempt_networks: Vec::new(),
            limits: Limits::default(),
        };
        let store = MemoryStorage::new(Profile::Compact, Quota::default());
        let machine = Server::new(config, Entropy::from_seed([1; 32]))?;
        Ok(Self {
            server: Node { machine, host: QueueHost::new("server", store, crypto) },
            alice: client("alice", ALICE.parse()?, &server_key, 2)?,
            bob: client("bob", BOB.parse()?, &server_key, 3)?,
            connections: BTreeMap::new(),
        })
    }

    /// Runs until no machine has anything to do before time passes. The clock never advances.
    fn run(&mut self) {
        while self.server.step() || self.alice.step() || self.bob.step() || self.transmit() {}
    }

    /// Moves one transmission from one end of a connection to the other. Returns false if there was
    /// none.
    fn transmit(&mut self) -> bool {
        for name in [ClientName::Alice, ClientName::Bob] {
            if let Some((conn, transmission)) = self.client(name).host.outgoing.pop_front() {
                self.transmit_to_server(name, conn, transmission);
                return true;
            }
        }
        let Some((conn, transmission)) = self.server.host.outgoing.pop_front() else {
            return false;
        };
        let Some((name, conn)) = self.connections.get(&conn).copied() else { return true };
        let client = self.client(name);
        match transmission {
            Transmission::Packet(bytes) => client.receive(conn, &bytes),
            Transmission::Close => client.host.events.push_back(Event::Closed { conn }),
            Transmission::Dial => {}
        }
        true
    }

    fn transmit_to_server(
        &mut self,
        name: ClientName,
        client_conn: ConnId,
        transmission: Transmission,
    ) {
        let ends = |(conn, end): (&ConnId, &_)| (*end == (name, client_conn)).then_some(*conn);
        let found = self.connections.iter().find_map(ends);
        match (transmission, found) {
            (Transmission::Packet(bytes), Some(conn)) => self.server.receive(conn, &bytes),
            (Transmission::Close, Some(conn)) => {
                self.server.host.events.push_back(Event::Closed { conn });
            }
            (Transmission::Dial, _) => {
                let conn = ConnId(self.connections.len() as u64 + 1);
                self.connections.insert(conn, (name, client_conn));
                self.server.host.events.push_back(Event::Opened { conn, peer: LOCALHOST });
                let opened = Event::Opened { conn: client_conn, peer: LOCALHOST };
                self.client(name).host.events.push_back(opened);
            }
            (Transmission::Packet(_) | Transmission::Close, None) => {}
        }
    }

    const fn client(&mut self, name: ClientName) -> &mut Node<Client, MemoryClientStorage> {
        match name {
            ClientName::Alice => &mut self.alice,
            ClientName::Bob => &mut self.bob,
        }
    }
}

impl<M: Machine, S: Storage<Op = M::StoreOp, Outcome = M::StoreOutcome>> Node<M, S> {
    /// Gives the machine one event, and carries out what follows. Returns false if there was none.
    fn step(&mut self) -> bool {
        let Some(event) = self.host.events.pop_front() else { return false };
        pump(&mut self.machine, &mut self.host, NOW, Input::Event(event));
        true
    }

    fn receive(&mut self, conn: ConnId, data: &[u8]) {
        pump(&mut self.machine, &mut self.host, NOW, Input::Bytes { conn, data });
    }

    fn command(&mut self, command: M::Command) {
        self.host.events.push_back(Event::Command(command));
    }
}

impl<M: Machine, S> QueueHost<M, S> {
    const fn new(name: &'static str, store: S, crypto: Crypto) -> Self {
        Self { name, store, crypto, events: VecDeque::new(), outgoing: VecDeque::new() }
    }

    /// Prints one line of the trace.
    fn trace(&self, what: &str) {
        // A failure to print is ignored: the machines don't depend on the trace.
        let _ = Line::text(format_args!("{:<7} {what}", self.name));
    }
}

impl<M, S> Host<M> for QueueHost<M, S>
where
    M: Machine,
    S: Storage<Op = M::StoreOp, Outcome = M::StoreOutcome>,
{
    fn send(&mut self, conn: ConnId, bytes: Bytes) {
        if let Some(packet) = Packet::parse(Profile::Compact, bytes.clone()) {
            self.trace(&format!("sends {:?}, {} bytes", packet.op(), bytes.len()));
        }
        self.outgoing.push_back((conn, Transmission::Packet(bytes)));
    }

    fn store(&mut self, ticket: Ticket, op: M::StoreOp) {
        self.trace(&format!("stores {}", name_of(&op)));
        let mut outcomes = Vec::new();
        self.store.commit(&[op], &mut outcomes);
        self.events.extend(outcomes.pop().map(|outcome| Event::Stored(ticket, outcome)));
    }

    fn compute(&mut self, ticket: Ticket, job: Job) {
        self.trace(&format!("computes {}", name_of(&job)));
        let outcome = self.crypto.run(job);
        self.events.push_back(Event::Computed(ticket, outcome));
    }

    fn deliver(&mut self, delivery: M::Delivery) {
        self.trace(&format!("delivers {}", name_of(&delivery)));
    }

    fn notify(&mut self, notice: M::Notice) {
        self.trace(&format!("reports {notice:?}"));
    }

    fn flow(&mut self, _: ConnId, _: Flow) {}

    fn close(&mut self, conn: ConnId) {
        self.outgoing.push_back((conn, Transmission::Close));
    }

    fn dial(&mut self, conn: ConnId, _: EndpointIndex) {
        self.trace("dials");
        self.outgoing.push_back((conn, Transmission::Dial));
    }
}

fn client(
    name: &'static str,
    phone: Phone,
    server: &PublicKey,
    seed: u8,
) -> Result<Node<Client, MemoryClientStorage>, Failure> {
    let crypto = crypto(seed)?;
    let config = client::Config {
        profile: Profile::Compact,
        public_key: crypto.public_key().clone(),
        endpoints: NonZeroUsize::MIN,
        limits: client::Limits::default(),
    };
    let store = MemoryClientStorage::new(Identity {
        phone,
        server: *server.fingerprint(),
        profile: Profile::Compact,
        transport: Transport::Tcp,
        endpoints: "unused:1".parse()?,
    });
    let machine = Client::new(config, store.load()?, Entropy::from_seed([seed; 32]))?;
    Ok(Node { machine, host: QueueHost::new(name, store, crypto) })
}

fn crypto(seed: u8) -> Result<Crypto, Failure> {
    let mut rng = ChaCha20Rng::from_seed([seed; 32]);
    let key = RustCrypto.load_key(RustCrypto.generate_key(&mut rng)?.expose())?;
    let wrapping_key = SymmetricKey::from_bytes([seed; 32]);
    Ok(Crypto::new(Arc::new(RustCrypto), key, wrapping_key, Box::new(rng)))
}

/// The name of a value's variant: the first word of its `Debug` output.
fn name_of(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}").chars().take_while(|c| c.is_alphanumeric()).collect()
}

const ALICE: &str = "+4915100000001";
const BOB: &str = "+4915100000002";
const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// The first second of 2026. The clock stays there.
const NOW: Now = Now { mono: Mono(0), wall: Timestamp::from_unix_secs(1_767_225_600) };
