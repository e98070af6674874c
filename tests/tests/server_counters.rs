//! The server machine: what it counts adds up with what it was sent and what it sends.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use bytes::Bytes;
use sealpost_core::frame::StoreError;
use sealpost_core::server::{
    Counters, DeliveryOutcome, ItemCounts, RegisteredPhones, Registration,
};
use sealpost_core::wire::{ErrorCode, Op, Otp, OtpIssued, Packet, Profile};
use sealpost_tests::beds::ServerBed;
use sealpost_tests::scripted_client::{Received, ScriptedClient};
use sealpost_tests::server_fixture::{acknowledge, message, pair, send, stored};

#[test]
fn packets_and_bytes_are_counted_in_both_directions() {
    let mut bed = ServerBed::new(Profile::Compact);
    let mut alice = ScriptedClient::unregistered(&mut bed, 1);
    let request = alice.register(bed.now().wall);
    let (first, rest) = request.bytes().split_at(100);
    bed.input_bytes(alice.conn, first);
    assert_eq!((bed.counters().received_bytes, bed.counters().received.total()), (100, 0));
    bed.input_bytes(alice.conn, rest);
    let answer = bed.receive(alice.conn).unwrap();
    let Received::OtpIssued(OtpIssued { otp: Some(otp), .. }) = alice.open(answer.clone()) else {
        panic!("no one-time password");
    };
    let confirm = alice.confirm(bed.now().wall, &otp);
    bed.input_packet(alice.conn, &confirm);
    let grant = bed.receive(alice.conn).unwrap();

    let counters = bed.counters();
    assert_eq!(counters.received_bytes, bytes_of([&request, &confirm]));
    assert_eq!(counters.sent_bytes, bytes_of([&answer, &grant]));
    let received = [Op::Register, Op::Confirm].map(|op| counters.received.of(op));
    let sent = [Op::OtpIssued, Op::SessionIssued].map(|op| counters.sent.of(op));
    assert_eq!((received, counters.received.total()), ([1, 1], 2));
    assert_eq!((sent, counters.sent.total()), ([1, 1], 2));
    assert_eq!((counters.otps_offered, counters.registrations), (1, 1));
    // Nobody signs a 100.
    assert_eq!((counters.accepted, counters.rejected, counters.sessions_begun), (1, 0, 1));
}

#[test]
fn an_item_counts_where_it_goes() {
    let (mut bed, mut alice, mut bob) = pair();
    send(&mut bed, &mut alice, &bob, "one");
    acknowledge(&mut bed, &mut bob, &alice, 1, &[1]);
    let forwarded = ItemCounts { forwarded: 1, ..ItemCounts::default() };
    assert_eq!((bed.counters().messages, bed.counters().receipts), (forwarded, forwarded));

    bed.cut(bob.conn);
    send(&mut bed, &mut alice, &bob, "two");
    assert_eq!(bed.counters().messages, ItemCounts { forwarded: 1, stored: 1, drained: 0 });
    assert_eq!(bob.reconnect_to(&mut bed), 1);
    assert_eq!(bed.counters().messages, ItemCounts { forwarded: 1, stored: 1, drained: 1 });
    acknowledge(&mut bed, &mut bob, &alice, 2, &[2]);
    // The receipt is stored when its message leaves the store, and is then sent from there.
    assert_eq!(bed.counters().receipts, ItemCounts { forwarded: 1, stored: 1, drained: 1 });
    assert_eq!((bed.stats().forwarded, bed.stats().stored), (2, 2));
    assert_eq!(bob.receive_all(&mut bed).first(), Some(&message(&alice, 2)));
    assert!(alice.receive_all(&mut bed).contains(&stored(&bob, &[2])));
    assert_eq!((bed.counters().sessions_begun, bed.counters().store_failures), (3, 0));
}

#[test]
fn a_rejected_signature_and_its_error_are_counted() {
    let (mut bed, mut alice, bob) = pair();
    let before = bed.counters();
    let (to, key) = (bob.id.unwrap(), bob.public_key().clone());
    let good = alice.message(bed.now().wall, to, &key, "hi");
    let mut bytes = good.bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let forged = Packet::parse(Profile::Compact, Bytes::from(bytes)).unwrap();
    bed.input_packet(alice.conn, &forged);
    let after = bed.counters();
    assert_eq!(after.received.of(Op::Message) - before.received.of(Op::Message), 1);
    assert_eq!((after.accepted - before.accepted, after.rejected - before.rejected), (0, 1));
    assert_eq!((after.errors.of_error(ErrorCode::BadSignature), after.errors.total()), (1, 1));
    assert_eq!(after.sent.of(Op::Error), 1);
    assert_eq!(after.messages, ItemCounts::default());
}

#[test]
fn passwords_are_counted_by_what_becomes_of_them() {
    let mut bed = ServerBed::registering(RegisteredPhones::Told, Registration::default());
    bed.hold_deliveries = true;
    let mut alice = ScriptedClient::unregistered(&mut bed, 1);
    for (outcome, counts) in
        [(DeliveryOutcome::Refused, (0, 1)), (DeliveryOutcome::Accepted, (1, 1))]
    {
        let request = alice.register(bed.now().wall);
        bed.input_packet(alice.conn, &request);
        let delivery = bed.take_otps().remove(0);
        bed.answer_delivery(delivery.id, outcome);
        alice.receive_all(&mut bed);
        let counters = bed.counters();
        assert_eq!((counters.otps_offered, counters.otps_undelivered), counts);
    }
    let wrong = Otp::from_number(0).unwrap();
    let confirm = alice.confirm(bed.now().wall, &wrong);
    bed.input_packet(alice.conn, &confirm);
    assert_eq!((bed.counters().wrong_guesses, bed.counters().registrations), (1, 0));
}

#[test]
fn failures_of_the_store_and_silent_strangers_are_counted() {
    let (mut bed, mut alice, bob) = pair();
    bed.connect();
    bed.cut(bob.conn);
    bed.store.fail_next(1, StoreError::Io);
    send(&mut bed, &mut alice, &bob, "one");
    assert_eq!((bed.counters().store_failures, bed.counters().too_slow), (1, 0));
    bed.advance(Duration::from_secs(10));
    assert_eq!((bed.counters().store_failures, bed.counters().too_slow), (1, 1));
}

#[test]
fn a_server_that_has_done_nothing_has_counted_nothing() {
    assert_eq!(ServerBed::new(Profile::Compact).counters(), Counters::default());
}

fn bytes_of<const N: usize>(packets: [&Packet; N]) -> u64 {
    packets.iter().map(|packet| packet.bytes().len() as u64).sum()
}
