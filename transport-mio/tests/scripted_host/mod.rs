//! A machine that reports every input to the test and carries out the test's orders, in a running
//! host.
#![allow(dead_code, unused_imports, reason = "each suite uses a part")]

mod peer;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use sealpost_core::crypto::{Draft, EmitError, Job, Outcome, OwnKey};
use sealpost_core::frame::{Action, Actions, Deadline, Event, Flow, Input, Machine, StoreError};
use sealpost_core::ids::{ConnId, EndpointIndex, Ticket};
use sealpost_core::time::{Mono, Now, Timestamp};
use sealpost_core::wire::{Header, Op, Profile};
use sealpost_mio::{
    Application, ClientHost, Control, Destination, DialError, Error, Handle, HostConfig, JobRunner,
    ListeningSocket, LocalAddress, ServerHost, StoreRequest,
};
use sealpost_storage::Storage;

#[allow(unused_imports, reason = "each suite uses a part")]
pub(crate) use peer::{Peer, authority, over_tls, set_over_tls, tls_client, tls_server};

/// How long a test waits for an event that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// An input that the machine was given.
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

/// An action that the machine must take.
#[derive(Debug)]
pub(crate) enum Order {
    Send(ConnId, Bytes),
    Flow(ConnId, Flow),
    Close(ConnId),
    /// To the first server.
    Dial(ConnId),
    DialTo(ConnId, EndpointIndex),
    Store(u64, u32),
    Compute(u64),
    TickIn(Duration),
    Deliver(&'static str),
    End,
}

/// What the machine does without orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Nothing but report its inputs.
    Silent,
    /// Sends back what arrives, and finishes when told to shut down.
    Echo,
}

pub(crate) struct ScriptedMachine {
    behaviour: Behaviour,
    seen: Sender<Seen>,
    queue: VecDeque<Action<Self>>,
    deadline: Option<Mono>,
    /// Address of the latest connection.
    peer: Option<IpAddr>,
}

impl std::fmt::Debug for ScriptedMachine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ScriptedMachine")
    }
}

impl Machine for ScriptedMachine {
    type StoreOp = Request;
    type StoreOutcome = Result<u32, StoreError>;
    type Command = Vec<Order>;
    type Delivery = &'static str;
    /// The only notice: the machine has finished.
    type Notice = ();

    fn handle(&mut self, now: Now, input: Input<'_, Self>) -> Actions<'_, Self> {
        let seen = match input {
            Input::Bytes { conn, data } => {
                if self.behaviour == Behaviour::Echo {
                    let bytes = Bytes::copy_from_slice(data);
                    self.queue.push_back(Action::Send { conn, bytes });
                }
                Some(Seen::Bytes(conn, data.to_vec()))
            }
            Input::Event(Event::Opened { conn, peer }) => {
                self.peer = Some(peer);
                Some(Seen::Opened(conn))
            }
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
                if self.behaviour == Behaviour::Echo {
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

    fn is_consistent(&self) -> Result<(), &'static str> {
        Ok(())
    }
}

impl ScriptedMachine {
    pub(crate) fn new(behaviour: Behaviour) -> (Self, Receiver<Seen>) {
        let (sender, seen) = mpsc::channel();
        (Self { behaviour, seen: sender, queue: VecDeque::new(), deadline: None, peer: None }, seen)
    }

    fn obey(&mut self, now: Now, order: Order) {
        let action = match order {
            Order::Send(conn, bytes) => Action::Send { conn, bytes },
            Order::Flow(conn, flow) => Action::Flow { conn, flow },
            Order::Close(conn) => Action::Close { conn },
            Order::Dial(conn) => Action::Dial { conn, endpoint: EndpointIndex(0) },
            Order::DialTo(conn, endpoint) => Action::Dial { conn, endpoint },
            Order::Store(ticket, op) => Action::Store { ticket: Ticket(ticket), op: Request(op) },
            Order::Compute(ticket) => Action::Compute { ticket: Ticket(ticket), job: job() },
            Order::Deliver(what) => Action::Deliver(what),
            Order::End => Action::Notify(()),
            Order::TickIn(time) => {
                self.deadline = Some(now.mono + time);
                return;
            }
        };
        self.queue.push_back(action);
    }
}

/// An arbitrary job.
fn job() -> Job {
    let header =
        Header { sender: None, recipient: None, timestamp: Timestamp::MIN, op: Op::Disconnect };
    let draft =
        Draft { profile: Profile::Compact, header, parts: Vec::new(), signer: Some(OwnKey::First) };
    Job::Emit(Box::new(draft))
}

/// A store request with a number.
#[derive(Debug)]
pub(crate) struct Request(u32);

impl StoreRequest for Request {
    fn weight(&self) -> usize {
        4
    }
}

/// Answers each request with ten times its number.
pub(crate) struct TenfoldStore;

impl Storage for TenfoldStore {
    type Op = Request;
    type Outcome = Result<u32, StoreError>;

    fn commit(&mut self, ops: &[Request], outcomes: &mut Vec<Result<u32, StoreError>>) {
        outcomes.clear();
        outcomes.extend(ops.iter().map(|op| Ok(op.0 * 10)));
    }
}

/// Fails every job.
pub(crate) struct FailingRunner;

impl JobRunner for FailingRunner {
    fn run_all(&mut self, jobs: &mut Vec<(Ticket, Job)>, outcomes: &mut Vec<(Ticket, Outcome)>) {
        let fail = |(ticket, _)| (ticket, Outcome::Emitted(Err(EmitError)));
        outcomes.extend(jobs.drain(..).map(fail));
    }

    fn fork(&mut self) -> Self {
        Self
    }
}

/// Passes deliveries to the test, and stops the host when the machine has finished.
pub(crate) struct TestApplication {
    deliveries: Sender<&'static str>,
    unreachable: Sender<String>,
}

impl Application<ScriptedMachine> for TestApplication {
    fn deliver(&mut self, delivery: &'static str) {
        let _ = self.deliveries.send(delivery);
    }

    fn dialling_failed(&mut self, error: &DialError) {
        let _ = self.unreachable.send(error.to_string());
    }

    fn notify(&mut self, (): ()) -> Control {
        Control::Stop
    }
}

impl TestApplication {
    fn new() -> (Self, Receiver<&'static str>, Receiver<String>) {
        let (deliveries, delivered) = mpsc::channel();
        let (sender, unreachable) = mpsc::channel();
        (Self { deliveries, unreachable: sender }, delivered, unreachable)
    }
}

pub(crate) fn config() -> HostConfig {
    let linger = Duration::from_millis(500);
    HostConfig { crypto_workers: NonZeroUsize::new(1), linger, ..HostConfig::default() }
}

/// A host of a scripted machine, running on a thread.
pub(crate) struct RunningHost {
    pub(crate) addr: SocketAddr,
    pub(crate) handle: Handle<ScriptedMachine>,
    pub(crate) seen: Receiver<Seen>,
    pub(crate) delivered: Receiver<&'static str>,
    /// Why dialling failed.
    pub(crate) unreachable: Receiver<String>,
    pub(crate) thread: JoinHandle<Result<(), Error>>,
}

/// A server host that is listening but does not run yet.
pub(crate) struct BoundServer {
    pub(crate) server: ServerHost<ScriptedMachine, TestApplication, TenfoldStore>,
    pub(crate) addr: SocketAddr,
    seen: Receiver<Seen>,
    delivered: Receiver<&'static str>,
    unreachable: Receiver<String>,
}

impl BoundServer {
    pub(crate) fn new(config: &HostConfig, behaviour: Behaviour) -> Self {
        let socket = ListeningSocket::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
        let LocalAddress::Tcp(addr) = *socket.local_address() else { panic!("{socket:?}") };
        Self::on(vec![socket], addr, config, behaviour)
    }

    /// A server on these sockets, of which `addr` is one.
    pub(crate) fn on(
        sockets: Vec<ListeningSocket>,
        addr: SocketAddr,
        config: &HostConfig,
        behaviour: Behaviour,
    ) -> Self {
        let (machine, seen) = ScriptedMachine::new(behaviour);
        let (application, delivered, unreachable) = TestApplication::new();
        let mut config = config.clone();
        if peer::is_over_tls() && config.tls.is_none() {
            config.tls = Some(tls_server());
        }
        let server =
            ServerHost::new(&config, sockets, TenfoldStore, FailingRunner, machine, application)
                .unwrap();
        Self { server, addr, seen, delivered, unreachable }
    }

    pub(crate) fn run(self) -> RunningHost {
        RunningHost {
            addr: self.addr,
            handle: self.server.handle(),
            seen: self.seen,
            delivered: self.delivered,
            unreachable: self.unreachable,
            thread: std::thread::spawn(|| self.server.run()),
        }
    }
}

impl RunningHost {
    pub(crate) fn server(config: &HostConfig, behaviour: Behaviour) -> Self {
        BoundServer::new(config, behaviour).run()
    }

    /// Starts a host that dials `addr`.
    pub(crate) fn client(config: &HostConfig, addr: SocketAddr) -> Self {
        let server = if peer::is_over_tls() {
            Destination::over_tls(addr.to_string(), tls_client("127.0.0.1"))
        } else {
            addr.to_string().into()
        };
        Self::dialler(config, addr, server)
    }

    /// Starts a host that dials `server`, which is at `addr`.
    pub(crate) fn dialler(config: &HostConfig, addr: SocketAddr, server: Destination) -> Self {
        Self::dialler_of(config, addr, vec![server])
    }

    /// Starts a host that dials `servers`, of which the first is at `addr`.
    pub(crate) fn dialler_of(
        config: &HostConfig,
        addr: SocketAddr,
        servers: Vec<Destination>,
    ) -> Self {
        let (machine, seen) = ScriptedMachine::new(Behaviour::Silent);
        let (application, delivered, unreachable) = TestApplication::new();
        let host =
            ClientHost::new(config, servers, TenfoldStore, FailingRunner, machine, application);
        let host = host.unwrap();
        let handle = host.handle();
        let thread = std::thread::spawn(|| host.run());
        Self { addr, handle, seen, delivered, unreachable, thread }
    }

    pub(crate) fn give(&self, orders: impl IntoIterator<Item = Order>) {
        self.handle.command(orders.into_iter().collect());
    }

    /// The next input that the machine was given.
    pub(crate) fn next(&self) -> Seen {
        self.seen.recv_timeout(PATIENCE).expect("no input in time")
    }

    pub(crate) fn expect(&self, seen: &Seen) {
        assert_eq!(self.next(), *seen);
    }

    /// Waits for a connection to open, and returns its number.
    pub(crate) fn opened(&self) -> ConnId {
        let next = self.next();
        let Seen::Opened(conn) = next else { panic!("expected a connection, not {next:?}") };
        conn
    }

    /// The address of the latest connection.
    pub(crate) fn peer(&self) -> IpAddr {
        let asked = self.handle.with_machine(|machine| machine.peer);
        asked.recv_timeout(PATIENCE).unwrap().expect("no connection was opened")
    }

    /// Waits for `len` bytes on a connection.
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

    /// Makes the machine finish without a shutdown, and waits for the host to return.
    pub(crate) fn end(self) {
        self.give([Order::End]);
        self.thread.join().unwrap().unwrap();
    }
}

/// Runs one test of this binary again in a child process, with the environment variable set.
pub(crate) fn rerun(test: &str, variable: &str) -> Child {
    rerun_with(test, [(variable, "1")])
}

/// Runs one test of this binary again in a child process, ignored or not, with these environment
/// variables.
pub(crate) fn rerun_with<'a>(
    test: &str,
    variables: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--include-ignored"])
        .envs(variables)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}
