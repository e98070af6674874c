#![cfg(test)]
#![expect(clippy::print_stdout, reason = "the seed, and what was done")]
//! What was acknowledged survives SIGKILL, of the server and of the clients, at any moment.
//!
//! Moments are drawn from a seed that is printed; `SEALPOST_SEED` sets it. The same seed gives the
//! same pauses, not the same run: processes race. `SEALPOST_KILLS` sets how many processes of each
//! kind are killed; 200 take some minutes.

mod harness;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use harness::sender::{Ledger, Sender};
use harness::{BOB, Bed, Daemon, Running, numbers, numbers_from_alice, objects, until};
use sealpost_core::entropy::Entropy;

#[test]
fn killed_server_loses_nothing_that_it_acknowledged() {
    let (begin, mut moments) = (Instant::now(), Moments::seeded());
    let (bed, place) = (Bed::new(), Bed::place());
    let mut server = bed.serve_at(&place, &[]);
    let ring = Ring::start(&bed, &server);
    let mut killed = Killed::default();
    while killed.total() < kills() {
        ring.wait_for_load();
        let when = moments.when();
        match when {
            When::Serving => {
                moments.pass(LONGEST_PAUSE);
                killed.serving += u64::from(server.kill());
            }
            When::Stopping => {
                server.terminate();
                moments.pass(LONGEST_STOP);
                killed.stopping += u64::from(server.kill());
            }
            When::Starting => {
                killed.serving += u64::from(server.kill());
                let starting = bed.launch(&place, &[]);
                moments.pass(LONGEST_START);
                killed.starting += u64::from(starting.kill());
            }
        }
        let told = ring.told();
        server = bed.serve_at(&place, &[]);
        until("what was acknowledged arrives", || ring.has_heard(&told));
        println!("{killed:?}, {} acknowledged so far", ring.acknowledged());
    }
    let ledgers = ring.finish();
    bed.sealpostd(&["check"]).done();
    assert_eq!(server.stop().status.code(), Some(0));
    let figures = compare(&bed, &ledgers);
    let left = bed.processes();
    assert!(left.is_empty(), "{left:?}");
    println!("{killed:?}, {figures:?}, in {:?}", begin.elapsed());
}

#[test]
fn server_that_is_killed_at_its_first_start_starts_the_next_time() {
    let mut moments = Moments::seeded();
    for _ in 0..kills().div_ceil(2) {
        let bed = Bed::new();
        for _ in 0..2 {
            let starting = bed.launch("127.0.0.1:0", &[]);
            moments.pass(LONGEST_FIRST_START);
            starting.kill();
        }
        let server = bed.serve(&[]);
        bed.register_both(&server);
        assert_eq!(server.stop().status.code(), Some(0));
        bed.sealpostd(&["check"]).done();
    }
}

#[test]
fn killed_reader_keeps_each_message_once() {
    let bed = Bed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let alice = Sender::start(&bed.path("alice"), BOB.parse().unwrap());
    let mut moments = Moments::seeded();
    for kill in 1..=kills() {
        let bob = bed.start("bob", &["listen", "--json"]);
        bob.event("message");
        moments.pass(LONGEST_PAUSE);
        bob.kill();
        println!("kill {kill} of the reader: {} acknowledged so far", alice.ledger().told.len());
    }
    let told = alice.stop().told;
    settle(&bed, &server, &told);
}

#[test]
fn killed_sender_sends_what_it_took_on() {
    let bed = Bed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let bob = bed.start("bob", &["listen", "--json"]);
    let traffic = Traffic::new(&bed);
    thread::scope(|scope| {
        let stop = StopAtEnd(&traffic);
        let sending = scope.spawn(|| traffic.send_all());
        let mut moments = Moments::seeded();
        for kill in 1..=kills() {
            moments.pass(LONGEST_PAUSE);
            traffic.kill_sender();
            println!("kill {kill} of the sender: {} acknowledged so far", traffic.told().len());
        }
        until("something acknowledged", || !traffic.told().is_empty());
        drop(stop);
        sending.join().unwrap();
    });
    assert!(bob.stop().status.success());
    settle(&bed, &server, &traffic.told());
}

/// Clients in a ring, each of which writes numbers to the next one.
struct Ring(Vec<Sender>);

impl Ring {
    fn start(bed: &Bed, server: &Daemon) -> Self {
        for member in 0..MEMBERS {
            bed.register(server, &home(member), &phone(member));
        }
        let sender =
            |member| Sender::start(&bed.path(&home(member)), phone(next(member)).parse().unwrap());
        Self((0..MEMBERS).map(sender).collect())
    }

    /// Waits until every client has been told of some more messages.
    fn wait_for_load(&self) {
        let before: Vec<_> = self.0.iter().map(|member| member.ledger().told.len()).collect();
        until("every client is served", || {
            let more = |(member, before): (&Sender, &usize)| member.ledger().told.len() > *before;
            self.0.iter().zip(&before).all(more)
        });
    }

    /// The last number of each client that was said to be safe.
    fn told(&self) -> Vec<u64> {
        let last = |member: &Sender| member.ledger().told.iter().copied().max().unwrap_or(0);
        self.0.iter().map(last).collect()
    }

    /// Whether these have arrived, and everything before them. Nothing may be out of turn.
    fn has_heard(&self, told: &[u64]) -> bool {
        (0..MEMBERS).all(|member| {
            let reader = self.0[next(member)].ledger();
            assert_eq!(reader.out_of_turn, None, "{}: after {}", next(member), reader.heard);
            reader.heard >= told[member]
        })
    }

    fn acknowledged(&self) -> usize {
        self.0.iter().map(|member| member.ledger().told.len()).sum()
    }

    /// Lets everything arrive and be acknowledged.
    fn finish(self) -> Vec<Ledger> {
        self.0.iter().for_each(Sender::rest);
        until("everything is delivered", || {
            self.0.iter().all(|member| {
                let ledger = member.ledger();
                ledger.delivered == ledger.sent
            })
        });
        self.0.into_iter().map(Sender::stop).collect()
    }
}

/// What the ring came to.
#[derive(Debug)]
struct Figures {
    acknowledged: usize,
    arrived: usize,
    lost: usize,
    duplicated: usize,
}

/// Compares what clients were told with what the next ones' databases have.
fn compare(bed: &Bed, ledgers: &[Ledger]) -> Figures {
    let mut figures = Figures { acknowledged: 0, arrived: 0, lost: 0, duplicated: 0 };
    for (member, ledger) in ledgers.iter().enumerate() {
        let has = numbers(&bed.path(&home(next(member))), &phone(member));
        let different: BTreeSet<_> = has.iter().collect();
        figures.acknowledged += ledger.told.len();
        figures.arrived += has.len();
        figures.lost += ledger.told.iter().filter(|number| !different.contains(number)).count();
        figures.duplicated += has.len() - different.len();
        assert_eq!(ledger.failed, 0, "{figures:?}");
        assert!(has.is_sorted() && different.len() as u64 == ledger.sent, "{figures:?}: {has:?}");
    }
    assert_eq!((figures.lost, figures.duplicated), (0, 0));
    figures
}

const fn next(member: usize) -> usize {
    (member + 1) % MEMBERS
}

fn home(member: usize) -> String {
    format!("member-{member}")
}

fn phone(member: usize) -> String {
    format!("+491510000010{member}")
}

/// Alice writes numbers to Bob, one process for each, as fast as they go.
struct Traffic<'a> {
    bed: &'a Bed,
    sender: Mutex<Option<Running>>,
    /// What Alice was told to be stored or delivered.
    told: Mutex<Vec<u64>>,
    stop: AtomicBool,
}

impl<'a> Traffic<'a> {
    fn new(bed: &'a Bed) -> Self {
        Self { bed, sender: Mutex::default(), told: Mutex::default(), stop: AtomicBool::new(false) }
    }

    fn send_all(&self) {
        let mut number = 0;
        while !self.stop.load(Ordering::Relaxed) {
            number += 1;
            let text = number.to_string();
            *lock(&self.sender) = Some(self.bed.start("alice", &["send", BOB, &text]));
            if self.wait_for_sender() {
                lock(&self.told).push(number);
            }
        }
    }

    /// Whether the sender was told that its message is safe, before it ended or was killed.
    fn wait_for_sender(&self) -> bool {
        loop {
            let mut sender = lock(&self.sender);
            match sender.as_mut().map(Running::is_running) {
                None => return false,
                Some(true) => drop(sender),
                Some(false) => return sender.take().is_some_and(|it| it.end().status.success()),
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn kill_sender(&self) {
        if let Some(running) = lock(&self.sender).take() {
            running.kill();
        }
    }

    fn told(&self) -> Vec<u64> {
        lock(&self.told).clone()
    }
}

/// Ends the traffic, also when the test fails before it does.
struct StopAtEnd<'a>(&'a Traffic<'a>);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

/// Lets everything arrive, then compares what Bob has with what Alice was told.
fn settle(bed: &Bed, server: &Daemon, told: &[u64]) {
    let status = || objects(&bed.sealpost("alice", &["status", "--json"]).done()).remove(0);
    let alice = bed.start("alice", &["listen", "--json"]);
    alice.event("online");
    until("Alice's outbox is empty", || status()["queued"] == 0);
    let bob = bed.start("bob", &["listen", "--json"]);
    bob.event("caught-up");
    until("all receipts are there", || status()["stored"] == 0);
    assert!(alice.stop().status.success());
    assert!(bob.stop().status.success());
    assert_eq!(status()["failed"], 0);
    bed.sealpostd(&["check"]).done();

    let has = numbers_from_alice(bed);
    println!("{} messages arrived, of {} Alice was told", has.len(), told.len());
    assert!(has.is_sorted_by(|a, b| a < b), "each once, in order: {has:?}");
    let lost: Vec<_> = told.iter().filter(|number| !has.contains(number)).collect();
    assert!(lost.is_empty(), "lost {lost:?}; the log: {}", server.log());
    assert_eq!(status()["delivered"], has.len());
}

/// When to kill.
struct Moments(Entropy);

/// What a server is doing when it is killed.
#[derive(Clone, Copy, Debug)]
enum When {
    Serving,
    Stopping,
    Starting,
}

/// How many servers were killed while they did what.
#[derive(Debug, Default)]
struct Killed {
    serving: u64,
    stopping: u64,
    starting: u64,
}

impl Killed {
    const fn total(&self) -> u64 {
        self.serving + self.stopping + self.starting
    }
}

impl Moments {
    fn seeded() -> Self {
        let seed = setting("SEALPOST_SEED").unwrap_or(u64::from(std::process::id()));
        println!("SEALPOST_SEED={seed}");
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Self(Entropy::from_seed(bytes))
    }

    /// A server that starts or stops may be ready before it is killed, or gone: that does not count,
    /// so they have more turns.
    fn when(&mut self) -> When {
        match self.0.below(5) {
            0 => When::Serving,
            1 | 2 => When::Stopping,
            _ => When::Starting,
        }
    }

    fn pass(&mut self, longest: Duration) {
        let longest = u64::try_from(longest.as_micros()).unwrap();
        thread::sleep(Duration::from_micros(self.0.below(longest)));
    }
}

/// How many processes of each kind are killed.
fn kills() -> u64 {
    setting("SEALPOST_KILLS").unwrap_or(10)
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

/// Traffic that panicked says so by itself.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const MEMBERS: usize = 4;
/// A message takes about a quarter of this from start to end.
const LONGEST_PAUSE: Duration = Duration::from_millis(800);
/// A little more than these take.
const LONGEST_STOP: Duration = Duration::from_millis(150);
const LONGEST_START: Duration = Duration::from_millis(60);
const LONGEST_FIRST_START: Duration = Duration::from_millis(400);
