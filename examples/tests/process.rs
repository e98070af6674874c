#![cfg(test)]
#![cfg(target_os = "linux")]
//! What the processes of the programs may do, as the system reports it.

mod support;

use std::fs;

use rustix::process::Pid;
use support::{ALICE, ProgramBed, write_script};

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
fn every_thread_of_a_server_but_its_couriers_is_confined() {
    let bed = ProgramBed::new();
    let script = bed.path("deliver");
    write_script(&script, "cat > /dev/null");
    let route = format!("exec:{}", script.display());
    let server = bed.serve(&["--workers", "2", "--otp", &route]);
    let threads: Vec<_> = fs::read_dir(format!("{}/task", folder(server.pid())))
        .unwrap()
        .map(|thread| fs::read_to_string(thread.unwrap().path().join("status")).unwrap())
        .map(|status| {
            let field = |name| status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            (field("Name:\t").to_owned(), field("NoNewPrivs:\t") == "1")
        })
        .collect();
    assert!(threads.len() > 4, "{threads:?}");
    for (name, confined) in &threads {
        assert_eq!(*confined, !name.starts_with("otp"), "{name} of {threads:?}");
    }
    assert!(server.log().contains("confined"), "{}", server.log());
}

fn folder(process: Pid) -> String {
    format!("/proc/{}", process.as_raw_nonzero())
}
