//! A server and two clients in one thread, without sockets, files or clocks: the life of a message
//! as the machines see it, one line for each thing that they want done.
//!
//!     cargo run --example two_machines
//!
//! Everything is drawn from fixed seeds, so every run prints the same.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;
use std::sync::Arc;

use bytes::Bytes;
use chacha20::ChaCha20Rng;
use chacha20::rand_core::SeedableRng;
use sealpost_core::client::store::Content;
use sealpost_core::client::{self, Client, Command, Token};
use sealpost_core::crypto::{Crypto, Job, Provider, RustCrypto};
use sealpost_core::entropy::Entropy;
use sealpost_core::frame::{Event, Flow, Host, Input, Machine, pump};
use sealpost_core::ids::{ConnId, Phone, Ticket, UserRef};
use sealpost_core::keys::{PublicKey, SymmetricKey};
use sealpost_core::server::limits::Limits;
use sealpost_core::server::{self, OtpChannel, Server};
use sealpost_core::time::{Mono, Now, Timestamp};
use sealpost_core::wire::{Packet, Profile};
use sealpost_programs::{Failure, Line, report};
use sealpost_storage::client::{ClientStorage, Identity, MemoryClientStorage};
use sealpost_storage::{MemoryStorage, Quota, Storage};

/// A machine and its host.
struct Node<M: Machine, S> {
    machine: M,
    hands: Hands<M, S>,
}

/// A host whose store and cryptography answer at once, and whose wire is a queue.
struct Hands<M: Machine, S> {
    name: &'static str,
    store: S,
    crypto: Crypto,
    facts: VecDeque<Event<M>>,
    wire: VecDeque<(ConnId, OnTheWire)>,
}

/// What goes to the other end of a connection.
enum OnTheWire {
    Dial,
    Packet(Bytes),
    Close,
}

fn main() -> ExitCode {
    report("two_machines", tell())
}

fn tell() -> Result<(), Failure> {
    let mut world = World::new()?;
    Line::text("--- Alice and Bob register: 105 → 204, 100 → 200, 101 → 201 ---")?;
    world.alice.hands.facts.push_back(Event::Command(Command::Register));
    world.run();
    world.bob.hands.facts.push_back(Event::Command(Command::Register));
    world.run();
    Line::text("\n--- Alice writes to Bob: whose key is it, then message and receipt ---")?;
    let (token, to) = (Token(1), UserRef::Phone(BOB.parse()?));
    let content = Content::Text("Hello Bob".into());
    world.alice.hands.facts.push_back(Event::Command(Command::Send { token, to, content }));
    world.run();
    Ok(())
}

/// Everybody.
struct World {
    server: Node<Server, MemoryStorage>,
    alice: Node<Client, MemoryClientStorage>,
    bob: Node<Client, MemoryClientStorage>,
    /// The server's number of a connection, and whose it is.
    conns: BTreeMap<ConnId, (Who, ConnId)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Alice,
    Bob,
}

impl World {
    fn new() -> Result<Self, Failure> {
        let crypto = crypto(1)?;
        let server_key = crypto.public_key().clone();
        let config = server::Config {
            profile: Profile::Compact,
            server_key: server_key.clone(),
            otp_channel: OtpChannel::InBand,
            limits: Limits::default(),
        };
        let store = MemoryStorage::new(Profile::Compact, Quota::default());
        let machine = Server::new(config, Entropy::from_seed([1; 32]))?;
        Ok(Self {
            server: Node { machine, hands: Hands::new("server", store, crypto) },
            alice: client("alice", ALICE.parse()?, &server_key, 2)?,
            bob: client("bob", BOB.parse()?, &server_key, 3)?,
            conns: BTreeMap::new(),
        })
    }

    /// Goes on until nobody has anything to do before time passes. Time stands still.
    fn run(&mut self) {
        while self.server.step() || self.alice.step() || self.bob.step() || self.carry() {}
    }

    /// Carries one thing from one end of a connection to the other.
    fn carry(&mut self) -> bool {
        for who in [Who::Alice, Who::Bob] {
            if let Some((conn, thing)) = self.client(who).hands.wire.pop_front() {
                self.carry_to_server(who, conn, thing);
                return true;
            }
        }
        let Some((conn, thing)) = self.server.hands.wire.pop_front() else { return false };
        let Some((who, theirs)) = self.conns.get(&conn).copied() else { return true };
        let client = self.client(who);
        match thing {
            OnTheWire::Packet(bytes) => client.receive(theirs, &bytes),
            OnTheWire::Close => client.hands.facts.push_back(Event::Closed { conn: theirs }),
            OnTheWire::Dial => {}
        }
        true
    }

    fn carry_to_server(&mut self, who: Who, theirs: ConnId, thing: OnTheWire) {
        if let OnTheWire::Dial = thing {
            let conn = ConnId(self.conns.len() as u64 + 1);
            self.conns.insert(conn, (who, theirs));
            self.server.hands.facts.push_back(Event::Opened { conn, peer: PEER });
            self.client(who).hands.facts.push_back(Event::Opened { conn: theirs, peer: PEER });
            return;
        }
        let found = self.conns.iter().find(|(_, end)| **end == (who, theirs));
        let Some(conn) = found.map(|(conn, _)| *conn) else { return };
        match thing {
            OnTheWire::Packet(bytes) => self.server.receive(conn, &bytes),
            OnTheWire::Close => self.server.hands.facts.push_back(Event::Closed { conn }),
            OnTheWire::Dial => {}
        }
    }

    const fn client(&mut self, who: Who) -> &mut Node<Client, MemoryClientStorage> {
        match who {
            Who::Alice => &mut self.alice,
            Who::Bob => &mut self.bob,
        }
    }
}

impl<M: Machine, S: Storage<Op = M::StoreOp, Outcome = M::StoreOutcome>> Node<M, S> {
    /// Tells the machine one fact, and carries out what follows.
    fn step(&mut self) -> bool {
        let Some(fact) = self.hands.facts.pop_front() else { return false };
        pump(&mut self.machine, &mut self.hands, NOW, Input::Event(fact));
        true
    }

    fn receive(&mut self, conn: ConnId, data: &[u8]) {
        pump(&mut self.machine, &mut self.hands, NOW, Input::Bytes { conn, data });
    }
}

impl<M: Machine, S> Hands<M, S> {
    const fn new(name: &'static str, store: S, crypto: Crypto) -> Self {
        Self { name, store, crypto, facts: VecDeque::new(), wire: VecDeque::new() }
    }

    /// One line of the trace.
    fn trace(&self, what: &str) {
        // A trace that can't be printed is not worth stopping for.
        let _ = Line::text(format_args!("{:<7} {what}", self.name));
    }
}

impl<M: Machine, S: Storage<Op = M::StoreOp, Outcome = M::StoreOutcome>> Host<M> for Hands<M, S> {
    fn send(&mut self, conn: ConnId, bytes: Bytes) {
        if let Some(packet) = Packet::parse(Profile::Compact, bytes.clone()) {
            self.trace(&format!("sends {:?}, {} bytes", packet.op(), bytes.len()));
        }
        self.wire.push_back((conn, OnTheWire::Packet(bytes)));
    }

    fn store(&mut self, ticket: Ticket, op: M::StoreOp) {
        self.trace(&format!("stores {}", name_of(&op)));
        let mut outcomes = Vec::new();
        self.store.commit(&[op], &mut outcomes);
        self.facts.extend(outcomes.pop().map(|outcome| Event::Stored(ticket, outcome)));
    }

    fn compute(&mut self, ticket: Ticket, job: Job) {
        self.trace(&format!("computes {}", name_of(&job)));
        let outcome = self.crypto.run(job);
        self.facts.push_back(Event::Computed(ticket, outcome));
    }

    fn deliver(&mut self, delivery: M::Delivery) {
        self.trace(&format!("delivers {}", name_of(&delivery)));
    }

    fn notify(&mut self, notice: M::Notice) {
        self.trace(&format!("tells {notice:?}"));
    }

    fn flow(&mut self, _: ConnId, _: Flow) {}

    fn close(&mut self, conn: ConnId) {
        self.wire.push_back((conn, OnTheWire::Close));
    }

    fn dial(&mut self, conn: ConnId) {
        self.trace("dials");
        self.wire.push_back((conn, OnTheWire::Dial));
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
        limits: client::Limits::default(),
    };
    let store = MemoryClientStorage::new(Identity {
        phone,
        server: *server.fingerprint(),
        profile: Profile::Compact,
        host_port: "nowhere:1".into(),
    });
    let machine = Client::new(config, store.load()?, Entropy::from_seed([seed; 32]));
    Ok(Node { machine, hands: Hands::new(name, store, crypto) })
}

fn crypto(seed: u8) -> Result<Crypto, Failure> {
    let mut rng = ChaCha20Rng::from_seed([seed; 32]);
    let key = RustCrypto.load_key(RustCrypto.generate_key(&mut rng)?.expose())?;
    let wrapping_key = SymmetricKey::from_bytes([seed; 32]);
    Ok(Crypto::new(Arc::new(RustCrypto), key, wrapping_key, Box::new(rng)))
}

/// The first word of how something prints: the variant's name.
fn name_of(thing: &impl std::fmt::Debug) -> String {
    format!("{thing:?}").chars().take_while(|c| c.is_alphanumeric()).collect()
}

const ALICE: &str = "+4915100000001";
const BOB: &str = "+4915100000002";
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// The first second of 2026, for ever.
const NOW: Now = Now { mono: Mono(0), wall: Timestamp::from_unix_secs(1_767_225_600) };
