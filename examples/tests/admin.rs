#![cfg(test)]
//! The operator's commands, on a server that runs and on the folder of one that does not.
#![allow(clippy::print_stdout, reason = "a test says what it can't test here")]

mod support;

use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;

use rustix::process::{Signal, geteuid};
use serde_json::{Value, json};
use support::{ALICE, BOB, Daemon, Ended, PATIENCE, ProgramBed, objects, until, write_private};

/// A server with Alice and Bob. Bob has a message from Alice that waits.
fn bed() -> (ProgramBed, Daemon) {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    bed.sealpost("alice", &["send", BOB, "hi"]).succeeded();
    (bed, server)
}

fn call(bed: &ProgramBed) -> UnixStream {
    let stream = UnixStream::connect(bed.path("data/admin.sock")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends bytes on a connection of its own, and returns the answers until the server ends it or
/// `answers` have come.
fn ask(bed: &ProgramBed, bytes: &[u8], answers: usize) -> Vec<Value> {
    let mut stream = call(bed);
    // The server may end the connection before it has read everything.
    let _ = stream.write_all(bytes);
    let lines = BufReader::new(stream).lines().map_while(Result::ok).take(answers);
    lines.map(|line| serde_json::from_str(&line).unwrap()).collect()
}

fn line(ended: Ended) -> Value {
    let mut objects = objects(&ended.succeeded());
    assert_eq!(objects.len(), 1);
    objects.remove(0)
}

#[test]
fn commands_do_and_say_the_same_whether_the_server_runs_or_not() {
    let walk = |bed: &ProgramBed| {
        let mut said = Vec::new();
        for change in ["suspend", "suspend", "resume", "resume"] {
            said.push(bed.sealpostd(&["users", change, BOB]).succeeded());
            said.push(bed.sealpostd(&["users", change, BOB, "--json"]).succeeded());
            let shown = line(bed.sealpostd(&["users", "show", BOB, "--json"]));
            assert_eq!(shown["suspended"].is_null(), change == "resume");
        }
        said.push(bed.sealpostd(&["users", "delete", BOB, "--json"]).succeeded());
        for change in ["suspend", "resume", "delete"] {
            said.push(bed.sealpostd(&["users", change, BOB]).failed(1));
        }
        let mut stats = line(bed.sealpostd(&["stats", "--json"]));
        let running = stats.as_object_mut().unwrap().remove("running").unwrap();
        said.push(stats.to_string());
        (said, !running.is_null())
    };
    let (running, server) = bed();
    let (stopped, other) = bed();
    other.stop();
    let (said, was_running) = walk(&running);
    assert!(was_running);
    assert_eq!((said.clone(), false), walk(&stopped));
    assert_eq!(said[0], format!("suspended {BOB}\n"));
    let suspended = json!({ "id": 2, "phone": BOB, "state": "suspended" });
    assert_eq!(objects(&said[1]), [suspended]);
    assert!(server.stop().status.success());
    for bed in [running, stopped] {
        bed.sealpostd(&["check"]).succeeded();
    }
}

#[test]
fn a_suspended_client_goes_offline_and_comes_back_to_what_was_stored() {
    let (bed, _server) = bed();
    let bob = bed.start("bob", &["listen", "--json"]);
    bob.event("caught-up");
    bed.sealpostd(&["users", "suspend", BOB]).succeeded();
    let offline = bob.event("offline");
    assert!(offline["reason"].as_str().unwrap().contains("suspended"), "{offline}");
    assert!(offline["retry_in_seconds"].as_f64().unwrap() >= 600.0, "{offline}");
    bob.stop();
    assert_eq!(bed.sealpost("alice", &["send", BOB, "later"]).sent(), "stored");
    bed.sealpostd(&["users", "resume", BOB]).succeeded();
    let heard = bed.sealpost("bob", &["listen", "--json", "--count", "1"]).succeeded();
    assert!(heard.contains("later"), "{heard}");
}

#[test]
fn a_deleted_client_learns_that_its_account_is_gone_and_its_senders_are_told() {
    let (bed, _server) = bed();
    let bob = bed.start("bob", &["listen", "--json"]);
    bob.event("caught-up");
    bob.stop();
    bed.sealpost("alice", &["send", BOB, "never read"]).succeeded();
    let carol = bed.start("bob", &["listen", "--json"]);
    carol.event("online");
    bed.sealpostd(&["users", "delete", BOB]).succeeded();
    let ended = carol.end();
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.stderr.contains("does not know this account"), "{ended:?}");
}

#[test]
fn commands_for_a_running_server_say_so_when_there_is_none() {
    let (bed, server) = bed();
    assert_eq!(bed.sealpostd(&["stop"]).succeeded(), "stopped\n");
    assert!(server.stop().status.success());
    for command in [&["stop"][..], &["log-level"], &["top", "--once"]] {
        let said = bed.sealpostd(command).failed(1);
        assert!(said.contains("no server runs on"), "{said}");
    }
}

#[test]
fn socket_is_private_replaced_after_a_crash_and_removed_at_the_end() {
    let (bed, server) = bed();
    let path = bed.path("data/admin.sock");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(server.kill());
    assert!(path.exists());
    // Nobody listens: the commands do their work themselves.
    bed.sealpostd(&["users", "suspend", BOB]).succeeded();
    assert!(line(bed.sealpostd(&["stats", "--json"]))["running"].is_null());
    let server = bed.serve(&[]);
    assert!(!line(bed.sealpostd(&["stats", "--json"]))["running"].is_null());
    server.stop();
    assert!(!path.exists());
}

#[test]
fn a_file_in_place_of_the_socket_is_kept_and_the_server_runs_without() {
    let bed = ProgramBed::new();
    bed.serve(&[]).stop();
    fs::write(bed.path("data/admin.sock"), "precious").unwrap();
    let server = bed.serve(&[]);
    assert!(server.log().contains("takes no commands"), "{}", server.log());
    let said = bed.sealpostd(&["stop"]).failed(1);
    assert!(said.contains("is not a socket"), "{said}");
    server.stop();
    assert_eq!(fs::read_to_string(bed.path("data/admin.sock")).unwrap(), "precious");
}

#[test]
fn commands_wait_neither_for_a_starting_server_nor_for_another_command() {
    let bed = ProgramBed::new();
    bed.serve(&[]).stop();
    let lock = File::open(bed.path("data/lock")).unwrap();
    lock.try_lock().unwrap();
    for command in [&["users", "delete", BOB][..], &["stop"]] {
        let said = bed.sealpostd(command).failed(1);
        assert!(said.contains("nothing listens"), "{said}");
    }
    bed.sealpostd(&["stats"]).succeeded();
}

#[test]
fn nonsense_on_the_socket_is_refused_and_harms_nobody() {
    let (bed, server) = bed();
    let nonsense: [&[u8]; 9] = [
        b"\n",
        b"stats\n",
        b"{}\n",
        b"[]\n",
        b"\xff\xfe\0\n",
        b"{\"command\":\"format-disk\"}\n",
        b"{\"command\":\"stats\",\"more\":1}\n",
        b"{\"command\":\"change-user\",\"phone\":\"0800\",\"change\":\"delete\"}\n",
        b"{\"command\":\"log-level\",\"level\":\"\\u001b[2J\"}\n",
    ];
    for bytes in nonsense {
        let answers = ask(&bed, bytes, 1);
        assert!(answers[0]["failed"].is_string(), "{answers:?}");
    }
    // The connection goes on after a bad request, but not after one that is too long.
    let mut mixed = b"bad\n{\"command\":\"stats\"}\n".to_vec();
    assert!(ask(&bed, &mixed, 2)[1]["done"]["stats"].is_object());
    mixed.splice(0..0, vec![b' '; 5_000]);
    let answers = ask(&bed, &mixed, 9);
    assert_eq!(answers.len(), 1);
    assert!(answers[0]["failed"].as_str().unwrap().contains("4096 bytes"), "{answers:?}");
    // A request that is cut off has no effect.
    drop(ask(&bed, b"{\"command\":\"stop\"", 0));
    bed.sealpost("alice", &["send", BOB, "still there"]).succeeded();
    assert!(!server.log().contains('\u{1b}'));
}

#[test]
fn connections_are_limited_and_those_that_never_read_hold_up_nobody() {
    let (bed, _server) = bed();
    // Fills the socket with answers that nobody reads.
    let mut deaf = call(&bed);
    deaf.set_nonblocking(true).unwrap();
    while deaf.write_all(&b"{\"command\":\"stats\"}\n".repeat(100)).is_ok() {}
    bed.sealpostd(&["users", "suspend", BOB]).succeeded();
    let idle: Vec<_> = (0..100).map(|_| call(&bed)).collect();
    let said = bed.sealpostd(&["users", "suspend", BOB]).failed(1);
    assert!(said.contains("16 commands are under way already"), "{said}");
    bed.sealpost("alice", &["send", BOB, "still there"]).succeeded();
    drop(idle);
    until("connections are free again", || bed.sealpostd(&["stats"]).status.success());
}

#[test]
fn a_server_that_is_killed_during_a_command_is_told_of() {
    let (bed, server) = bed();
    server.signal(Signal::STOP);
    let asking = bed.start_sealpostd(&["users", "delete", BOB]);
    // The command has connected once the kernel has its request.
    until("the command waits for the server", || {
        is_waiting_on_a_socket(asking.pid().as_raw_nonzero().get())
    });
    server.kill();
    let said = asking.end().failed(1);
    assert!(said.contains("check what has been done"), "{said}");
}

/// Whether a process waits to read from a socket of the family Unix.
fn is_waiting_on_a_socket(pid: i32) -> bool {
    let channel = fs::read_to_string(format!("/proc/{pid}/wchan")).unwrap_or_default();
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    channel.contains("unix") || (channel.len() < 2 && state.contains(" S "))
}

#[test]
fn socket_of_another_user_is_refused_in_one_line() {
    if !geteuid().is_root() {
        println!("only root can give a file to another user: nothing is tested");
        return;
    }
    let (bed, server) = bed();
    let path = bed.path("data/admin.sock");
    chown(&path, Some(65_534), None).unwrap();
    for command in [&["stats"][..], &["users", "delete", BOB], &["stop"], &["top", "--once"]] {
        let ended = bed.sealpostd(command);
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
        let said = ended.failed(1);
        assert!(said.contains("belongs to the user with id 65534"), "{said}");
    }
    server.stop();
}

const OTHER_USER: &str = "SEALPOST_TEST_OTHER_USER";

/// Runs itself again as another user, whom wrong modes let through to the socket.
#[test]
fn another_user_is_not_taken_for_the_operator() {
    if let Some(path) = std::env::var_os(OTHER_USER) {
        let mut stream = UnixStream::connect(Path::new(&path)).unwrap();
        let _ = stream.write_all(b"{\"command\":\"stop\"}\n");
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        println!("{said}");
        return;
    }
    let (bed, mut server) = bed();
    for (name, mode) in [("", 0o755), ("data", 0o755), ("data/admin.sock", 0o666)] {
        fs::set_permissions(bed.path(name), Permissions::from_mode(mode)).unwrap();
    }
    let me = std::env::current_exe().unwrap();
    let child = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
        .arg(&me)
        .args(["--exact", "another_user_is_not_taken_for_the_operator", "--nocapture"])
        .env(OTHER_USER, bed.path("data/admin.sock"))
        .output();
    match child {
        Ok(output) if output.status.success() => {
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(said.contains("not from 65534"), "{output:?}");
        }
        other => println!("can't run a program as another user: nothing is tested ({other:?})"),
    }
    assert!(server.is_running());
    assert!(!line(bed.sealpostd(&["stats", "--json"]))["running"].is_null());
}

#[test]
fn log_levels_are_changed_while_the_server_runs() {
    let (bed, server) = bed();
    let levels = |args: &[&str]| bed.sealpostd(&[&["log-level"], args].concat());
    assert_eq!(levels(&[]).succeeded(), "info\n");
    assert_eq!(levels(&["sealpostd=trace"]).succeeded(), "sealpostd=trace,info\n");
    let now = json!({ "levels": "sealpostd=trace,info" });
    assert_eq!(line(levels(&["--json"])), now);
    bed.sealpost("bob", &["listen", "--count", "1"]).succeeded();
    assert!(server.log().contains("session opened"), "{}", server.log());
    assert_eq!(levels(&["warn"]).succeeded(), "warn\n");
    for wrong in ["loud", "sealpostd", "a=b=loud", ""] {
        let said = levels(&[wrong]).failed(1);
        assert!(said.contains("is not a log level"), "{said}");
    }
    assert_eq!(levels(&[]).succeeded(), "warn\n");
}

#[test]
fn configuration_is_reloaded_while_the_server_runs() {
    let (bed, server) = bed();
    let file = bed.path("data").join("sealpostd.toml");
    let reload = || bed.sealpostd(&["reload"]);
    assert_eq!(reload().succeeded(), "no option has changed that a reload applies\n");
    write_private(&file, "[storage]\nmailbox_messages = 9\n[log]\nlevel = \"debug\"\n");
    assert_eq!(reload().succeeded(), "storage.mailbox_messages, log.level changed\n");
    assert_eq!(bed.sealpostd(&["log-level"]).succeeded(), "debug\n");
    write_private(&file, "[storage]\nmailbox_mesages = 9\n");
    let said = reload().failed(1);
    assert!(said.contains("line 2") && said.contains("storage.mailbox_messages?"), "{said}");
    assert!(server.log().contains("the old one stays in force"), "{}", server.log());
    drop(server);
    let said = reload().failed(1);
    assert!(said.contains("no server runs"), "{said}");
}

#[test]
fn log_can_be_json() {
    let bed = ProgramBed::new();
    let server = bed.serve(&["--log-format", "json"]);
    let ended = server.stop();
    let lines = objects(&ended.stderr);
    assert!(lines.iter().all(|line| line["level"].is_string() && line["timestamp"].is_string()));
    assert!(lines.iter().any(|line| line["message"] == "stopped"), "{ended:?}");
}

#[test]
fn log_has_priorities_if_journald_reads_it() {
    let bed = ProgramBed::new();
    let log = File::create(bed.path("sealpostd.log")).unwrap().metadata().unwrap();
    let stream = format!("{}:{}", log.dev(), log.ino());
    let ended = bed.serve_with_env("JOURNAL_STREAM", &stream, &[]).stop();
    assert!(ended.stderr.contains("\n<6>stopped\n"), "{ended:?}");
    assert!(ended.stderr.lines().all(|line| line.starts_with('<')), "{ended:?}");
    assert!(ended.stderr.starts_with("<4>one-time passwords are in band"), "{ended:?}");
    // Standard error is another file than the one that journald reads.
    let ended = bed.serve_with_env("JOURNAL_STREAM", "1:2", &[]).stop();
    assert!(!ended.stderr.contains("\n<6>stopped\n") || ended.stderr.contains(" INFO stopped"));
}

#[test]
fn top_shows_a_second_of_the_server_and_names_nobody() {
    let (bed, _server) = bed();
    let shown = bed.sealpostd(&["top", "--once"]).succeeded();
    assert!(shown.lines().count() <= 24, "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    assert!(!shown.contains(BOB) && !shown.contains(ALICE));
    let moment = line(bed.sealpostd(&["top", "--once", "--json"]));
    assert_eq!(moment["largest"][0]["messages"], 1);
    assert_eq!(moment["running"]["sessions"], 0);
    assert!(moment["rates"]["forwarded"].is_u64());
    assert_eq!(moment["users"], 2);
}

#[test]
fn server_of_another_version_is_not_misunderstood() {
    let bed = ProgramBed::new();
    bed.serve(&[]).stop();
    let lock = File::open(bed.path("data/lock")).unwrap();
    lock.try_lock().unwrap();
    let listener = UnixListener::bind(bed.path("data/admin.sock")).unwrap();
    for (answer, expected) in [
        ("{\"done\":{\"surprise\":1}}\n", "of another version"),
        ("{\"done\":\"stopping\"}\n", "of another version"),
        ("{\"failed\":\"not today\"}\n", "not today"),
        ("", "check what has been done"),
    ] {
        let asking = bed.start_sealpostd(&["users", "suspend", BOB]);
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = String::new();
        BufReader::new(&stream).read_line(&mut request).unwrap();
        let suspend = json!({ "command": "change-user", "phone": BOB, "change": "suspend" });
        assert_eq!(serde_json::from_str::<Value>(&request).unwrap(), suspend);
        stream.write_all(answer.as_bytes()).unwrap();
        drop(stream);
        let said = asking.end().failed(1);
        assert!(said.contains(expected), "{said}");
    }
}
