#![cfg(test)]
//! Backups of a running server, and what is restored from them.

mod support;

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use support::sender::Sender;
use support::{ALICE, BOB, Daemon, ProgramBed, numbers_from_alice, objects, until};

const CAROL: &str = "+4915100000003";
const DAVE: &str = "+4915100000004";

/// A bed with Alice and Bob, whose server runs on an address that it can have again.
fn bed() -> (ProgramBed, Daemon, String) {
    let bed = ProgramBed::new();
    let place = ProgramBed::reusable_address();
    let server = bed.serve_at(&place, &[]);
    bed.register_both(&server);
    (bed, server, place)
}

/// Runs `sealpostd backup` or `restore` with the folder `name` of the bed.
fn run(bed: &ProgramBed, command: &str, name: &str, options: &[&str]) -> support::Ended {
    let folder = bed.path(name);
    bed.sealpostd(&[&[command, folder.to_str().unwrap()], options].concat())
}

fn ids(bed: &ProgramBed) -> Vec<u64> {
    let users = bed.sealpostd(&["users", "list", "--json"]).succeeded();
    objects(&users).iter().map(|user| user["id"].as_u64().unwrap()).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn backup_under_load_has_every_message_acknowledged_before_it() {
    let (bed, server, place) = bed();
    let alice = Sender::start(&bed.path("alice"), BOB.parse().unwrap());
    until("messages are stored", || alice.ledger().acknowledged.len() >= 300);
    let before = alice.ledger().acknowledged.clone();
    let said = run(&bed, "backup", "saved", &[]).succeeded();
    assert!(said.starts_with("backed up 2 users"), "{said}");
    let after = alice.ledger().acknowledged.len();
    until("messages are stored behind it", || alice.ledger().acknowledged.len() > after);
    alice.stop();
    server.kill();

    fs::rename(bed.path("data"), bed.path("lost")).unwrap();
    let said = run(&bed, "restore", "saved", &[]).succeeded();
    assert!(said.starts_with("restored 2 users"), "{said}");
    bed.sealpostd(&["check"]).succeeded();
    let server = bed.serve_at(&place, &[]);
    let bob = bed.start("bob", &["listen", "--json"]);
    until("the messages of the backup are delivered", || {
        let has = numbers_from_alice(&bed);
        before.iter().all(|number| has.contains(number))
    });
    assert!(bob.stop().status.success());
    assert_eq!(server.stop().status.code(), Some(0));
}

#[test]
fn restored_server_gives_no_id_twice_and_says_what_is_lost() {
    let (bed, server, place) = bed();
    run(&bed, "backup", "saved", &[]).succeeded();
    bed.register(&server, "carol", CAROL);
    let refused = run(&bed, "restore", "saved", &["--replace"]).failed(1);
    assert!(refused.contains("another sealpostd runs"), "{refused}");
    server.stop();

    let refused = run(&bed, "restore", "saved", &[]).failed(1);
    assert!(refused.contains("--replace"), "{refused}");
    assert_eq!(ids(&bed), [1, 2, 3]);
    let said = run(&bed, "restore", "saved", &["--replace"]).succeeded();
    assert!(said.contains("lost: 1 accounts"), "{said}");
    assert_eq!(ids(&bed), [1, 2]);
    let server = bed.serve_at(&place, &[]);
    bed.register(&server, "dave", DAVE);
    let last = *ids(&bed).last().unwrap();
    assert!(last > 3, "{last} was handed out before");
    bed.sealpost("alice", &["send", BOB, "hello"]).succeeded();
    server.stop();

    // On another machine nothing is known of the ids handed out since.
    fs::remove_dir_all(bed.path("data")).unwrap();
    let said = run(&bed, "restore", "saved", &[]).succeeded();
    assert!(said.contains("id 1003"), "{said}");
    let _ = ALICE;
}
