//! The server machine: bugs in mailboxes that fuzzing and simulation found.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use sealpost_core::ids::{MessageId, ReceiptId, UserId};
use sealpost_core::server::limits::Limits;
use sealpost_core::server::{Held, OtpChannel};
use sealpost_core::wire::{OtpIssued, Profile, Receipt};
use sealpost_storage::Quota;
use sealpost_tests::beds::ServerBed;
use sealpost_tests::scripted_client::{Received, ScriptedClient};

/// A bed with these limits, with alice live and bob offline.
fn pair(limits: Limits) -> (ServerBed, ScriptedClient, ScriptedClient) {
    let mut bed = ServerBed::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default());
    let alice = ScriptedClient::registered(&mut bed, 1);
    let bob = ScriptedClient::registered(&mut bed, 2);
    bed.cut(bob.conn);
    (bed, alice, bob)
}

fn send(bed: &mut ServerBed, from: &mut ScriptedClient, to: UserId, key: &ScriptedClient) {
    let message = from.message(bed.now().wall, to, &key.public_key().clone(), "hello");
    bed.input_packet(from.conn, &message);
}

fn acknowledge(
    bed: &mut ServerBed,
    recipient: &mut ScriptedClient,
    sender: &ScriptedClient,
    receipt: u64,
    id: u64,
) {
    let receipt = recipient.receipt(bed.now().wall, sender.id.unwrap(), receipt, &[id]);
    bed.input_packet(recipient.conn, &receipt);
}

fn delivered(by: &ScriptedClient, receipt: u64, id: u64) -> Received {
    let receipt = Receipt { receipt_id: ReceiptId(receipt), message_ids: vec![MessageId(id)] };
    Received::Delivered(by.id.unwrap(), receipt)
}

#[test]
fn receipts_that_go_out_at_once_stay_within_the_window() {
    let limits = Limits { in_flight_items: 2, drain_items: 2, ..Limits::without_rates() };
    let (mut bed, mut alice, mut bob) = pair(limits);
    for _ in 1..=3 {
        send(&mut bed, &mut alice, bob.id.unwrap(), &bob);
    }
    assert_eq!(bob.reconnect_to(&mut bed), 3);
    alice.receive_all(&mut bed);
    for id in 1..=3 {
        acknowledge(&mut bed, &mut bob, &alice, id, id);
    }
    assert_eq!(alice.receive_all(&mut bed), [delivered(&bob, 1, 1), delivered(&bob, 2, 2)]);
    let taken = alice.receipts_taken(bed.now().wall, &[1, 2].map(|id| (bob.id.unwrap(), id)));
    bed.input_packet(alice.conn, &taken);
    assert_eq!(alice.receive_all(&mut bed), [delivered(&bob, 3, 3)]);
}

#[test]
fn a_window_of_one_sends_one_item() {
    let limits = Limits { drain_items: 1, ..Limits::without_rates() };
    let (mut bed, mut alice, mut bob) = pair(limits);
    for _ in 1..=3 {
        send(&mut bed, &mut alice, bob.id.unwrap(), &bob);
    }
    assert_eq!(bob.reconnect_to(&mut bed), 3);
    for id in 1..=3 {
        assert_eq!(bob.receive_all(&mut bed).len(), 1, "message {id}");
        acknowledge(&mut bed, &mut bob, &alice, id, id);
    }
}

#[test]
fn a_receipt_with_the_number_of_one_in_flight_is_not_sent() {
    let (mut bed, mut alice, mut bob) = pair(Limits::without_rates());
    send(&mut bed, &mut alice, bob.id.unwrap(), &bob);
    assert_eq!(bob.reconnect_to(&mut bed), 1);
    alice.receive_all(&mut bed);
    acknowledge(&mut bed, &mut bob, &alice, 7, 1);
    assert_eq!(alice.receive_all(&mut bed), [delivered(&bob, 7, 1)]);
    send(&mut bed, &mut alice, bob.id.unwrap(), &bob);
    acknowledge(&mut bed, &mut bob, &alice, 7, 2);
    assert_eq!(alice.receive_all(&mut bed), []);
}

#[test]
fn a_stored_receipt_with_the_number_of_one_in_flight_is_not_sent() {
    let (mut bed, mut alice, mut bob) = pair(Limits::without_rates());
    for id in 1..=2 {
        send(&mut bed, &mut alice, bob.id.unwrap(), &bob);
        assert_eq!(bob.reconnect_to(&mut bed), 1);
        alice.receive_all(&mut bed);
        acknowledge(&mut bed, &mut bob, &alice, 7, id);
        let expected: &[Received] = if id == 1 { &[delivered(&bob, 7, 1)] } else { &[] };
        assert_eq!(alice.receive_all(&mut bed), expected);
        bed.cut(bob.conn);
    }
}

#[test]
fn a_message_stored_again_behind_its_deletion_is_sent_after_it() {
    let (mut bed, mut alice, mut bob) = pair(Limits::without_rates());
    let at = bed.now().wall;
    let repeated = alice.message(at, bob.id.unwrap(), &bob.public_key().clone(), "text");
    bed.input_packet(alice.conn, &repeated);
    assert_eq!(bob.reconnect_to(&mut bed), 1);
    assert_eq!(bob.receive_all(&mut bed).len(), 1);
    bed.hold_store = true;
    acknowledge(&mut bed, &mut bob, &alice, 1, 1);
    bed.input_packet(alice.conn, &repeated);
    // The outcome of the deletion is overtaken by that of the second append, and by the page that
    // holds the message once more.
    let deleted = bed.release_store_behind_the_first();
    bed.release_store();
    assert_eq!(bob.receive_all(&mut bed), []);
    bed.input_event(deleted);
    bed.hold_store = false;
    bed.release_store();
    let message = Received::Message(alice.id.unwrap(), MessageId(1));
    assert_eq!(bob.receive(&mut bed), Some(message));
}

#[test]
fn items_stored_before_a_new_accounts_session_are_drained_in_it() {
    let mut bed = ServerBed::new(Profile::Compact);
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    let mut bob = ScriptedClient::unregistered(&mut bed, 2);
    let request = bob.register(bed.now().wall);
    bed.input_packet(bob.conn, &request);
    let Some(Received::OtpIssued(OtpIssued { otp: Some(otp), .. })) = bob.receive(&mut bed) else {
        panic!("no one-time password");
    };
    let confirm = bob.confirm(bed.now().wall, &otp);
    bed.hold_store = true;
    bed.input_packet(bob.conn, &confirm);
    send(&mut bed, &mut alice, UserId::new(2).unwrap(), &bob);
    bed.hold_store = false;
    bed.release_store();
    let message = Received::Message(alice.id.unwrap(), MessageId(1));
    assert_eq!(bob.receive_all(&mut bed), [Received::SessionIssued, message]);
}

#[test]
fn nothing_is_kept_in_memory_for_an_absent_user() {
    let (mut bed, mut alice, bob) = pair(Limits::without_rates());
    send(&mut bed, &mut alice, bob.id.unwrap(), &bob);
    alice.receive_all(&mut bed);
    bed.cut(alice.conn);
    assert_eq!(bed.held(), Held::default());
}
