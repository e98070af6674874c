#![cfg(test)]
#![expect(clippy::print_stdout, reason = "prints which kind of disk was used")]
//! The server on a full disk: it keeps running, reports the failure, acknowledges nothing, and
//! continues once there is room.

mod support;

use std::thread;
use std::time::Duration;

use support::sender::Sender;
use support::small_disk::SmallDisk;
use support::{ALICE, BOB, ProgramBed, numbers_from_alice, until};

#[test]
fn server_on_a_full_disk_acknowledges_nothing_and_continues_with_room() {
    let mut bed = ProgramBed::new();
    let disk = best_disk(&mut bed);
    continues_with_room(&bed, &disk);
}

#[test]
fn server_whose_files_cannot_grow_acknowledges_nothing_and_continues() {
    let mut bed = ProgramBed::new();
    let disk = SmallDisk::file_sizes(&mut bed);
    continues_with_room(&bed, &disk);
}

#[test]
fn server_stops_on_a_full_disk_and_starts_with_room() {
    let mut bed = ProgramBed::new();
    let disk = best_disk(&mut bed);
    let place = ProgramBed::reusable_address();
    let server = bed.serve_at(&place, &[]);
    bed.register_both(&server);
    let alice = Sender::start(&bed.path("alice"), BOB.parse().unwrap());
    until("messages are stored", || alice.ledger().acknowledged.len() >= SOME);
    disk.fill(&bed, &server);
    until("the failure is logged", || server.log().contains(STORE_FAILED));
    assert_eq!(server.stop().status.code(), Some(0));

    let said = bed.sealpostd(&["--listen", &place, "--no-limits"]).failed(1);
    assert!(said.contains("full") || said.contains("I/O"), "{said}");
    assert!(!said.contains("panic"), "{said}");

    disk.make_room(None);
    let server = bed.serve_at(&place, &[]);
    finish(&bed, server, alice);
}

/// By then messages and registrations are refused, so that nothing takes the space that the server
/// has kept.
#[test]
fn server_starts_on_a_full_disk_lets_users_in_and_its_operator_deletes() {
    let mut bed = ProgramBed::new();
    let Some(disk) = SmallDisk::own_file_system(&mut bed) else {
        return println!("users can't create namespaces here: nothing was tested");
    };
    let place = ProgramBed::reusable_address();
    let args = ["--init", "--listen", &place, "--otp", "in-band", "--disk-reserve", "33MiB"];
    let server = bed.start_sealpostd(&args);
    assert!(server.line().starts_with("ready"));
    let address = bed.sealpostd(&["address"]).succeeded();
    for (home, phone) in [("alice", ALICE), ("bob", BOB)] {
        bed.sealpost(home, &["register", address.trim(), phone]).succeeded();
    }
    bed.sealpost("alice", &["send", BOB, "1"]).succeeded();
    assert!(disk.holds("reserved-space"));
    assert!(server.stop().status.success());

    disk.fill_up();
    let server = bed.start_sealpostd(&args);
    assert!(server.line().starts_with("ready"));
    assert!(server.said().contains("dropped"), "{}", server.said());
    assert!(!disk.holds("reserved-space"));
    let carol = bed.start("carol", &["register", address.trim(), CAROL]);
    until("the registration is refused", || server.said().contains("registrations too"));
    carol.kill();
    let sent = bed.sealpost("alice", &["send", BOB, "2", "--timeout", "1"]);
    assert!(!sent.status.success(), "{sent:?}");
    let bob = bed.start("bob", &["listen", "--json"]);
    bob.event("message");
    assert!(bob.stop().status.success());
    assert!(server.stop().status.success());

    bed.sealpostd(&["users", "delete", BOB]).succeeded();
    bed.sealpostd(&["check"]).succeeded();
    let left = bed.sealpostd(&["users", "list"]).succeeded();
    assert!(left.contains(ALICE) && !left.contains(CAROL), "{left}");

    disk.make_room(None);
    let server = bed.start_sealpostd(&args);
    assert!(server.line().starts_with("ready"));
    assert!(disk.holds("reserved-space"), "kept for the next time");
    bed.sealpost("carol", &["register", address.trim(), CAROL]).succeeded();
    assert!(server.stop().status.success());
}

#[test]
fn backup_into_a_full_disk_fails_in_one_line_and_leaves_nothing() {
    let mut bed = ProgramBed::new();
    let Some(disk) = SmallDisk::own_file_system(&mut bed) else {
        return println!("users can't create namespaces here: nothing was tested");
    };
    let server = bed.serve(&[]);
    bed.register_both(&server);
    disk.fill_up();
    let to = bed.path("data/saved");
    let refused = bed.sealpostd(&["backup", to.to_str().unwrap()]);
    assert_eq!(refused.stderr.lines().count(), 1, "{refused:?}");
    let said = refused.failed(1);
    assert!(said.contains("full") || said.contains("No space"), "{said}");
    assert!(!disk.holds("saved") && !disk.holds("saved.partial"));
    disk.make_room(None);
    bed.sealpostd(&["backup", to.to_str().unwrap()]).succeeded();
    assert!(disk.holds("saved") && !disk.holds("saved.partial"));
    server.stop();
}

fn continues_with_room(bed: &ProgramBed, disk: &SmallDisk) {
    let mut server = bed.serve_at(&ProgramBed::reusable_address(), &[]);
    bed.register_both(&server);
    let alice = Sender::start(&bed.path("alice"), BOB.parse().unwrap());
    until("messages are stored", || alice.ledger().acknowledged.len() >= SOME);

    disk.fill(bed, &server);
    until("the failure is logged", || server.log().contains(STORE_FAILED));
    // Acknowledgements of earlier commits may still be on their way.
    thread::sleep(Duration::from_millis(500));
    let acknowledged = alice.ledger().acknowledged.len();
    let bob = bed.start("bob", &["listen", "--json"]);
    thread::sleep(Duration::from_secs(2));
    assert_eq!(alice.ledger().acknowledged.len(), acknowledged, "acknowledged without room");
    assert!(server.is_running());

    disk.make_room(Some(&server));
    bob.event("message");
    until("messages are stored again", || alice.ledger().acknowledged.len() >= acknowledged + SOME);
    assert!(bob.stop().status.success());
    finish(bed, server, alice);
}

/// Waits until everything has arrived, and compares.
fn finish(bed: &ProgramBed, server: support::Daemon, alice: Sender) {
    alice.pause();
    let bob = bed.start("bob", &["listen", "--json"]);
    until("everything is delivered", || {
        let ledger = alice.ledger();
        ledger.delivered == ledger.sent
    });
    assert!(bob.stop().status.success());
    let ledger = alice.stop();
    assert_eq!((ledger.failed, ledger.acknowledged.len() as u64), (0, ledger.sent));
    let has = numbers_from_alice(bed);
    assert!(has.iter().copied().eq(1..=ledger.sent), "each once, in order: {has:?}");
    bed.sealpostd(&["check"]).succeeded();
    assert_eq!(server.stop().status.code(), Some(0));
    println!("{} messages", has.len());
}

/// A separate file system if the system allows that, or else a limit on file sizes.
fn best_disk(bed: &mut ProgramBed) -> SmallDisk {
    SmallDisk::own_file_system(bed).unwrap_or_else(|| {
        println!("users can't create namespaces here: limiting file sizes instead");
        SmallDisk::file_sizes(bed)
    })
}

const SOME: usize = 200;
const CAROL: &str = "+4915100000003";
/// Text in the server's log.
const STORE_FAILED: &str = "the store failed";
