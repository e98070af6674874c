//! A relay between clients and a server, which can change what the server sends.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use super::TestServer;

/// What happens to a packet on its way from the server.
pub(crate) enum Fate {
    Forwarded,
    Swallowed,
}

/// Starts a server behind a relay, which calls `meddle` with the op code and the bytes of each
/// packet from the server. Returns the server and the address of the relay.
pub(crate) fn relayed(
    meddle: impl Fn(u8, &mut Vec<u8>) -> Fate + Send + Sync + 'static,
) -> (TestServer, String) {
    let server = TestServer::start();
    let (real, fingerprint) =
        server.address.strip_prefix("sealpost://").unwrap().split_once('/').unwrap();
    let relay = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("sealpost://{}/{fingerprint}", relay.local_addr().unwrap());
    let (real, meddle) = (real.to_owned(), Arc::new(meddle));
    thread::spawn(move || {
        for client in relay.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(&real).unwrap());
            let (up, down) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let meddle = Arc::clone(&meddle);
            thread::spawn(move || pass_on(up, &server));
            thread::spawn(move || pass_packets_on(down, client, &*meddle));
        }
    });
    (server, address)
}

/// Copies bytes until either end closes.
fn pass_on(mut from: TcpStream, mut to: &TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
}

/// Copies packets until either end closes, and calls `meddle` with each.
fn pass_packets_on(
    mut from: TcpStream,
    mut to: TcpStream,
    meddle: &dyn Fn(u8, &mut Vec<u8>) -> Fate,
) {
    let mut packet = vec![0; 26];
    while from.read_exact(&mut packet).is_ok() {
        let payload_len = u16::from_le_bytes([packet[24], packet[25]]);
        packet.resize(26 + usize::from(payload_len) + 256, 0);
        if from.read_exact(&mut packet[26..]).is_err() {
            break;
        }
        match meddle(packet[23], &mut packet) {
            Fate::Forwarded if to.write_all(&packet).is_err() => break,
            Fate::Forwarded | Fate::Swallowed => packet.truncate(26),
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
