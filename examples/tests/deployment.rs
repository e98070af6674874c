#![cfg(test)]
#![expect(clippy::print_stdout, reason = "prints the seed, the faults and the figures")]
//! Several servers that share an engine, under load, while servers and nodes of the engine are
//! killed, suspended and started again, several at a time.
//!
//! Faults are drawn from a seed, which is printed; `SEALPOST_SEED` sets it. The same seed gives the
//! same faults but not the same run, because processes race. `SEALPOST_SIEGE_SECS` sets for how long
//! there are faults: 600 for a long siege. Where there is no `nats-server`, it says what it skips.
#![cfg(feature = "jetstream")]

mod support;
#[path = "../../storage/src/server/jetstream/test_engine.rs"]
#[allow(dead_code, reason = "the store's own tests use the rest")]
mod test_engine;

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::thread;
use std::time::{Duration, Instant};
use std::{fmt, mem};

use rustix::process::Signal;
use sealpost_core::client::Limits;
use sealpost_core::entropy::Entropy;
use sealpost_storage::server::jetstream::{Config, Syncing};
use support::daemon::Starting;
use support::sender::{Ledger, Sender, impatient};
use support::{Daemon, PATIENCE, ProgramBed, entropy_of, numbers, seed, setting};
use test_engine::TestEngine;

#[test]
fn nothing_is_lost_twice_or_out_of_order_while_servers_and_nodes_fail() {
    let Some(engine) = TestEngine::start_cluster() else { return };
    let (begin, mut draws) = (Instant::now(), Draws::seeded());
    let mut deployment = Deployment::start(engine);
    let clients = Clients::start(&deployment);
    clients.wait_until_served();
    let mut figures = Figures::default();
    while begin.elapsed() < duration() {
        let round = draws.round();
        figures.count(&round);
        deployment.suffer(&round, |member| clients.move_one(member));
        let repaired = Instant::now();
        clients.wait_until_served();
        let (took, acknowledged) = (repaired.elapsed(), clients.acknowledged());
        println!(
            "all are served again after {took:?}; {acknowledged} messages acknowledged so far"
        );
        figures.slowest_recovery = figures.slowest_recovery.max(took);
    }
    let (ledgers, bed) = clients.finish();
    figures.compare(&bed, &ledgers);
    deployment.stop();
    println!("{figures:#?} in {:?}", begin.elapsed());
}

/// An engine of three nodes, and the servers that share it.
struct Deployment {
    engine: TestEngine,
    servers: Vec<Server>,
}

/// A server with a data folder of its own, at an address of its own.
struct Server {
    bed: ProgramBed,
    place: String,
    process: Process,
}

enum Process {
    Killed,
    Starting(Starting),
    Serving(Daemon),
}

impl Deployment {
    /// Starts the servers. The first one has made the key that all of them have.
    fn start(engine: TestEngine) -> Self {
        let places = [(); SERVERS].map(|()| ProgramBed::reusable_address());
        let (config, public) = (engine.deployment(), places.join(","));
        let mut servers: Vec<Server> = Vec::new();
        for place in places {
            let server = Server::start(place, &public, &config, servers.first());
            servers.push(server);
        }
        Self { engine, servers }
    }

    /// The address that names all servers.
    fn address(&self) -> String {
        self.servers[0].bed.sealpostd(&["address"]).succeeded().trim_end().to_owned()
    }

    /// Has faults begin and end, and clients move, at their times. Then every server serves again.
    fn suffer(&mut self, round: &Round, move_one: impl Fn(usize)) {
        let mut steps: Vec<_> =
            round.moves.iter().map(|(at, member)| (*at, Step::Move(*member))).collect();
        for fault in &round.faults {
            println!("{fault}");
            steps.push((fault.at, Step::Fail(*fault)));
            steps.push((fault.at + fault.lasts, Step::Recover(*fault)));
        }
        steps.sort_by_key(|(at, _)| *at);
        let begin = Instant::now();
        for (at, step) in steps {
            thread::sleep(at.saturating_sub(begin.elapsed()));
            match step {
                Step::Move(member) => move_one(member),
                Step::Fail(fault) => self.change(fault, Edge::Begin),
                Step::Recover(fault) => self.change(fault, Edge::End),
            }
        }
        self.servers.iter_mut().for_each(Server::wait_until_ready);
    }

    fn change(&mut self, fault: Fault, edge: Edge) {
        match fault.victim {
            Victim::Server(index) => self.servers[index].change(fault.kind, edge),
            Victim::Node(node) => change_node(&mut self.engine, node, fault.kind, edge),
        }
    }

    /// Stops the servers in order.
    fn stop(mut self) {
        for server in &mut self.servers {
            let ended = server.take().stop();
            assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
        }
    }
}

impl Server {
    /// Starts a server at `place`, with the key of the `first` one if there is one.
    fn start(place: String, public: &str, config: &Config, first: Option<&Self>) -> Self {
        let bed = ProgramBed::new();
        let Config { servers, deployment, replicas, .. } = config;
        let store = servers.join(",");
        let text = format!(
            "store = \"{store}\"\npublic_address = \"{public}\"\n\
             [nats]\ndeployment = \"{deployment}\"\nreplicas = {replicas}\nshards = 4\n\
             trust_sync = true\n"
        );
        let data = bed.path("data");
        DirBuilder::new().mode(0o700).create(&data).unwrap();
        fs::write(data.join("sealpostd.toml"), text).unwrap();
        if let Some(first) = first {
            fs::copy(first.bed.path("data").join(KEY), data.join(KEY)).unwrap();
        }
        let process = Process::Serving(bed.serve_at(&place, &[]));
        Self { bed, place, process }
    }

    fn change(&mut self, kind: FaultKind, edge: Edge) {
        match (kind, edge) {
            (FaultKind::Kill, Edge::Begin) => {
                assert!(self.take().kill(), "{}: the server had ended", self.place);
            }
            (FaultKind::Kill, Edge::End) => {
                self.process = Process::Starting(self.bed.launch(&self.place, &[]));
            }
            (FaultKind::Suspend, Edge::Begin) => self.signal(Signal::STOP),
            (FaultKind::Suspend, Edge::End) => self.signal(Signal::CONT),
        }
    }

    /// Takes the process away.
    fn take(&mut self) -> Daemon {
        let Process::Serving(daemon) = mem::replace(&mut self.process, Process::Killed) else {
            panic!("it does not serve")
        };
        daemon
    }

    fn signal(&self, signal: Signal) {
        let Process::Serving(daemon) = &self.process else { panic!("it does not serve") };
        daemon.signal(signal);
    }

    /// Waits until a server that was started serves: it waits for the engine itself.
    fn wait_until_ready(&mut self) {
        self.process = match mem::replace(&mut self.process, Process::Killed) {
            Process::Starting(starting) => Process::Serving(starting.ready()),
            process @ (Process::Killed | Process::Serving(_)) => process,
        };
    }
}

/// If the test fails, the logs of the servers may say why.
impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = fs::read_to_string(self.bed.path("sealpostd.log")).unwrap_or_default();
            println!("The log of {}:\n{log}", self.place);
        }
    }
}

fn change_node(engine: &mut TestEngine, node: usize, kind: FaultKind, edge: Edge) {
    match (kind, edge) {
        (FaultKind::Kill, Edge::Begin) => engine.kill(node),
        (FaultKind::Kill, Edge::End) => engine.restart(node),
        (FaultKind::Suspend, Edge::Begin) => engine.suspend(node),
        (FaultKind::Suspend, Edge::End) => engine.resume(node),
    }
}

/// Clients in pairs, each of which sends numbers to the other.
struct Clients {
    bed: ProgramBed,
    members: Vec<Sender>,
}

impl Clients {
    fn start(deployment: &Deployment) -> Self {
        let (bed, address) = (ProgramBed::new(), deployment.address());
        for member in 0..MEMBERS {
            bed.sealpost(&home(member), &["register", &address, &phone(member)]).succeeded();
        }
        let sender = |member| {
            let peer = phone(peer(member)).parse().unwrap();
            Sender::with_limits(&bed.path(&home(member)), peer, hasty())
        };
        Self { members: (0..MEMBERS).map(sender).collect(), bed }
    }

    /// Waits until every client has more messages acknowledged, and has received more.
    fn wait_until_served(&self) {
        let counts = |member: &Sender| {
            let ledger = member.ledger();
            assert_eq!(ledger.out_of_order, None, "after {}", ledger.received);
            (ledger.acknowledged.len(), ledger.received)
        };
        let before: Vec<_> = self.members.iter().map(counts).collect();
        self.until("served", |member, index| {
            let ((acknowledged, received), now) = (before[index], counts(member));
            now.0 > acknowledged && now.1 > received
        });
    }

    /// Waits until something holds for every client.
    fn until(&self, what: &str, holds: impl Fn(&Sender, usize) -> bool) {
        let begin = Instant::now();
        loop {
            let members = self.members.iter().enumerate();
            let left: Vec<_> = members.filter(|(index, member)| !holds(member, *index)).collect();
            if left.is_empty() {
                return;
            }
            for (index, member) in &left {
                if begin.elapsed() > PATIENCE {
                    println!("client {index} is not {what}: {}", report(&member.ledger()));
                }
            }
            assert!(begin.elapsed() < PATIENCE, "{} clients are not {what}", left.len());
            thread::sleep(GLANCE);
        }
    }

    /// Has a client go to another server.
    fn move_one(&self, member: usize) {
        self.members[member].move_on();
    }

    fn acknowledged(&self) -> usize {
        self.members.iter().map(|member| member.ledger().acknowledged.len()).sum()
    }

    /// Waits until everything has arrived and is acknowledged.
    fn finish(self) -> (Vec<Ledger>, ProgramBed) {
        self.members.iter().for_each(Sender::pause);
        self.until("done", |member, _| {
            let ledger = member.ledger();
            ledger.delivered == ledger.sent
        });
        (self.members.into_iter().map(Sender::stop).collect(), self.bed)
    }
}

/// How far a client has come, and what troubled it last.
fn report(ledger: &Ledger) -> String {
    let Ledger { sent, delivered, received, troubles, .. } = ledger;
    let counts = format!(
        "{sent} sent, {} acknowledged, {delivered} delivered, {received} received",
        ledger.acknowledged.len()
    );
    let troubles = troubles.iter().map(|(at, notice)| format!("\n  {at} {notice:?}"));
    [counts].into_iter().chain(troubles).collect()
}

const fn peer(member: usize) -> usize {
    member ^ 1
}

fn home(member: usize) -> String {
    format!("member-{member}")
}

fn phone(member: usize) -> String {
    format!("+4915100001{member:02}")
}

/// Limits of clients that soon give up a server that does not answer.
fn hasty() -> Limits {
    let moment = Duration::from_secs(3);
    Limits { request_timeout: moment, ack_timeout: moment * 2, ..impatient() }
}

/// Draws faults.
struct Draws(Entropy);

/// What happens until every client must be served again.
struct Round {
    faults: Vec<Fault>,
    /// Clients that go to another server, and when.
    moves: Vec<(Duration, usize)>,
}

enum Step {
    Move(usize),
    Fail(Fault),
    Recover(Fault),
}

/// Something that fails, from `at` for as long as it `lasts`.
#[derive(Clone, Copy, Debug)]
struct Fault {
    victim: Victim,
    kind: FaultKind,
    at: Duration,
    lasts: Duration,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { victim, kind, at, lasts } = self;
        write!(f, "{victim:?}: {kind:?} after {at:?} for {lasts:?}")
    }
}

#[derive(Clone, Copy, Debug)]
enum Victim {
    Server(usize),
    Node(usize),
}

#[derive(Clone, Copy, Debug)]
enum FaultKind {
    /// SIGKILL, then another start.
    Kill,
    /// SIGSTOP, then SIGCONT.
    Suspend,
}

#[derive(Clone, Copy, Debug)]
enum Edge {
    Begin,
    End,
}

impl Draws {
    fn seeded() -> Self {
        let seed = seed();
        println!("SEALPOST_SEED={seed}");
        Self(entropy_of(seed))
    }

    fn round(&mut self) -> Round {
        let faults = self.faults();
        let moves =
            (0..self.below(MOST_MOVES)).map(|_| (self.time(LONGEST_ROUND), self.below(MEMBERS)));
        Round { moves: moves.collect(), faults }
    }

    /// Draws faults of one to four different victims.
    fn faults(&mut self) -> Vec<Fault> {
        let servers = (0..SERVERS).map(Victim::Server);
        let mut victims: Vec<_> = servers.chain((0..NODES).map(Victim::Node)).collect();
        let count = 1 + self.below(4);
        let fault = |_| {
            let victim = victims.swap_remove(self.below(victims.len()));
            let (kind, longest) = if self.below(2) == 0 {
                (FaultKind::Kill, LONGEST_DEATH)
            } else {
                (FaultKind::Suspend, LONGEST_SUSPENSION)
            };
            Fault { victim, kind, at: self.time(LATEST), lasts: self.time(longest) }
        };
        (0..count).map(fault).collect()
    }

    fn time(&mut self, longest: Duration) -> Duration {
        Duration::from_millis(self.0.below(u64::try_from(longest.as_millis()).unwrap()))
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.0.below(bound as u64)).unwrap()
    }
}

/// Results of the siege.
#[derive(Debug, Default)]
struct Figures {
    servers_killed: usize,
    servers_suspended: usize,
    nodes_killed: usize,
    nodes_suspended: usize,
    moves: usize,
    acknowledged: usize,
    arrived: usize,
    lost: usize,
    duplicated: usize,
    out_of_order: usize,
    /// How often a client was left because the account was online elsewhere, which it never was.
    displaced: usize,
    /// The longest time for which a client had nothing acknowledged, faults included.
    longest_pause: Duration,
    /// The longest time from the end of the last fault until every client was served.
    slowest_recovery: Duration,
}

impl Figures {
    fn count(&mut self, round: &Round) {
        self.moves += round.moves.len();
        for fault in &round.faults {
            *match (fault.victim, fault.kind) {
                (Victim::Server(_), FaultKind::Kill) => &mut self.servers_killed,
                (Victim::Server(_), FaultKind::Suspend) => &mut self.servers_suspended,
                (Victim::Node(_), FaultKind::Kill) => &mut self.nodes_killed,
                (Victim::Node(_), FaultKind::Suspend) => &mut self.nodes_suspended,
            } += 1;
        }
    }

    /// Compares the numbers of each client with the database of the other one.
    fn compare(&mut self, bed: &ProgramBed, ledgers: &[Ledger]) {
        let mut failed = 0;
        for (member, ledger) in ledgers.iter().enumerate() {
            let has = numbers(&bed.path(&home(peer(member))), &phone(member));
            let different: BTreeSet<_> = has.iter().collect();
            self.acknowledged += ledger.acknowledged.len();
            self.arrived += has.len();
            self.lost +=
                ledger.acknowledged.iter().filter(|number| !different.contains(number)).count();
            self.duplicated += has.len() - different.len();
            self.out_of_order += has.windows(2).filter(|pair| pair[0] > pair[1]).count();
            self.longest_pause = self.longest_pause.max(ledger.longest_pause);
            self.displaced += ledger.displaced;
            failed += ledger.failed;
        }
        let wrong = [self.lost, self.duplicated, self.out_of_order, self.displaced, failed];
        assert_eq!(wrong, [0; 5], "{self:#?}");
    }
}

/// How long there are faults.
fn duration() -> Duration {
    Duration::from_secs(setting("SEALPOST_SIEGE_SECS").unwrap_or(40))
}

const KEY: &str = "server-key.pem";
const SERVERS: usize = 3;
const NODES: usize = 3;
const MEMBERS: usize = 12;
/// Faults of a round begin within this time, so that they overlap.
const LATEST: Duration = Duration::from_secs(4);
/// Longer than the engine takes to elect a leader.
const LONGEST_DEATH: Duration = Duration::from_secs(8);
/// Longer than servers and clients wait for an answer.
const LONGEST_SUSPENSION: Duration = Duration::from_secs(14);
/// Within which clients move, and how many times.
const LONGEST_ROUND: Duration = Duration::from_secs(12);
const MOST_MOVES: usize = 40;
/// How often it is seen whether something holds.
const GLANCE: Duration = Duration::from_millis(20);
