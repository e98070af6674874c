#![cfg(test)]
//! Failures are reported in one line and in the exit status.

mod support;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use rusqlite::Connection;
use support::{ALICE, BOB, ProgramBed, until};

/// A bed whose server has registered two users and stopped, and that server's address.
fn bed_with_users() -> (ProgramBed, String) {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let address = server.address.clone();
    assert!(server.stop().status.success());
    (bed, address)
}

#[test]
fn server_reports_why_it_cannot_start() {
    let (bed, _) = bed_with_users();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = bed.sealpostd(&["--listen", &address]).failed(1);
    assert!(said.contains(&address) && said.contains("in use"), "{said}");

    let said = bed.sealpostd(&["--listen", "127.0.0.1:0", "--profile", "wide"]).failed(1);
    assert!(said.contains("compact"), "{said}");

    let said = bed.sealpostd(&["--listen", "0.0.0.0:0", "--no-limits"]).failed(2);
    assert!(said.contains("--no-limits"), "{said}");

    let usage = bed.sealpostd(&["--listen", "nowhere"]);
    assert_eq!(usage.status.code(), Some(2));
    let usage = bed.sealpostd(&["--otp", "pigeon"]);
    assert_eq!(usage.status.code(), Some(2));
}

#[test]
fn second_server_is_kept_out() {
    let bed = ProgramBed::new();
    let _server = bed.serve(&[]);
    let said = bed.sealpostd(&["--listen", "127.0.0.1:0"]).failed(1);
    assert!(said.contains("another sealpostd runs"), "{said}");
}

#[test]
fn data_folder_that_is_not_a_folder_is_refused() {
    let bed = ProgramBed::new();
    fs::write(bed.path("data"), "a file").unwrap();
    let said = bed.sealpostd(&["--listen", "127.0.0.1:0"]).failed(1);
    assert!(said.contains("folder"), "{said}");
    let said = bed.sealpostd(&["stats"]).failed(1);
    assert!(said.contains("not a folder"), "{said}");

    let bed = ProgramBed::new();
    let said = bed.sealpostd(&["stats"]).failed(1);
    assert!(said.contains("data"), "{said}");
    fs::create_dir(bed.path("data")).unwrap();
    for task in [&["stats"][..], &["check"], &["address"], &["users", "list"]] {
        let said = bed.sealpostd(task).failed(1);
        assert!(said.contains("no server has run"), "{said}");
    }
}

#[test]
fn foreign_newer_or_damaged_database_is_refused() {
    let bed = ProgramBed::new();
    fs::create_dir(bed.path("data")).unwrap();
    let database = bed.path("data/sealpost.db");
    fs::write(&database, "Dear diary, today I was mistaken for a database, and it hurt.").unwrap();
    fs::set_permissions(&database, fs::Permissions::from_mode(0o600)).unwrap();
    let said = bed.sealpostd(&["--listen", "127.0.0.1:0"]).failed(1);
    assert!(said.contains("not a database of this program"), "{said}");
    assert!(bed.sealpostd(&["check"]).failed(1).contains("not a database"));

    let (bed, _) = bed_with_users();
    let sql = |sql: &str| {
        let database = Connection::open(bed.path("data/sealpost.db")).unwrap();
        database.execute_batch(sql).unwrap();
    };
    sql("UPDATE mailboxes SET messages = 99 WHERE user_id = 1");
    let checked = bed.sealpostd(&["check"]);
    assert!(checked.stdout.contains("user 1"), "{checked:?}");
    assert!(checked.failed(1).contains("damaged"));

    sql("PRAGMA user_version = 1000");
    let said = bed.sealpostd(&["--listen", "127.0.0.1:0"]).failed(1);
    assert!(said.contains("1000"), "{said}");
}

#[test]
fn lost_or_emptied_database_beside_a_used_key_is_refused() {
    let (bed, _) = bed_with_users();
    let serve = || bed.sealpostd(&["--listen", "127.0.0.1:0"]).failed(1);
    let database = bed.path("data/sealpost.db");
    let backup = fs::read(&database).unwrap();
    fs::write(&database, "").unwrap();
    assert!(serve().contains("missing or empty"), "{}", serve());
    for marked in [true, false] {
        fs::remove_file(&database).unwrap();
        if !marked {
            fs::remove_file(bed.path("data/database-id")).unwrap();
        }
        assert!(serve().contains("sealpostd new-database"), "{}", serve());
        assert!(!database.exists(), "nothing is created in its place");
        assert!(bed.sealpostd(&["stats"]).failed(1).contains("missing or empty"));
        fs::write(&database, &backup).unwrap();
        fs::set_permissions(&database, fs::Permissions::from_mode(0o600)).unwrap();
    }
    assert!(serve().contains("was copied without"), "{}", serve());
    bed.sealpostd(&["accept-database"]).succeeded();
    assert!(bed.sealpostd(&["new-database"]).failed(1).contains("exists already"));
    bed.serve(&[]).stop();

    fs::remove_file(&database).unwrap();
    bed.sealpostd(&["new-database"]).succeeded();
    bed.serve(&[]).stop();
    fs::write(&database, &backup).unwrap();
    assert!(serve().contains("not the database"), "{}", serve());
    bed.sealpostd(&["accept-database"]).succeeded();
    bed.serve(&[]).stop();
}

#[test]
fn server_whose_database_is_removed_stores_nothing_more_and_says_so() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    bed.sealpost("alice", &["send", BOB, "one"]).succeeded();
    for name in ["sealpost.db", "sealpost.db-wal", "sealpost.db-shm"] {
        fs::remove_file(bed.path("data").join(name)).unwrap();
    }
    let sent = bed.sealpost("alice", &["send", BOB, "two", "--timeout", "2"]);
    assert!(!sent.status.success(), "{sent:?}");
    assert!(!sent.stdout.contains("stored"), "{sent:?}");
    until("the log names the file", || server.log().contains("sealpost.db was removed"));
}

#[test]
fn clock_is_trusted_once_the_server_has_stopped() {
    let (bed, _) = bed_with_users();
    let newest = || {
        let database = Connection::open(bed.path("data/sealpost.db")).unwrap();
        let sql = "SELECT newest_time FROM deployment";
        database.query_row(sql, (), |row| row.get::<_, i64>(0)).unwrap()
    };
    let now = newest();
    let database = Connection::open(bed.path("data/sealpost.db")).unwrap();
    database.execute("UPDATE deployment SET newest_time = 1000000000", ()).unwrap();
    drop(database);
    let server = bed.serve(&[]);
    until("the log says so", || server.log().contains("sealpostd trust-clock"));
    assert!(bed.sealpostd(&["trust-clock"]).failed(1).contains("stop it first"));
    server.stop();
    assert_eq!(newest(), 1_000_000_000);
    let said = bed.sealpostd(&["trust-clock"]).succeeded();
    assert!(said.starts_with("trusted the clock at 20"), "{said}");
    assert!((now..now + 600).contains(&newest()));
}

#[test]
fn key_that_is_readable_damaged_or_lost_is_refused() {
    let (bed, _) = bed_with_users();
    let key = bed.path("data/server-key.pem");
    let serve = || bed.sealpostd(&["--listen", "127.0.0.1:0"]).failed(1);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(serve().contains("others may read"), "{}", serve());

    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let pem = fs::read_to_string(&key).unwrap();
    fs::write(&key, pem.replace('A', "B")).unwrap();
    assert!(serve().contains("server-key.pem"), "{}", serve());

    fs::remove_file(&key).unwrap();
    assert!(serve().contains("server-key.pem is missing"), "{}", serve());
}

#[test]
fn client_reports_what_it_cannot_do() {
    let (bed, address) = bed_with_users();
    // The server has stopped.
    let said = bed
        .sealpost("carol", &["register", &address, "+4915100000003", "--timeout", "1"])
        .failed(1);
    assert!(said.contains("no server can be reached"), "{said}");
    let said = bed.sealpost("alice", &["send", BOB, "hi", "--timeout", "1"]).failed(3);
    assert!(said.contains("127.0.0.1") && said.contains("sent later"), "{said}");
    let said = bed.sealpost("nobody", &["send", BOB, "hi"]).failed(1);
    assert!(said.contains("no account"), "{said}");
    let said = bed.sealpost("carol", &["send", BOB, "hi"]).failed(1);
    assert!(said.contains("not registered yet"), "{said}");

    let key = bed.path("alice/key.pem");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let said = bed.sealpost("alice", &["listen"]).failed(1);
    assert!(said.contains("others may read"), "{said}");
    let usage = bed.sealpost("alice", &["send", "+12345x"]);
    assert_eq!(usage.status.code(), Some(2));
    let usage = bed.sealpost("alice", &["register", "http://example.org", ALICE]);
    assert_eq!(usage.status.code(), Some(2));
}

#[test]
fn server_with_another_key_is_not_trusted() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    let (place, _) = server.address.rsplit_once('/').unwrap();
    let other = format!("{place}/{}", "ab".repeat(32));
    let said = bed.sealpost("alice", &["register", &other, ALICE]).failed(1);
    assert!(said.contains("server's key does not match its address"), "{said}");
    // A wrong address leaves nothing behind that prevents registration with the right one.
    bed.sealpost("alice", &["register", &server.address, ALICE]).succeeded();
}

#[test]
fn phone_number_is_registered_once_and_strangers_are_unknown() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let said = bed.sealpost("thief", &["register", &server.address, BOB]).failed(1);
    assert!(said.contains("registered by somebody else"), "{said}");
    let said = bed.sealpost("alice", &["send", "+4915199999999", "hi"]).failed(4);
    assert!(said.contains("nobody is registered as +4915199999999"), "{said}");
    let said = bed.sealpost("alice", &["verify", "+4915199999999"]).failed(4);
    assert!(said.contains("nobody is registered as +4915199999999"), "{said}");
    let said = bed.sealpost("alice", &["register", &server.address, "+4915100000009"]).failed(1);
    assert!(said.contains("belongs to"), "{said}");
}

#[test]
fn empty_message_is_refused() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    for args in [&["send", BOB][..], &["send", BOB, "-"]] {
        let said = bed.sealpost("alice", args).failed(1);
        assert!(said.contains("standard input is empty"), "{said}");
    }
    let said = bed.sealpost("alice", &["send", BOB, ""]).failed(2);
    assert!(said.contains("empty"), "{said}");
    assert!(bed.sealpost("alice", &["status"]).succeeded().contains("0 queued, 0 stored"));
}

#[test]
fn home_is_free_while_a_message_is_typed() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let mut slow = bed.start("alice", &["send", BOB]);
    slow.type_line("first");
    std::thread::sleep(Duration::from_millis(500));
    assert!(slow.is_running());
    assert_eq!(bed.sealpost("alice", &["send", BOB, "second"]).sent(), "stored");
    assert_eq!(slow.end().sent(), "stored");
    // Without an account, `send` fails before anything is typed.
    let unregistered = bed.start("carol", &["send", BOB]);
    until("the refusal", || unregistered.said().contains("no account"));
}

#[test]
fn registration_waits_for_a_server_that_is_not_there_yet() {
    let bed = ProgramBed::new();
    let place = ProgramBed::reusable_address();
    let server = bed.serve_at(&place, &[]);
    let address = server.address.clone();
    assert!(server.stop().status.success());
    let mut alice = bed.start("alice", &["register", &address, ALICE, "--timeout", "60"]);
    // It dials once it has made its key, which takes a while.
    until("the key", || bed.path("alice/key.pem").exists());
    std::thread::sleep(Duration::from_secs(1));
    assert!(alice.is_running());
    let _server = bed.serve_at(&place, &[]);
    assert!(alice.end().succeeded().contains("registered"));
}

#[test]
fn time_out_beyond_the_clock_is_no_time_out() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    // The clock counts to about `i64::MAX` seconds: one is within it, two are beyond.
    let [near, beyond, most] =
        ["9223372036854000000", "9223372036854775807", &u64::MAX.to_string()];
    bed.sealpost("alice", &["register", &server.address, ALICE, "--timeout", beyond]).succeeded();
    bed.sealpost("bob", &["register", &server.address, BOB, "--timeout", most]).succeeded();
    for secs in [near, beyond, most] {
        bed.sealpost("alice", &["send", BOB, "hi", "--timeout", secs]).succeeded();
        bed.sealpost("bob", &["listen", "--count", "1", "--seconds", secs]).succeeded();
    }
    bed.sealpost("alice", &["verify", BOB, "--timeout", beyond]).succeeded();
}

#[test]
fn time_out_is_a_failure() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let late = ["send", BOB, "hi", "--wait", "delivered", "--timeout", "1"];
    let said = bed.sealpost("alice", &late).failed(3);
    assert!(said.contains("stored, but not delivered"), "{said}");
    let said = bed.sealpost("bob", &["listen", "--count", "2", "--seconds", "1"]).failed(1);
    assert!(said.contains("1 of 2"), "{said}");
    let long = "x".repeat(65_236);
    let said = bed.sealpost("alice", &["send", BOB, &long]).failed(4);
    assert!(said.contains("too long"), "{said}");
}
