#![cfg(test)]
//! One process owns a home, and the others work through it.

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::thread;
use std::time::{Duration, Instant};

use sealpost_programs::now;
use sealpost_storage::client::{ClientStorage, SqliteClientStorage};
use serde_json::json;
use support::{ALICE, BOB, ProgramBed, objects, until};

#[test]
fn four_sends_at_once_work_through_the_daemon() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let alice = bed.start("alice", &["daemon"]);
    assert_eq!(alice.line(), "ready");
    send_four_at_once(&bed);
    assert_eq!(alice.stop().status.code(), Some(0));
    assert!(!bed.path("alice/socket").exists());
}

#[test]
fn four_sends_at_once_work_without_a_daemon() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    send_four_at_once(&bed);
    assert!(!bed.path("alice/socket").exists());
}

fn send_four_at_once(bed: &ProgramBed) {
    thread::scope(|scope| {
        for text in ["1", "2", "3", "4"] {
            scope.spawn(move || {
                assert_eq!(bed.sealpost("alice", &["send", BOB, text]).sent(), "stored");
            });
        }
    });
    let heard = bed.sealpost("bob", &["listen", "--json", "--count", "4"]).succeeded();
    let heard = objects(&heard);
    let mut texts: Vec<_> = heard.iter().filter_map(|event| event["text"].as_str()).collect();
    texts.sort_unstable();
    assert_eq!(texts, ["1", "2", "3", "4"]);
}

#[test]
fn who_listens_can_answer() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let [alice, bob] = ["alice", "bob"].map(|home| bed.start(home, &["listen", "--json"]));
    alice.event("caught-up");
    bob.event("caught-up");
    let sent = bed.sealpost("alice", &["send", BOB, "hello", "--wait", "delivered", "--json"]);
    let sent = objects(&sent.succeeded()).remove(0);
    assert_eq!(sent["progress"], json!({ "state": "delivered" }));
    assert!(sent["entry"].is_u64() && sent["messageId"].is_u64(), "{sent}");
    assert_eq!(bob.event("message")["text"], "hello");
    let sent = bed.sealpost("bob", &["send", ALICE, "hello yourself", "--wait", "delivered"]);
    assert_eq!(sent.sent(), "delivered");
    assert_eq!(alice.event("message")["text"], "hello yourself");
    for home in ["alice", "bob"] {
        bed.sealpost(home, &["contacts"]).succeeded();
        bed.sealpost(home, &["status"]).succeeded();
        bed.sealpost(home, &["verify", if home == "bob" { ALICE } else { BOB }]).succeeded();
    }
    for listener in [alice, bob] {
        assert_eq!(listener.stop().status.code(), Some(0));
    }
}

#[test]
fn listen_outlives_the_owner_of_the_home() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let daemon = bed.start("bob", &["daemon"]);
    assert_eq!(daemon.line(), "ready");
    let bob = bed.start("bob", &["listen", "--json"]);
    bed.sealpost("alice", &["send", BOB, "one"]).succeeded();
    assert_eq!(bob.event("message")["text"], "one");
    daemon.kill();
    bob.event("caught-up");
    bed.sealpost("alice", &["send", BOB, "two"]).succeeded();
    assert_eq!(bob.event("message")["text"], "two");
    let status = bed.sealpost("bob", &["call", "status"]).succeeded();
    assert_eq!(objects(&status)[0]["connection"]["state"], "online");
    drop(bob);
}

#[test]
fn listen_ends_when_another_one_takes_over() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let first = bed.start("bob", &["listen", "--json"]);
    first.event("caught-up");
    let second = bed.start("bob", &["listen", "--json"]);
    let ended = first.end();
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.stderr.contains("another program receives under this name now"), "{ended:?}");
    // The second one has the home now.
    bed.sealpost("alice", &["send", BOB, "hi"]).succeeded();
    assert_eq!(second.event("message")["text"], "hi");
}

#[test]
fn daemon_waits_for_a_command_that_has_the_home_for_a_moment() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let command = bed.start("bob", &["listen", "--json", "--seconds", "1"]);
    command.event("online");
    let daemon = bed.start("bob", &["daemon"]);
    assert_eq!(command.end().status.code(), Some(0));
    assert_eq!(daemon.line(), "ready");
}

#[test]
fn second_daemon_and_registration_are_refused() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let alice = bed.start("alice", &["daemon"]);
    assert_eq!(alice.line(), "ready");
    for args in [&["daemon"][..], &["register", &server.address, ALICE]] {
        let refused = bed.sealpost("alice", args).failed(5);
        assert!(refused.contains("another sealpost uses"), "{refused}");
    }
    assert_eq!(bed.sealpost("alice", &["send", BOB, "still here"]).sent(), "stored");
}

#[test]
fn socket_of_a_killed_daemon_is_replaced() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let daemon = bed.start("alice", &["daemon"]);
    assert_eq!(daemon.line(), "ready");
    daemon.kill();
    assert!(bed.path("alice/socket").exists());
    assert_eq!(bed.sealpost("alice", &["send", BOB, "hi"]).sent(), "stored");
    assert!(!bed.path("alice/socket").exists());

    // What is not a socket is not replaced.
    fs::write(bed.path("alice/socket"), "precious").unwrap();
    let refused = bed.sealpost("alice", &["send", BOB, "hi"]).failed(1);
    assert!(refused.contains("another file"), "{refused}");
    assert_eq!(fs::read(bed.path("alice/socket")).unwrap(), b"precious");
}

#[test]
fn owner_that_takes_no_requests_is_reported() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let lock = fs::File::options().write(true).open(bed.path("alice/lock")).unwrap();
    lock.try_lock().unwrap();
    let refused = bed.sealpost("alice", &["send", BOB, "hi"]).failed(5);
    assert!(refused.contains("another sealpost uses"), "{refused}");
    // A process that has the lock and does not greet is not waited for without end.
    let _silent = UnixListener::bind(bed.path("alice/socket")).unwrap();
    let begin = Instant::now();
    bed.sealpost("alice", &["send", BOB, "hi"]).failed(5);
    assert!(begin.elapsed() < Duration::from_secs(40));
}

#[test]
fn home_that_others_can_change_is_refused_and_its_socket_is_private() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let daemon = bed.start("alice", &["daemon"]);
    assert_eq!(daemon.line(), "ready");
    let mode = |name| fs::metadata(bed.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("alice/socket"), mode("alice")), (0o600, 0o700));
    fs::set_permissions(bed.path("alice"), Permissions::from_mode(0o770)).unwrap();
    let refused = bed.sealpost("alice", &["send", BOB, "hi"]).failed(1);
    assert!(refused.contains("can be changed by other users"), "{refused}");
    fs::set_permissions(bed.path("alice"), Permissions::from_mode(0o700)).unwrap();
    symlink(bed.path("alice"), bed.path("link")).unwrap();
    let refused = bed.sealpost("link", &["send", BOB, "hi"]).failed(1);
    assert!(refused.contains("symbolic link"), "{refused}");
    assert_eq!(bed.sealpost("alice", &["send", BOB, "hi"]).sent(), "stored");
}

#[test]
fn address_is_not_replaced_under_a_running_owner() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let daemon = bed.start("alice", &["daemon"]);
    assert_eq!(daemon.line(), "ready");
    bed.sealpost("alice", &["address"]).succeeded();
    let refused = bed.sealpost("alice", &["address", &server.address]).failed(5);
    assert!(refused.contains("end it first"), "{refused}");
    assert_eq!(daemon.stop().status.code(), Some(0));
    bed.sealpost("alice", &["address", &server.address]).succeeded();
}

#[test]
fn message_for_later_is_kept_and_says_so() {
    let bed = ProgramBed::new();
    let place = ProgramBed::reusable_address();
    let server = bed.serve_at(&place, &[]);
    bed.register_both(&server);
    server.stop();
    // Bob is no contact yet.
    let kept = bed.sealpost("alice", &["send", BOB, "later", "--timeout", "1"]).failed(3);
    assert!(kept.contains("sent later"), "{kept}");
    let queued = bed.sealpost("alice", &["send", BOB, "later still", "--wait", "none"]).sent();
    assert_eq!(queued, "queued");
    let _server = bed.serve_at(&place, &[]);
    let daemon = bed.start("alice", &["daemon"]);
    assert_eq!(daemon.line(), "ready");
    let heard = bed.sealpost("bob", &["listen", "--json", "--count", "2"]).succeeded();
    let heard = objects(&heard);
    let texts: Vec<_> = heard.iter().filter_map(|event| event["text"].as_str()).collect();
    assert_eq!(texts, ["later", "later still"]);
    let unknown = bed.sealpost("alice", &["send", "+4915100000009", "hi"]).failed(4);
    assert!(unknown.contains("nobody is registered"), "{unknown}");
}

/// The date of a session is newer than that of the one before, and not ahead of the clock.
#[test]
fn short_commands_do_not_run_ahead_of_the_clock() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    for _ in 0..4 {
        bed.sealpost("alice", &["send", BOB, "hi"]).succeeded();
        let store = SqliteClientStorage::open_read_only(&bed.path("alice/client.db")).unwrap();
        let last = store.load().unwrap().account.last_reconnect.unwrap();
        assert!(last <= now().unwrap(), "{last} is ahead of the clock");
    }
}

#[test]
fn units_for_the_service_manager_name_this_home() {
    let bed = ProgramBed::new();
    let refused = bed.sealpost("alice", &["install-service", "--print"]).failed(1);
    assert!(refused.contains("sealpost register"), "{refused}");
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let printed = bed.sealpost("alice", &["install-service", "--print"]).succeeded();
    let home = bed.path("alice");
    assert!(printed.contains(&format!("--home \"{}\" daemon", home.display())), "{printed}");
    assert!(printed.contains(&format!("ListenStream={}/socket", home.display())), "{printed}");
    until("nothing runs", || bed.processes().iter().all(|line| !line.contains("alice")));
}
