#![cfg(test)]
//! The load generator against mosquitto, for a moment. Where it is not installed, the test says so.

#[allow(dead_code, reason = "each suite uses a part")]
mod support;

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;
use support::{finish, load};

#[test]
fn pairs_of_a_broker_get_every_message_and_every_acknowledgement() {
    let small = ["mosquitto", "--pairs", "2", "--packet", "200", "--window", "4"];
    let ended = finish(load().args(small).args(["--seconds", "0.3", "--json"]));
    if !is_installed() {
        // Past the capture of cargo, so that a machine without mosquitto says what it did not test.
        let mut stderr = std::io::stderr().lock();
        writeln!(stderr, "mosquitto is NOT INSTALLED: NOT TESTED HERE: `sealpost-load mosquitto`")
            .unwrap();
        assert!(ended.failed(1).contains("apt-get install mosquitto"));
        return;
    }
    let run: Value = serde_json::from_str(&ended.done()).unwrap();
    assert!(run["messages"].as_u64().unwrap() > 0, "{run}");
    assert_eq!((&run["arrived"], &run["receipted"]), (&run["sent"], &run["sent"]), "{run}");
    assert_eq!((&run["pairs"], &run["packet_bytes"]), (&2.into(), &200.into()), "{run}");
    assert!(run["server_rss_bytes"].as_u64().unwrap() > 0, "{run}");
}

#[test]
fn program_that_is_not_there_is_named() {
    let error = finish(load().args(["mosquitto", "--server", "/nowhere/mosquitto"])).failed(1);
    assert!(error.contains("/nowhere/mosquitto: No such file"), "{error}");
}

/// Whether a mosquitto can be run from `PATH` or from the folder of Debian's package.
fn is_installed() -> bool {
    ["mosquitto", "/usr/sbin/mosquitto"].into_iter().any(|program| {
        Command::new(program).arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    })
}
