#![cfg(test)]
//! Backups of a running server, and what is restored from them.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;
use support::sender::Sender;
use support::{BOB, Daemon, ProgramBed, numbers_from_alice, objects, until};

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
    assert!(said.contains("registered since (at most 1)"), "{said}");
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
    let said = run(&bed, "restore", "saved", &["--replace", "--json"]).succeeded();
    let said = &objects(&said)[0];
    assert_eq!((&said["users"], &said["lost_accounts_at_most"]), (&json!(2), &json!(1_000)));
    assert_eq!(said["next_user_id"], 1_003, "the folder remembers what was skipped");
    assert!(said["old_files"].as_str().unwrap().contains("replaced-"), "{said}");
}

#[test]
fn backup_is_private_and_goes_into_a_new_folder() {
    let (bed, server, _) = bed();
    fs::create_dir(bed.path("taken")).unwrap();
    fs::write(bed.path("taken/photo"), "precious").unwrap();
    let refused = run(&bed, "backup", "taken", &[]).failed(1);
    assert!(refused.contains("is not empty"), "{refused}");
    assert_eq!(names(&bed.path("taken")), ["photo"]);

    fs::create_dir(bed.path("saved")).unwrap();
    fs::create_dir(bed.path("saved.partial")).unwrap();
    fs::write(bed.path("saved.partial/photo"), "precious").unwrap();
    let refused = run(&bed, "backup", "saved", &[]).failed(1);
    assert!(refused.contains("saved.partial"), "{refused}");
    fs::rename(bed.path("saved.partial/photo"), bed.path("saved.partial/sealpost.db")).unwrap();
    // Configuration is kept, and what is of this server's run alone is not.
    fs::write(bed.path("data/sealpostd.toml"), "").unwrap();
    fs::write(bed.path("data/sealpost.db.schema-1.bak"), "").unwrap();
    run(&bed, "backup", "saved", &[]).succeeded();
    assert!(!bed.path("saved.partial").exists());
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&bed.path("saved")), 0o700);
    let expected = [
        "address",
        "backup.json",
        "sealpost.db",
        "sealpostd.toml",
        "server-key.pem",
        "server-key.pub.pem",
        "wrapping-key",
    ];
    assert_eq!(names(&bed.path("saved")), expected);
    for name in expected {
        assert_eq!(mode(&bed.path("saved").join(name)), 0o600, "{name}");
    }
    let refused = run(&bed, "backup", "saved", &[]).failed(1);
    assert!(refused.contains("is not empty"), "{refused}");
    server.stop();
}

#[test]
fn damaged_backup_is_refused_and_changes_nothing() {
    let (bed, server, _) = bed();
    run(&bed, "backup", "saved", &[]).succeeded();
    // It leaves a log beside its database.
    server.kill();
    let before = names(&bed.path("data"));
    let refused = || {
        let said = run(&bed, "restore", "saved", &["--replace"]).failed(1);
        assert_eq!(names(&bed.path("data")), before, "{said}");
        assert_eq!(ids(&bed), [1, 2]);
        said
    };
    for name in ["sealpost.db", "server-key.pem", "wrapping-key", "address"] {
        let path = bed.path("saved").join(name);
        let whole = fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 1;
        fs::write(&path, flipped).unwrap();
        assert!(refused().contains("has changed since"), "{name}");
        fs::remove_file(&path).unwrap();
        assert!(refused().contains("is missing"), "{name}");
        fs::write(&path, whole).unwrap();
    }
    let manifest = fs::read_to_string(bed.path("saved/backup.json")).unwrap();
    for (bad, expected) in [
        (manifest.replace("\"format\": 1", "\"format\": 2"), "format 2"),
        (manifest.replace("\"address\"", "\"../address\""), "not a file of a backup"),
        (manifest.replace("\"server-key.pem\"", "\"address \""), "not in the manifest"),
        (manifest[..99].to_owned(), "backup.json"),
    ] {
        fs::write(bed.path("saved/backup.json"), bad).unwrap();
        assert!(refused().contains(expected), "{expected}");
    }
    fs::remove_file(bed.path("saved/backup.json")).unwrap();
    assert!(refused().contains("not a complete backup"));

    fs::write(bed.path("saved/backup.json"), manifest).unwrap();
    run(&bed, "restore", "saved", &["--replace"]).succeeded();
    assert!(!bed.path("data/sealpost.db-wal").exists(), "the log of the old database");
    let aside = names(&bed.path("data")).into_iter().find(|name| name.starts_with("replaced-"));
    let aside = names(&bed.path("data").join(aside.unwrap()));
    assert!(aside.contains(&"sealpost.db-wal".to_owned()), "nothing is deleted: {aside:?}");
}

/// The files of a running server without its log: a database that has committed nothing since the
/// last checkpoint, and may be empty.
#[test]
fn database_that_was_copied_without_backup_is_refused_and_found() {
    let (bed, server, place) = bed();
    server.kill();
    let data = bed.path("data");
    fs::remove_file(data.join("sealpost.db-wal")).unwrap();
    fs::remove_file(data.join("sealpost.db-shm")).unwrap();
    for expected in ["is an older copy", "was copied without"] {
        let checked = bed.sealpostd(&["check"]);
        assert!(checked.stdout.contains(expected), "{checked:?}");
        checked.failed(1);
        let said = bed.sealpostd(&["--listen", &place]).failed(1);
        assert!(said.contains(expected) && said.contains("accept-database"), "{said}");
        let said = run(&bed, "backup", "saved", &[]).failed(1);
        assert!(said.contains("no backup was made"), "{said}");
        if data.join("database-id").exists() && expected == "is an older copy" {
            fs::remove_file(data.join("database-id")).unwrap();
        }
    }
    let said = bed.sealpostd(&["accept-database", "--skip-ids", "5"]).succeeded();
    assert!(said.contains("id 6"), "{said}");
    bed.sealpostd(&["check"]).succeeded();
    let server = bed.serve_at(&place, &[]);
    bed.register(&server, "carol", CAROL);
    assert_eq!(ids(&bed), [6]);
    server.stop();
}

#[test]
fn server_does_not_start_in_the_middle_of_a_restore() {
    let (bed, server, place) = bed();
    run(&bed, "backup", "saved", &[]).succeeded();
    server.stop();
    // The old files are aside, and none of the new ones is in place.
    let ready = bed.path("data/restore.ready");
    fs::create_dir(bed.path("data/replaced-1")).unwrap();
    for name in names(&bed.path("data")) {
        if name != "replaced-1" && name != "lock" {
            let aside = bed.path("data/replaced-1").join(&name);
            fs::rename(bed.path("data").join(&name), aside).unwrap();
        }
    }
    fs::create_dir(&ready).unwrap();
    fs::write(ready.join("sealpost.db"), "of the interrupted one").unwrap();
    let said = bed.sealpostd(&["--listen", &place]).failed(1);
    assert!(said.contains("was interrupted"), "{said}");
    assert!(!bed.path("data/server-key.pem").exists(), "no new key");
    run(&bed, "restore", "saved", &[]).succeeded();
    assert!(!ready.exists());
    let server = bed.serve_at(&place, &[]);
    bed.sealpost("alice", &["send", BOB, "hello"]).succeeded();
    server.stop();
}
