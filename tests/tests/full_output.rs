//! The simulator reports output that it can't write.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::File;
use std::process::Command;

fn simulator(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealpost-sim"));
    command.args(args);
    command
}

fn full_disk() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

#[test]
fn results_that_cannot_be_written_are_a_failure() {
    for args in [&["run", "--seeds", "1"][..], &["--help"], &["--version"]] {
        let ended = simulator(args).stdout(full_disk()).output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains("can't write to standard output"), "{args:?}: {said}");
    }
}

#[test]
fn error_that_cannot_be_written_leaves_the_exit_status() {
    let ended = simulator(&["replay", "/nonexistent"]).stderr(full_disk()).output().unwrap();
    assert_eq!(ended.status.code(), Some(2), "{ended:?}");
}
