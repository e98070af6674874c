#![cfg(test)]
//! Programs whose log or standard output can't be written.

mod support;

use support::{ALICE, BOB, Ended, ProgramBed};

/// Runs a command with its log discarded by a shell's redirection.
const INTO_A_FULL_DISK: &[&str] = &["bash", "-c", "exec \"$@\" 2> /dev/full", "bash"];
const TO_A_READER_THAT_IS_GONE: &[&str] = &["bash", "-c", "exec \"$@\" 2> >(true)", "bash"];

#[test]
fn server_goes_on_without_its_log() {
    for wrapper in [INTO_A_FULL_DISK, TO_A_READER_THAT_IS_GONE] {
        let mut bed = ProgramBed::new();
        bed.wrap(wrapper);
        let mut server = bed.serve(&[]);
        bed.register_both(&server);
        assert_eq!(bed.sealpost("alice", &["send", BOB, "hi"]).sent(), "stored");
        bed.sealpost("bob", &["listen", "--count", "1"]).succeeded();
        assert!(server.is_running());
        assert_eq!(server.stop().status.code(), Some(0));
    }
}

#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    bed.sealpost("alice", &["send", BOB, "hi"]).succeeded();
    let refused = |ended: Ended, args: &[&str]| {
        assert!(!ended.stderr.contains("panicked"), "{args:?}: {ended:?}");
        let said = ended.failed(1);
        assert!(said.contains("can't write to standard output"), "{args:?}: {said}");
    };
    for args in [
        &["register", &server.address, ALICE][..],
        &["send", BOB, "hi"],
        &["listen", "--count", "1"],
        &["contacts"],
        &["contacts", "--json"],
        &["verify", BOB],
        &["status"],
        &["status", "--json"],
        &["--help"],
        &["send", "--help"],
        &["--version"],
    ] {
        refused(bed.sealpost_on_a_full_disk("alice", args), args);
    }
    // What was not shown is shown the next time.
    refused(bed.sealpost_on_a_full_disk("bob", &["listen", "--count", "1"]), &["listen"]);
    assert!(bed.sealpost("bob", &["listen", "--count", "1"]).succeeded().contains("hi"));
    for args in [
        &["users", "list"][..],
        &["users", "list", "--json"],
        &["users", "show", BOB],
        &["stats"],
        &["stats", "--json"],
        &["check"],
        &["check", "--json"],
        &["address"],
        &["--help"],
        &["--version"],
    ] {
        refused(bed.sealpostd_on_a_full_disk(args), args);
    }
    server.stop();
    refused(bed.sealpostd_on_a_full_disk(&["--listen", "127.0.0.1:0"]), &["--listen"]);
    refused(bed.sealpostd_on_a_full_disk(&["users", "delete", BOB]), &["users", "delete"]);
}
