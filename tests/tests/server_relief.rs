//! The server machine: what all connections hold together, and what gives way when it is too much.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use sealpost_core::frame::StoreError;
use sealpost_core::server::limits::{Limits, packet_memory};
use sealpost_core::server::{Notice, OtpChannel};
use sealpost_core::wire::Profile;
use sealpost_storage::Quota;
use sealpost_tests::beds::ServerBed;
use sealpost_tests::scripted_client::{Received, ScriptedClient};
use sealpost_tests::server_fixture::{acknowledge, caught_up, message, pair, send, stored};

/// A bed whose connections may hold 40,000 bytes, and half of it in flight.
fn bed() -> (ServerBed, [ScriptedClient; 3]) {
    bed_with(Limits {
        connection_bytes_in_all: 40_000,
        in_flight_bytes_in_all: 20_000,
        in_flight_bytes: 9_000,
        in_flight_items: 10,
        drain_bytes: 9_000,
        drain_items: 10,
        ..Limits::without_rates()
    })
}

fn bed_with(limits: Limits) -> (ServerBed, [ScriptedClient; 3]) {
    let mut bed = ServerBed::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default());
    let clients = [1, 2, 3].map(|key| ScriptedClient::registered(&mut bed, key));
    (bed, clients)
}

/// Sends the first bytes of a message of more than 30,000. Returns the others.
fn send_part(
    bed: &mut ServerBed,
    from: &mut ScriptedClient,
    to: &ScriptedClient,
    len: usize,
) -> Vec<u8> {
    let text = "x".repeat(30_000);
    let key = to.public_key().clone();
    let packet = from.message(bed.now().wall, to.id.unwrap(), &key, &text);
    let (begun, rest) = packet.bytes().split_at(len);
    bed.input_bytes(from.conn, begun);
    rest.to_vec()
}

fn shed(bed: &mut ServerBed) -> Vec<u64> {
    let mut counts = Vec::new();
    for notice in bed.take_notices() {
        if let Notice::ConnectionsShed { count } = notice {
            counts.push(count);
        }
    }
    counts
}

#[test]
fn the_connection_that_holds_most_is_closed_when_all_hold_too_much() {
    let (mut bed, [mut alice, mut bob, mut carol]) = bed();
    send_part(&mut bed, &mut alice, &bob, 20_000);
    let rest = send_part(&mut bed, &mut bob, &carol, 12_000);
    send_part(&mut bed, &mut carol, &bob, 8_000);
    assert_eq!(bed.held().totals.connection_bytes, 40_000);
    assert!(shed(&mut bed).is_empty());
    // Strangers hold less each, but one byte too much together.
    let stranger = bed.connect();
    bed.input_bytes(stranger, &[0]);
    let closed = [alice.conn, bob.conn, carol.conn, stranger].map(|conn| bed.is_closed(conn));
    assert_eq!(closed, [true, false, false, false]);
    assert_eq!(shed(&mut bed), [1]);
    assert_eq!((bed.stats().relieved, bed.stats().shed), (1, 0));
    bed.input_bytes(bob.conn, &rest);
    assert_eq!(carol.receive_all(&mut bed), [message(&bob, 1)]);
}

#[test]
fn an_eighth_of_the_memory_is_made_free() {
    let (mut bed, _) = bed();
    let mut stranger = ScriptedClient::unregistered(&mut bed, 4);
    let request = stranger.register(bed.now().wall);
    let part = &request.bytes()[..500];
    let strangers: Vec<_> = (0..80)
        .map(|_| {
            let conn = bed.connect();
            bed.input_bytes(conn, part);
            conn
        })
        .collect();
    assert_eq!((bed.held().totals.connection_bytes, bed.stats().relieved), (40_000, 0));
    bed.input_bytes(stranger.conn, part);
    assert_eq!((bed.held().totals.connection_bytes, bed.stats().relieved), (35_000, 11));
    assert_eq!(strangers.iter().filter(|conn| bed.is_closed(**conn)).count(), 11);
}

#[test]
fn what_is_in_flight_counts_and_is_stored_when_its_connection_is_closed() {
    let (mut bed, [mut alice, mut bob, mut carol]) = bed();
    let ids: Vec<u64> = (1..=10).collect();
    for _ in &ids {
        send(&mut bed, &mut alice, &bob, "text");
    }
    assert_eq!((bed.stats().forwarded, bed.stats().stored), (10, 0));
    let in_flight = bed.held().totals.connection_bytes;
    send_part(&mut bed, &mut alice, &bob, 15_000);
    assert_eq!(bed.stats().relieved, 0);
    send_part(&mut bed, &mut carol, &bob, 40_001 - 15_000 - in_flight);
    assert!(bed.is_closed(bob.conn));
    assert_eq!((bed.stats().relieved, bed.held().totals.in_flight_bytes), (1, 0));
    assert_eq!(alice.receive_all(&mut bed), [stored(&bob, &ids)]);
    assert_eq!(bob.reconnect_to(&mut bed), 10);
    let messages: Vec<_> = ids.iter().map(|id| message(&alice, *id)).collect();
    assert_eq!(bob.receive_all(&mut bed), messages);
    acknowledge(&mut bed, &mut bob, &alice, 1, &ids);
    assert_eq!(bob.receive_all(&mut bed), [caught_up(10)]);
}

#[test]
fn lists_that_wait_count_until_they_are_empty() {
    let (mut bed, [mut alice, bob, _]) = bed();
    bed.cut(bob.conn);
    bed.fail_store(1, StoreError::DiskFull);
    let refused = send(&mut bed, &mut alice, &bob, "refused for now");
    assert!(matches!(alice.receive_all(&mut bed)[..], [Received::Error(..)]));
    let name = bed.held().totals.connection_bytes;
    assert!(name >= 16, "the refused message is remembered");
    bed.advance(Duration::from_secs(1));
    bed.input_packet(alice.conn, &refused);
    assert_eq!(alice.receive_all(&mut bed), [stored(&bob, &[1])]);
    assert_eq!(bed.held().totals.connection_bytes, 0, "it was repeated");

    let packets = [2, 3].map(|_| {
        let key = bob.public_key().clone();
        alice.message(bed.now().wall, bob.id.unwrap(), &key, "text")
    });
    bed.hold_jobs = true;
    for packet in &packets {
        bed.input_packet(alice.conn, packet);
    }
    bed.release_jobs(|_| {});
    assert!(bed.held().totals.connection_bytes >= 16, "one ack waits for the one being sealed");
    bed.hold_jobs = false;
    bed.release_jobs(|_| {});
    assert_eq!(bed.held().totals.connection_bytes, 0);

    bed.hold_jobs = true;
    let mut stranger = ScriptedClient::unregistered(&mut bed, 3);
    let request = stranger.register(bed.now().wall);
    bed.input_packet(stranger.conn, &request);
    assert_eq!(bed.held().totals.connection_bytes, 0, "the request has begun");
    bed.input_packet(stranger.conn, &request);
    assert!(bed.held().totals.connection_bytes >= request.bytes().len(), "the second one waits");
}

#[test]
fn at_twice_the_total_no_packet_is_taken_until_there_is_room() {
    let (mut bed, mut alice, bob) = pair();
    let len = send(&mut bed, &mut alice, &bob, "text").bytes().len();
    let held_bytes_in_all = 2 * packet_memory(len);
    let (mut bed, [mut alice, mut bob, carol]) =
        bed_with(Limits { held_bytes_in_all, ..Limits::without_rates() });
    bed.hold_jobs = true;
    for _ in 0..4 {
        send(&mut bed, &mut alice, &carol, "text");
    }
    assert_eq!(bed.held().totals.sender_bytes, 4 * packet_memory(len));
    send(&mut bed, &mut bob, &carol, "text");
    assert_eq!((bed.waiting_jobs(), bed.held().unread_bytes), (4, len));
    assert_eq!(bed.held().totals.sender_bytes, 4 * packet_memory(len));
    bed.hold_jobs = false;
    bed.release_jobs(|_| {});
    bed.advance(Duration::from_millis(49));
    assert_eq!(bed.held().unread_bytes, len, "the pause is not over");
    bed.advance(Duration::from_millis(1));
    assert_eq!((bed.held().unread_bytes, bed.held().totals.sender_bytes), (0, 0));
    assert!(!bed.is_paused(bob.conn));
    drop(bob.receive_all(&mut bed));
}

#[test]
fn answers_that_are_being_made_count_as_packets() {
    let (mut bed, mut alice, _) = pair();
    bed.hold_jobs = true;
    bed.input_packet(alice.conn, &alice.receipts_taken(bed.now().wall.plus_secs(-600), &[]));
    assert_eq!(bed.waiting_jobs(), 1, "the refusal of a packet with an old date");
    assert!(bed.held().totals.sender_bytes >= packet_memory(0));
    bed.hold_jobs = false;
    bed.release_jobs(|_| {});
    assert_eq!(bed.held().totals.sender_bytes, 0);
    assert!(matches!(alice.receive_all(&mut bed)[..], [Received::Error(..)]));
}

#[test]
fn settlements_that_fail_are_limited_and_their_items_come_again() {
    let (mut bed, [mut alice, mut bob, _]) =
        bed_with(Limits { unfinished: 1, ..Limits::without_rates() });
    bed.cut(bob.conn);
    for text in ["one", "two"] {
        send(&mut bed, &mut alice, &bob, text);
    }
    bob.reconnect_to(&mut bed);
    bob.receive_all(&mut bed);
    bed.fail_store(2, StoreError::DiskFull);
    acknowledge(&mut bed, &mut bob, &alice, 1, &[1]);
    assert_eq!((bed.held().unfinished, bed.is_closed(bob.conn)), (1, false));
    acknowledge(&mut bed, &mut bob, &alice, 2, &[2]);
    assert_eq!((bed.held().unfinished, bed.is_closed(bob.conn)), (1, true));
    bed.advance(Duration::from_secs(1));
    assert_eq!(bed.held().unfinished, 0);
    assert_eq!(bob.reconnect_to(&mut bed), 1);
    assert_eq!(bob.receive_all(&mut bed), [message(&alice, 2)]);
}
