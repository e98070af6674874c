#![cfg(test)]
//! The load generator against a real server, with small loads. These tests check that everything
//! arrives and that faults are noticed, not what is measured.

mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use support::relay::{Fate, relayed};
use support::{Ended, finish, load, processes, report, sealpostd, until};

#[test]
fn pairs_online_get_every_message_and_every_receipt() {
    let small = ["--pairs", "2", "--size", "100", "--window", "8", "--receipt-batch", "4"];
    let run = report(&[&["online", "--seconds", "0.3"], &small[..]].concat());
    let sent = run["sent"].as_u64().unwrap();
    // Each pair sends a multiple of the messages that one acknowledgement of receipts covers.
    assert!(sent > 0 && sent.is_multiple_of(4 * 4), "{run}");
    assert_eq!((&run["arrived"], &run["receipted"]), (&run["sent"], &run["sent"]));
    assert!(run["messages"].as_u64().unwrap() > 0, "{run}");
    assert_eq!(run["packet_bytes"], 26 + 9 + 256 + 16 + 256 + 256);
    assert!(run["server_rss_bytes"].as_u64().unwrap() > 0, "{run}");
}

#[test]
fn pairs_at_a_rate_send_as_many_as_are_due() {
    let small = ["--pairs", "2", "--size", "100", "--receipt-batch", "4", "--rate", "200"];
    let run = report(&[&["online", "--seconds", "0.5"], &small[..]].concat());
    assert_eq!((&run["arrived"], &run["receipted"]), (&run["sent"], &run["sent"]));
    // The messages that were due in the measured time, however late they arrived.
    assert_eq!(run["latency"]["count"], 100, "{run}");
}

#[test]
fn absent_recipients_get_stored_messages_and_the_senders_get_the_receipts() {
    let small = ["--size", "100", "--window", "8", "--receipt-batch", "3"];
    let run = report(&[&["offline", "--recipients", "2", "--messages", "41"], &small[..]].concat());
    assert_eq!((&run["messages"], &run["receipts"]), (&Value::from(42), &Value::from(14)));
    assert!((1..=42).contains(&run["stored_acks"].as_u64().unwrap()), "{run}");
}

#[test]
fn clients_that_come_back_get_a_session_each_time() {
    let small = ["--users", "5", "--at-once", "2", "--keys", "2", "--seconds", "0.05"];
    let run = report(&[&["reconnect"], &small[..]].concat());
    assert!(run["reconnects"].as_u64().unwrap() >= 2, "{run}");
    assert_eq!(run["latency"]["count"], run["reconnects"], "{run}");
}

#[test]
fn report_for_people_has_several_lines() {
    let small = ["online", "--pairs", "1", "--size", "100", "--seconds", "0.1"];
    let report = finish(load().args(small).arg("--server").arg(sealpostd())).done();
    let starts = ["latency ", "server ", "generator ", "checked "];
    let begins = |start: &str| report.lines().any(|line| line.starts_with(start));
    assert!(starts.into_iter().all(begins), "{report}");
}

#[test]
fn a_changed_message_ends_the_run() {
    let ended = online_through(|op, packet| {
        if op == 102 {
            *packet.last_mut().unwrap() ^= 1;
        }
        Fate::Forwarded
    });
    assert!(ended.failed(1).contains("a recipient got a 102"));
}

#[test]
fn a_changed_receipt_ends_the_run() {
    let ended = online_through(|op, packet| {
        if op == 203 {
            *packet.last_mut().unwrap() ^= 1;
        }
        Fate::Forwarded
    });
    assert!(ended.failed(1).contains("a sender got a 203"));
}

#[test]
fn a_message_that_comes_twice_ends_the_run() {
    let twice = |op, packet: &mut Vec<u8>| {
        if op == 102 {
            packet.extend_from_within(..);
        }
        Fate::Forwarded
    };
    assert!(online_through(twice).failed(1).contains("a recipient got a 102"));
}

#[test]
fn a_message_that_is_missing_ends_the_run() {
    let first = AtomicBool::new(true);
    let swallow = move |op, _: &mut Vec<u8>| {
        let is_first = op == 102 && first.swap(false, Ordering::Relaxed);
        if is_first { Fate::Swallowed } else { Fate::Forwarded }
    };
    assert!(online_through(swallow).failed(1).contains("a recipient got a 102"));
}

#[test]
fn an_interrupted_run_leaves_neither_server_nor_folder() {
    let folder = tempfile::tempdir().unwrap();
    let running = || processes(folder.path());
    let is_empty = || std::fs::read_dir(folder.path()).unwrap().next().is_none();
    let mut run = measuring(folder.path(), &["--seconds", "100"]);
    assert!(!is_empty() && running().len() == 2, "{:?}", running());
    kill_process(Pid::from_child(&run), Signal::TERM).unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(1));
    until("the server has ended", || running().is_empty());
    assert!(is_empty());
}

#[test]
fn a_run_that_is_stopped_and_continued_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = measuring(folder.path(), &["--seconds", "1", "--rate", "200"]);
    for _ in 0..3 {
        for signal in [Signal::STOP, Signal::CONT] {
            kill_process(Pid::from_child(&run), signal).unwrap();
            thread::sleep(Duration::from_millis(20));
        }
    }
    assert!(run.wait().unwrap().success());
}

/// Starts one pair online with its data in `folder`, and waits until the measurement begins.
fn measuring(folder: &Path, args: &[&str]) -> Child {
    let mut run = load()
        .args(["online", "--pairs", "1", "--data-dir"])
        .arg(folder)
        .arg("--server")
        .arg(sealpostd())
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(run.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("measuring")));
    run
}

/// Runs a pair online through a relay.
fn online_through(meddle: impl Fn(u8, &mut Vec<u8>) -> Fate + Send + Sync + 'static) -> Ended {
    let (_server, address) = relayed(meddle);
    let small = ["--pairs", "1", "--size", "100", "--seconds", "0.2"];
    finish(load().arg("online").args(small).args(["--connect", &address]))
}

#[test]
fn impossible_measurements_are_refused() {
    for (args, why) in [
        (&["online", "--window", "8", "--receipt-batch", "9"][..], "a window must hold"),
        (&["online", "--rate", "1"], "at this rate"),
        (&["reconnect", "--users", "3", "--at-once", "3"], "more users"),
    ] {
        let error = finish(load().args(args).arg("--server").arg(sealpostd())).failed(2);
        assert!(error.contains(why), "{error}");
    }
}
