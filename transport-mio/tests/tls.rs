#![cfg(test)]
//! What is special about connections over TLS. That they otherwise behave as plain ones do is shown
//! by `sockets.rs`, all of which runs over both.
#![expect(clippy::print_stdout, reason = "a measurement is printed")]

mod certificates;
mod scripted_host;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use certificates::{TestAuthority, TestCertificate, Validity};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use scripted_host::{
    Behaviour, Order, PATIENCE, Peer, RunningHost, Seen, authority, config, over_tls, rerun_with,
    set_over_tls, tls_client, tls_server,
};
use sealpost_core::ids::ConnId;
use sealpost_mio::{CertificateChain, Destination, HostConfig, TlsServer};

fn tls_config() -> HostConfig {
    HostConfig { tls: Some(tls_server()), ..config() }
}

fn plain_socket(host: &RunningHost) -> TcpStream {
    let stream = TcpStream::connect(host.addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn der(certificate: &TestCertificate) -> Vec<u8> {
    CertificateDer::from_pem_slice(certificate.chain.as_bytes()).unwrap().to_vec()
}

/// The beginning of a packet.
const PLAIN: &[u8] = b"\0\0\0\x002026-11-26 12:00:00\x69\0\0";

#[test]
fn certificate_is_replaced_under_a_thousand_connections() {
    over_tls(|| {
        let authority = authority();
        let [first, second] = [(); 2].map(|()| authority.issue(&["127.0.0.1"]));
        let chain = |certificate: &TestCertificate| {
            CertificateChain::from_pem(certificate.chain.as_bytes()).unwrap()
        };
        let tls = tls_server();
        tls.replace(chain(&first), first.key.as_bytes()).unwrap();
        let config = HostConfig { tls: Some(tls.clone()), ..config() };
        let host = RunningHost::server(&config, Behaviour::Echo);
        let mut peers: Vec<_> = (0..1_000).map(|_| Peer::connect(host.addr).unwrap()).collect();
        let talk = |peers: &mut [Peer]| {
            for (peer, number) in peers.iter_mut().zip(0_u16..) {
                peer.write_all(&number.to_le_bytes()).unwrap();
            }
            for (peer, number) in peers.iter_mut().zip(0_u16..) {
                let mut answer = [0; 2];
                peer.read_exact(&mut answer).unwrap();
                assert_eq!(answer, number.to_le_bytes());
            }
        };
        talk(&mut peers);
        assert_eq!(peers[999].certificate(), der(&first));
        tls.replace(chain(&second), second.key.as_bytes()).unwrap();
        talk(&mut peers);
        let mut newcomer = [Peer::connect(host.addr).unwrap()];
        talk(&mut newcomer);
        assert_eq!(newcomer[0].certificate(), der(&second));
        let closed = host.seen.try_iter().filter(|seen| matches!(seen, Seen::Closed(_))).count();
        assert_eq!(closed, 0);
        host.end();
    });
}

#[test]
fn machine_learns_of_a_connection_before_its_handshake() {
    let host = RunningHost::server(&tls_config(), Behaviour::Silent);
    let mut silent = plain_socket(&host);
    let conn = host.opened();
    // The machine has waited long enough.
    host.give([Order::Close(conn)]);
    assert_eq!(silent.read(&mut [0]).unwrap(), 0);
    host.end();
}

#[test]
fn bytes_that_are_not_tls_close_with_an_alert() {
    let host = RunningHost::server(&tls_config(), Behaviour::Silent);
    for garbage in [PLAIN, b"GET / HTTP/1.1\r\n\r\n", &[22, 3, 1, 255, 255, 1, 2, 3]] {
        let mut stream = plain_socket(&host);
        let conn = host.opened();
        stream.write_all(garbage).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(matches!(answer[..], [21, 3, _, 0, 2, 2, _]), "{answer:?}");
        host.expect(&Seen::Closed(conn));
    }
    host.end();
}

#[test]
fn stream_that_is_cut_off_ends_with_what_came_before() {
    over_tls(|| {
        let host = RunningHost::server(&config(), Behaviour::Silent);
        for complete in [false, true] {
            let mut peer = Peer::connect(host.addr).unwrap();
            peer.write_all(b"before").unwrap();
            let conn = host.opened();
            assert_eq!(host.received(conn, 6), b"before");
            if complete {
                peer.end();
            } else {
                // The beginning of a record, and the end of the connection without a word.
                (&peer.socket).write_all(&[23, 3, 3, 0, 100, 1, 2, 3]).unwrap();
            }
            drop(peer);
            host.expect(&Seen::Closed(conn));
        }
        host.end();
    });
}

#[test]
fn altered_record_closes_and_gives_the_machine_nothing() {
    over_tls(|| {
        let host = RunningHost::server(&config(), Behaviour::Silent);
        let mut peer = Peer::connect(host.addr).unwrap();
        peer.write_all(b"before").unwrap();
        let conn = host.opened();
        assert_eq!(host.received(conn, 6), b"before");
        let mut record = vec![23, 3, 3, 0, 100];
        record.resize(105, 7);
        (&peer.socket).write_all(&record).unwrap();
        host.expect(&Seen::Closed(conn));
        host.end();
    });
}

#[test]
fn incomplete_records_count_as_queued() {
    over_tls(|| {
        let queued_bytes_in_all = 256 * 1024;
        let config = HostConfig { queued_bytes_in_all, ..config() };
        let host = RunningHost::server(&config, Behaviour::Silent);
        let mut peers = Vec::new();
        for _ in 0..40 {
            let mut peer = Peer::connect(host.addr).unwrap();
            peer.write_all(b"x").unwrap();
            // All but the last byte of a record.
            let mut record = vec![23, 3, 3, 64, 17];
            record.resize(16_400, 7);
            (&peer.socket).write_all(&record).unwrap();
            peers.push(peer);
        }
        let closed = || matches!(host.next(), Seen::Closed(_));
        while !closed() {}
        host.end();
    });
}

/// Dials a server once, which does as `serve` says. Returns why that failed.
fn failure(host_name: &str, serve: impl FnOnce(&TcpListener) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let server = Destination::over_tls(addr.to_string(), tls_client(host_name));
    let host = RunningHost::dialler(&config(), addr, server);
    host.give([Order::Dial(ConnId(1))]);
    serve(&listener);
    host.expect(&Seen::Closed(ConnId(1)));
    let reason = host.unreachable.recv_timeout(PATIENCE).unwrap();
    host.end();
    reason
}

/// Shakes hands as a server, which fails.
fn serve_as(certificate: TestCertificate, protocol: &'static [u8]) -> impl FnOnce(&TcpListener) {
    move |listener| {
        let mut peer = Peer::accept_as(listener, &certificate, protocol);
        let _ = peer.shake_hands();
        let _ = peer.read(&mut [0]);
    }
}

#[test]
fn each_reason_not_to_trust_a_server_is_named() {
    let issue = |names: &[&str], validity| authority().issue_for(names, validity);
    let localhost = || issue(&["localhost"], Validity::Now);
    let stranger = TestAuthority::new().issue(&["localhost"]);
    for (certificate, host_name, protocol, reason) in [
        (stranger, "localhost", &b"sealpost/1"[..], "from an unknown authority"),
        (localhost(), "example.org", b"sealpost/1", "is for localhost, not for this host"),
        (issue(&["localhost"], Validity::Expired), "localhost", b"sealpost/1", "has expired"),
        (issue(&["localhost"], Validity::Future), "localhost", b"sealpost/1", "not valid yet"),
        (localhost(), "localhost", b"http/1.1", "not a Sealpost server"),
        (localhost(), "localhost", b"", "not a Sealpost server"),
    ] {
        let told = failure(host_name, serve_as(certificate, protocol));
        assert!(told.contains(reason), "{told}");
    }
}

#[test]
fn server_without_tls_is_named_and_so_is_a_client_without() {
    for answer in [PLAIN, b""] {
        let told = failure("localhost", move |listener| {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 16 * 1024]);
            stream.write_all(answer).unwrap();
        });
        assert!(told.contains("does not speak TLS"), "{told}");
    }

    let server = RunningHost::server(&tls_config(), Behaviour::Silent);
    let client = RunningHost::dialler(&config(), server.addr, server.addr.to_string().into());
    client.give([Order::Dial(ConnId(1))]);
    client.expect(&Seen::Opened(ConnId(1)));
    client.give([Order::Send(ConnId(1), PLAIN.into())]);
    let told = client.unreachable.recv_timeout(PATIENCE).unwrap();
    assert!(told.contains("the server speaks TLS"), "{told}");
    client.end();
    server.end();
}

#[test]
fn silent_server_costs_the_time_to_dial_and_no_more() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let config = HostConfig { dial_timeout: Duration::from_millis(50), ..config() };
    let server = Destination::over_tls(addr.to_string(), tls_client("localhost"));
    let host = RunningHost::dialler(&config, addr, server);
    host.give([Order::Dial(ConnId(1))]);
    host.expect(&Seen::Closed(ConnId(1)));
    assert_eq!(host.unreachable.recv_timeout(PATIENCE).unwrap(), "no answer in time");
    host.end();
}

/// Prints what an idle connection costs the process of a host, without and with TLS. The time is
/// that of a test build.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "a measurement"]
fn idle_connections_are_measured() {
    const NAME: &str = "idle_connections_are_measured";
    const PEERS: u32 = 4_000;
    if let (Ok(chain), Ok(key)) = (std::env::var("IDLE_CHAIN"), std::env::var("IDLE_KEY")) {
        return serve_until_told(&TestCertificate { chain, key });
    }
    let certificate = authority().issue(&["127.0.0.1"]);
    let nothing = TestCertificate { chain: String::new(), key: String::new() };
    let measure = |certificate: &TestCertificate| {
        let TestCertificate { chain, key } = certificate;
        let mut child = rerun_with(NAME, [("IDLE_CHAIN", &chain[..]), ("IDLE_KEY", &key[..])]);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let addr = lines.find_map(|line| line.strip_prefix("at ")?.parse().ok());
        let connect = || {
            let mut peer = Peer::connect(addr.unwrap()).unwrap();
            peer.write_all(b"x").unwrap();
            peer.read_exact(&mut [0]).unwrap();
            peer
        };
        let _first: Vec<_> = (0..100).map(|_| connect()).collect();
        let before = (resident_kib(child.id()), cpu_ticks(child.id()));
        let peers: Vec<_> = (0..PEERS).map(|_| connect()).collect();
        let after = (resident_kib(child.id()), cpu_ticks(child.id()));
        drop(child.stdin.take());
        drop(peers);
        child.wait().unwrap();
        let each = |amount: u64| f64::from(u32::try_from(amount).unwrap()) / f64::from(PEERS);
        (each(after.0 - before.0), each(after.1 - before.1) * 10_000.0)
    };
    let (kib, micros) = measure(&nothing);
    println!("plain: {kib:.2} KiB and {micros:.0} us of CPU time for each connection");
    set_over_tls();
    let (kib, micros) = measure(&certificate);
    println!("TLS: {kib:.2} KiB and {micros:.0} us of CPU time for each connection");
}

/// Runs a host that sends back what it gets, until standard input ends.
#[cfg(target_os = "linux")]
fn serve_until_told(certificate: &TestCertificate) {
    let tls = (!certificate.chain.is_empty()).then(|| {
        let chain = CertificateChain::from_pem(certificate.chain.as_bytes()).unwrap();
        TlsServer::new(chain, certificate.key.as_bytes()).unwrap()
    });
    let host = RunningHost::server(&HostConfig { tls, ..config() }, Behaviour::Echo);
    println!("at {}", host.addr);
    std::thread::spawn(move || for _ in host.seen {});
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    host.handle.stop();
    host.thread.join().unwrap().unwrap();
}

#[cfg(target_os = "linux")]
fn resident_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// User and system time, in hundredths of a second.
#[cfg(target_os = "linux")]
fn cpu_ticks(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
