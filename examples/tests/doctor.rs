#![cfg(test)]
#![expect(clippy::print_stdout, reason = "says that nothing was tested")]
//! `sealpost doctor`, which says what is wrong with a home; and safety numbers as QR codes.

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::Value;
use support::small_disk::SmallDisk;
use support::{ALICE, BOB, ProgramBed, objects, until};

/// The state of each check, and what was found.
fn findings(bed: &ProgramBed, home: &str, args: &[&str]) -> Vec<(String, String, String)> {
    let ended = bed.sealpost(home, &[&["doctor", "--json"][..], args].concat());
    let found = objects(&ended.stdout);
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
    let has_error = found.iter().any(|finding| finding["state"] == "error");
    assert_eq!(ended.status.code(), Some(i32::from(has_error)), "{ended:?}");
    let finding =
        |finding| (text(finding, "check"), text(finding, "state"), text(finding, "found"));
    found.iter().map(finding).collect()
}

fn states(findings: &[(String, String, String)]) -> Vec<(&str, &str)> {
    findings.iter().map(|(check, state, _)| (&**check, &**state)).collect()
}

#[track_caller]
fn finds(bed: &ProgramBed, check: &str, state: &str, text: &str) {
    let findings = findings(bed, "alice", &[]);
    let found = findings
        .iter()
        .any(|(found, how, what)| (&**found, &**how) == (check, state) && what.contains(text));
    assert!(found, "no {state} of {check} with {text:?} in {findings:?}");
}

#[test]
fn healthy_home_is_found_healthy_with_and_without_an_owner() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let healthy = ["folder", "key", "store", "account", "socket", "disk", "clock", "server"];
    let healthy = healthy.map(|check| (check, "ok"));
    assert_eq!(states(&findings(&bed, "alice", &[])), healthy);
    let daemon = bed.start("alice", &["daemon"]);
    assert_eq!(daemon.line(), "ready");
    let owned = findings(&bed, "alice", &[]);
    assert_eq!(states(&owned), healthy);
    assert!(owned[4].2.contains("takes requests"), "{owned:?}");
    let text = bed.sealpost("alice", &["doctor", "--offline"]).succeeded();
    assert!(text.starts_with("ok       folder       /"), "{text}");
    assert!(!text.contains("server  "), "{text}");
}

/// A connection to a server that has stopped without a word looks as it did before.
#[test]
fn server_that_hangs_is_found_behind_an_owner_that_is_online() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let daemon = bed.start("alice", &["daemon"]);
    assert_eq!(daemon.line(), "ready");
    let unproven = findings(&bed, "alice", &[]);
    assert!(unproven.last().unwrap().2.contains("no contact to look up"), "{unproven:?}");
    bed.sealpost("alice", &["send", BOB, "hello"]).succeeded();
    finds(&bed, "server", "ok", "answers");
    server.signal(Signal::STOP);
    let hangs = findings(&bed, "alice", &["--timeout", "2"]);
    server.signal(Signal::CONT);
    let (check, state, found) = hangs.last().unwrap();
    assert_eq!((&**check, &**state), ("server", "error"), "{hangs:?}");
    assert!(found.contains("did not answer in time"), "{found}");
    let clock = findings(&bed, "alice", &["--offline"]);
    assert!(clock.last().unwrap().2.ends_with("not checked now"), "{clock:?}");
}

#[test]
fn account_that_went_online_elsewhere_is_taken_back() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let daemon = bed.start("alice", &["daemon"]);
    assert_eq!(daemon.line(), "ready");
    until("it is online", || {
        bed.sealpost("alice", &["status"]).succeeded().contains("session   online")
    });
    // A copy of the home, without the socket and the lock of its owner.
    let copy = bed.path("copy");
    fs::create_dir(&copy).unwrap();
    fs::set_permissions(&copy, Permissions::from_mode(0o700)).unwrap();
    for file in ["client.db", "client.db-wal", "key.pem"] {
        if bed.path("alice").join(file).exists() {
            fs::copy(bed.path("alice").join(file), copy.join(file)).unwrap();
        }
    }
    let elsewhere = bed.start("copy", &["daemon"]);
    assert_eq!(elsewhere.line(), "ready");
    until("the first one has given up", || {
        let status = bed.sealpost("alice", &["status"]).succeeded();
        status.contains("online elsewhere")
    });
    finds(&bed, "server", "error", "online elsewhere");
    let advised = bed.sealpost("alice", &["doctor"]);
    assert!(advised.stdout.contains("sealpost call connect"), "{advised:?}");
    elsewhere.stop();
    let back = objects(&bed.sealpost("alice", &["call", "connect"]).succeeded());
    assert_eq!(back[0]["connection"]["state"], "online", "{back:?}");
    let again = objects(&bed.sealpost("alice", &["call", "connect"]).succeeded());
    assert_eq!(again[0]["connection"]["state"], "online", "{again:?}");
}

#[test]
fn each_fault_is_found_and_has_an_advice() {
    let bed = ProgramBed::new();
    let place = ProgramBed::reusable_address();
    let server = bed.serve_at(&place, &[]);
    bed.register_both(&server);
    let home = bed.path("alice");
    let mode = |path: &std::path::Path, mode| {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    };
    mode(&home, 0o755);
    finds(&bed, "folder", "warning", "mode is 755");
    mode(&home, 0o777);
    finds(&bed, "folder", "error", "can be changed by other users");
    mode(&home, 0o700);
    mode(&home.join("key.pem"), 0o644);
    finds(&bed, "key", "error", "key.pem");
    mode(&home.join("key.pem"), 0o600);
    let daemon = bed.start("alice", &["daemon"]);
    assert_eq!(daemon.line(), "ready");
    daemon.kill();
    finds(&bed, "socket", "warning", "left by a process");
    fs::write(home.join("socket"), "precious").unwrap();
    finds(&bed, "socket", "error", "not a socket");
    fs::remove_file(home.join("socket")).unwrap();
    let lock = fs::File::options().write(true).open(home.join("lock")).unwrap();
    lock.try_lock().unwrap();
    finds(&bed, "socket", "warning", "has no socket");
    drop(lock);
    let database = Connection::open(home.join("client.db")).unwrap();
    database.execute("UPDATE account SET clock_offset_secs = -90000", ()).unwrap();
    drop(database);
    server.stop();
    finds(&bed, "clock", "error", "90000 s ahead of");
    finds(&bed, "server", "error", &place);
    fs::rename(home.join("client.db"), home.join("away")).unwrap();
    finds(&bed, "store", "error", "no account");
    fs::write(home.join("client.db"), [7; 9_000]).unwrap();
    finds(&bed, "store", "error", "client.db");
    let nothing = findings(&bed, "nobody", &[]);
    assert_eq!(states(&nothing), [("folder", "error")]);
    let advised = bed.sealpost("nobody", &["doctor"]);
    assert!(advised.stdout.contains("sealpost register"), "{advised:?}");
    assert!(advised.failed(1).contains("one check"));
}

#[test]
fn full_disk_and_one_that_can_only_be_read_are_found() {
    let bed = ProgramBed::new();
    let Some((disk, wrapper)) = SmallDisk::at(&bed, "disk") else {
        return println!("users can't create namespaces here: nothing was tested");
    };
    let server = bed.serve(&[]);
    let wrapper: Vec<&str> = wrapper.iter().map(String::as_str).collect();
    let alice = |args: &[&str]| bed.start_under(&wrapper, "disk/alice", args).end();
    alice(&["register", &server.address, ALICE]).succeeded();
    // It has less room than doctor would like, and more than the client needs.
    let found = alice(&["doctor"]).succeeded();
    assert!(found.contains("warning  disk         "), "{found}");
    disk.fill_up();
    let found = alice(&["doctor"]);
    assert!(found.stdout.contains("error    disk         0 MiB free; make room"), "{found:?}");
    assert!(found.failed(1).contains("error"));
    disk.make_room(None);
    alice(&["doctor"]).succeeded();
    disk.make_read_only(&wrapper);
    let found = alice(&["doctor"]);
    let line = "error    disk         it can only be read; mount it for writing";
    assert!(found.stdout.contains(line), "{found:?}");
    assert!(!found.stderr.contains("panic"), "{found:?}");
    found.failed(1);
}

#[test]
fn scanned_number_verifies_a_contact() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let shown = bed.sealpost("alice", &["verify", BOB, "--qr"]).succeeded();
    assert!(shown.lines().filter(|line| line.contains('█')).count() > 5, "{shown}");
    let number = shown.lines().nth(1).unwrap().to_owned();
    // A scanner reads the digits alone.
    let scanned: String = number.split(' ').collect();
    let other = format!("{:0>60}", 7);
    let refused = bed.sealpost("bob", &["verify", ALICE, "--scan", &other]).failed(4);
    assert!(refused.contains("nothing was changed"), "{refused}");
    for text in ["hello", "123"] {
        let wrong = bed.sealpost("bob", &["verify", ALICE, "--scan", text]);
        assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
    }
    let verified = bed.sealpost("bob", &["verify", ALICE, "--scan", &scanned]).succeeded();
    assert!(verified.contains("Verified: you have compared it."), "{verified}");
    assert!(!verified.contains('█'), "no terminal");
    let phone = "+49 (151) 0000-0002";
    bed.sealpost("alice", &["verify", phone, &format!("--mark={number}")]).succeeded();
    assert!(bed.sealpost("alice", &["contacts"]).succeeded().contains("verified"));
}
