#![cfg(test)]
//! The server's key is changed, and clients follow.

mod support;

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use support::{BOB, Daemon, ProgramBed};

const CAROL: &str = "+4915100000003";
const SUCCESSOR: &str = "data/successor-key.pem";

/// A bed with Alice and Bob, whose server runs on an address that it can have again.
fn bed() -> (ProgramBed, Daemon, String) {
    let bed = ProgramBed::new();
    let place = ProgramBed::reusable_address();
    let server = bed.serve_at(&place, &[]);
    bed.register_both(&server);
    (bed, server, place)
}

fn restart(bed: &ProgramBed, server: Daemon, place: &str) -> Daemon {
    assert!(server.stop().status.success());
    bed.serve_at(place, &[])
}

fn address(bed: &ProgramBed, args: &[&str]) -> String {
    bed.sealpostd(&[&["address"], args].concat()).succeeded().trim_end().to_owned()
}

fn address_of(bed: &ProgramBed, home: &str) -> String {
    bed.sealpost(home, &["address"]).succeeded().trim_end().to_owned()
}

/// The successor's file looks as if it had been made this many days ago.
fn age_successor(bed: &ProgramBed, days: u32) {
    let made = SystemTime::now() - Duration::from_hours(24) * days;
    File::open(bed.path(SUCCESSOR)).unwrap().set_modified(made).unwrap();
}

#[test]
fn clients_follow_their_server_to_another_key() {
    let (bed, server, place) = bed();
    let old = address(&bed, &[]);
    bed.sealpostd(&["address", "--old"]).failed(1);
    bed.sealpostd(&["key", "rotate"]).succeeded();
    let again = bed.sealpostd(&["key", "rotate"]).failed(1);
    assert!(again.contains("being changed already"), "{again}");
    let early = bed.sealpostd(&["key", "retire"]).failed(1);
    assert!(early.contains("no client knows it"), "{early}");
    let mode = fs::metadata(bed.path(SUCCESSOR)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let server = restart(&bed, server, &place);
    let new = address(&bed, &[]);
    assert!(new != old && address(&bed, &["--old"]) == old);
    assert!(server.log().contains(&new) && server.log().contains(&old), "{}", server.log());
    // Alice is told in the first session, and uses the new key from the second on.
    let first = bed.sealpost("alice", &["send", BOB, "1"]);
    assert!(first.stderr.contains("the server changes its key"), "{first:?}");
    let second = bed.sealpost("alice", &["send", BOB, "2"]);
    assert!(second.status.success() && second.stderr.is_empty(), "{second:?}");
    assert_eq!(address_of(&bed, "alice"), old, "until the old key is gone");
    bed.sealpost("carol", &["register", &new, CAROL]).succeeded();
    bed.sealpost("carol", &["send", BOB, "3"]).succeeded();

    bed.sealpostd(&["key", "retire"]).succeeded();
    let server = restart(&bed, server, &place);
    let third = bed.sealpost("alice", &["send", BOB, "4"]);
    assert!(third.stderr.contains("the server has another key now"), "{third:?}");
    assert_eq!(address_of(&bed, "alice"), new);
    bed.sealpost("alice", &["send", BOB, "5"]).succeeded();
    bed.sealpost("carol", &["send", BOB, "6"]).succeeded();

    // Bob never came in the meantime.
    let said = bed.sealpost("bob", &["listen", "--count", "5"]).failed(1);
    assert!(said.contains("does not match its address"), "{said}");
    let said = bed.sealpost("bob", &["address", &new]).failed(1);
    assert!(said.contains("--new-key"), "{said}");
    bed.sealpost("bob", &["address", &new, "--new-key"]).succeeded();
    let heard = bed.sealpost("bob", &["listen", "--count", "6"]).succeeded();
    assert!((1..=6).all(|n| heard.contains(&format!(": {n}\n"))), "{heard}");
    assert!(server.stop().status.success());
}

#[test]
fn change_that_is_interrupted_leaves_a_server_that_works() {
    let (bed, server, place) = bed();
    assert!(server.stop().status.success());
    // Power was lost while the successor was written.
    let unfinished = bed.path("data/successor-key.pem.new");
    fs::write(&unfinished, "-----BEGIN PRI").unwrap();
    let server = bed.serve_at(&place, &[]);
    let old = address(&bed, &[]);
    bed.sealpost("alice", &["send", BOB, "1"]).succeeded();
    bed.sealpostd(&["key", "rotate"]).succeeded();
    assert!(!unfinished.exists());
    let server = restart(&bed, server, &place);
    bed.sealpost("alice", &["send", BOB, "2"]).succeeded();
    assert!(server.stop().status.success());
    // Power was lost after the old key was retired, before a server had started.
    let public = fs::read(bed.path("data/server-key.pub.pem")).unwrap();
    bed.sealpostd(&["key", "retire"]).succeeded();
    assert!(!bed.path(SUCCESSOR).exists());
    assert_eq!(fs::read(bed.path("data/server-key.pub.pem")).unwrap(), public);
    let server = bed.serve_at(&place, &[]);
    assert_ne!(fs::read(bed.path("data/server-key.pub.pem")).unwrap(), public);
    assert_ne!(address(&bed, &[]), old);
    bed.sealpost("alice", &["send", BOB, "3"]).succeeded();
    bed.sealpost("alice", &["send", BOB, "4"]).succeeded();
    assert!(server.stop().status.success());
}

#[test]
fn first_start_after_the_time_retires_the_old_key() {
    let (bed, server, place) = bed();
    bed.sealpostd(&["key", "rotate"]).succeeded();
    // No client knows the successor yet.
    age_successor(&bed, 91);
    let server = restart(&bed, server, &place);
    assert!(bed.path(SUCCESSOR).exists(), "{}", server.log());
    assert!(server.log().contains("the old key is kept although its time is over"));
    age_successor(&bed, 89);
    let server = restart(&bed, server, &place);
    assert!(bed.path(SUCCESSOR).exists(), "{}", server.log());
    bed.sealpost("alice", &["send", BOB, "1"]).succeeded();
    let status = bed.sealpostd(&["key", "status"]).succeeded();
    assert!(status.contains("retires    20"), "{status}");
    age_successor(&bed, 91);
    let server = restart(&bed, server, &place);
    assert!(!bed.path(SUCCESSOR).exists());
    assert!(server.log().contains("the old key is retired"), "{}", server.log());
    bed.sealpost("alice", &["send", BOB, "2"]).succeeded();
    assert!(server.stop().status.success());
}

#[test]
fn backup_has_both_keys_and_a_client_warns_of_a_server_from_before_the_rotation() {
    let (bed, server, place) = bed();
    let folder = |name: &str| bed.path(name).to_str().unwrap().to_owned();
    bed.sealpostd(&["backup", &folder("before")]).succeeded();
    bed.sealpostd(&["key", "rotate"]).succeeded();
    let server = restart(&bed, server, &place);
    bed.sealpost("alice", &["send", BOB, "1"]).succeeded();
    bed.sealpostd(&["backup", &folder("during")]).succeeded();
    let new = address(&bed, &[]);
    assert!(server.stop().status.success());

    bed.sealpostd(&["restore", &folder("during"), "--replace"]).succeeded();
    let server = bed.serve_at(&place, &[]);
    assert_eq!(address(&bed, &[]), new);
    bed.sealpost("alice", &["send", BOB, "2"]).succeeded();
    assert!(server.stop().status.success());

    bed.sealpostd(&["restore", &folder("before"), "--replace"]).succeeded();
    let server = bed.serve_at(&place, &[]);
    let sent = bed.sealpost("alice", &["send", BOB, "3"]);
    assert!(sent.status.success() && sent.stderr.contains("its former key again"), "{sent:?}");
    let sent = bed.sealpost("alice", &["send", BOB, "4"]);
    assert!(sent.status.success() && sent.stderr.is_empty(), "{sent:?}");
    assert!(server.stop().status.success());
}
