#![cfg(test)]
//! What the programs show of other people's texts, and of a server or network that lies.

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use sealpost_core::address::{ServerAddress, Transport};
use support::{ALICE, BOB, ProgramBed, objects};

#[test]
fn message_can_not_look_like_a_line_of_somebody_else() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let forged = "hi\n* online, 0 waiting\n2026-01-01 12:00:00Z  +4915100000009 [verified]: pay";
    let steering = "\u{1b}[1A\u{9b}2K\u{202e}txet\u{2028}\u{7f}";
    let send = || {
        bed.sealpost("alice", &["send", BOB, forged]).succeeded();
        bed.sealpost("alice", &["send", BOB, steering]).succeeded();
    };

    send();
    let heard = bed.sealpost("bob", &["listen", "--json", "--count", "2"]).succeeded();
    let is_harmless = |c: char| c.is_ascii() && !c.is_ascii_control() || c == '\n';
    assert!(heard.chars().all(is_harmless), "{heard}");
    let events = objects(&heard);
    let texts: Vec<_> = events.iter().filter_map(|event| event["text"].as_str()).collect();
    assert_eq!(texts, [forged, steering]);

    send();
    let heard = bed.sealpost("bob", &["listen", "--count", "2"]).succeeded();
    let messages: Vec<_> = heard.lines().filter(|line| !line.starts_with('*')).collect();
    assert_eq!(messages.len(), 2, "{heard}");
    assert!(messages[0].contains(r"hi\n* online, 0 waiting\n2026"), "{heard}");
    assert!(messages[1].contains(r"\u{1b}[1A\u{9b}2K\u{202e}txet\u{2028}\u{7f}"), "{heard}");
}

#[test]
fn send_says_what_is_suspicious() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    let path = Path::to(&server.address);
    for (home, phone) in [("alice", ALICE), ("bob", BOB)] {
        bed.sealpost(home, &["register", &path.address, phone]).succeeded();
    }
    bed.sealpost("alice", &["send", BOB, "hi"]).succeeded();
    path.lies.store(true, Ordering::Relaxed);
    let sent = bed.sealpost("alice", &["send", BOB, "hi again", "--timeout", "2"]);
    assert!(sent.stderr.contains("* suspicious: BadServerSignature"), "{sent:?}");
}

/// A network between the programs and a server. If it lies, it changes the signature of every packet
/// from the server but the first of each connection.
struct Path {
    address: String,
    lies: Arc<AtomicBool>,
}

impl Path {
    fn to(server: &str) -> Self {
        let server: ServerAddress = server.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoints = listener.local_addr().unwrap().to_string().parse().unwrap();
        let (profile, fingerprint) = (server.profile(), *server.fingerprint());
        let address = ServerAddress::new(Transport::Tcp, profile, endpoints, fingerprint);
        let lies = Arc::new(AtomicBool::new(false));
        let path = Self { address: address.to_string(), lies: Arc::clone(&lies) };
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let server =
                    TcpStream::connect(("127.0.0.1", server.endpoints().first().port())).unwrap();
                let (to_client, to_server) =
                    (client.try_clone().unwrap(), server.try_clone().unwrap());
                let lies = Arc::clone(&lies);
                thread::spawn(move || forward(client, to_server, &AtomicBool::new(false)));
                thread::spawn(move || forward(server, to_client, &lies));
            }
        });
        path
    }
}

/// A packet ends with its signature, and the server writes whole packets.
fn forward(mut from: TcpStream, mut to: TcpStream, lies: &AtomicBool) {
    let mut buffer = vec![0; 1 << 16];
    let mut is_first = true;
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if !is_first && lies.load(Ordering::Relaxed) {
            buffer[count - 1] ^= 1;
        }
        is_first = false;
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
