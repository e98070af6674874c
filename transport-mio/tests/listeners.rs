#![cfg(test)]
//! Several listening sockets, Unix sockets, and proxies that name their clients.

mod certificates;
mod scripted_host;

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;

use scripted_host::{Behaviour, BoundServer, PATIENCE, RunningHost, Seen, config};
use sealpost_mio::{HostConfig, ListeningSocket, LocalAddress};

/// A server on these sockets.
fn host(sockets: Vec<ListeningSocket>, trusted: &[&str]) -> RunningHost {
    let trusted_proxies = trusted.iter().map(|network| network.parse().unwrap()).collect();
    let config = HostConfig { trusted_proxies, ..config() };
    let any = "127.0.0.1:0".parse().unwrap();
    BoundServer::on(sockets, any, &config, Behaviour::Echo).run()
}

fn tcp() -> (ListeningSocket, SocketAddr) {
    let socket = ListeningSocket::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
    let LocalAddress::Tcp(address) = *socket.local_address() else { panic!("{socket:?}") };
    (socket, address)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn every_socket_is_served_and_unix_counts_as_loopback() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let unix = ListeningSocket::unix(&path, 0o600).unwrap();
    let ((one, first), (two, second)) = (tcp(), tcp());
    let host = host(vec![one, unix, two], &[]);
    let mut ids = Vec::new();
    for address in [first, second] {
        let mut peer = TcpStream::connect(address).unwrap();
        peer.write_all(b"hello").unwrap();
        let conn = host.opened();
        assert_eq!((host.received(conn, 5), host.peer()), (b"hello".to_vec(), ip("127.0.0.1")));
        ids.push((conn, peer));
    }
    let mut peer = UnixStream::connect(&path).unwrap();
    peer.write_all(b"hello").unwrap();
    let conn = host.opened();
    assert_eq!((host.received(conn, 5), host.peer()), (b"hello".to_vec(), ip("127.0.0.1")));
    let mut echoed = [0; 5];
    peer.read_exact(&mut echoed).unwrap();
    assert_eq!(&echoed, b"hello");
    drop(peer);
    host.expect(&Seen::Closed(conn));
    host.end();
    assert!(!path.exists(), "the file of the socket is removed");
}

#[test]
fn trusted_proxy_names_the_client_and_what_follows_is_the_clients() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let unix = ListeningSocket::unix(&path, 0o600).unwrap();
    let host = host(vec![unix], &["127.0.0.1/32"]);
    for (header, client) in [
        (&b"PROXY TCP4 192.0.2.7 192.0.2.1 5 6\r\n"[..], "192.0.2.7"),
        (b"PROXY TCP6 ::ffff:192.0.2.8 ::1 5 6\r\n", "192.0.2.8"),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
        (b"\r\n\r\n\0\r\nQUIT\n\x20\x00\0\0", "127.0.0.1"),
        (
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x09\xc0\0\x02\x01\0\x05\0\x06",
            "192.0.2.9",
        ),
    ] {
        let mut proxy = UnixStream::connect(&path).unwrap();
        let (begin, end) = header.split_at(3);
        proxy.write_all(begin).unwrap();
        proxy.write_all(&[end, b"hello"].concat()).unwrap();
        let conn = host.opened();
        assert_eq!((host.received(conn, 5), host.peer()), (b"hello".to_vec(), ip(client)));
        drop(proxy);
        host.expect(&Seen::Closed(conn));
    }
    host.end();
}

/// The machine never hears of the first two.
#[test]
fn proxy_without_a_header_and_stranger_with_one_are_closed() {
    let (socket, address) = tcp();
    let trusting = host(vec![socket], &["127.0.0.0/8"]);
    for wrong in [&b"hello there"[..], b"PROXY TCP4 nonsense\r\n"] {
        let mut proxy = TcpStream::connect(address).unwrap();
        proxy.write_all(wrong).unwrap();
        assert_closed(&mut proxy);
    }
    trusting.end();

    let (socket, address) = tcp();
    let wary = host(vec![socket], &["192.0.2.0/24"]);
    let mut stranger = TcpStream::connect(address).unwrap();
    stranger.write_all(b"PROXY TCP4 192.0.2.7 192.0.2.1 5 6\r\nhello").unwrap();
    assert_closed(&mut stranger);
    let conn = wary.opened();
    wary.expect(&Seen::Closed(conn));
    assert_eq!(wary.peer(), ip("127.0.0.1"));
    wary.end();
}

fn assert_closed(peer: &mut TcpStream) {
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    match peer.read(&mut [0]) {
        Ok(len) => assert_eq!(len, 0),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}
