#![cfg(test)]
#![expect(clippy::print_stdout, reason = "prints the seed and the progress")]
//! Everything acknowledged survives SIGKILL at any moment, of the server and of the clients.
//!
//! The moments are drawn from a seed, which is printed; `SEALPOST_SEED` sets it. The same seed
//! gives the same pauses but not the same run, because processes race. `SEALPOST_KILLS` sets how
//! many processes of each kind are killed; 200 take some minutes.

mod support;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use sealpost_core::client::store::{Content, Token};
use sealpost_core::entropy::Entropy;
use sealpost_core::time::Timestamp;
use sealpost_storage::client::conversations::{Body, NewCopy, NewEntry, Peer};
use sealpost_storage::client::{ClientStorage, SqliteClientStorage};
use support::sender::{Ledger, Sender};
use support::{
    BOB, Daemon, ProgramBed, Running, entropy_of, numbers, numbers_from_alice, objects, seed,
    setting, until,
};

#[test]
fn message_that_was_kept_when_its_client_was_killed_is_sent_once_by_the_next_one() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    // As a process leaves it that is killed between its commit and the command to its machine.
    let mut store = SqliteClientStorage::open(&bed.path("alice/client.db")).unwrap();
    let (phone, content) = (BOB.parse().unwrap(), Content::Text("kept".into()));
    let new = NewEntry {
        body: Body::Text("kept".into()),
        event_id: None,
        event: None,
        reply_to: None,
        expiry_secs: None,
    };
    let copy = NewCopy { token: Token(77), phone, key: None, content };
    let at = Timestamp::from_unix_secs(1_800_000_000);
    store.append(&Peer::Person(phone), (&new, at), &[copy], None).unwrap();
    drop(store);
    for _ in 0..2 {
        bed.sealpost("alice", &["listen", "--seconds", "2"]).succeeded();
    }
    let heard = bed.sealpost("bob", &["listen", "--seconds", "2"]).succeeded();
    assert_eq!(heard.matches(": kept").count(), 1, "{heard}");
    bed.sealpost("alice", &["listen", "--seconds", "2"]).succeeded();
    let sent = objects(&bed.sealpost("alice", &["history", "--json", BOB]).succeeded());
    assert_eq!((sent.len(), &sent[0]["progress"]["state"]), (1, &"delivered".into()), "{sent:?}");
}

#[test]
fn killed_server_loses_nothing_that_it_acknowledged() {
    let (begin, mut moments) = (Instant::now(), Moments::seeded());
    let (bed, place) = (ProgramBed::new(), ProgramBed::reusable_address());
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
        let acknowledged = ring.last_acknowledged();
        server = bed.serve_at(&place, &[]);
        until("everything acknowledged arrives", || ring.has_received(&acknowledged));
        println!("{killed:?}, {} acknowledged so far", ring.acknowledged());
    }
    let ledgers = ring.finish();
    bed.sealpostd(&["check"]).succeeded();
    assert_eq!(server.stop().status.code(), Some(0));
    let figures = compare(&bed, &ledgers);
    let left = bed.processes();
    assert!(left.is_empty(), "{left:?}");
    println!("{killed:?}, {figures:?}, in {:?}", begin.elapsed());
}

#[test]
fn server_killed_during_its_first_start_starts_the_next_time() {
    let mut moments = Moments::seeded();
    for _ in 0..kills().div_ceil(2) {
        let bed = ProgramBed::new();
        for _ in 0..2 {
            let starting = bed.launch("127.0.0.1:0", &[]);
            moments.pass(LONGEST_FIRST_START);
            starting.kill();
        }
        let server = bed.serve(&[]);
        bed.register_both(&server);
        assert_eq!(server.stop().status.code(), Some(0));
        bed.sealpostd(&["check"]).succeeded();
    }
}

#[test]
fn killed_recipient_keeps_each_message_once() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let alice = Sender::start(&bed.path("alice"), BOB.parse().unwrap());
    let mut moments = Moments::seeded();
    for kill in 1..=kills() {
        let bob = bed.start("bob", &["listen", "--json"]);
        bob.event("message");
        moments.pass(LONGEST_PAUSE);
        bob.kill();
        println!(
            "kill {kill} of the recipient: {} acknowledged so far",
            alice.ledger().acknowledged.len()
        );
    }
    let acknowledged = alice.stop().acknowledged;
    settle(&bed, &server, &acknowledged);
}

#[test]
fn killed_sender_sends_what_it_queued() {
    let bed = ProgramBed::new();
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
            println!(
                "kill {kill} of the sender: {} acknowledged so far",
                traffic.acknowledged().len()
            );
        }
        until("a message is acknowledged", || !traffic.acknowledged().is_empty());
        drop(stop);
        sending.join().unwrap();
    });
    assert!(bob.stop().status.success());
    settle(&bed, &server, &traffic.acknowledged());
}

/// Clients in a ring, each of which sends numbers to the next one.
struct Ring(Vec<Sender>);

impl Ring {
    fn start(bed: &ProgramBed, server: &Daemon) -> Self {
        for member in 0..MEMBERS {
            bed.register(server, &home(member), &phone(member));
        }
        let sender =
            |member| Sender::start(&bed.path(&home(member)), phone(next(member)).parse().unwrap());
        Self((0..MEMBERS).map(sender).collect())
    }

    /// Waits until every client has more messages acknowledged.
    fn wait_for_load(&self) {
        let before: Vec<_> =
            self.0.iter().map(|member| member.ledger().acknowledged.len()).collect();
        until("every client is served", || {
            let more =
                |(member, before): (&Sender, &usize)| member.ledger().acknowledged.len() > *before;
            self.0.iter().zip(&before).all(more)
        });
    }

    /// The highest acknowledged number of each client.
    fn last_acknowledged(&self) -> Vec<u64> {
        let last =
            |member: &Sender| member.ledger().acknowledged.iter().copied().max().unwrap_or(0);
        self.0.iter().map(last).collect()
    }

    /// Whether these numbers have arrived, and all before them. Nothing may be out of order.
    fn has_received(&self, acknowledged: &[u64]) -> bool {
        (0..MEMBERS).all(|member| {
            let recipient = self.0[next(member)].ledger();
            let received = recipient.received;
            assert_eq!(recipient.out_of_order, None, "{}: after {received}", next(member));
            received >= acknowledged[member]
        })
    }

    fn acknowledged(&self) -> usize {
        self.0.iter().map(|member| member.ledger().acknowledged.len()).sum()
    }

    /// Waits until everything has arrived and is acknowledged.
    fn finish(self) -> Vec<Ledger> {
        self.0.iter().for_each(Sender::pause);
        until("everything is delivered", || {
            self.0.iter().all(|member| {
                let ledger = member.ledger();
                ledger.delivered == ledger.sent
            })
        });
        self.0.into_iter().map(Sender::stop).collect()
    }
}

/// Results of the ring.
#[derive(Debug)]
struct Figures {
    acknowledged: usize,
    arrived: usize,
    lost: usize,
    duplicated: usize,
}

/// Compares the acknowledged numbers of each client with the database of the next one.
fn compare(bed: &ProgramBed, ledgers: &[Ledger]) -> Figures {
    let mut figures = Figures { acknowledged: 0, arrived: 0, lost: 0, duplicated: 0 };
    for (member, ledger) in ledgers.iter().enumerate() {
        let has = numbers(&bed.path(&home(next(member))), &phone(member));
        let different: BTreeSet<_> = has.iter().collect();
        figures.acknowledged += ledger.acknowledged.len();
        figures.arrived += has.len();
        figures.lost +=
            ledger.acknowledged.iter().filter(|number| !different.contains(number)).count();
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

/// Alice sends numbers to Bob, one process for each, as fast as possible.
struct Traffic<'a> {
    bed: &'a ProgramBed,
    sender: Mutex<Option<Running>>,
    /// The numbers that Alice saw as stored or delivered.
    acknowledged: Mutex<Vec<u64>>,
    stop: AtomicBool,
}

impl<'a> Traffic<'a> {
    fn new(bed: &'a ProgramBed) -> Self {
        Self {
            bed,
            sender: Mutex::default(),
            acknowledged: Mutex::default(),
            stop: AtomicBool::new(false),
        }
    }

    fn send_all(&self) {
        let mut number = 0;
        while !self.stop.load(Ordering::Relaxed) {
            number += 1;
            let text = number.to_string();
            *lock(&self.sender) = Some(self.bed.start("alice", &["send", BOB, &text]));
            if self.wait_for_sender() {
                lock(&self.acknowledged).push(number);
            }
        }
    }

    /// Whether the sender saw its message acknowledged before it ended or was killed.
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

    fn acknowledged(&self) -> Vec<u64> {
        lock(&self.acknowledged).clone()
    }
}

/// Ends the traffic, even if the test fails first.
struct StopAtEnd<'a>(&'a Traffic<'a>);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

/// Waits until everything has arrived, then compares what Bob has with what Alice saw acknowledged.
fn settle(bed: &ProgramBed, server: &Daemon, acknowledged: &[u64]) {
    // Alice has no conversations: she sends without an engine.
    let database = bed.path("alice/client.db");
    let outbox = || SqliteClientStorage::open_read_only(&database).unwrap().outbox().unwrap();
    let alice = bed.start("alice", &["listen", "--json"]);
    alice.event("online");
    until("Alice's outbox is empty", || outbox().queued == 0);
    let bob = bed.start("bob", &["listen", "--json"]);
    bob.event("caught-up");
    until("all receipts have arrived", || outbox().stored == 0);
    assert!(alice.stop().status.success());
    assert!(bob.stop().status.success());
    assert_eq!(outbox().failed, 0);
    bed.sealpostd(&["check"]).succeeded();

    let has = numbers_from_alice(bed);
    println!("{} messages arrived, {} were acknowledged", has.len(), acknowledged.len());
    assert!(has.is_sorted_by(|a, b| a < b), "each once, in order: {has:?}");
    let lost: Vec<_> = acknowledged.iter().filter(|number| !has.contains(number)).collect();
    assert!(lost.is_empty(), "lost {lost:?}; the log: {}", server.log());
    assert_eq!(outbox().delivered, has.len() as u64);
}

/// Draws the moments of kills.
struct Moments(Entropy);

/// The phase in which a server is killed.
#[derive(Clone, Copy, Debug)]
enum When {
    Serving,
    Stopping,
    Starting,
}

/// How many servers were killed in each phase.
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
        let seed = seed();
        println!("SEALPOST_SEED={seed}");
        Self(entropy_of(seed))
    }

    /// Draws a phase. A server that starts or stops may be done before it is killed, which does not
    /// count as a kill, so these phases are more frequent.
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

/// The number of processes of each kind to kill.
fn kills() -> u64 {
    setting("SEALPOST_KILLS").unwrap_or(10)
}

/// Ignores poisoning: the panic that caused it fails the test anyway.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const MEMBERS: usize = 4;
/// About four times as long as a message takes from start to end.
const LONGEST_PAUSE: Duration = Duration::from_millis(800);
/// A little longer than stopping and starting take.
const LONGEST_STOP: Duration = Duration::from_millis(150);
const LONGEST_START: Duration = Duration::from_millis(60);
const LONGEST_FIRST_START: Duration = Duration::from_millis(400);
