//! A machine on strings: it reports whatever happens to it, and does what the test commands.
#![allow(dead_code, reason = "each test uses a part")]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use sealpost_core::crypto::{Draft, EmitError, Job, Outcome};
use sealpost_core::frame::{Action, Actions, Deadline, Event, Flow, Input, Machine, StoreError};
use sealpost_core::ids::{ConnId, Ticket};
use sealpost_core::time::{Mono, Now, Timestamp};
use sealpost_core::wire::{Header, Op, Profile};
use sealpost_mio::{
    Application, ClientHost, Config, Control, Error, Handle, JobRunner, Server, StoreRequest,
};
use sealpost_storage::Storage;

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What the machine was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Opened(ConnId),
    Closed(ConnId),
    Congested(ConnId),
    Writable(ConnId),
    Bytes(ConnId, Vec<u8>),
    Stored(u64, Result<u32, StoreError>),
    Computed(u64),
    Ticked,
    Shutdown,
}

/// What the machine is to do.
#[derive(Debug)]
pub(crate) enum Do {
    Send(ConnId, Bytes),
    Flow(ConnId, Flow),
    Close(ConnId),
    Dial(ConnId),
    Store(u64, u32),
    Compute(u64),
    TickIn(Duration),
    Deliver(&'static str),
    End,
}

/// What it does of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Nothing.
    Silent,
    /// Sends back what arrives, reporting it too.
    Echo,
}

pub(crate) struct Puppet {
    manner: Manner,
    seen: Sender<Seen>,
    queue: VecDeque<Action<Self>>,
    deadline: Option<Mono>,
}

impl std::fmt::Debug for Puppet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Puppet")
    }
}

impl Machine for Puppet {
    type StoreOp = Request;
    type StoreOutcome = Result<u32, StoreError>;
    type Command = Vec<Do>;
    type Delivery = &'static str;
    /// The machine has ended.
    type Notice = ();

    fn handle(&mut self, now: Now, input: Input<'_, Self>) -> Actions<'_, Self> {
        let seen = match input {
            Input::Bytes { conn, data } => {
                if self.manner == Manner::Echo {
                    let bytes = Bytes::copy_from_slice(data);
                    self.queue.push_back(Action::Send { conn, bytes });
                }
                Some(Seen::Bytes(conn, data.to_vec()))
            }
            Input::Event(Event::Opened { conn, .. }) => Some(Seen::Opened(conn)),
            Input::Event(Event::Closed { conn }) => Some(Seen::Closed(conn)),
            Input::Event(Event::Congested { conn }) => Some(Seen::Congested(conn)),
            Input::Event(Event::Writable { conn }) => Some(Seen::Writable(conn)),
            Input::Event(Event::Stored(ticket, outcome)) => Some(Seen::Stored(ticket.0, outcome)),
            Input::Event(Event::Computed(ticket, _)) => Some(Seen::Computed(ticket.0)),
            Input::Event(Event::Command(orders)) => {
                for order in orders {
                    self.obey(now, order);
                }
                None
            }
            Input::Event(Event::Tick) => {
                self.deadline = None;
                Some(Seen::Ticked)
            }
            Input::Event(Event::Shutdown) => {
                if self.manner == Manner::Echo {
                    self.queue.push_back(Action::Notify(()));
                }
                Some(Seen::Shutdown)
            }
        };
        if let Some(seen) = seen {
            let _ = self.seen.send(seen);
        }
        Actions::new(&mut self.queue)
    }

    fn deadline(&self) -> Option<Deadline> {
        self.deadline.map(|at| Deadline { at, why: "the test asked for it" })
    }
}

impl Puppet {
    pub(crate) fn new(manner: Manner) -> (Self, Receiver<Seen>) {
        let (sender, seen) = mpsc::channel();
        (Self { manner, seen: sender, queue: VecDeque::new(), deadline: None }, seen)
    }

    fn obey(&mut self, now: Now, order: Do) {
        let action = match order {
            Do::Send(conn, bytes) => Action::Send { conn, bytes },
            Do::Flow(conn, flow) => Action::Flow { conn, flow },
            Do::Close(conn) => Action::Close { conn },
            Do::Dial(conn) => Action::Dial { conn },
            Do::Store(ticket, op) => Action::Store { ticket: Ticket(ticket), op: Request(op) },
            Do::Compute(ticket) => Action::Compute { ticket: Ticket(ticket), job: job() },
            Do::Deliver(what) => Action::Deliver(what),
            Do::End => Action::Notify(()),
            Do::TickIn(time) => {
                self.deadline = Some(now.mono + time);
                return;
            }
        };
        self.queue.push_back(action);
    }
}

/// Some job.
fn job() -> Job {
    let header =
        Header { sender: None, recipient: None, timestamp: Timestamp::MIN, op: Op::Disconnect };
    let draft = Draft { profile: Profile::Compact, header, parts: Vec::new(), signed: true };
    Job::Emit(Box::new(draft))
}

/// A request with a number.
#[derive(Debug)]
pub(crate) struct Request(u32);

impl StoreRequest for Request {
    fn weight(&self) -> usize {
        4
    }
}

/// Answers each request with ten times its number.
pub(crate) struct Tenfold;

impl Storage for Tenfold {
    type Op = Request;
    type Outcome = Result<u32, StoreError>;

    fn commit(&mut self, ops: &[Request], outcomes: &mut Vec<Result<u32, StoreError>>) {
        outcomes.clear();
        outcomes.extend(ops.iter().map(|op| Ok(op.0 * 10)));
    }
}

/// Fails each job.
pub(crate) struct Clumsy;

impl JobRunner for Clumsy {
    fn run(&mut self, _: Job) -> Outcome {
        Outcome::Emitted(Err(EmitError))
    }

    fn fork(&mut self) -> Self {
        Self
    }
}

/// Passes deliveries on, and ends when the machine has.
pub(crate) struct Audience(Sender<&'static str>);

impl Application<Puppet> for Audience {
    fn deliver(&mut self, delivery: &'static str) {
        let _ = self.0.send(delivery);
    }

    fn notify(&mut self, (): ()) -> Control {
        Control::Stop
    }
}

pub(crate) fn config() -> Config {
    let linger = Duration::from_millis(500);
    Config { crypto_workers: NonZeroUsize::new(1), linger, ..Config::default() }
}

/// A host with a puppet, running on a thread.
pub(crate) struct Stage {
    pub(crate) addr: SocketAddr,
    pub(crate) handle: Handle<Puppet>,
    pub(crate) seen: Receiver<Seen>,
    pub(crate) delivered: Receiver<&'static str>,
    pub(crate) thread: JoinHandle<Result<(), Error>>,
}

/// A server that is bound and doesn't run yet.
pub(crate) struct Backstage {
    pub(crate) server: Server<Puppet, Audience>,
    seen: Receiver<Seen>,
    delivered: Receiver<&'static str>,
}

impl Backstage {
    pub(crate) fn new(config: &Config, manner: Manner) -> Self {
        let (puppet, seen) = Puppet::new(manner);
        let (sender, delivered) = mpsc::channel();
        let listen = "127.0.0.1:0".parse().unwrap();
        let server =
            Server::bind(config, listen, Tenfold, Clumsy, puppet, Audience(sender)).unwrap();
        Self { server, seen, delivered }
    }

    pub(crate) fn run(self) -> Stage {
        Stage {
            addr: self.server.local_addr(),
            handle: self.server.handle(),
            seen: self.seen,
            delivered: self.delivered,
            thread: std::thread::spawn(|| self.server.run()),
        }
    }
}

impl Stage {
    pub(crate) fn server(config: &Config, manner: Manner) -> Self {
        Backstage::new(config, manner).run()
    }

    /// A host that dials `addr`.
    pub(crate) fn client(config: &Config, addr: SocketAddr) -> Self {
        let (puppet, seen) = Puppet::new(Manner::Silent);
        let (sender, delivered) = mpsc::channel();
        let audience = Audience(sender);
        let host = ClientHost::new(config, addr.to_string(), Tenfold, Clumsy, puppet, audience);
        let host = host.unwrap();
        let handle = host.handle();
        Self { addr, handle, seen, delivered, thread: std::thread::spawn(|| host.run()) }
    }

    pub(crate) fn order(&self, orders: impl IntoIterator<Item = Do>) {
        self.handle.command(orders.into_iter().collect());
    }

    /// The next thing that the machine was told.
    pub(crate) fn next(&self) -> Seen {
        self.seen.recv_timeout(PATIENCE).expect("the machine is told something in time")
    }

    pub(crate) fn expect(&self, seen: &Seen) {
        assert_eq!(self.next(), *seen);
    }

    /// The number of the connection that opens next.
    pub(crate) fn opened(&self) -> ConnId {
        let next = self.next();
        let Seen::Opened(conn) = next else { panic!("expected a connection, not {next:?}") };
        conn
    }

    /// What arrives on a connection, until it is so many bytes.
    pub(crate) fn received(&self, conn: ConnId, len: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < len {
            let next = self.next();
            let Seen::Bytes(on, data) = next else { panic!("expected bytes, not {next:?}") };
            assert_eq!(on, conn);
            all.extend(data);
        }
        all
    }

    /// Ends the machine without a shutdown, and waits for the host to return.
    pub(crate) fn end(self) {
        self.order([Do::End]);
        self.thread.join().unwrap().unwrap();
    }
}

/// Runs one test of this binary again, in a process of its own that sees `variable`.
pub(crate) fn rerun(test: &str, variable: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(variable, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}
