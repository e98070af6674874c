//! A host of the server over `std::net`, in one file: the core needs no reactor.
//!
//! One thread owns the machine, the store and the keys, and carries out every action before it
//! takes the next input. One thread for each socket blocks in `read`. What is missing for
//! production: a write blocks everybody for up to a second, everything is lost at the end, and one
//! core does all the cryptography.
//!
//!     cargo run --example std_host -- 127.0.0.1:7465

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use sealpost_core::address::ServerAddress;
use sealpost_core::crypto::{Crypto, Job};
use sealpost_core::entropy::Entropy;
use sealpost_core::frame::{Event, Flow, Host, Input, Machine, pump};
use sealpost_core::ids::{ConnId, Ticket};
use sealpost_core::keys::SymmetricKey;
use sealpost_core::server::limits::Limits;
use sealpost_core::server::store::StoreOp;
use sealpost_core::server::{Config, Notice, OtpChannel, OtpDelivery, Server};
use sealpost_core::time::{Mono, Now, Timestamp};
use sealpost_core::wire::Profile;
use sealpost_programs::{CryptoName, Failure, Line, random_rng, random_seed, report, runner};
use sealpost_storage::{MemoryStorage, Quota, Storage};

/// What the threads of the sockets tell the one thread that decides.
enum Mail {
    Accepted(TcpStream),
    Bytes(ConnId, Vec<u8>),
    Closed(ConnId),
}

/// A socket, seen from the deciding thread.
struct Conn {
    stream: TcpStream,
    /// The reader waits for one of these before it reads again.
    go_on: SyncSender<()>,
    flow: Flow,
    /// The reader has handed something over and waits.
    reader_waits: bool,
}

/// The machine's hands.
struct StdHost {
    conns: BTreeMap<ConnId, Conn>,
    store: MemoryStorage,
    crypto: Crypto,
    /// What carrying out actions has led to, for the machine to be told next.
    facts: VecDeque<Event<Server>>,
}

fn main() -> ExitCode {
    report("std_host", serve())
}

fn serve() -> Result<(), Failure> {
    let listen = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7465".into());
    let provider = CryptoName::AwsLc.provider();
    let key = provider.load_key(provider.generate_key(&mut *random_rng()?)?.expose())?;
    let listener = TcpListener::bind(listen)?;
    let local = listener.local_addr()?;
    let fingerprint = *key.public_key().fingerprint();
    Line::text(ServerAddress::new(
        Profile::Compact,
        &local.ip().to_string(),
        local.port(),
        fingerprint,
    )?)?;

    let config = Config {
        profile: Profile::Compact,
        server_key: key.public_key().clone(),
        otp_channel: OtpChannel::InBand,
        limits: Limits::default(),
    };
    let machine = Server::new(config, Entropy::from_seed(random_seed()?))?;
    let host = StdHost {
        conns: BTreeMap::new(),
        store: MemoryStorage::new(Profile::Compact, Quota::default()),
        crypto: runner(provider, key, SymmetricKey::from_bytes(random_seed()?))?,
        facts: VecDeque::new(),
    };
    let (sender, mail) = mpsc::channel();
    let accepted = sender.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if accepted.send(Mail::Accepted(stream)).is_err() {
                return;
            }
        }
    });
    run(machine, host, &mail, &sender);
    Ok(())
}

/// The loop: tell the machine what happened, carry out what follows, wait.
fn run(mut machine: Server, mut host: StdHost, mail: &Receiver<Mail>, sender: &Sender<Mail>) {
    let start = Instant::now();
    let mut last_conn = 0;
    loop {
        while let Some(fact) = host.facts.pop_front() {
            pump(&mut machine, &mut host, now(start), Input::Event(fact));
        }
        let deadline = machine.deadline();
        let patience = deadline.map_or(FOREVER, |due| due.at.since(now(start).mono));
        match mail.recv_timeout(patience) {
            Ok(Mail::Accepted(stream)) => {
                last_conn += 1;
                host.accept(ConnId(last_conn), stream, sender.clone());
            }
            Ok(Mail::Bytes(conn, data)) => {
                pump(&mut machine, &mut host, now(start), Input::Bytes { conn, data: &data });
                host.go_on(conn);
            }
            Ok(Mail::Closed(conn)) => {
                // A connection that the machine closed itself is not its business any more.
                if host.conns.remove(&conn).is_some() {
                    host.facts.push_back(Event::Closed { conn });
                }
            }
            Err(RecvTimeoutError::Timeout) => host.facts.push_back(Event::Tick),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn now(start: Instant) -> Now {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let secs = i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX);
    Now { mono: Mono::default() + start.elapsed(), wall: Timestamp::from_unix_secs(secs) }
}

impl StdHost {
    fn accept(&mut self, conn: ConnId, stream: TcpStream, sender: Sender<Mail>) {
        let (go_on, may_go_on) = mpsc::sync_channel(1);
        // Whoever does not read for a second is cut off, so that the others need not wait longer.
        let prepared = stream
            .set_write_timeout(Some(Duration::from_secs(1)))
            .and_then(|()| Ok((stream.peer_addr()?.ip(), stream.try_clone()?)));
        let Ok((peer, reader)) = prepared else { return };
        thread::spawn(move || read(conn, reader, &sender, &may_go_on));
        self.conns.insert(conn, Conn { stream, go_on, flow: Flow::Resume, reader_waits: false });
        self.facts.push_back(Event::Opened { conn, peer });
    }

    /// Lets the reader read again, now or when the machine resumes the connection.
    fn go_on(&mut self, conn: ConnId) {
        if let Some(conn) = self.conns.get_mut(&conn) {
            conn.reader_waits = conn.flow == Flow::Pause;
            if !conn.reader_waits {
                let _ = conn.go_on.try_send(());
            }
        }
    }
}

/// Blocks in `read`, hands over what came, and waits until it may read again.
fn read(conn: ConnId, mut stream: TcpStream, sender: &Sender<Mail>, may_go_on: &Receiver<()>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(len @ 1..) = stream.read(&mut buffer) {
        let data = buffer.get(..len).unwrap_or_default().to_vec();
        if sender.send(Mail::Bytes(conn, data)).is_err() || may_go_on.recv().is_err() {
            break;
        }
    }
    let _ = sender.send(Mail::Closed(conn));
}

impl Host<Server> for StdHost {
    fn send(&mut self, conn: ConnId, bytes: Bytes) {
        let Some(Conn { stream, .. }) = self.conns.get_mut(&conn) else { return };
        if stream.write_all(&bytes).is_err() {
            // The reader notices, and tells.
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    fn store(&mut self, ticket: Ticket, op: StoreOp) {
        let mut outcomes = Vec::new();
        self.store.commit(&[op], &mut outcomes);
        self.facts.extend(outcomes.pop().map(|outcome| Event::Stored(ticket, outcome)));
    }

    fn compute(&mut self, ticket: Ticket, job: Job) {
        let outcome = self.crypto.run(job);
        self.facts.push_back(Event::Computed(ticket, outcome));
    }

    fn deliver(&mut self, _: OtpDelivery) {
        // One-time passwords go in band here.
    }

    fn notify(&mut self, _: Notice) {}

    fn flow(&mut self, conn: ConnId, flow: Flow) {
        let Some(of) = self.conns.get_mut(&conn) else { return };
        of.flow = flow;
        if of.reader_waits {
            self.go_on(conn);
        }
    }

    fn close(&mut self, conn: ConnId) {
        if let Some(Conn { stream, .. }) = self.conns.remove(&conn) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    fn dial(&mut self, _: ConnId) {}
}

const FOREVER: Duration = Duration::from_hours(1);
