#![cfg(test)]
#![cfg(target_os = "linux")]
//! What a server takes of memory, against the bound that it logs at its start.

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::UNIX_EPOCH;

use sealpost_core::ids::{ConnId, Phone};
use sealpost_core::keys::PublicKey;
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{Deframer, Gate, OtpIssued, Packet, Profile};
use sealpost_tests::scripted_client::{Received, ScriptedClient};
use sealpost_tests::test_keys::crypto;
use support::{Daemon, PATIENCE, ProgramBed};

/// Without totals, the unfinished messages would take 23 MiB, and those that nobody reads as much.
#[test]
fn memory_stays_under_its_bound_when_many_users_do_their_worst() {
    let bed = ProgramBed::new();
    let server = bed.serve(&["--connections", "500", "--packet-memory", "4MiB"]);
    let key = server_key(&server);
    let mut alice = User::register(&server, &key, 0);
    let mut others: Vec<_> = (1..=USERS).map(|n| User::register(&server, &key, n)).collect();
    let before = status(&server, "VmRSS");
    for other in &others {
        let large = alice.large_message(other);
        alice.stream.write_all(large.bytes()).unwrap();
    }
    // Nobody acknowledges them, so all are stored.
    alice.await_stored(USERS);
    let large = alice.large_message(&others[0]);
    let unfinished = &large.bytes()[..large.bytes().len() - 1];
    for other in &mut others {
        // The server may have closed the connection of one that held too much.
        let _ = other.stream.write_all(unfinished);
    }
    // Everybody's bytes were taken by the time this is stored.
    let large = alice.large_message(&others[0]);
    alice.stream.write_all(large.bytes()).unwrap();
    alice.await_stored(1);

    let (peak, bound) = (status(&server, "VmHWM"), memory_bound(&server.log()));
    assert!(peak < bound, "{peak} KiB, and the bound is {bound} KiB");
    // What the option governs: twice what connections hold, half as much of senders, and the queues.
    let governed = 3 * PACKET_MEMORY_KIB + PACKET_MEMORY_KIB / 2;
    assert!(peak - before < governed, "from {before} KiB to {peak} KiB");
    assert!(peak - before > PACKET_MEMORY_KIB / 2, "from {before} KiB to {peak} KiB: no attack");
    assert!(server.log().contains("held the most memory"), "{}", server.log());
    server.stop().succeeded();
}

/// A registered user on a socket.
struct User {
    client: ScriptedClient,
    stream: TcpStream,
    deframer: Deframer,
    unread: Vec<u8>,
    messages: u64,
}

impl User {
    fn register(server: &Daemon, key: &PublicKey, number: usize) -> Self {
        let phone: Phone = format!("+49151{number:08}").parse().unwrap();
        let client =
            ScriptedClient::new(crypto(1), key.clone(), Profile::Compact, phone, ConnId(0));
        let mut user = Self::connect(server, client);
        let request = user.client.register(now());
        user.stream.write_all(request.bytes()).unwrap();
        let answer = user.receive();
        let Received::OtpIssued(OtpIssued { otp: Some(otp), .. }) = user.client.open(answer) else {
            panic!("no one-time password");
        };
        let confirm = user.client.confirm(now(), &otp);
        user.stream.write_all(confirm.bytes()).unwrap();
        let answer = user.receive();
        assert_eq!(user.client.open(answer), Received::SessionIssued);
        user
    }

    fn connect(server: &Daemon, client: ScriptedClient) -> Self {
        let stream = TcpStream::connect(address(server)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let deframer = Deframer::new(Profile::Compact);
        Self { client, stream, deframer, unread: Vec::new(), messages: 0 }
    }

    fn receive(&mut self) -> Packet {
        loop {
            let mut data = self.unread.as_slice();
            let packet = self.deframer.next(&mut data, Gate::Client).unwrap();
            self.unread = data.to_vec();
            if let Some(packet) = packet {
                return packet;
            }
            let mut buffer = [0; 4_096];
            let len = self.stream.read(&mut buffer).unwrap();
            assert!(len > 0, "the server closed the connection");
            self.unread.extend_from_slice(&buffer[..len]);
        }
    }

    fn await_stored(&mut self, mut count: usize) {
        while count > 0 {
            let packet = self.receive();
            let Received::Stored(items) = self.client.open(packet) else {
                panic!("something else than an acknowledgement");
            };
            count -= items.len();
        }
    }

    fn large_message(&mut self, to: &Self) -> Packet {
        self.messages += 1;
        let (id, key) = (to.client.id.unwrap(), to.client.public_key().clone());
        let text = "x".repeat(60_000);
        self.client.message_numbered(self.messages, now(), id, &key, &text)
    }
}

fn server_key(server: &Daemon) -> PublicKey {
    let anyone = crypto(1);
    let (key, phone) = (anyone.public_key().clone(), "+4915100000000".parse().unwrap());
    let client = ScriptedClient::new(anyone, key, Profile::Compact, phone, ConnId(0));
    let mut user = User::connect(server, client);
    let request = user.client.request_server_key(now());
    user.stream.write_all(request.bytes()).unwrap();
    let answer = user.receive();
    let Received::ServerKey(key) = user.client.open(answer) else {
        panic!("something else than the server's key");
    };
    key
}

fn now() -> Timestamp {
    Timestamp::from_unix_secs(UNIX_EPOCH.elapsed().unwrap().as_secs().cast_signed())
}

fn address(server: &Daemon) -> SocketAddr {
    server.address.split('/').nth(2).unwrap().parse().unwrap()
}

/// A figure about the memory of the server's process, in KiB.
fn status(server: &Daemon, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The bound in a log, in KiB.
fn memory_bound(log: &str) -> u64 {
    let (_, bound) = log.split_once("memory bound: ").unwrap();
    let (number, unit) = bound.split_once(' ').unwrap();
    assert!(unit.starts_with("MiB"), "{bound}");
    number.split('.').next().unwrap().parse::<u64>().unwrap() * 1_024
}

const PACKET_MEMORY_KIB: u64 = 4 * 1_024;
const USERS: usize = 400;
