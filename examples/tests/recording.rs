#![cfg(test)]
//! A server that records, and a replay of what it recorded.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use sealpost_recording::{Replay, Verdict};
use support::{ALICE, BOB, ProgramBed};

const TEXT: &str = "meet me at the old mill";

/// Replays a recording, and returns the count of its inputs.
#[track_caller]
fn replayed(text: &str) -> u64 {
    let replay = Replay::read(text).unwrap();
    replay.fold(0, |count, played| {
        let played = played.unwrap();
        assert_eq!(played.verdict, Verdict::Same, "{played:?}");
        count + 1
    })
}

#[test]
fn replay_of_a_real_server_does_what_it_did_and_names_nobody() {
    let bed = ProgramBed::new();
    let file = bed.path("incident.jsonl");
    let server = bed.serve(&["--record", file.to_str().unwrap()]);
    bed.register_both(&server);
    bed.sealpost("alice", &["send", "--wait", "stored", BOB, TEXT]).succeeded();
    bed.sealpost("bob", &["listen", "--count", "1"]).succeeded();
    assert_eq!(server.stop().status.code(), Some(0));

    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().last(), Some(r#"{"end":"the server stopped"}"#));
    let inputs = replayed(&text);
    assert!(inputs > 50, "{inputs}");
    let plain = [TEXT, &ALICE[1..], &BOB[1..], "127.0.0.1"];
    assert!(plain.iter().all(|secret| !text.contains(secret)), "{text}");
}

#[test]
fn recording_of_a_server_that_was_killed_has_what_it_was_given_last() {
    let bed = ProgramBed::new();
    let file = bed.path("incident.jsonl");
    let server = bed.serve(&["--record", file.to_str().unwrap()]);
    bed.register_both(&server);
    assert!(server.kill());
    let text = fs::read_to_string(&file).unwrap();
    assert!(replayed(&text) > 20, "{text}");
    assert_eq!(Replay::read(&text).unwrap().end(), None);
}

#[test]
fn server_goes_on_when_its_recording_has_its_size() {
    let bed = ProgramBed::new();
    let file = bed.path("incident.jsonl");
    let server = bed.serve(&["--record", file.to_str().unwrap(), "--record-size", "8KiB"]);
    bed.register_both(&server);
    bed.sealpost("alice", &["send", "--wait", "stored", BOB, TEXT]).succeeded();
    assert!(server.log().contains("the recording ends"), "{}", server.log());
    assert_eq!(server.stop().status.code(), Some(0));
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.len() < 8_400, "{} bytes", text.len());
    let end = Replay::read(&text).unwrap().end().map(str::to_owned);
    assert_eq!(end.as_deref(), Some("its size reached record.size"));
}
