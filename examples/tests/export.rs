#![cfg(test)]
//! A home as one encrypted file, and the passphrase of its key.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sealpost_programs::now;
use sealpost_storage::client::{ClientStorage, SqliteClientStorage};
use serde_json::json;
use support::{ALICE, BOB, ProgramBed, objects, write_private};

/// Writes a passphrase into a file that only its owner can read.
fn secret(bed: &ProgramBed, name: &str, passphrase: &str) -> String {
    let path = bed.path(name);
    write_private(&path, passphrase);
    path.to_str().unwrap().to_owned()
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// Names of the files in the bed's folder.
fn names(bed: &ProgramBed) -> Vec<String> {
    let entries = fs::read_dir(bed.path("")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn exported_home_lives_on_elsewhere() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let passphrase = secret(&bed, "pass", "correct horse");
    bed.sealpost("alice", &["send", BOB, "before"]).succeeded();
    bed.sealpost("bob", &["listen", "--count", "1"]).succeeded();
    let number = objects(&bed.sealpost("bob", &["verify", ALICE, "--json"]).succeeded());
    let mark = format!("--mark={}", number[0]["safetyNumber"].as_str().unwrap());
    bed.sealpost("bob", &["verify", ALICE, &mark]).succeeded();
    // While a daemon has the home.
    let daemon = bed.start("bob", &["daemon"]);
    assert_eq!(daemon.line(), "ready");
    let file = text(&bed.path("bob.export"));
    let export = ["export", &file, "--export-passphrase-file", &passphrase];
    bed.sealpost("bob", &export).succeeded();
    assert!(!bed.path("bob/client.db.export").exists());
    let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let bytes = fs::read(&file).unwrap();
    for secret in ["PRIVATE KEY", "before", "SQLite format"] {
        assert!(!bytes.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()), "{secret}");
    }
    let refused = bed.sealpost("bob", &export).failed(1);
    assert!(refused.contains("exists already"), "{refused}");
    assert_eq!(daemon.stop().status.code(), Some(0));
    // What is said after the export is not in it.
    bed.sealpost("bob", &["send", ALICE, "old device"]).succeeded();

    let import = ["import", &file, "--export-passphrase-file", &passphrase];
    let said = bed.sealpost("restored", &import).succeeded();
    assert!(said.contains(BOB), "{said}");
    let store = SqliteClientStorage::open_read_only(&bed.path("restored/client.db")).unwrap();
    let last = store.load().unwrap().last_message.unwrap().0;
    let minute = u64::try_from(now().unwrap().unix_secs()).unwrap() - 60;
    assert!(last > minute << 20, "ids jump ahead of what the old device has sent: {last}");
    drop(store);
    let contacts = objects(&bed.sealpost("restored", &["contacts", "--json"]).succeeded());
    assert_eq!(contacts[0]["verified"], json!(true));
    let history = bed.sealpost("restored", &["history"]).succeeded();
    assert!(history.contains("before") && !history.contains("old device"), "{history}");
    bed.sealpost("restored", &["send", ALICE, "new device"]).succeeded();
    let heard = objects(&bed.sealpost("alice", &["listen", "--json", "--count", "2"]).succeeded());
    let messages: Vec<_> = heard.iter().filter(|event| event["type"] == "message").collect();
    assert_eq!(messages[1]["text"], "new device");
    assert_eq!(messages[1].get("arrival"), None, "its number is not that of another message");
    let again = bed.sealpost("restored", &import).failed(1);
    assert!(again.contains("replaces nothing"), "{again}");
}

#[test]
fn message_that_waited_is_not_sent_by_the_restored_home() {
    let bed = ProgramBed::new();
    let place = ProgramBed::reusable_address();
    let server = bed.serve_at(&place, &[]);
    bed.register_both(&server);
    server.stop();
    let passphrase = secret(&bed, "pass", "correct horse");
    bed.sealpost("alice", &["send", BOB, "waits", "--wait", "none"]).succeeded();
    let file = text(&bed.path("export"));
    let with = ["--export-passphrase-file", &passphrase];
    bed.sealpost("alice", &[&["export", &file][..], &with].concat()).succeeded();
    let _server = bed.serve_at(&place, &[]);
    bed.sealpost("alice", &["listen", "--seconds", "2"]).succeeded();
    bed.sealpost("restored", &[&["import", &file][..], &with].concat()).succeeded();
    bed.sealpost("restored", &["send", BOB, "new"]).succeeded();
    let heard = objects(&bed.sealpost("bob", &["listen", "--json", "--count", "2"]).succeeded());
    let texts: Vec<_> = heard.iter().filter_map(|event| event["text"].as_str()).collect();
    assert_eq!(texts, ["waits", "new"]);
    // The history says so, and nothing sends it unless it is named.
    assert_eq!(bed.sealpost("restored", &["outbox"]).succeeded(), "");
    let history = bed.sealpost("restored", &["history", BOB]).succeeded();
    assert!(history.contains("[failed: cancelled]: waits"), "{history}");
}

#[test]
fn bad_file_is_refused_in_a_line_and_leaves_nothing() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register(&server, "alice", ALICE);
    server.stop();
    let passphrase = secret(&bed, "pass", "correct horse");
    let wrong = secret(&bed, "wrong", "battery staple");
    let file = text(&bed.path("export"));
    bed.sealpost("alice", &["export", &file, "--export-passphrase-file", &passphrase]).succeeded();
    let whole = fs::read(&file).unwrap();
    let before = names(&bed);
    let import = |bytes: &[u8], passphrase: &str| {
        fs::write(&file, bytes).unwrap();
        let args = ["import", &file, "--export-passphrase-file", passphrase];
        let failed = bed.sealpost("restored", &args).failed(1);
        assert_eq!(names(&bed), before, "{failed}");
        failed
    };
    assert!(import(&whole, &wrong).ends_with("wrong passphrase"));
    for len in [0, 20, 100, whole.len() / 2, whole.len() - 1] {
        let failed = import(&whole[..len], &passphrase);
        let said = if len < 16 { "not an export" } else { "damaged or cut off" };
        assert!(failed.contains(said), "{len}: {failed}");
    }
    let mut later = whole.clone();
    later[16] = 2;
    assert!(import(&later, &passphrase).contains("update sealpost"));
    assert!(import(b"-----BEGIN PGP MESSAGE-----", &passphrase).contains("not an export"));
    let missing = bed.sealpost("restored", &["import", &text(&bed.path("missing"))]).failed(1);
    assert!(missing.contains("No such file"), "{missing}");
    // A folder that is no home is not replaced either.
    fs::create_dir(bed.path("restored")).unwrap();
    fs::write(&file, &whole).unwrap();
    let args = ["import", &file, "--export-passphrase-file", &passphrase];
    assert!(bed.sealpost("restored", &args).failed(1).contains("exists already"));
}

#[test]
fn full_disk_leaves_no_half_export() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register(&server, "alice", ALICE);
    server.stop();
    let passphrase = secret(&bed, "pass", "correct horse");
    let file = text(&bed.path("export"));
    let before = names(&bed);
    // No file can be larger than this: the copy of the database fits, and the export does not.
    let database = fs::metadata(bed.path("alice/client.db")).unwrap().len();
    let limit = format!("trap '' XFSZ; ulimit -S -f {}; exec \"$@\"", database / 512);
    let wrapper = ["sh", "-c", &limit, "sh"];
    let args = ["export", &file, "--export-passphrase-file", &passphrase];
    let ended = bed.start_under(&wrapper, "alice", &args).end();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let after: Vec<_> = names(&bed).into_iter().filter(|name| !name.ends_with("stderr")).collect();
    assert_eq!(after, before);
    assert!(!bed.path("alice/client.db.export").exists());
    bed.sealpost("alice", &args).succeeded();
}

#[test]
fn passphrase_is_changed_and_comes_from_a_command() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let (one, two) = (secret(&bed, "one", "one"), secret(&bed, "two", "two"));
    let wrong_kind = bed.sealpost("alice", &["passphrase"]).failed(1);
    assert!(wrong_kind.contains("terminal"), "{wrong_kind}");
    bed.sealpost("alice", &["passphrase", "--new-passphrase-file", &one]).succeeded();
    let command = |file: &str| format!("cat {file}");
    let change = |with: &str| {
        let args = ["--passphrase-command", &command(with), "passphrase", "--new-passphrase-file"];
        bed.sealpost("alice", &[&args[..], &[&two]].concat())
    };
    let refused = change(&two).failed(1);
    assert!(refused.contains("wrong passphrase"), "{refused}");
    change(&one).succeeded();
    let send = |command: &str| {
        bed.sealpost("alice", &["--passphrase-command", command, "send", BOB, "hi"])
    };
    assert_eq!(send(&command(&two)).sent(), "stored");
    for (broken, said) in [("exit 3", "exit status: 3"), ("true", "is empty")] {
        let failed = send(broken).failed(1);
        assert!(failed.contains(said), "{failed}");
    }
    let unit = ["--passphrase-file", &two, "install-service", "--print"];
    assert!(bed.sealpost("alice", &unit).succeeded().contains("--passphrase-file"));
    let remove = ["--passphrase-file", &two, "passphrase", "--remove"];
    bed.sealpost("alice", &remove).succeeded();
    assert_eq!(bed.sealpost("alice", &["send", BOB, "hi"]).sent(), "stored");
    // Another process may be about to read the key.
    let daemon = bed.start("alice", &["daemon"]);
    assert_eq!(daemon.line(), "ready");
    let refused = bed.sealpost("alice", &["passphrase", "--new-passphrase-file", &one]).failed(5);
    assert!(refused.contains("end it first"), "{refused}");
}
