//! A host of the server machine over `std::net`, in one file: the core needs no reactor.
//!
//! One thread owns the machine, the store and the keys. It carries out all actions of one input
//! before it takes the next. Each socket has a thread of its own that blocks in `read`.
//!
//! This is not a production host: a write can block everybody for a second, the store is in memory,
//! and all cryptography runs on one core.
//!
//!     cargo run --example std_host -- 127.0.0.1:7465

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use sealpost_core::address::{Endpoint, ServerAddress, Transport};
use sealpost_core::crypto::{Crypto, Job};
use sealpost_core::frame::{Event, Flow, Host, Input, Machine, pump};
use sealpost_core::ids::{ConnId, EndpointIndex, Ticket};
use sealpost_core::keys::SymmetricKey;
use sealpost_core::server::limits::Limits;
use sealpost_core::server::store::StoreOp;
use sealpost_core::server::{
    Config, Notice, OtpChannel, OtpDelivery, RegisteredPhones, Registration, Server, Servers,
};
use sealpost_core::time::{Mono, Now, Timestamp};
use sealpost_core::wire::Profile;
use sealpost_programs::{CryptoName, Failure, Line, Verify, entropy, random_rng, report, runner};
use sealpost_storage::{MemoryStorage, Quota, Storage};

fn main() -> ExitCode {
    report("std_host", serve())
}

fn serve() -> Result<(), Failure> {
    let listen = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7465".into());
    let listener = TcpListener::bind(listen)?;
    let local = listener.local_addr()?;

    let provider = CryptoName::AwsLc.provider(Verify::Auto);
    let key = provider.load_key(provider.generate_key(&mut *random_rng()?)?.expose())?;
    let fingerprint = *key.public_key().fingerprint();
    let endpoints = Endpoint::new(&local.ip().to_string(), local.port())?.into();
    Line::text(ServerAddress::new(Transport::Tcp, Profile::Compact, endpoints, fingerprint))?;

    let config = Config {
        profile: Profile::Compact,
        server_key: key.public_key().clone(),
        successor: None,
        servers: Servers::One,
        otp_channel: OtpChannel::InBand,
        registered_phones: RegisteredPhones::Told,
        registration: Registration::default(),
        exempt_networks: Vec::new(),
        limits: Limits::default(),
    };
    let machine = Server::new(config, entropy()?)?;
    let host = StdHost {
        connections: BTreeMap::new(),
        store: MemoryStorage::new(Profile::Compact, Quota::default()),
        crypto: runner(provider, key, SymmetricKey::random(&mut *random_rng()?))?,
        events: VecDeque::new(),
    };
    let (sender, mail) = mpsc::channel();
    let acceptor = sender.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if acceptor.send(Mail::Accepted(stream)).is_err() {
                return;
            }
        }
    });
    run(machine, host, &mail, &sender);
    Ok(())
}

/// What the socket threads send to the machine's thread.
enum Mail {
    Accepted(TcpStream),
    Bytes(ConnId, Vec<u8>),
    Closed(ConnId),
}

/// The loop: give the machine every event, then wait for mail or for the machine's deadline.
fn run(mut machine: Server, mut host: StdHost, mail: &Receiver<Mail>, sender: &Sender<Mail>) {
    let start = Instant::now();
    let mut last_id = 0;
    loop {
        while let Some(event) = host.events.pop_front() {
            pump(&mut machine, &mut host, now(start), Input::Event(event));
        }
        let deadline = machine.deadline();
        let timeout = deadline.map_or(HOUR, |deadline| deadline.at.since(now(start).mono));
        match mail.recv_timeout(timeout) {
            Ok(Mail::Accepted(stream)) => {
                last_id += 1;
                host.accept(ConnId(last_id), stream, sender.clone());
            }
            Ok(Mail::Bytes(conn, data)) => {
                pump(&mut machine, &mut host, now(start), Input::Bytes { conn, data: &data });
                host.bytes_taken(conn);
            }
            Ok(Mail::Closed(conn)) => {
                // The machine is not told of a connection that it closed itself.
                if host.connections.remove(&conn).is_some() {
                    host.events.push_back(Event::Closed { conn });
                }
            }
            Err(RecvTimeoutError::Timeout) => host.events.push_back(Event::Tick),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn now(start: Instant) -> Now {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let secs = i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX);
    Now { mono: Mono::default() + start.elapsed(), wall: Timestamp::from_unix_secs(secs) }
}

/// Carries out the machine's actions.
struct StdHost {
    connections: BTreeMap<ConnId, Connection>,
    store: MemoryStorage,
    crypto: Crypto,
    /// Events that resulted from actions. The machine is given them after the current input.
    events: VecDeque<Event<Server>>,
}

/// A connection, as seen by the machine's thread.
struct Connection {
    stream: TcpStream,
    flow: Flow,
    /// Lets the reading thread read once more.
    permit: SyncSender<()>,
    /// The reading thread has handed over bytes and waits for a permit.
    waiting: bool,
}

impl StdHost {
    fn accept(&mut self, conn: ConnId, stream: TcpStream, sender: Sender<Mail>) {
        // A peer that does not read for a second is cut off, so that it does not block the others
        // for longer.
        let prepared = stream
            .set_write_timeout(Some(Duration::from_secs(1)))
            .and_then(|()| Ok((stream.peer_addr()?.ip(), stream.try_clone()?)));
        let Ok((peer, readable)) = prepared else { return };
        let (permit, permits) = mpsc::sync_channel(1);
        thread::spawn(move || read(conn, readable, &sender, &permits));
        let connection = Connection { stream, flow: Flow::Resume, permit, waiting: false };
        self.connections.insert(conn, connection);
        self.events.push_back(Event::Opened { conn, peer });
    }

    /// The machine has taken the bytes of a connection: lets the thread read again, unless the
    /// machine has paused the connection.
    fn bytes_taken(&mut self, conn: ConnId) {
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.waiting = connection.flow == Flow::Pause;
            if !connection.waiting {
                let _ = connection.permit.try_send(());
            }
        }
    }
}

/// The thread of one socket: reads, hands over the bytes, and waits for a permit to read again.
fn read(conn: ConnId, mut stream: TcpStream, sender: &Sender<Mail>, permits: &Receiver<()>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(len @ 1..) = stream.read(&mut buffer) {
        let data = buffer.get(..len).unwrap_or_default().to_vec();
        if sender.send(Mail::Bytes(conn, data)).is_err() || permits.recv().is_err() {
            break;
        }
    }
    let _ = sender.send(Mail::Closed(conn));
}

impl Host<Server> for StdHost {
    fn send(&mut self, conn: ConnId, bytes: Bytes) {
        let Some(Connection { stream, .. }) = self.connections.get_mut(&conn) else { return };
        if stream.write_all(&bytes).is_err() {
            // The reading thread then sees the end and reports the connection as closed.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn store(&mut self, ticket: Ticket, op: StoreOp) {
        let mut outcomes = Vec::new();
        self.store.commit(&[op], &mut outcomes);
        self.events.extend(outcomes.pop().map(|outcome| Event::Stored(ticket, outcome)));
    }

    fn compute(&mut self, ticket: Ticket, job: Job) {
        let outcome = self.crypto.run(job);
        self.events.push_back(Event::Computed(ticket, outcome));
    }

    /// Never called: one-time passwords are in band here.
    fn deliver(&mut self, _: OtpDelivery) {}

    fn notify(&mut self, _: Notice) {}

    fn flow(&mut self, conn: ConnId, flow: Flow) {
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        connection.flow = flow;
        if connection.waiting {
            self.bytes_taken(conn);
        }
    }

    fn close(&mut self, conn: ConnId) {
        if let Some(Connection { stream, .. }) = self.connections.remove(&conn) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Never called: only client machines dial.
    fn dial(&mut self, _: ConnId, _: EndpointIndex) {}
}

/// How long to wait for mail if the machine has no deadline.
const HOUR: Duration = Duration::from_hours(1);
