#![cfg(test)]
//! Sockets under a machine: what arrives, what leaves, and how a connection ends.

mod puppet;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use bytes::Bytes;
use puppet::{Backstage, Do, Manner, PATIENCE, Seen, Stage, config};
use sealpost_core::frame::Flow;
use sealpost_core::ids::ConnId;
use sealpost_mio::Config;

fn connect(stage: &Stage) -> (TcpStream, ConnId) {
    let stream = TcpStream::connect(stage.addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    (stream, stage.opened())
}

/// Gives a slow machine time to flush.
fn patient() -> Config {
    Config { linger: PATIENCE, ..config() }
}

/// Bytes that show when one is lost, doubled or out of order.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from(i * 7 % 251).unwrap()).collect()
}

fn read_exactly(stream: &mut TcpStream, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

#[test]
fn bytes_cut_anywhere_come_back_whole() {
    let stage = Stage::server(&config(), Manner::Echo);
    let (mut stream, _) = connect(&stage);
    let sent = pattern(300_000);
    let mut writer = stream.try_clone().unwrap();
    let data = sent.clone();
    let writing = std::thread::spawn(move || {
        let (mut rest, mut size) = (&data[..], 1);
        while !rest.is_empty() {
            let (now, later) = rest.split_at(size.min(rest.len()));
            writer.write_all(now).unwrap();
            rest = later;
            size = size * 3 % 9_973;
        }
    });
    assert!(read_exactly(&mut stream, sent.len()) == sent);
    writing.join().unwrap();
    stage.end();
}

#[test]
fn many_connections_are_served() {
    let stage = Stage::server(&config(), Manner::Echo);
    let mut streams: Vec<_> =
        (0..300_u16).map(|_| TcpStream::connect(stage.addr).unwrap()).collect();
    for (stream, number) in streams.iter_mut().zip(0_u16..) {
        stream.write_all(&number.to_le_bytes()).unwrap();
    }
    for (stream, number) in streams.iter_mut().zip(0_u16..) {
        assert_eq!(read_exactly(stream, 2), number.to_le_bytes());
    }
    stage.end();
}

#[test]
fn flood_on_one_connection_leaves_others_their_turn() {
    let config = Config { read_budget: NonZeroUsize::new(10).unwrap(), ..config() };
    let backstage = Backstage::new(&config, Manner::Silent);
    let addr = backstage.server.local_addr();
    let mut streams = [TcpStream::connect(addr).unwrap(), TcpStream::connect(addr).unwrap()];
    for stream in &mut streams {
        stream.write_all(&[7; 100]).unwrap();
    }

    let stage = backstage.run();
    let (first, second) = (stage.opened(), stage.opened());
    for _ in 0..10 {
        let mut turn = [stage.next(), stage.next()];
        turn.sort_by_key(|seen| matches!(seen, Seen::Bytes(conn, _) if *conn == second));
        assert_eq!(turn, [first, second].map(|conn| Seen::Bytes(conn, vec![7; 10])));
    }
    stage.end();
}

#[test]
fn peer_that_stalls_is_congested_then_writable() {
    let stage = Stage::server(&config(), Manner::Silent);
    let (mut stream, conn) = connect(&stage);
    let data = Bytes::from(pattern(32 * 1024 * 1024));
    stage.order([Do::Send(conn, data.clone())]);
    stage.expect(&Seen::Congested(conn));
    assert!(read_exactly(&mut stream, data.len()) == data);
    stage.expect(&Seen::Writable(conn));
    stage.order([Do::Send(conn, Bytes::from_static(b"more"))]);
    assert_eq!(read_exactly(&mut stream, 4), b"more");
    stage.end();
}

#[test]
fn paused_connection_is_not_read_and_nothing_is_missed() {
    let stage = Stage::server(&config(), Manner::Silent);
    let (mut paused, conn) = connect(&stage);
    let (mut other, other_conn) = connect(&stage);
    stage.order([Do::Flow(conn, Flow::Pause)]);
    paused.write_all(b"wait").unwrap();
    // What arrived before the other's bytes would have been reported before them.
    for _ in 0..5 {
        other.write_all(b"go").unwrap();
        assert_eq!(stage.received(other_conn, 2), b"go");
    }
    stage.order([Do::Flow(conn, Flow::Resume)]);
    assert_eq!(stage.received(conn, 4), b"wait");
    stage.order([Do::Flow(conn, Flow::Pause), Do::Flow(conn, Flow::Resume)]);
    paused.write_all(b"on").unwrap();
    assert_eq!(stage.received(conn, 2), b"on");
    stage.end();
}

#[test]
fn close_sends_what_is_queued_though_the_peer_keeps_sending() {
    let stage = Stage::server(&patient(), Manner::Silent);
    let (mut stream, conn) = connect(&stage);
    let data = Bytes::from(pattern(8 * 1024 * 1024));
    // It is congested at once, and the machine that closes it hears nothing of that.
    stage.order([Do::Send(conn, data.clone()), Do::Close(conn)]);

    let mut writer = stream.try_clone().unwrap();
    let writing = std::thread::spawn(move || writer.write_all(&vec![1; 8 * 1024 * 1024]));
    let mut got = Vec::new();
    stream.read_to_end(&mut got).unwrap();
    assert!(got == data);
    writing.join().unwrap().unwrap();
    drop(stream);
    // No event follows a close: the next one is of another connection.
    let _ = connect(&stage);
    stage.end();
}

#[test]
fn peer_that_never_reads_does_not_hold_a_closed_connection() {
    let config = Config { max_connections: Some(1), linger: Duration::from_millis(50), ..config() };
    let stage = Stage::server(&config, Manner::Silent);
    let (_never_reads, conn) = connect(&stage);
    stage.order([Do::Send(conn, vec![0; 32 * 1024 * 1024].into())]);
    stage.expect(&Seen::Congested(conn));
    stage.order([Do::Close(conn)]);
    // Its place is free again once it was given up.
    let opened = connect_when_there_is_room(&stage);
    assert_ne!(opened.1, conn);
    stage.end();
}

fn connect_when_there_is_room(stage: &Stage) -> (TcpStream, ConnId) {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        let mut stream = TcpStream::connect(stage.addr).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        match stream.read(&mut [0]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return (stream, stage.opened()),
            _ => {}
        }
    }
    panic!("no room in time");
}

#[test]
fn over_the_cap_connections_are_closed_at_once() {
    let config = Config { max_connections: Some(2), ..config() };
    let stage = Stage::server(&config, Manner::Silent);
    let (first, second) = (connect(&stage), connect(&stage));
    let mut third = TcpStream::connect(stage.addr).unwrap();
    third.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(third.read(&mut [0]).unwrap(), 0);
    drop(first.0);
    stage.expect(&Seen::Closed(first.1));
    let (_, fourth) = connect_when_there_is_room(&stage);
    assert!(fourth != first.1 && fourth != second.1);
    stage.end();
}

#[test]
fn what_the_peer_sent_before_it_closed_is_read_first() {
    let stage = Stage::server(&config(), Manner::Silent);
    let (mut stream, conn) = connect(&stage);
    let data = pattern(200_000);
    stream.write_all(&data).unwrap();
    drop(stream);
    assert!(stage.received(conn, data.len()) == data);
    stage.expect(&Seen::Closed(conn));
    stage.end();
}

#[test]
fn end_of_a_paused_connection_waits_for_its_bytes() {
    let stage = Stage::server(&config(), Manner::Silent);
    let (mut stream, conn) = connect(&stage);
    let (mut other, other_conn) = connect(&stage);
    stage.order([Do::Flow(conn, Flow::Pause)]);
    stream.write_all(b"last words").unwrap();
    drop(stream);
    other.write_all(b"go").unwrap();
    assert_eq!(stage.received(other_conn, 2), b"go");
    stage.order([Do::Flow(conn, Flow::Resume)]);
    assert_eq!(stage.received(conn, 10), b"last words");
    stage.expect(&Seen::Closed(conn));
    stage.end();
}

#[test]
fn peer_that_ended_its_direction_reads_what_was_queued() {
    let stage = Stage::server(&patient(), Manner::Silent);
    let (mut stream, conn) = connect(&stage);
    let data = Bytes::from(pattern(8 * 1024 * 1024));
    stage.order([Do::Send(conn, data.clone())]);
    stage.expect(&Seen::Congested(conn));
    stream.shutdown(Shutdown::Write).unwrap();
    stage.expect(&Seen::Closed(conn));
    let mut got = Vec::new();
    stream.read_to_end(&mut got).unwrap();
    assert!(got == data);
    stage.end();
}

#[test]
fn reset_connection_is_reported_once() {
    for flow in [Flow::Resume, Flow::Pause] {
        let stage = Stage::server(&config(), Manner::Silent);
        let (stream, conn) = connect(&stage);
        stage.order([Do::Flow(conn, flow), Do::Send(conn, vec![0; 32 * 1024 * 1024].into())]);
        stage.expect(&Seen::Congested(conn));
        // Unread bytes make the system send a reset.
        drop(stream);
        stage.expect(&Seen::Closed(conn));
        stage.order([Do::Send(conn, Bytes::from_static(b"late")), Do::Close(conn)]);
        let _ = connect(&stage);
        stage.end();
    }
}

#[test]
fn store_crypto_timers_and_deliveries_come_back() {
    let stage = Stage::server(&config(), Manner::Silent);
    stage.order([Do::Store(1, 5), Do::Store(2, 6)]);
    stage.expect(&Seen::Stored(1, Ok(50)));
    stage.expect(&Seen::Stored(2, Ok(60)));
    stage.order([Do::Compute(3)]);
    stage.expect(&Seen::Computed(3));
    stage.order([Do::TickIn(Duration::from_millis(5)), Do::Deliver("here")]);
    assert_eq!(stage.delivered.recv_timeout(PATIENCE).unwrap(), "here");
    stage.expect(&Seen::Ticked);
    stage.end();
}

#[test]
fn stop_waits_for_the_machine_and_flushes() {
    let stage = Stage::server(&patient(), Manner::Silent);
    let (mut stream, conn) = connect(&stage);
    stage.handle.stop();
    stage.handle.stop();
    stage.expect(&Seen::Shutdown);
    let refused = TcpStream::connect(stage.addr).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);

    let data = Bytes::from(pattern(4 * 1024 * 1024));
    stage.order([Do::Store(9, 9), Do::Send(conn, data.clone()), Do::End]);
    let mut got = Vec::new();
    stream.read_to_end(&mut got).unwrap();
    assert!(got == data);
    drop(stream);
    stage.thread.join().unwrap().unwrap();
    let rest: Vec<_> = stage.seen.try_iter().collect();
    assert!(!rest.contains(&Seen::Shutdown), "told twice: {rest:?}");
}

#[test]
fn client_dials_talks_and_dials_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stage = Stage::client(&config(), listener.local_addr().unwrap());
    for id in [1, 2] {
        let conn = ConnId(id);
        stage.order([Do::Dial(conn)]);
        stage.expect(&Seen::Opened(conn));
        let (mut stream, _) = listener.accept().unwrap();
        stage.order([Do::Send(conn, Bytes::from_static(b"hello"))]);
        assert_eq!(read_exactly(&mut stream, 5), b"hello");
        stream.write_all(b"welcome").unwrap();
        assert_eq!(stage.received(conn, 7), b"welcome");
        drop(stream);
        stage.expect(&Seen::Closed(conn));
    }
    stage.end();
}

#[test]
fn client_that_reaches_nobody_is_told() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let stage = Stage::client(&config(), nobody);
    stage.order([Do::Dial(ConnId(1))]);
    stage.expect(&Seen::Closed(ConnId(1)));
    stage.end();
}

#[test]
fn dialling_that_is_called_off_leads_to_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stage = Stage::client(&config(), listener.local_addr().unwrap());
    stage.order([Do::Dial(ConnId(1)), Do::Close(ConnId(1)), Do::Dial(ConnId(2))]);
    stage.expect(&Seen::Opened(ConnId(2)));
    stage.end();
}
