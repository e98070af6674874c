#![cfg(test)]
//! The load generator against a real server, with little of everything: what it measures is nobody's
//! business here, that everything arrives is.

use std::process::{Command, Stdio};

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
