//! The server machine: what fuzzing and simulation have found in mailboxes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use sealpost_core::ids::{MessageId, ReceiptId, UserId};
use sealpost_core::server::limits::Limits;
use sealpost_core::server::{Held, OtpChannel};
use sealpost_core::wire::{OtpIssued, Profile, Receipt};
use sealpost_storage::Quota;
use sealpost_tests::actor::{Actor, Heard};
use sealpost_tests::stage::Stage;

/// Alice, live, and bob, who is away, on a stage with these limits.
fn pair(limits: Limits) -> (Stage, Actor, Actor) {
    let mut stage = Stage::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default());
    let alice = Actor::registered(&mut stage, 1);
    let bob = Actor::registered(&mut stage, 2);
    stage.cut(bob.conn);
    (stage, alice, bob)
}

fn send(stage: &mut Stage, from: &mut Actor, to: UserId, key: &Actor) {
    let message = from.message(stage.now().wall, to, &key.public_key().clone(), "hello");
    stage.packet(from.conn, &message);
}

fn acknowledge(stage: &mut Stage, reader: &mut Actor, sender: &Actor, receipt: u64, id: u64) {
    let receipt = reader.receipt(stage.now().wall, sender.id.unwrap(), receipt, &[id]);
    stage.packet(reader.conn, &receipt);
}

fn delivered(by: &Actor, receipt: u64, id: u64) -> Heard {
    let receipt = Receipt { receipt_id: ReceiptId(receipt), message_ids: vec![MessageId(id)] };
    Heard::Delivered(by.id.unwrap(), receipt)
}

#[test]
fn receipts_that_go_out_at_once_stay_within_the_window() {
    let limits = Limits { in_flight_items: 2, drain_items: 2, ..Limits::without_rates() };
    let (mut stage, mut alice, mut bob) = pair(limits);
    for _ in 1..=3 {
        send(&mut stage, &mut alice, bob.id.unwrap(), &bob);
    }
    assert_eq!(bob.return_to(&mut stage), 3);
    alice.hear_all(&mut stage);
    for id in 1..=3 {
        acknowledge(&mut stage, &mut bob, &alice, id, id);
    }
    assert_eq!(alice.hear_all(&mut stage), [delivered(&bob, 1, 1), delivered(&bob, 2, 2)]);
    let taken = alice.taken(stage.now().wall, &[1, 2].map(|id| (bob.id.unwrap(), id)));
    stage.packet(alice.conn, &taken);
    assert_eq!(alice.hear_all(&mut stage), [delivered(&bob, 3, 3)]);
}

#[test]
fn a_window_of_one_brings_one() {
    let limits = Limits { drain_items: 1, ..Limits::without_rates() };
    let (mut stage, mut alice, mut bob) = pair(limits);
    for _ in 1..=3 {
        send(&mut stage, &mut alice, bob.id.unwrap(), &bob);
    }
    assert_eq!(bob.return_to(&mut stage), 3);
    for id in 1..=3 {
        assert_eq!(bob.hear_all(&mut stage).len(), 1, "message {id}");
        acknowledge(&mut stage, &mut bob, &alice, id, id);
    }
}

#[test]
fn a_receipt_with_the_number_of_one_in_flight_is_not_sent() {
    let (mut stage, mut alice, mut bob) = pair(Limits::without_rates());
    send(&mut stage, &mut alice, bob.id.unwrap(), &bob);
    assert_eq!(bob.return_to(&mut stage), 1);
    alice.hear_all(&mut stage);
    acknowledge(&mut stage, &mut bob, &alice, 7, 1);
    assert_eq!(alice.hear_all(&mut stage), [delivered(&bob, 7, 1)]);
    send(&mut stage, &mut alice, bob.id.unwrap(), &bob);
    acknowledge(&mut stage, &mut bob, &alice, 7, 2);
    assert_eq!(alice.hear_all(&mut stage), []);
}

#[test]
fn what_was_stored_before_a_new_accounts_session_comes_with_it() {
    let mut stage = Stage::new(Profile::Compact);
    let mut alice = Actor::registered(&mut stage, 1);
    let mut bob = Actor::stranger(&mut stage, 2);
    let request = bob.register(stage.now().wall);
    stage.packet(bob.conn, &request);
    let Some(Heard::OtpIssued(OtpIssued { otp: Some(otp), .. })) = bob.hear(&mut stage) else {
        panic!("no one-time password");
    };
    let confirm = bob.confirm(stage.now().wall, &otp);
    stage.hold_store = true;
    stage.packet(bob.conn, &confirm);
    send(&mut stage, &mut alice, UserId::new(2).unwrap(), &bob);
    stage.hold_store = false;
    stage.release_store();
    let message = Heard::Message(alice.id.unwrap(), MessageId(1));
    assert_eq!(bob.hear_all(&mut stage), [Heard::SessionIssued, message]);
}

#[test]
fn of_who_is_away_nothing_is_kept_in_memory() {
    let (mut stage, mut alice, bob) = pair(Limits::without_rates());
    send(&mut stage, &mut alice, bob.id.unwrap(), &bob);
    alice.hear_all(&mut stage);
    stage.cut(alice.conn);
    assert_eq!(stage.held(), Held::default());
}
