#![cfg(test)]
//! A machine on real sockets: what arrives, what leaves, and how connections end.

mod certificates;
mod scripted_host;

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use bytes::Bytes;
use scripted_host::{Behaviour, Order, PATIENCE, Peer, RunningHost, Seen, config, over_tls};
use sealpost_core::frame::Flow;
use sealpost_core::ids::{ConnId, EndpointIndex};
use sealpost_mio::HostConfig;

fn connect(host: &RunningHost) -> (Peer, ConnId) {
    let mut stream = Peer::connect(host.addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.shake_hands().unwrap();
    (stream, host.opened())
}

/// A configuration that gives a slow computer time to flush.
fn patient() -> HostConfig {
    HostConfig { linger: PATIENCE, ..config() }
}

/// Bytes in which a lost, duplicated or reordered byte shows.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from(i * 7 % 251).unwrap()).collect()
}

fn read_exactly(stream: &mut Peer, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

#[test]
fn bytes_cut_anywhere_come_back_whole() {
    let host = RunningHost::server(&config(), Behaviour::Echo);
    let (mut stream, _) = connect(&host);
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
    host.end();
}

#[test]
fn many_connections_are_served() {
    let host = RunningHost::server(&config(), Behaviour::Echo);
    let mut streams: Vec<_> = (0..300_u16).map(|_| Peer::connect(host.addr).unwrap()).collect();
    for (stream, number) in streams.iter_mut().zip(0_u16..) {
        stream.write_all(&number.to_le_bytes()).unwrap();
    }
    for (stream, number) in streams.iter_mut().zip(0_u16..) {
        assert_eq!(read_exactly(stream, 2), number.to_le_bytes());
    }
    host.end();
}

#[test]
fn flood_on_one_connection_leaves_others_their_turn() {
    let config = HostConfig { read_budget: NonZeroUsize::new(10).unwrap(), ..config() };
    let host = RunningHost::server(&config, Behaviour::Silent);
    let ((mut one, first), (mut other, second)) = (connect(&host), connect(&host));
    host.give([first, second].map(|conn| Order::Flow(conn, Flow::Pause)));
    for stream in [&mut one, &mut other] {
        stream.write_all(&[7; 100]).unwrap();
    }
    host.give([first, second].map(|conn| Order::Flow(conn, Flow::Resume)));
    for _ in 0..10 {
        let mut turn = [host.next(), host.next()];
        turn.sort_by_key(|seen| matches!(seen, Seen::Bytes(conn, _) if *conn == second));
        assert_eq!(turn, [first, second].map(|conn| Seen::Bytes(conn, vec![7; 10])));
    }
    host.end();
}

#[test]
fn peer_that_stalls_is_congested_then_writable() {
    let host = RunningHost::server(&config(), Behaviour::Silent);
    let (mut stream, conn) = connect(&host);
    let data = Bytes::from(pattern(32 * 1024 * 1024));
    host.give([Order::Send(conn, data.clone())]);
    host.expect(&Seen::Congested(conn));
    assert!(read_exactly(&mut stream, data.len()) == data);
    host.expect(&Seen::Writable(conn));
    host.give([Order::Send(conn, Bytes::from_static(b"more"))]);
    assert_eq!(read_exactly(&mut stream, 4), b"more");
    host.end();
}

/// A configuration by which only the memory of all queues is bounded, in MiB.
fn queues_of(mib: usize) -> HostConfig {
    let queued_bytes_in_all = mib * MIB;
    HostConfig { high_water_bytes: usize::MAX, queued_bytes_in_all, ..config() }
}

const MIB: usize = 1024 * 1024;

#[test]
fn above_half_of_the_memory_of_queues_more_than_a_fair_share_is_congestion() {
    let host = RunningHost::server(&queues_of(100), Behaviour::Silent);
    let [(_few, few), (_most, most), (_more, more)] = [(); 3].map(|()| connect(&host));
    host.give([Order::Send(more, vec![0; 24 * MIB].into())]);
    host.give([Order::Send(most, vec![0; 40 * MIB].into())]);
    host.expect(&Seen::Congested(most)); // and `more` is not, with less than half queued
    host.give([Order::Send(few, vec![0; 8 * MIB].into())]);
    host.give([Order::Send(more, Bytes::from_static(b"more"))]);
    host.expect(&Seen::Congested(more)); // and `few` is not
    host.end();
}

#[test]
fn connections_with_most_unread_are_given_up_when_queues_take_too_much_memory() {
    let host = RunningHost::server(&queues_of(40), Behaviour::Silent);
    let [(mut few, few_conn), (_most, most), (mut more, more_conn)] =
        [(); 3].map(|()| connect(&host));
    let data = Bytes::from(vec![5; 16 * MIB]);
    host.give([Order::Send(more_conn, data.clone()), Order::Send(most, vec![0; 20 * MIB].into())]);
    host.expect(&Seen::Congested(most));
    host.expect(&Seen::Congested(more_conn));
    host.give([Order::Send(few_conn, data.slice(..8 * MIB))]);
    host.expect(&Seen::Closed(most));
    assert!(read_exactly(&mut more, data.len()) == data);
    assert!(read_exactly(&mut few, 8 * MIB) == data[..8 * MIB]);
    host.end();
}

#[test]
fn closed_connection_gives_up_what_its_peer_leaves_unread_when_memory_is_short() {
    let config = HostConfig { linger: PATIENCE, ..queues_of(40) };
    let host = RunningHost::server(&config, Behaviour::Silent);
    let [(mut closed, closed_conn), (mut stays, conn)] = [(); 2].map(|()| connect(&host));
    let data = Bytes::from(vec![5; 18 * MIB]);
    host.give([Order::Send(closed_conn, vec![0; 24 * MIB].into()), Order::Close(closed_conn)]);
    host.give([Order::Send(conn, data.clone())]);
    assert!(read_exactly(&mut stays, data.len()) == data);
    let mut got = Vec::new();
    let _ = closed.read_to_end(&mut got);
    assert!(got.len() < 24 * MIB, "{} bytes", got.len());
    host.end();
}

#[test]
fn paused_connection_is_not_read_and_nothing_is_missed() {
    let host = RunningHost::server(&config(), Behaviour::Silent);
    let (mut paused, conn) = connect(&host);
    let (mut other, other_conn) = connect(&host);
    host.give([Order::Flow(conn, Flow::Pause)]);
    paused.write_all(b"wait").unwrap();
    // Bytes of the paused connection, if it were read, would be reported before these.
    for _ in 0..5 {
        other.write_all(b"go").unwrap();
        assert_eq!(host.received(other_conn, 2), b"go");
    }
    host.give([Order::Flow(conn, Flow::Resume)]);
    assert_eq!(host.received(conn, 4), b"wait");
    host.give([Order::Flow(conn, Flow::Pause), Order::Flow(conn, Flow::Resume)]);
    paused.write_all(b"on").unwrap();
    assert_eq!(host.received(conn, 2), b"on");
    host.end();
}

#[test]
fn close_sends_what_is_queued_while_the_peer_keeps_sending() {
    let host = RunningHost::server(&patient(), Behaviour::Silent);
    let (mut stream, conn) = connect(&host);
    let data = Bytes::from(pattern(8 * 1024 * 1024));
    // The connection is congested at once, but the machine has closed it and is told nothing.
    host.give([Order::Send(conn, data.clone()), Order::Close(conn)]);

    let mut writer = stream.try_clone().unwrap();
    let writing = std::thread::spawn(move || writer.write_all(&vec![1; 8 * 1024 * 1024]));
    let mut got = Vec::new();
    stream.read_to_end(&mut got).unwrap();
    assert!(got == data);
    writing.join().unwrap().unwrap();
    drop(stream);
    // No event follows a close: the next one is about another connection.
    let _ = connect(&host);
    host.end();
}

#[test]
fn peer_that_never_reads_does_not_hold_a_closed_connection() {
    let config =
        HostConfig { max_connections: Some(1), linger: Duration::from_millis(50), ..config() };
    let host = RunningHost::server(&config, Behaviour::Silent);
    let (_never_reads, conn) = connect(&host);
    host.give([Order::Send(conn, vec![0; 32 * 1024 * 1024].into())]);
    host.expect(&Seen::Congested(conn));
    host.give([Order::Close(conn)]);
    // Once the connection is given up, there is room for another.
    let (_, opened) = connect_when_there_is_room(&host);
    assert_ne!(opened, conn);
    host.end();
}

fn connect_when_there_is_room(host: &RunningHost) -> (Peer, ConnId) {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        let mut stream = Peer::connect(host.addr).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        match stream.read(&mut [0]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return (stream, host.opened()),
            _ => {}
        }
    }
    panic!("no room in time");
}

#[test]
fn closed_connection_whose_peer_does_not_end_makes_room_for_a_new_one() {
    let config = HostConfig { max_connections: Some(1), linger: 2 * PATIENCE, ..config() };
    let host = RunningHost::server(&config, Behaviour::Silent);
    let (mut stays, conn) = connect(&host);
    host.give([Order::Send(conn, Bytes::from_static(b"bye")), Order::Close(conn)]);
    stays.read_exact(&mut [0; 3]).unwrap();
    assert_eq!(stays.read(&mut [0]).unwrap(), 0, "the host's direction has ended");
    let (_, opened) = connect_when_there_is_room(&host);
    assert_ne!(opened, conn);
    host.end();
}

#[test]
fn connection_on_which_nothing_was_sent_makes_room_at_once() {
    let config = HostConfig { max_connections: Some(2), linger: 2 * PATIENCE, ..config() };
    let host = RunningHost::server(&config, Behaviour::Silent);
    let (mut stays, conn) = connect(&host);
    stays.write_all(b"unanswered").unwrap();
    assert_eq!(host.received(conn, 10), b"unanswered");
    host.give([Order::Close(conn)]);
    assert!(stays.has_ended());
    // If it lingered, ending the host would take as long as the peer stays.
    let begin = Instant::now();
    host.end();
    assert!(begin.elapsed() < PATIENCE);
}

#[test]
fn connections_above_the_cap_are_closed_at_once() {
    let config = HostConfig { max_connections: Some(2), ..config() };
    let host = RunningHost::server(&config, Behaviour::Silent);
    let (first, second) = (connect(&host), connect(&host));
    let mut third = Peer::connect(host.addr).unwrap();
    third.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(third.has_ended());
    drop(first.0);
    host.expect(&Seen::Closed(first.1));
    let (_, fourth) = connect_when_there_is_room(&host);
    assert!(fourth != first.1 && fourth != second.1);
    host.end();
}

#[test]
fn bytes_sent_before_a_close_are_read_first() {
    let host = RunningHost::server(&config(), Behaviour::Silent);
    let (mut stream, conn) = connect(&host);
    let data = pattern(200_000);
    stream.write_all(&data).unwrap();
    drop(stream);
    assert!(host.received(conn, data.len()) == data);
    host.expect(&Seen::Closed(conn));
    host.end();
}

#[test]
fn end_of_a_paused_connection_waits_for_its_bytes() {
    let host = RunningHost::server(&config(), Behaviour::Silent);
    let (mut stream, conn) = connect(&host);
    let (mut other, other_conn) = connect(&host);
    host.give([Order::Flow(conn, Flow::Pause)]);
    stream.write_all(b"last words").unwrap();
    drop(stream);
    other.write_all(b"go").unwrap();
    assert_eq!(host.received(other_conn, 2), b"go");
    host.give([Order::Flow(conn, Flow::Resume)]);
    assert_eq!(host.received(conn, 10), b"last words");
    host.expect(&Seen::Closed(conn));
    host.end();
}

#[test]
fn peer_that_ended_its_direction_reads_what_was_queued() {
    let host = RunningHost::server(&patient(), Behaviour::Silent);
    let (mut stream, conn) = connect(&host);
    let data = Bytes::from(pattern(8 * 1024 * 1024));
    host.give([Order::Send(conn, data.clone())]);
    host.expect(&Seen::Congested(conn));
    stream.end();
    host.expect(&Seen::Closed(conn));
    let mut got = Vec::new();
    stream.read_to_end(&mut got).unwrap();
    assert!(got == data);
    host.end();
}

#[test]
fn reset_connection_is_reported_once() {
    for flow in [Flow::Resume, Flow::Pause] {
        let host = RunningHost::server(&config(), Behaviour::Silent);
        let (stream, conn) = connect(&host);
        host.give([Order::Flow(conn, flow), Order::Send(conn, vec![0; 32 * 1024 * 1024].into())]);
        host.expect(&Seen::Congested(conn));
        // The peer has unread bytes, so the system sends a reset.
        drop(stream);
        host.expect(&Seen::Closed(conn));
        host.give([Order::Send(conn, Bytes::from_static(b"late")), Order::Close(conn)]);
        let _ = connect(&host);
        host.end();
    }
}

#[test]
fn store_crypto_timers_and_deliveries_come_back() {
    let host = RunningHost::server(&config(), Behaviour::Silent);
    host.give([Order::Store(1, 5), Order::Store(2, 6)]);
    host.expect(&Seen::Stored(1, Ok(50)));
    host.expect(&Seen::Stored(2, Ok(60)));
    host.give([Order::Compute(3)]);
    host.expect(&Seen::Computed(3));
    host.give([Order::TickIn(Duration::from_millis(5)), Order::Deliver("here")]);
    assert_eq!(host.delivered.recv_timeout(PATIENCE).unwrap(), "here");
    host.expect(&Seen::Ticked);
    host.end();
}

#[test]
fn stop_waits_for_the_machine_and_flushes() {
    let host = RunningHost::server(&patient(), Behaviour::Silent);
    let (mut stream, conn) = connect(&host);
    host.handle.stop();
    host.handle.stop();
    host.expect(&Seen::Shutdown);
    let refused = TcpStream::connect(host.addr).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);

    let data = Bytes::from(pattern(4 * 1024 * 1024));
    host.give([Order::Store(9, 9), Order::Send(conn, data.clone()), Order::End]);
    let mut got = Vec::new();
    stream.read_to_end(&mut got).unwrap();
    assert!(got == data);
    drop(stream);
    host.thread.join().unwrap().unwrap();
    let rest: Vec<_> = host.seen.try_iter().collect();
    assert!(!rest.contains(&Seen::Shutdown), "a second shutdown: {rest:?}");
}

#[test]
fn client_dials_talks_and_dials_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = RunningHost::client(&config(), listener.local_addr().unwrap());
    for id in [1, 2] {
        let conn = ConnId(id);
        host.give([Order::Dial(conn)]);
        let mut stream = Peer::accept(&listener);
        stream.shake_hands().unwrap();
        host.expect(&Seen::Opened(conn));
        host.give([Order::Send(conn, Bytes::from_static(b"hello"))]);
        assert_eq!(read_exactly(&mut stream, 5), b"hello");
        stream.write_all(b"welcome").unwrap();
        assert_eq!(host.received(conn, 7), b"welcome");
        drop(stream);
        host.expect(&Seen::Closed(conn));
    }
    host.end();
}

#[test]
fn client_of_several_servers_dials_the_one_that_it_is_told() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let somebody = listener.local_addr().unwrap();
    let servers = [nobody, somebody].map(|server| server.to_string().into());
    let host = RunningHost::dialler_of(&config(), nobody, servers.into());
    let to = |id, endpoint| Order::DialTo(ConnId(id), EndpointIndex(endpoint));
    host.give([to(1, 0)]);
    host.expect(&Seen::Closed(ConnId(1)));
    let why = host.unreachable.recv_timeout(PATIENCE).unwrap();
    assert_eq!(why, format!("{nobody}: {nobody} refused the connection"));
    host.give([to(2, 1)]);
    host.expect(&Seen::Opened(ConnId(2)));
    host.give([to(3, 2)]);
    host.expect(&Seen::Closed(ConnId(3)));
    drop(listener);
    host.end();
}

#[test]
fn failed_dialling_is_reported_as_closed() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let host = RunningHost::client(&config(), nobody);
    host.give([Order::Dial(ConnId(1))]);
    host.expect(&Seen::Closed(ConnId(1)));
    host.end();
}

#[test]
fn dialling_that_is_cancelled_causes_no_event() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = RunningHost::client(&config(), listener.local_addr().unwrap());
    host.give([Order::Dial(ConnId(1)), Order::Close(ConnId(1)), Order::Dial(ConnId(2))]);
    host.expect(&Seen::Opened(ConnId(2)));
    host.end();
}

/// The same over TLS.
macro_rules! over_tls {
    ($($test:ident)*) => {
        mod tls {
            $(#[test]
            fn $test() {
                super::over_tls(super::$test);
            })*
        }
    };
}

over_tls! {
    client_dials_talks_and_dials_again
    bytes_cut_anywhere_come_back_whole
    many_connections_are_served
    flood_on_one_connection_leaves_others_their_turn
    peer_that_stalls_is_congested_then_writable
    above_half_of_the_memory_of_queues_more_than_a_fair_share_is_congestion
    connections_with_most_unread_are_given_up_when_queues_take_too_much_memory
    closed_connection_gives_up_what_its_peer_leaves_unread_when_memory_is_short
    paused_connection_is_not_read_and_nothing_is_missed
    close_sends_what_is_queued_while_the_peer_keeps_sending
    peer_that_never_reads_does_not_hold_a_closed_connection
    closed_connection_whose_peer_does_not_end_makes_room_for_a_new_one
    connection_on_which_nothing_was_sent_makes_room_at_once
    connections_above_the_cap_are_closed_at_once
    bytes_sent_before_a_close_are_read_first
    end_of_a_paused_connection_waits_for_its_bytes
    peer_that_ended_its_direction_reads_what_was_queued
    reset_connection_is_reported_once
    stop_waits_for_the_machine_and_flushes
}
