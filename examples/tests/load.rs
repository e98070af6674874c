#![cfg(test)]
//! The load generator against a real server, with little of everything: what it measures is nobody's
//! business here, that everything arrives is.

mod harness;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use harness::{Bed, Ended, until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Runs `sealpost-load`, which starts a server of its own, and reads what it reports.
#[track_caller]
fn report(args: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_sealpost-load"))
        .args(args)
        .args(["--json", "--server", env!("CARGO_BIN_EXE_sealpostd")])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn pairs_online_get_every_message_and_every_receipt() {
    let small = ["--pairs", "2", "--size", "100", "--window", "8", "--receipt-batch", "4"];
    let run = report(&[&["online", "--seconds", "0.3"], &small[..]].concat());
    let sent = run["sent"].as_u64().unwrap();
    // A multiple of what one acknowledgement of receipts covers, for each pair.
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
    // Those that were due in the measured part, however late they came.
    assert_eq!(run["latency"]["count"], 100, "{run}");
}

#[test]
fn absent_readers_get_what_was_stored_and_its_senders_the_receipts() {
    let small = ["--size", "100", "--window", "8", "--receipt-batch", "3"];
    let run = report(&[&["offline", "--readers", "2", "--messages", "41"], &small[..]].concat());
    assert_eq!((&run["messages"], &run["receipts"]), (&Value::from(42), &Value::from(14)));
    assert!((1..=42).contains(&run["stored_acks"].as_u64().unwrap()), "{run}");
}

#[test]
fn clients_that_come_back_are_let_in_each_time() {
    let small = ["--users", "5", "--at-once", "2", "--keys", "2", "--seconds", "0.05"];
    let run = report(&[&["reconnect"], &small[..]].concat());
    assert!(run["reconnects"].as_u64().unwrap() >= 2, "{run}");
    assert_eq!(run["latency"]["count"], run["reconnects"], "{run}");
}

#[test]
fn a_changed_message_ends_the_run() {
    let ended = online_through(|op, packet| {
        if op == 102 {
            *packet.last_mut().unwrap() ^= 1;
        }
        Fate::Forwarded
    });
    assert!(ended.failed(1).contains("a reader got a 102"));
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
    assert!(online_through(twice).failed(1).contains("a reader got a 102"));
}

#[test]
fn a_message_that_is_missing_ends_the_run() {
    let first = AtomicBool::new(true);
    let swallow = move |op, _: &mut Vec<u8>| {
        let is_first = op == 102 && first.swap(false, Ordering::Relaxed);
        if is_first { Fate::Swallowed } else { Fate::Forwarded }
    };
    assert!(online_through(swallow).failed(1).contains("a reader got a 102"));
}

#[test]
fn an_interrupted_run_leaves_neither_server_nor_folder() {
    let bed = Bed::new();
    let is_empty = || std::fs::read_dir(bed.path("")).unwrap().next().is_none();
    let mut run = measuring(&bed, &["--seconds", "100"]);
    assert!(!is_empty() && bed.processes().len() == 2, "{:?}", bed.processes());
    kill_process(Pid::from_child(&run), Signal::TERM).unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(1));
    until("the server is gone", || bed.processes().is_empty());
    assert!(is_empty());
}

#[test]
fn a_run_that_is_stopped_and_continued_goes_on() {
    let bed = Bed::new();
    let mut run = measuring(&bed, &["--seconds", "1", "--rate", "200"]);
    for _ in 0..3 {
        for signal in [Signal::STOP, Signal::CONT] {
            kill_process(Pid::from_child(&run), signal).unwrap();
            thread::sleep(Duration::from_millis(20));
        }
    }
    assert!(run.wait().unwrap().success());
}

/// One pair online, when the clock starts.
fn measuring(bed: &Bed, args: &[&str]) -> Child {
    let mut run = Command::new(env!("CARGO_BIN_EXE_sealpost-load"))
        .args(["online", "--pairs", "1", "--data-dir"])
        .arg(bed.path(""))
        .args(["--server", env!("CARGO_BIN_EXE_sealpostd")])
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(run.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("measuring")));
    run
}

/// What becomes of a packet on its way from the server.
enum Fate {
    Forwarded,
    Swallowed,
}

/// Runs a pair online, with somebody between it and the server who is shown each packet of the
/// server's, by its op code.
fn online_through(meddle: impl Fn(u8, &mut Vec<u8>) -> Fate + Send + Sync + 'static) -> Ended {
    let bed = Bed::new();
    let server = bed.serve(&[]);
    let (real, fingerprint) =
        server.address.strip_prefix("sealpost://").unwrap().split_once('/').unwrap();
    let relay = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("sealpost://{}/{fingerprint}", relay.local_addr().unwrap());
    let (real, meddle) = (real.to_owned(), Arc::new(meddle));
    thread::spawn(move || {
        for client in relay.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(&real).unwrap());
            let (up, down) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let meddle = Arc::clone(&meddle);
            thread::spawn(move || pass_on(up, &server));
            thread::spawn(move || pass_packets_on(down, client, &*meddle));
        }
    });
    let output = Command::new(env!("CARGO_BIN_EXE_sealpost-load"))
        .args([
            "online",
            "--pairs",
            "1",
            "--size",
            "100",
            "--seconds",
            "0.2",
            "--connect",
            &address,
        ])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Until either end is gone.
fn pass_on(mut from: TcpStream, mut to: &TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
}

/// The same, packet by packet.
fn pass_packets_on(
    mut from: TcpStream,
    mut to: TcpStream,
    meddle: &dyn Fn(u8, &mut Vec<u8>) -> Fate,
) {
    let mut packet = vec![0; 26];
    while from.read_exact(&mut packet).is_ok() {
        let payload_len = u16::from_le_bytes([packet[24], packet[25]]);
        packet.resize(26 + usize::from(payload_len) + 256, 0);
        if from.read_exact(&mut packet[26..]).is_err() {
            break;
        }
        match meddle(packet[23], &mut packet) {
            Fate::Forwarded if to.write_all(&packet).is_err() => break,
            Fate::Forwarded | Fate::Swallowed => packet.truncate(26),
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

#[test]
fn what_cannot_be_measured_is_refused() {
    for (args, why) in [
        (&["online", "--window", "8", "--receipt-batch", "9"][..], "a window must hold"),
        (&["online", "--rate", "1"], "at this rate"),
        (&["reconnect", "--users", "3", "--at-once", "3"], "more users"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_sealpost-load"))
            .args(args)
            .args(["--server", env!("CARGO_BIN_EXE_sealpostd")])
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(why), "{said}");
    }
}
