#![cfg(test)]
#![cfg(target_os = "linux")]
//! What the processes of the programs may do, as the system reports it.

mod support;

use std::fs;

use rustix::process::Pid;
use support::{ALICE, ProgramBed, until, write_script};

#[test]
fn programs_write_no_core_dumps() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register(&server, "alice", ALICE);
    let alice = bed.start("alice", &["listen", "--json"]);
    alice.event("online");
    for process in [server.pid(), alice.pid()] {
        let limits = fs::read_to_string(format!("{}/limits", folder(process))).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        let [soft, hard] = [4, 5].map(|column| core.split_whitespace().nth(column).unwrap());
        assert_eq!((soft, hard), ("0", "0"), "{core}");
    }
}

#[test]
fn every_thread_of_a_server_but_couriers_and_supervisor_is_confined() {
    let bed = ProgramBed::new();
    let script = bed.path("deliver");
    write_script(&script, "cat > /dev/null");
    let route = format!("exec:{}", script.display());
    let server = bed.serve(&["--workers", "2", "--otp", &route]);
    // A thread has the name of the program until it has given itself its own.
    let is_courier = |name: &str| name.starts_with("otp-");
    let mut threads = Vec::new();
    let free = |name: &str| is_courier(name) || name == "supervisor";
    until("every courier and the supervisor have their names", || {
        threads = threads_of(server.pid());
        threads.iter().filter(|(name, _)| free(name)).count() == COURIERS + 1
    });
    assert!(threads.len() > COURIERS + 3, "{threads:?}");
    for (name, confined) in &threads {
        assert_eq!(*confined, !free(name), "{name} of {threads:?}");
    }
    assert!(server.log().contains("confined"), "{}", server.log());
}

/// Names of the threads of a process, and whether each can gain no privileges.
fn threads_of(process: Pid) -> Vec<(String, bool)> {
    let threads = fs::read_dir(format!("{}/task", folder(process))).unwrap();
    let statuses = threads.filter_map(|thread| {
        // A thread may have ended meanwhile.
        fs::read_to_string(thread.unwrap().path().join("status")).ok()
    });
    let thread = |status: String| {
        let field = |name| status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        (field("Name:\t").to_owned(), field("NoNewPrivs:\t") == "1")
    };
    statuses.map(thread).collect()
}

fn folder(process: Pid) -> String {
    format!("/proc/{}", process.as_raw_nonzero())
}

/// Threads that run the program given with `--otp`.
const COURIERS: usize = 8;
