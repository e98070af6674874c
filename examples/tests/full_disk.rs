#![cfg(test)]
#![expect(clippy::print_stdout, reason = "which kind of disk was used")]
//! The server on a disk without room: it stays, says so, acknowledges nothing, and goes on once
//! there is room.

mod harness;

use std::thread;
use std::time::Duration;

use harness::sender::Sender;
use harness::small_disk::SmallDisk;
use harness::{BOB, Bed, numbers_from_alice, until};

#[test]
fn server_without_room_acknowledges_nothing_and_goes_on_with_room() {
    let mut bed = Bed::new();
    let disk = best_disk(&mut bed);
    goes_on_with_room(&bed, &disk);
}

#[test]
fn server_whose_files_can_not_grow_acknowledges_nothing_and_goes_on() {
    let mut bed = Bed::new();
    let disk = SmallDisk::file_sizes(&mut bed);
    goes_on_with_room(&bed, &disk);
}

#[test]
fn server_stops_without_room_and_starts_with_room() {
    let mut bed = Bed::new();
    let disk = best_disk(&mut bed);
    let place = Bed::place();
    let server = bed.serve_at(&place, &[]);
    bed.register_both(&server);
    let alice = Sender::start(&bed.path("alice"), BOB.parse().unwrap());
    until("messages are stored", || alice.ledger().told.len() >= SOME);
    disk.fill(&bed, &server);
    until("the server says so", || server.log().contains(SAID));
    assert_eq!(server.stop().status.code(), Some(0));

    let said = bed.sealpostd(&["--listen", &place, "--no-limits"]).failed(1);
    assert!(said.contains("full") || said.contains("I/O"), "{said}");
    assert!(!said.contains("panic"), "{said}");

    disk.make_room(None);
    let server = bed.serve_at(&place, &[]);
    finish(&bed, server, alice);
}

fn goes_on_with_room(bed: &Bed, disk: &SmallDisk) {
    let mut server = bed.serve_at(&Bed::place(), &[]);
    bed.register_both(&server);
    let alice = Sender::start(&bed.path("alice"), BOB.parse().unwrap());
    until("messages are stored", || alice.ledger().told.len() >= SOME);

    disk.fill(bed, &server);
    until("the server says so", || server.log().contains(SAID));
    // What was committed before is still on its way.
    thread::sleep(Duration::from_millis(500));
    let told = alice.ledger().told.len();
    let bob = bed.start("bob", &["listen", "--json"]);
    thread::sleep(Duration::from_secs(2));
    assert_eq!(alice.ledger().told.len(), told, "acknowledged without room");
    assert!(server.is_running());

    disk.make_room(Some(&server));
    bob.event("message");
    until("messages are stored again", || alice.ledger().told.len() >= told + SOME);
    assert!(bob.stop().status.success());
    finish(bed, server, alice);
}

/// Lets everything arrive, and compares.
fn finish(bed: &Bed, server: harness::Daemon, alice: Sender) {
    alice.rest();
    let bob = bed.start("bob", &["listen", "--json"]);
    until("everything is delivered", || {
        let ledger = alice.ledger();
        ledger.delivered == ledger.sent
    });
    assert!(bob.stop().status.success());
    let ledger = alice.stop();
    assert_eq!((ledger.failed, ledger.told.len() as u64), (0, ledger.sent));
    let has = numbers_from_alice(bed);
    assert!(has.iter().copied().eq(1..=ledger.sent), "each once, in order: {has:?}");
    bed.sealpostd(&["check"]).done();
    assert_eq!(server.stop().status.code(), Some(0));
    println!("{} messages", has.len());
}

/// A file system of its own, where that is allowed.
fn best_disk(bed: &mut Bed) -> SmallDisk {
    SmallDisk::own_file_system(bed).unwrap_or_else(|| {
        println!("no namespaces for users here: file sizes are limited instead");
        SmallDisk::file_sizes(bed)
    })
}

const SOME: usize = 200;
/// In the log.
const SAID: &str = "the store failed";
