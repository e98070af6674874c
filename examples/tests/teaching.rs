#![cfg(test)]
//! The teaching examples do what they claim.

mod support;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::{ALICE, BOB, ProgramBed};

/// Path of an example. Cargo builds examples with the tests, in a folder beside the programs.
fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_sealpost")).parent().unwrap().join("examples").join(name)
}

#[test]
fn journey_of_a_message_is_printed_the_same_each_time() {
    let trace = || {
        let output = Command::new(example("two_machines")).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let first = trace();
    for step in ["alice   sends Message", "bob     delivers", "alice   reports Delivered"] {
        assert!(first.contains(step), "{step}:\n{first}");
    }
    assert_eq!(first, trace());
}

#[test]
fn server_needs_no_reactor() {
    let bed = ProgramBed::new();
    let mut server = Command::new(example("std_host"))
        .arg("127.0.0.1:0")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut address = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut address).unwrap();
    let address = address.trim_end();
    for (home, phone) in [("alice", ALICE), ("bob", BOB)] {
        bed.sealpost(home, &["register", address, phone]).succeeded();
    }
    assert_eq!(bed.sealpost("alice", &["send", BOB, "hi"]).sent(), "stored");
    let bob = bed.start("bob", &["listen", "--json"]);
    assert_eq!(bob.event("message")["text"], "hi");
    let online = bed.sealpost("alice", &["send", BOB, "again", "--wait", "delivered"]).sent();
    assert_eq!(online, "delivered");
    drop(bob);
    server.kill().unwrap();
    server.wait().unwrap();
}
