#![cfg(test)]
//! Metrics and health of a running server, over HTTP and by the command `health`.

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;
use support::{ALICE, BOB, Daemon, PATIENCE, ProgramBed, objects, until};

const METRICS: [&str; 2] = ["--metrics", "127.0.0.1:0"];

/// The address on which a server has metrics, by its log.
fn address(server: &Daemon) -> String {
    let log = server.log();
    let (_, after) = log.split_once("metrics and health on http://").unwrap();
    after.lines().next().unwrap().to_owned()
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The answer to a request: its status, its head, and its body.
fn ask(address: &str, request: &[u8]) -> (u16, String, String) {
    let mut stream = connect(address);
    stream.write_all(request).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_owned(), body.to_owned())
}

fn get(address: &str, path: &str) -> (u16, String) {
    let (status, _, body) = ask(address, format!("GET {path} HTTP/1.1\r\n\r\n").as_bytes());
    (status, body)
}

/// The values on a page of metrics. Names have labels as the page writes them.
struct Figures(String);

impl Figures {
    fn of(address: &str) -> Self {
        let (status, body) = get(address, "/metrics");
        assert_eq!(status, 200, "{body}");
        Self(body)
    }

    fn value(&self, name: &str) -> u64 {
        let lines = self.0.lines().filter_map(|line| line.rsplit_once(' '));
        let (_, value) = lines.into_iter().find(|(found, _)| *found == name).expect(name);
        value.parse().unwrap()
    }

    fn values<const N: usize>(&self, names: [&str; N]) -> [u64; N] {
        names.map(|name| self.value(name))
    }

    /// Sum over all labels.
    fn sum(&self, name: &str) -> u64 {
        let lines = self.0.lines().filter_map(|line| line.rsplit_once(' '));
        let ours = lines.filter(|(found, _)| found.split('{').next() == Some(name));
        ours.map(|(_, value)| value.parse::<u64>().unwrap()).sum()
    }
}

#[test]
fn figures_add_up_with_what_clients_did() {
    let bed = ProgramBed::new();
    let server = bed.serve(&METRICS);
    let at = address(&server);
    bed.register_both(&server);
    for text in ["one", "two", "three"] {
        assert_eq!(bed.sealpost("alice", &["send", BOB, text]).sent(), "stored");
    }
    let waiting = Figures::of(&at);
    let items = ["sealpost_waiting_items{kind=\"message\"}", "sealpost_users"];
    assert_eq!(waiting.values(items), [3, 2]);
    bed.sealpost("bob", &["listen", "--count", "3"]).succeeded();
    let alice = bed.start("alice", &["listen", "--json"]);
    alice.event("delivered");
    alice.event("caught-up");
    assert!(alice.stop().status.success());
    // The last packet of a session may be counted after its client has ended.
    until("both sessions have ended", || {
        Figures::of(&at).values(["sealpost_sessions", "sealpost_connections"]) == [0, 0]
    });

    let figures = Figures::of(&at);
    let accounts = [
        "sealpost_registrations_total",
        "sealpost_otps_total{outcome=\"offered\"}",
        "sealpost_packets_received_total{op=\"Register\"}",
        "sealpost_packets_sent_total{op=\"SessionIssued\"}",
    ];
    assert_eq!(figures.values(accounts), [2; 4]);
    let messages = [
        "sealpost_packets_received_total{op=\"Message\"}",
        "sealpost_packets_sent_total{op=\"Message\"}",
        "sealpost_items_total{kind=\"message\",path=\"stored\"}",
        "sealpost_items_total{kind=\"message\",path=\"drained\"}",
    ];
    assert_eq!(figures.values(messages), [3; 4]);
    assert_eq!(figures.value("sealpost_items_total{kind=\"message\",path=\"forwarded\"}"), 0);
    let sessions = figures.value("sealpost_packets_received_total{op=\"Reconnect\"}");
    assert_eq!(figures.value("sealpost_sessions_begun_total"), 2 + sessions);
    for none in ["sealpost_errors_sent_total", "sealpost_disconnected_total"] {
        assert_eq!(figures.sum(none), 0, "{none}");
    }
    let rejected = figures.value("sealpost_verifications_total{outcome=\"rejected\"}");
    assert_eq!((rejected, figures.value("sealpost_store_failures_total")), (0, 0));
    assert!(figures.value("sealpost_received_bytes_total") > 3 * 1_000);
    let commits = figures.value("sealpost_commit_duration_seconds_count");
    assert!(commits >= 3);
    assert_eq!(figures.value("sealpost_commit_requests_bucket{le=\"+Inf\"}"), commits);
    for phone in [ALICE, BOB] {
        assert!(!figures.0.contains(phone));
    }
}

#[test]
fn a_reload_is_counted_by_its_result() {
    let bed = ProgramBed::new();
    let server = bed.serve(&METRICS);
    let at = address(&server);
    let reloads = || {
        Figures::of(&at).values([
            "sealpost_config_reloads_total{result=\"success\"}",
            "sealpost_config_reloads_total{result=\"failure\"}",
            "sealpost_config_last_reload_successful",
        ])
    };
    assert_eq!(reloads(), [0, 0, 1]);
    server.signal(Signal::HUP);
    until("the reload is counted", || reloads() == [1, 0, 1]);
    std::fs::write(bed.path("data/sealpostd.toml"), "nonsense = 1\n").unwrap();
    server.signal(Signal::HUP);
    until("the failure is counted", || reloads() == [1, 1, 0]);
}

#[test]
fn health_is_told_over_http_and_by_the_command() {
    let bed = ProgramBed::new();
    let server = bed.serve(&METRICS);
    let at = address(&server);
    for (path, said) in [("/live", "live\n"), ("/ready", "ready\n")] {
        assert_eq!(get(&at, path), (200, said.into()));
    }
    assert_eq!(bed.sealpostd(&["health"]).succeeded(), "ready\n", "through the admin socket");
    let said = objects(&bed.sealpostd(&["health", "--json"]).succeeded()).remove(0);
    assert_eq!(said, json!({ "ready": true, "reason": null }));
    assert_eq!(bed.sealpostd(&["health", "--metrics", &at]).succeeded(), "ready\n");
    server.stop();
    assert!(bed.sealpostd(&["health"]).failed(1).contains("no server runs on"));
    let ended = bed.sealpostd(&["health", "--json"]);
    assert_eq!(ended.status.code(), Some(1));
    let said = objects(&ended.stdout).remove(0);
    assert_eq!(said["ready"], false);
    assert!(said["reason"].as_str().unwrap().contains("no server runs on"), "{said}");
    let said = bed.sealpostd(&["health", "--metrics", &at]).failed(1);
    assert!(said.contains("does not answer on"), "{said}");
}

#[test]
fn a_server_whose_disk_is_down_to_its_reserve_is_live_and_not_ready() {
    let bed = ProgramBed::new();
    let server = bed.serve_as_configured(&[
        "--init",
        "--listen",
        "127.0.0.1:0",
        "--disk-reserve",
        "1000000GiB",
        METRICS[0],
        METRICS[1],
    ]);
    let at = address(&server);
    assert_eq!(get(&at, "/live").0, 200);
    let (status, why) = get(&at, "/ready");
    assert!(status == 503 && why.contains("less than the reserve of"), "{status} {why}");
    assert_eq!(Figures::of(&at).value("sealpost_ready"), 0);
    for place in [&["health"][..], &["health", "--metrics", &at]] {
        let said = bed.sealpostd(place).failed(1);
        assert!(said.contains("not ready: the disk has"), "{said}");
    }
}

#[test]
fn other_requests_are_refused() {
    let bed = ProgramBed::new();
    let server = bed.serve(&METRICS);
    let at = address(&server);
    assert_eq!(get(&at, "/").0, 404);
    assert_eq!(get(&at, "/metrics?match=x").0, 200);
    assert_eq!(ask(&at, b"POST /metrics HTTP/1.1\r\n\r\n").0, 405);
    assert_eq!(ask(&at, b"\x16\x03\x01\r\n\r\n").0, 400);
    // No byte is left unread when it answers, which would reset the connection.
    let long = [b"GET /metrics HTTP/1.1\r\nX: ".to_vec(), vec![b'x'; 8_192 - 24]].concat();
    assert_eq!(ask(&at, &long).0, 431);
    let (_, head, _) = ask(&at, b"GET /metrics HTTP/1.1\r\n\r\n");
    assert!(head.contains("Content-Type: application/openmetrics-text; version=1.0.0"), "{head}");
}

#[test]
fn peer_that_sends_a_request_byte_by_byte_is_cut_off() {
    let bed = ProgramBed::new();
    let server = bed.serve(&METRICS);
    let mut slow = connect(&address(&server));
    slow.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let begin = Instant::now();
    let mut head = b"GET /live HTTP/1.1\r\n".iter().chain(std::iter::repeat(&b'x'));
    loop {
        let sent = slow.write(&[*head.next().unwrap()]);
        match sent.and_then(|_| slow.read(&mut [0; 64])) {
            Ok(0) => return,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => {
                let ended = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
                assert!(ended.contains(&error.kind()), "{error}");
                return;
            }
            Ok(_) => panic!("an answer to half a request"),
        }
        assert!(begin.elapsed() < PATIENCE, "the connection is still open");
        thread::yield_now();
    }
}

#[test]
fn address_in_use_keeps_the_server_from_starting() {
    let bed = ProgramBed::new();
    let server = bed.serve(&METRICS);
    let at = address(&server);
    let other = ProgramBed::new();
    let args = ["--init", "--listen", "127.0.0.1:0", "--metrics", &at];
    let said = other.sealpostd(&args).failed(1);
    assert!(said.contains(&format!("can't listen on {at} for metrics")), "{said}");
    drop(server);
}
