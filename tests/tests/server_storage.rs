//! The server machine: what users make it store, and what becomes of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use sealpost_core::frame::Event;
use sealpost_core::server::limits::Limits;
use sealpost_core::server::store::StoreOp;
use sealpost_core::server::{Notice, OtpChannel};
use sealpost_core::wire::{ErrorCode, InReplyTo, Packet, Profile};
use sealpost_storage::{Quota, Shares};
use sealpost_tests::beds::ServerBed;
use sealpost_tests::scripted_client::{Received, ScriptedClient};
use sealpost_tests::server_fixture::{
    acknowledge, caught_up, delivered, message, pair, refused, send, stored,
};

fn bed(limits: Limits, quota: Quota) -> (ServerBed, [ScriptedClient; 3]) {
    let mut bed = ServerBed::with(Profile::Compact, OtpChannel::InBand, limits, quota);
    let clients = [1, 2, 3].map(|key| ScriptedClient::registered(&mut bed, key));
    (bed, clients)
}

/// Length of a packet with a short text.
fn packet_len() -> usize {
    let (mut bed, mut alice, bob) = pair();
    send(&mut bed, &mut alice, &bob, "text").bytes().len()
}

#[test]
fn a_user_who_does_not_take_receipts_sends_no_more() {
    let limits = Limits { receipt_bytes: 100, ..Limits::without_rates() };
    let (mut bed, [mut alice, mut bob, _]) = bed(limits, Quota::default());
    send(&mut bed, &mut alice, &bob, "one");
    bed.cut(alice.conn);
    acknowledge(&mut bed, &mut bob, &alice, 1, &[1]);
    alice.reconnect_to(&mut bed);
    assert_eq!(alice.receive_all(&mut bed), [delivered(&bob, 1, &[1])]);
    let two = send(&mut bed, &mut alice, &bob, "two");
    assert_eq!(refused(&alice.receive_all(&mut bed)), ErrorCode::Unavailable);
    let taken = alice.receipts_taken(bed.now().wall, &[(bob.id.unwrap(), 1)]);
    bed.input_packet(alice.conn, &taken);
    assert_eq!(alice.receive_all(&mut bed), [caught_up(1)]);
    bed.input_packet(alice.conn, &two);
    assert_eq!(alice.receive_all(&mut bed), []);
    assert_eq!(bob.receive_all(&mut bed), [1, 2].map(|id| message(&alice, id)));
}

#[test]
fn receipts_that_are_stored_during_a_session_count_too() {
    let limits = Limits { receipt_bytes: 100, ..Limits::without_rates() };
    let (mut bed, [mut alice, mut bob, _]) = bed(limits, Quota::default());
    bed.cut(bob.conn);
    send(&mut bed, &mut alice, &bob, "one");
    bob.reconnect_to(&mut bed);
    acknowledge(&mut bed, &mut bob, &alice, 1, &[1]);
    assert_eq!(alice.receive_all(&mut bed), [stored(&bob, &[1]), delivered(&bob, 1, &[1])]);
    send(&mut bed, &mut alice, &bob, "two");
    assert_eq!(refused(&alice.receive_all(&mut bed)), ErrorCode::Unavailable);
}

#[test]
fn a_sender_has_so_many_bytes_stored_a_day_whatever_its_sessions() {
    let stored_bytes_per_day = 2 * packet_len() as u64;
    let limits = Limits { stored_bytes_per_day, ..Limits::without_rates() };
    let (mut bed, [mut alice, bob, mut carol]) = bed(limits, Quota::default());
    bed.cut(bob.conn);
    send(&mut bed, &mut alice, &bob, "text");
    send(&mut bed, &mut alice, &bob, "text");
    assert_eq!(alice.receive_all(&mut bed).len(), 2);
    let third = send(&mut bed, &mut alice, &bob, "text");
    let [Received::Error(_, error)] = &alice.receive_all(&mut bed)[..] else { panic!() };
    assert_eq!((error.code, error.retry_after_secs), (ErrorCode::RateLimited, 12 * 3_600));
    send(&mut bed, &mut alice, &carol, "text");
    assert_eq!(carol.receive_all(&mut bed), [message(&alice, 4)], "nothing is stored");
    acknowledge(&mut bed, &mut carol, &alice, 1, &[4]);
    assert_eq!(alice.receive_all(&mut bed), [delivered(&carol, 1, &[4])]);
    let taken = alice.receipts_taken(bed.now().wall, &[(carol.id.unwrap(), 1)]);
    bed.input_packet(alice.conn, &taken);
    bed.cut(alice.conn);
    alice.reconnect_to(&mut bed);
    assert_eq!(alice.receive_all(&mut bed), [caught_up(0)]);
    bed.input_packet(alice.conn, &third);
    assert_eq!(refused(&alice.receive_all(&mut bed)), ErrorCode::RateLimited);
    bed.advance(Duration::from_hours(12));
    bed.input_packet(alice.conn, &third);
    assert_eq!(alice.receive_all(&mut bed), [stored(&bob, &[3])]);
}

#[test]
fn a_repeat_of_a_stored_message_costs_no_bytes_of_the_day() {
    let stored_bytes_per_day = 2 * packet_len() as u64;
    let limits = Limits { stored_bytes_per_day, ..Limits::without_rates() };
    let (mut bed, [mut alice, bob, _]) = bed(limits, Quota::default());
    bed.cut(bob.conn);
    let one = send(&mut bed, &mut alice, &bob, "text");
    bed.input_packet(alice.conn, &one);
    send(&mut bed, &mut alice, &bob, "text");
    let expected = [stored(&bob, &[1]), stored(&bob, &[1]), stored(&bob, &[2])];
    assert_eq!(alice.receive_all(&mut bed), expected);
}

#[test]
fn room_is_kept_for_people_whom_the_owner_has_answered_live() {
    let quota = Quota { messages: 4, shares: Shares::Limited, ..Quota::default() };
    let (mut bed, [mut alice, mut bob, mut carol]) = bed(Limits::without_rates(), quota);
    send(&mut bed, &mut bob, &alice, "hello");
    acknowledge(&mut bed, &mut alice, &bob, 1, &[1]);
    bed.cut(bob.conn);
    for text in ["one", "two"] {
        send(&mut bed, &mut carol, &bob, text);
    }
    let received = carol.receive_all(&mut bed);
    assert_eq!(received[..1], [stored(&bob, &[1])]);
    assert_eq!(refused(&received[1..]), ErrorCode::MailboxFull);
    alice.receive_all(&mut bed);
    for text in ["one", "two", "three"] {
        send(&mut bed, &mut alice, &bob, text);
    }
    assert_eq!(alice.receive_all(&mut bed), [1, 2, 3].map(|id| stored(&bob, &[id])));
}

#[test]
fn a_full_store_refuses_messages_and_settles_receipts() {
    let len = packet_len() as u64;
    let quota = Quota { store_bytes: len, ..Quota::default() };
    let (mut bed, [mut alice, mut bob, _]) = bed(Limits::without_rates(), quota);
    bed.cut(bob.conn);
    send(&mut bed, &mut alice, &bob, "text");
    assert_eq!(alice.receive_all(&mut bed), [stored(&bob, &[1])]);
    bed.take_notices();
    send(&mut bed, &mut alice, &bob, "text");
    assert_eq!(refused(&alice.receive_all(&mut bed)), ErrorCode::Unavailable);
    assert!(bed.take_notices().contains(&Notice::StoreFull));
    bob.reconnect_to(&mut bed);
    assert_eq!(bob.receive_all(&mut bed), [message(&alice, 1)]);
    acknowledge(&mut bed, &mut bob, &alice, 1, &[1]);
    assert_eq!(alice.receive_all(&mut bed), [delivered(&bob, 1, &[1])]);
}

fn undeliverable(packets: &[Packet]) -> Vec<(ErrorCode, InReplyTo)> {
    let hash = |packet: &Packet| packet.request_hash().in_reply_to();
    packets.iter().map(|packet| (ErrorCode::UnknownUser, hash(packet))).collect()
}

fn errors(received: &[Received]) -> Vec<(ErrorCode, InReplyTo)> {
    let error = |received: &Received| {
        if let Received::Error(_, reply) = received {
            Some((reply.code, reply.in_reply_to))
        } else {
            None
        }
    };
    received.iter().filter_map(error).collect()
}

/// Stores messages of alice for bob, whose account is then deleted. Returns the packets.
fn deleted_account(bed: &mut ServerBed, alice: &mut ScriptedClient, count: usize) -> Vec<Packet> {
    let bob = ScriptedClient::registered(bed, 2);
    bed.cut(bob.conn);
    let packets = (0..count).map(|_| send(bed, alice, &bob, "text")).collect();
    bed.cut(alice.conn);
    alice.receive_all(bed);
    assert_eq!(bed.store.inner_mut().delete_user(bob.phone), bob.id);
    packets
}

#[test]
fn a_sender_is_told_once_of_messages_that_went_with_an_account() {
    let mut bed = ServerBed::new(Profile::Compact);
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    // More than are told at a time.
    let packets = deleted_account(&mut bed, &mut alice, 20);
    alice.reconnect_to(&mut bed);
    assert_eq!(errors(&alice.receive_all(&mut bed)), undeliverable(&packets));
    bed.cut(alice.conn);
    alice.reconnect_to(&mut bed);
    assert_eq!(alice.receive_all(&mut bed), [caught_up(0)]);
}

#[test]
fn an_undeliverable_message_is_forgotten_only_after_its_sender_was_told() {
    let mut bed = ServerBed::new(Profile::Compact);
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    let packets = deleted_account(&mut bed, &mut alice, 1);
    bed.advance(Duration::from_secs(1));
    alice.conn = bed.connect();
    bed.hold_store = true;
    let request = alice.reconnect(bed.now().wall);
    bed.input_packet(alice.conn, &request);
    let asks =
        |bed: &ServerBed| bed.waiting_ops().any(|op| matches!(op, StoreOp::Undeliverable { .. }));
    while !asks(&bed) {
        bed.release_store();
    }
    bed.hold_jobs = true;
    bed.release_store();
    bed.hold_store = false;
    bed.cut(alice.conn);
    bed.hold_jobs = false;
    bed.release_jobs(|_| {});
    alice.receive_all(&mut bed);
    alice.reconnect_to(&mut bed);
    assert_eq!(errors(&alice.receive_all(&mut bed)), undeliverable(&packets));
}

#[test]
fn a_client_that_takes_nothing_is_disconnected() {
    let (mut bed, mut alice, bob) = pair();
    let unresponsive = Limits::default().unresponsive;
    send(&mut bed, &mut alice, &bob, "one");
    // It is stored after the time to acknowledge.
    bed.advance(Limits::default().in_flight_timeout + unresponsive.saturating_sub(SECOND));
    assert!(!bed.is_closed(bob.conn));
    bed.advance(Duration::from_secs(1));
    assert!(bed.is_closed(bob.conn));
    assert!(!bed.is_closed(alice.conn));
}

#[test]
fn a_client_that_takes_something_stays() {
    let (mut bed, mut alice, mut bob) = pair();
    let nearly = Limits::default().unresponsive.saturating_sub(SECOND);
    for text in ["one", "two", "three"] {
        send(&mut bed, &mut alice, &bob, text);
    }
    bed.advance(Limits::default().in_flight_timeout + nearly);
    for id in 1..=3 {
        acknowledge(&mut bed, &mut bob, &alice, id, &[id]);
        bed.advance(nearly);
        assert!(!bed.is_closed(bob.conn));
    }
    bed.advance(2 * nearly);
    assert!(!bed.is_closed(bob.conn), "nothing waits for it");
}

#[test]
fn a_client_whose_socket_stays_congested_is_disconnected() {
    let (mut bed, _, bob) = pair();
    let nearly = Limits::default().unresponsive.saturating_sub(SECOND);
    bed.input_event(Event::Congested { conn: bob.conn });
    bed.advance(nearly);
    bed.input_event(Event::Writable { conn: bob.conn });
    bed.input_event(Event::Congested { conn: bob.conn });
    bed.advance(nearly);
    assert!(!bed.is_closed(bob.conn), "it took something in between");
    bed.advance(Duration::from_secs(1));
    assert!(bed.is_closed(bob.conn));
}

const SECOND: Duration = Duration::from_secs(1);
