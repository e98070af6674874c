#![cfg(test)]
//! Where the server listens, where clients find it, and what they say when they do not.

mod support;

use std::fs;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;

use io::{Read, Write};
use support::{ALICE, BOB, ProgramBed};

/// A proxy in front of a Unix socket. Returns its own address. It sends `header` first.
fn proxy(socket: &Path, header: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let socket = socket.to_owned();
    thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            let mut server = UnixStream::connect(&socket).unwrap();
            server.write_all(header.as_bytes()).unwrap();
            carry(client, server);
        }
    });
    address
}

fn carry(client: TcpStream, server: UnixStream) {
    let (mut up, mut down) =
        ((client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client));
    thread::spawn(move || {
        let _ = io::copy(&mut up.0, &mut up.1);
        up.1.shutdown(Shutdown::Write)
    });
    thread::spawn(move || {
        let _ = io::copy(&mut down.0, &mut down.1);
        down.1.shutdown(Shutdown::Write)
    });
}

fn fingerprint(address: &str) -> &str {
    address.rsplit_once('/').unwrap().1
}

#[test]
fn clients_on_a_unix_socket_and_on_tcp_meet() {
    let bed = ProgramBed::new();
    let socket = bed.path("clients.sock");
    let unix = format!("unix:{}?mode=600", socket.display());
    let server = bed.serve(&["--listen", &unix]);
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let address = bed.sealpostd(&["address"]).succeeded();
    let fingerprint = fingerprint(address.trim_end());
    let by_proxy = format!("sealpost://{}/{fingerprint}", proxy(&socket, ""));
    bed.sealpost("alice", &["register", address.trim_end(), ALICE]).succeeded();
    bed.sealpost("bob", &["register", &by_proxy, BOB]).succeeded();
    bed.sealpost("alice", &["send", BOB, "across"]).succeeded();
    let heard = bed.sealpost("bob", &["listen", "--count", "1"]).succeeded();
    assert!(heard.contains("across"), "{heard}");

    // A killed server leaves the file, and the next one replaces it.
    assert!(server.kill());
    assert!(fs::symlink_metadata(&socket).unwrap().file_type().is_socket());
    let server = bed.serve(&["--listen", &unix]);
    assert!(server.stop().status.success());
    assert!(!socket.exists());
}

#[test]
fn socket_on_which_somebody_listens_is_not_taken() {
    let bed = ProgramBed::new();
    let socket = bed.path("clients.sock");
    let theirs = UnixListener::bind(&socket).unwrap();
    let unix = format!("unix:{}", socket.display());
    let said = bed.sealpostd(&["--init", "--listen", &unix]).failed(1);
    assert!(said.contains(&unix) && said.contains("in use"), "{said}");
    drop(theirs);
}

#[test]
fn proxies_must_say_for_whom_they_connect() {
    let bed = ProgramBed::new();
    let socket = bed.path("clients.sock");
    let unix = format!("unix:{}", socket.display());
    let args = ["--listen", &unix, "--otp", "in-band-to-anyone", "--init"];
    let server =
        bed.serve_as_configured(&[&args[..], &["--trusted-proxies", "127.0.0.1/32"]].concat());
    let address = bed.sealpostd(&["address"]).succeeded();
    assert!(address.starts_with("sealpost://HOST:7465/"), "{address}");
    let fingerprint = fingerprint(address.trim_end());
    let by = |header| format!("sealpost://{}/{fingerprint}", proxy(&socket, header));
    let header = "PROXY TCP4 192.0.2.7 192.0.2.1 56324 7465\r\n";
    bed.sealpost("alice", &["register", &by(header), ALICE]).succeeded();
    bed.sealpost("bob", &["register", "--timeout", "2", &by(""), BOB]).failed(1);
    assert!(server.log().contains("without a valid PROXY header"), "{}", server.log());
}

#[test]
fn limits_per_address_count_whom_the_proxy_names() {
    let bed = ProgramBed::new();
    let socket = bed.path("clients.sock");
    let unix = format!("unix:{}", socket.display());
    let limit = [("SEALPOST_LIMITS_STRANGERS_PER_ADDRESS", "1")];
    let args = ["--init", "--listen", &unix, "--trusted-proxies", "127.0.0.1/32"];
    let _server = bed.serve_in(&limit, &args);
    let connect = |client: &str| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        write!(stream, "PROXY TCP4 {client} 192.0.2.1 56324 7465\r\n").unwrap();
        stream
    };
    let (mut first, other) = (connect("192.0.2.7"), connect("192.0.2.8"));
    let _second = connect("192.0.2.7");
    assert_eq!(first.read(&mut [0]).unwrap(), 0, "it gives way to the second of its address");
    other.set_nonblocking(true).unwrap();
    let error = (&other).read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "another address has its own place");
}

#[test]
fn sockets_of_the_service_manager_are_served() {
    let mut bed = ProgramBed::new();
    let said =
        bed.sealpostd(&["--init", "--listen", "systemd", "--otp", "in-band-to-anyone"]).failed(1);
    assert!(said.contains("passes no socket"), "{said}");
    bed.wrap(&["python3", "-c", SOCKET_UNIT]);
    let args = ["--init", "--listen", "systemd", "--otp", "in-band-to-anyone"];
    let server = bed.serve_as_configured(&args);
    bed.sealpost("alice", &["register", &server.address, ALICE]).succeeded();
    assert!(server.stop().status.success());
}

/// Runs a command as systemd does for a socket unit (`sd_listen_fds(3)`).
const SOCKET_UNIT: &str = "
import os, socket, sys
listening = socket.create_server((\"127.0.0.1\", 0))
os.dup2(listening.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS=\"1\", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[1], sys.argv[1:])
";

#[test]
fn public_address_is_remembered() {
    let bed = ProgramBed::new();
    let server = bed.serve(&["--public-address", "sealposts://chat.example.org"]);
    assert!(server.log().contains("sealposts://chat.example.org:7465/"), "{}", server.log());
    server.stop();
    let address = bed.sealpostd(&["address"]).succeeded();
    assert!(address.starts_with("sealposts://chat.example.org:7465/"), "{address}");
    let address = bed.sealpostd(&["address", "--host", "other.example.org"]).succeeded();
    assert!(address.starts_with("sealposts://other.example.org:7465/"), "{address}");
}

#[test]
fn client_says_why_it_can_not_connect() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    let fingerprint = fingerprint(&server.address);
    let closed = ProgramBed::reusable_address();
    let label = "x".repeat(64);
    for (place, reason) in [
        (closed.as_str(), format!("{closed} refused the connection")),
        ("localhost:1", "127.0.0.1:1 refused the connection".to_owned()),
        (&format!("{label}.invalid:1"), "no such host".to_owned()),
    ] {
        let address = format!("sealpost://{place}/{fingerprint}");
        let said =
            bed.sealpost("alice", &["register", "--timeout", "2", &address, ALICE]).failed(1);
        assert!(said.contains(&reason) && said.contains(place), "{said}");
    }
}

#[test]
fn client_of_several_servers_finds_the_one_that_answers() {
    let bed = ProgramBed::new();
    let [live, closed, wrong] = [(); 3].map(|()| ProgramBed::reusable_address());
    let public = format!("{wrong},{closed},{live}");
    let server = bed.serve_at(&live, &["--public-address", &public]);
    let of_all = format!("sealpost://{public}/");
    let address = bed.sealpostd(&["address"]).succeeded();
    assert!(address.starts_with(&of_all), "{address}");
    let address = address.trim_end();
    let link = bed.sealpostd(&["invite", "create"]).succeeded();
    assert!(link.contains(&of_all), "{link}");
    let other = ProgramBed::new();
    let impostor = other.serve_at(&wrong, &[]);

    bed.sealpost("alice", &["register", address, ALICE]).succeeded();
    assert_eq!(bed.sealpost("alice", &["address"]).succeeded(), format!("{address}\n"));
    assert_eq!(bed.sealpost("alice", &["send", ALICE, "by the third"]).sent(), "delivered");
    let said = bed.sealpost("alice", &["doctor"]).succeeded();
    assert!(said.contains(&format!("{live} answers")), "{said}");

    let daemon = bed.start("alice", &["daemon"]);
    let online = format!(" with {live}");
    support::until("a session with that server", || {
        bed.sealpost("alice", &["status"]).succeeded().contains(&online)
    });
    server.stop();
    let said = bed.sealpost("alice", &["send", "--timeout", "2", ALICE, "to nobody"]).failed(3);
    assert!(said.contains(&public), "{said}");
    // The same server at another of its addresses.
    impostor.stop();
    let server = bed.serve_at(&wrong, &["--public-address", &public]);
    let online = format!(" with {wrong}");
    support::until("a session with that server", || {
        bed.sealpost("alice", &["status"]).succeeded().contains(&online)
    });
    drop(daemon);
    server.stop();
}

#[test]
fn client_learns_a_new_address_of_the_same_server_only() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register(&server, "alice", ALICE);
    let old = server.address.clone();
    server.stop();
    let shown = || bed.sealpost("alice", &["address"]).succeeded();
    assert_eq!(shown(), format!("{old}\n"));
    let server = bed.serve(&[]);
    assert_eq!(
        bed.sealpost("alice", &["address", &server.address]).succeeded(),
        format!("{}\n", server.address)
    );
    assert_eq!(bed.sealpost("alice", &["send", ALICE, "here again"]).sent(), "delivered");

    let other = format!("sealpost://127.0.0.1:7465/{}", "0".repeat(64));
    let refused = bed.sealpost("alice", &["address", &other]).failed(1);
    assert!(refused.contains("is another server"), "{refused}");
    assert_eq!(shown(), format!("{}\n", server.address));
}
