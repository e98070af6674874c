#![cfg(test)]
#![expect(clippy::print_stdout, reason = "a failure names its seed")]
//! What was acknowledged survives SIGKILL, of the server and of the clients, at any moment.
//!
//! Moments are drawn from a seed that is printed; `SEALPOST_SEED` sets it. The same seed gives the
//! same pauses, not the same run: processes race.

mod harness;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use harness::sender::Sender;
use harness::{ALICE, BOB, Bed, Daemon, Running, objects, until};
use sealpost_core::client::store::{Content, ReceivedContent};
use sealpost_core::entropy::Entropy;
use sealpost_storage::client::{ClientStorage, HistoryEntry, SqliteClientStorage};

#[test]
fn killed_server_loses_nothing_that_it_acknowledged() {
    let bed = Bed::new();
    let place = Bed::place();
    let mut server = bed.serve_at(&place, &[]);
    bed.register_both(&server);
    let bob = bed.start("bob", &["listen", "--json"]);
    let alice = Sender::start(&bed.path("alice"), BOB.parse().unwrap());
    let mut moments = Moments::seeded();
    for _ in 0..KILLS {
        bob.event("message");
        moments.pass();
        server.kill();
        server = bed.serve_at(&place, &[]);
    }
    let told = alice.stop().told;
    assert!(bob.stop().status.success(), "it went on through every restart");
    settle(&bed, &server, &told);
}

#[test]
fn killed_reader_keeps_each_message_once() {
    let bed = Bed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let alice = Sender::start(&bed.path("alice"), BOB.parse().unwrap());
    let mut moments = Moments::seeded();
    for _ in 0..KILLS {
        let bob = bed.start("bob", &["listen", "--json"]);
        bob.event("message");
        moments.pass();
        bob.kill();
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
        for _ in 0..KILLS {
            moments.pass();
            traffic.kill_sender();
        }
        until("something acknowledged", || !traffic.told().is_empty());
        drop(stop);
        sending.join().unwrap();
    });
    assert!(bob.stop().status.success());
    settle(&bed, &server, &traffic.told());
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

    let has = received(bed);
    println!("{} messages arrived, of {} Alice was told", has.len(), told.len());
    assert!(has.is_sorted_by(|a, b| a < b), "each once, in order: {has:?}");
    let lost: Vec<_> = told.iter().filter(|number| !has.contains(number)).collect();
    assert!(lost.is_empty(), "lost {lost:?}; the log: {}", server.log());
    assert_eq!(status()["delivered"], has.len());
}

/// The numbers in Bob's history, in its order.
fn received(bed: &Bed) -> Vec<u64> {
    let store = SqliteClientStorage::open_read_only(&bed.path("bob/client.db")).unwrap();
    let history = store.history(ALICE.parse().unwrap(), None, u32::MAX).unwrap();
    let number = |entry| match entry {
        HistoryEntry::Received(item) => match item.message.content {
            ReceivedContent::Opened(Content::Text(text)) => text.parse().unwrap(),
            ReceivedContent::Opened(Content::Bytes(_)) | ReceivedContent::Undecryptable => {
                panic!("only text was sent")
            }
        },
        HistoryEntry::Sent(sent) => panic!("{sent:?}"),
    };
    history.into_iter().map(number).collect()
}

/// When to kill.
struct Moments(Entropy);

impl Moments {
    fn seeded() -> Self {
        let seed = match std::env::var("SEALPOST_SEED") {
            Ok(seed) => seed.parse().unwrap(),
            Err(_) => u64::from(std::process::id()),
        };
        println!("SEALPOST_SEED={seed}");
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Self(Entropy::from_seed(bytes))
    }

    fn pass(&mut self) {
        thread::sleep(Duration::from_millis(self.0.below(LONGEST_PAUSE_MS)));
    }
}

/// Traffic that panicked says so by itself.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many processes of each kind are killed.
const KILLS: usize = 10;
/// A message takes about a quarter of this from start to end.
const LONGEST_PAUSE_MS: u64 = 800;
