//! The server machine: receipts, and the messages that they acknowledge (PROTOCOL 6.1).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

use std::time::Duration;

use sealpost_core::frame::StoreError;
use sealpost_core::server::OtpChannel;
use sealpost_core::server::limits::Limits;
use sealpost_tests::scripted_client::ScriptedClient;
use sealpost_tests::server_fixture::{
    acknowledge, caught_up, delivered, message, pair, send, stored,
};

#[test]
fn a_stored_receipt_goes_to_a_live_sender_without_being_read_back() {
    let (mut bed, mut alice, mut bob) = pair();
    bed.cut(bob.conn);
    send(&mut bed, &mut alice, &bob, "one");
    bob.reconnect_to(&mut bed);
    alice.receive_all(&mut bed);
    bed.hold_store = true;
    acknowledge(&mut bed, &mut bob, &alice, 1, &[1]);
    bed.release_store();
    assert_eq!(alice.receive_all(&mut bed), [delivered(&bob, 1, &[1])]);
    assert_eq!(bed.waiting_ops().count(), 0);
}

#[test]
fn receipts_for_an_absent_sender_are_kept_until_it_takes_them() {
    let (mut bed, mut alice, mut bob) = pair();
    send(&mut bed, &mut alice, &bob, "one");
    bed.cut(alice.conn);
    assert_eq!(bob.receive_all(&mut bed), [message(&alice, 1)]);
    acknowledge(&mut bed, &mut bob, &alice, 7, &[1]);
    for _ in 0..2 {
        assert_eq!(alice.reconnect_to(&mut bed), 1);
        assert_eq!(alice.receive_all(&mut bed), [delivered(&bob, 7, &[1])]);
    }
    let taken = alice.receipts_taken(bed.now().wall, &[(bob.id.unwrap(), 7)]);
    bed.input_packet(alice.conn, &taken);
    assert_eq!(alice.receive_all(&mut bed), [caught_up(1)]);
    assert_eq!(alice.reconnect_to(&mut bed), 0);
}

#[test]
fn a_receipt_that_the_store_could_not_take_is_tried_again() {
    let (mut bed, mut alice, mut bob) = pair();
    send(&mut bed, &mut alice, &bob, "one");
    bed.cut(alice.conn);
    bed.fail_store(1, StoreError::Busy);
    acknowledge(&mut bed, &mut bob, &alice, 7, &[1]);
    assert_eq!(bed.store.inner().packets().count(), 0);
    bed.advance(Duration::from_secs(1));
    assert_eq!(alice.reconnect_to(&mut bed), 1);
    assert_eq!(alice.receive_all(&mut bed), [delivered(&bob, 7, &[1])]);
}

#[test]
fn a_receipt_nobody_awaits_is_dropped() {
    let (mut bed, mut alice, mut bob) = pair();
    let mut carol = ScriptedClient::registered(&mut bed, 3);
    send(&mut bed, &mut alice, &bob, "one");
    bob.receive_all(&mut bed);
    // Carol did not get it, and bob did not get a second one.
    acknowledge(&mut bed, &mut carol, &alice, 1, &[1]);
    acknowledge(&mut bed, &mut bob, &alice, 1, &[2]);
    assert_eq!(alice.receive_all(&mut bed), []);
    acknowledge(&mut bed, &mut bob, &alice, 2, &[1]);
    acknowledge(&mut bed, &mut bob, &alice, 3, &[1]);
    assert_eq!(alice.receive_all(&mut bed), [delivered(&bob, 2, &[1])], "once");
}

#[test]
fn a_receipt_names_at_least_as_many_awaited_messages_as_others() {
    let (mut bed, mut alice, mut bob) = pair();
    for text in ["one", "two", "three"] {
        send(&mut bed, &mut alice, &bob, text);
    }
    bob.receive_all(&mut bed);
    for ids in [&[1, 7, 8][..], &[1, 2, 7, 8, 9], &[1, 1, 1], &[7, 8, 1, 9, 1]] {
        acknowledge(&mut bed, &mut bob, &alice, 1, ids);
        assert_eq!(alice.receive_all(&mut bed), [], "{ids:?}");
    }
    for (receipt_id, ids) in [(2, &[1, 7][..]), (3, &[2, 2]), (4, &[3])] {
        acknowledge(&mut bed, &mut bob, &alice, receipt_id, ids);
        assert_eq!(alice.receive_all(&mut bed), [delivered(&bob, receipt_id, ids)]);
    }
}

#[test]
fn a_receipt_for_what_is_being_stored_is_not_kept_if_it_names_more_others() {
    let (mut bed, mut alice, mut bob) = pair();
    send(&mut bed, &mut alice, &bob, "one");
    bob.receive_all(&mut bed);
    bed.hold_store = true;
    bed.advance(Duration::from_secs(5));
    acknowledge(&mut bed, &mut bob, &alice, 1, &[1, 7, 8]);
    assert_eq!(bed.held().deferred, 0);
    acknowledge(&mut bed, &mut bob, &alice, 2, &[1]);
    assert_eq!(bed.held().deferred, 1);
    bed.hold_store = false;
    bed.release_store();
    let received = alice.receive_all(&mut bed);
    assert!(received.contains(&delivered(&bob, 2, &[1])), "{received:?}");
}

#[test]
fn acknowledgements_that_wait_are_bounded_by_what_is_in_flight() {
    let (mut bed, mut alice, mut bob) = pair();
    for text in ["one", "two", "three"] {
        send(&mut bed, &mut alice, &bob, text);
    }
    bob.receive_all(&mut bed);
    bed.hold_store = true;
    bed.advance(Duration::from_secs(5)); // the append is under way
    for (receipt_id, ids, deferred) in [
        (1, &[1][..], 1),
        (2, &[1], 1),
        (3, &[1, 2], 3),
        (4, &[1, 2], 3),
        (5, &[2], 3),
        (6, &[1, 2, 3], 3),
        (7, &[3], 4),
    ] {
        acknowledge(&mut bed, &mut bob, &alice, receipt_id, ids);
        assert_eq!(bed.held().deferred, deferred, "{receipt_id}");
    }
    bed.hold_store = false;
    bed.release_store();
    let received = alice.receive_all(&mut bed);
    let expected = [(1, &[1][..]), (3, &[1, 2]), (7, &[3])];
    let expected = expected.map(|(receipt_id, ids)| delivered(&bob, receipt_id, ids));
    assert!(expected.iter().all(|receipt| received.contains(receipt)), "{received:?}");
    assert_eq!(received.len(), 4, "with the acknowledgement of what was stored: {received:?}");
    assert_eq!(bob.reconnect_to(&mut bed), 0);
}

#[test]
fn an_acknowledgement_that_overtakes_the_commit_waits_for_it() {
    let (mut bed, mut alice, mut bob) = pair();
    send(&mut bed, &mut alice, &bob, "one");
    bob.receive_all(&mut bed);
    bed.hold_store = true;
    bed.advance(Duration::from_secs(5)); // the append is under way
    acknowledge(&mut bed, &mut bob, &alice, 1, &[1]);
    assert_eq!(alice.receive_all(&mut bed), []);
    bed.hold_store = false;
    bed.release_store();
    let received = alice.receive_all(&mut bed);
    assert!(
        received.contains(&stored(&bob, &[1])) && received.contains(&delivered(&bob, 1, &[1])),
        "{received:?}"
    );
    assert_eq!(bob.reconnect_to(&mut bed), 0);
}

#[test]
fn a_stored_message_is_replaced_by_its_receipt_at_once() {
    let (mut bed, mut alice, mut bob) = pair();
    bed.cut(bob.conn);
    send(&mut bed, &mut alice, &bob, "one");
    bob.reconnect_to(&mut bed);
    bob.receive_all(&mut bed);
    alice.receive_all(&mut bed);
    bed.hold_store = true;
    acknowledge(&mut bed, &mut bob, &alice, 4, &[1]);
    // Power is lost after the commit and before its outcome is reported.
    bed.commit_without_outcomes();
    let mut bed = bed.restart(OtpChannel::InBand, Limits::without_rates());
    assert_eq!(alice.reconnect_to(&mut bed), 1);
    assert_eq!(alice.receive_all(&mut bed), [delivered(&bob, 4, &[1])]);
    assert_eq!(bob.reconnect_to(&mut bed), 0);
}

#[test]
fn a_settlement_that_fails_is_tried_again() {
    let (mut bed, mut alice, mut bob) = pair();
    bed.cut(bob.conn);
    send(&mut bed, &mut alice, &bob, "one");
    bob.reconnect_to(&mut bed);
    bob.receive_all(&mut bed);
    alice.receive_all(&mut bed);
    bed.fail_store(2, StoreError::Busy);
    acknowledge(&mut bed, &mut bob, &alice, 1, &[1]);
    assert_eq!(alice.receive_all(&mut bed), []);
    bed.advance(Duration::from_secs(2));
    assert_eq!(alice.receive_all(&mut bed), [delivered(&bob, 1, &[1])]);
    assert_eq!(bob.receive_all(&mut bed), [caught_up(1)]);
}
