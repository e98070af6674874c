//! The server machine: one-time passwords (PROTOCOL 4.2).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

use std::net::IpAddr;
use std::time::Duration;

use sealpost_core::frame::StoreError;
use sealpost_core::server::limits::{Limits, Rate};
use sealpost_core::server::store::{CreateOutcome, StoreReply};
use sealpost_core::server::{DeliveryOutcome, Notice, OtpChannel, OtpDelivery};
use sealpost_core::wire::{ErrorCode, ErrorForm, ErrorReply, OtpIssued, Profile};
use sealpost_storage::Quota;
use sealpost_tests::beds::ServerBed;
use sealpost_tests::registration_fixture::{ask, confirm, delivery, otp, refusal, wrong};
use sealpost_tests::scripted_client::{Received, ScriptedClient};
use sealpost_tests::server_fixture::error;

fn bed() -> ServerBed {
    ServerBed::new(Profile::Compact)
}

#[test]
fn the_passwords_of_a_day_are_limited() {
    let limits = Limits { otps: 1, ..Limits::without_rates() };
    let mut bed = ServerBed::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default());
    let mut alice = ScriptedClient::unregistered(&mut bed, 1);
    let mut bob = ScriptedClient::unregistered(&mut bed, 2);
    otp(&mut alice, &mut bed);
    assert_eq!(refusal(&ask(&mut bob, &mut bed)), (ErrorCode::RateLimited, 60));
    bed.advance(Duration::from_hours(24));
    bob.conn = bed.connect();
    otp(&mut bob, &mut bed);
}

#[test]
fn a_password_that_was_right_makes_room_for_another() {
    let limits = Limits { otps: 1, ..Limits::without_rates() };
    let mut bed = ServerBed::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default());
    let mut alice = ScriptedClient::unregistered(&mut bed, 1);
    let right = otp(&mut alice, &mut bed);
    let confirm = alice.confirm(bed.now().wall, &right);
    bed.input_packet(alice.conn, &confirm);
    assert_eq!(alice.receive_all(&mut bed), [Received::SessionIssued]);
    let mut bob = ScriptedClient::unregistered(&mut bed, 2);
    otp(&mut bob, &mut bed);
}

#[test]
fn a_wrong_password_costs_an_attempt_and_the_fifth_voids_it() {
    let mut bed = bed();
    let mut alice = ScriptedClient::unregistered(&mut bed, 1);
    let right = otp(&mut alice, &mut bed);
    for left in ["4 attempts", "3 attempts", "2 attempts", "1 attempt", "0 attempts"] {
        let confirm = alice.confirm(bed.now().wall, &wrong(&right));
        bed.input_packet(alice.conn, &confirm);
        match alice.receive(&mut bed) {
            Some(Received::Error(
                ErrorForm::ReplyKey,
                ErrorReply { code: ErrorCode::OtpRejected, text, .. },
            )) => {
                assert_eq!(text, format!("{left} left"));
            }
            other => panic!("{other:?}"),
        }
    }
    let confirm = alice.confirm(bed.now().wall, &right);
    bed.input_packet(alice.conn, &confirm);
    assert_eq!(error(&alice.receive_all(&mut bed)), (ErrorForm::ReplyKey, ErrorCode::OtpExpired));
}

#[test]
fn a_password_lives_for_300_seconds_on_any_connection_and_holds_none() {
    let mut bed = bed();
    let mut alice = ScriptedClient::unregistered(&mut bed, 1);
    let first = otp(&mut alice, &mut bed);
    bed.advance(Duration::from_secs(10));
    assert!(bed.is_closed(alice.conn), "a password is no reason to hold a socket");
    bed.advance(Duration::from_secs(290));
    let late = confirm(&mut alice, &mut bed, &first);
    assert_eq!(refusal(&late), (ErrorCode::OtpExpired, 0));

    let second = otp(&mut alice, &mut bed);
    bed.advance(Duration::from_secs(299));
    assert_eq!(confirm(&mut alice, &mut bed, &second), Received::SessionIssued);
}

#[test]
fn a_100_with_the_same_reply_key_repeats_the_living_password() {
    let mut bed = bed();
    let mut alice = ScriptedClient::unregistered(&mut bed, 1);
    let code = otp(&mut alice, &mut bed);
    let guessed = confirm(&mut alice, &mut bed, &wrong(&code));
    assert_eq!(refusal(&guessed), (ErrorCode::OtpRejected, 0));
    bed.advance(Duration::from_secs(100));
    for _ in 0..20 {
        alice.conn = bed.connect();
        match ask(&mut alice, &mut bed) {
            Received::OtpIssued(OtpIssued { otp, ttl_secs: 200, attempts: 4, .. }) => {
                assert_eq!(otp.as_ref(), Some(&code));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(bed.held().otps, 1);
    bed.advance(Duration::from_secs(200));
    alice.conn = bed.connect();
    assert_ne!(otp(&mut alice, &mut bed), code, "the first has expired");
}

#[test]
fn a_password_belongs_to_the_reply_key_of_its_100() {
    let mut bed = bed();
    let mut alice = ScriptedClient::unregistered(&mut bed, 1);
    let mut mallory = ScriptedClient::unregistered(&mut bed, 2);
    mallory.phone = alice.phone;
    mallory.use_reply_key(66);
    let hers = otp(&mut alice, &mut bed);
    // Without a 100 of its own, a reply key has no password, not even the right one.
    for _ in 0..9 {
        let answer = confirm(&mut mallory, &mut bed, &hers);
        assert_eq!(refusal(&answer), (ErrorCode::OtpExpired, 0));
    }
    // A 100 of a stranger neither replaces hers nor voids it.
    let his = otp(&mut mallory, &mut bed);
    for guess in [&hers, &his] {
        assert_ne!(hers, his);
        let answer = confirm(&mut mallory, &mut bed, &wrong(guess));
        assert_eq!(refusal(&answer), (ErrorCode::OtpRejected, 0));
    }
    assert_eq!(confirm(&mut alice, &mut bed, &hers), Received::SessionIssued);
    // The phone has an account now, and his right password tells him so.
    let answer = confirm(&mut mallory, &mut bed, &his);
    assert!(matches!(answer, Received::RegistrationRejected(_)), "{answer:?}");
}

#[test]
fn a_password_survives_a_failing_store() {
    let mut bed = bed();
    let mut alice = ScriptedClient::unregistered(&mut bed, 1);
    let code = otp(&mut alice, &mut bed);
    bed.fail_store(1, StoreError::DiskFull);
    let confirm = alice.confirm(bed.now().wall, &code);
    bed.input_packet(alice.conn, &confirm);
    assert_eq!(error(&alice.receive_all(&mut bed)), (ErrorForm::ReplyKey, ErrorCode::Unavailable));
    bed.input_packet(alice.conn, &confirm);
    assert_eq!(alice.receive_all(&mut bed), [Received::SessionIssued]);
}

#[test]
fn a_password_survives_a_full_disk() {
    let mut bed = bed();
    let mut alice = ScriptedClient::unregistered(&mut bed, 1);
    let code = otp(&mut alice, &mut bed);
    bed.hold_store = true;
    let confirm = alice.confirm(bed.now().wall, &code);
    bed.input_packet(alice.conn, &confirm);
    bed.take_notices();
    bed.answer_op(StoreReply::Created(CreateOutcome::StoreFull));
    assert_eq!(error(&alice.receive_all(&mut bed)), (ErrorForm::ReplyKey, ErrorCode::Unavailable));
    assert!(bed.take_notices().contains(&Notice::StoreFull));
    bed.hold_store = false;
    bed.input_packet(alice.conn, &confirm);
    assert_eq!(alice.receive_all(&mut bed), [Received::SessionIssued]);
}

/// A bed whose passwords go out of band.
fn out_of_band() -> ServerBed {
    let channel = OtpChannel::OutOfBand;
    ServerBed::with(Profile::Compact, channel, Limits::without_rates(), Quota::default())
}

#[test]
fn out_of_band_passwords_go_to_the_host_alone() {
    let mut bed = out_of_band();
    let mut alice = ScriptedClient::unregistered(&mut bed, 1);
    let answer = ask(&mut alice, &mut bed);
    assert!(matches!(answer, Received::OtpIssued(OtpIssued { otp: None, .. })), "{answer:?}");
    let OtpDelivery { peer, phone, otp, ttl_secs, .. } = delivery(&mut bed);
    assert_eq!((peer, phone, ttl_secs), (IpAddr::from([192, 0, 2, 1]), alice.phone, 300));
    // It is repeated without being sent again.
    let answer = ask(&mut alice, &mut bed);
    assert!(matches!(answer, Received::OtpIssued(OtpIssued { otp: None, .. })), "{answer:?}");
    assert_eq!(bed.take_otps(), []);
    assert_eq!(confirm(&mut alice, &mut bed, &otp), Received::SessionIssued);
}

#[test]
fn no_200_leaves_before_the_password_is_on_its_way() {
    let mut bed = out_of_band();
    bed.hold_deliveries = true;
    let mut alice = ScriptedClient::unregistered(&mut bed, 1);
    let request = alice.register(bed.now().wall);
    bed.input_packet(alice.conn, &request);
    assert_eq!(alice.receive_all(&mut bed), []);
    // Meanwhile, a repeated 100 learns no more.
    let first = std::mem::replace(&mut alice.conn, bed.connect());
    assert_eq!(refusal(&ask(&mut alice, &mut bed)), (ErrorCode::Unavailable, 0));
    alice.conn = first;
    bed.advance(Duration::from_secs(5));
    let OtpDelivery { id, .. } = delivery(&mut bed);
    bed.answer_delivery(id, DeliveryOutcome::Accepted);
    let answer = alice.receive(&mut bed);
    assert!(
        matches!(answer, Some(Received::OtpIssued(OtpIssued { ttl_secs: 295, .. }))),
        "{answer:?}"
    );
}

#[test]
fn a_password_that_no_courier_takes_is_refused_and_does_not_count() {
    let mut bed = out_of_band();
    bed.hold_deliveries = true;
    let mut alice = ScriptedClient::unregistered(&mut bed, 1);
    for _ in 0..9 {
        let request = alice.register(bed.now().wall);
        bed.input_packet(alice.conn, &request);
        let OtpDelivery { id, otp, .. } = delivery(&mut bed);
        bed.answer_delivery(id, DeliveryOutcome::Refused);
        let answer = alice.receive(&mut bed).unwrap();
        assert_eq!(refusal(&answer), (ErrorCode::Unavailable, 0));
        assert_eq!((bed.held().otps, bed.held().deliveries), (0, 0));
        assert!(!bed.is_closed(alice.conn));
        let answer = confirm(&mut alice, &mut bed, &otp);
        assert_eq!(refusal(&answer), (ErrorCode::OtpExpired, 0));
    }
    bed.hold_deliveries = false;
    let answer = ask(&mut alice, &mut bed);
    assert!(matches!(answer, Received::OtpIssued(_)), "{answer:?}");
}

#[test]
fn a_phone_is_sent_five_passwords_a_day_and_three_for_one_address() {
    let mut bed = bed();
    let mut mallory = ScriptedClient::unregistered(&mut bed, 1);
    let mut alice = ScriptedClient::unregistered(&mut bed, 2);
    mallory.phone = alice.phone;
    let ask_with = |client: &mut ScriptedClient, bed: &mut ServerBed, peer: u8, key| {
        client.conn = bed.connect_from(IpAddr::from([192, 0, 2, peer]));
        client.use_reply_key(key);
        ask(client, bed)
    };
    for key in 1..=3 {
        let answer = ask_with(&mut mallory, &mut bed, 1, key);
        assert!(matches!(answer, Received::OtpIssued(_)), "{answer:?}");
        bed.advance(Duration::from_hours(1));
    }
    // He has had his share: the first of them is a day old in 21 hours.
    let wait = 21 * 3_600;
    let answer = ask_with(&mut mallory, &mut bed, 1, 4);
    assert_eq!(refusal(&answer), (ErrorCode::RateLimited, wait));
    for key in 5..=6 {
        let answer = ask_with(&mut alice, &mut bed, 2, key);
        assert!(matches!(answer, Received::OtpIssued(_)), "{answer:?}");
    }
    let answer = ask_with(&mut alice, &mut bed, 2, 7);
    assert_eq!(refusal(&answer), (ErrorCode::RateLimited, wait));
    bed.advance(Duration::from_secs(wait.into()));
    let answer = ask_with(&mut alice, &mut bed, 2, 7);
    assert!(matches!(answer, Received::OtpIssued(_)), "{answer:?}");
}

#[test]
fn wrong_guesses_are_limited_over_all_phones_and_spend_no_attempt_then() {
    let rate = Rate { burst: 2, every: Duration::from_secs(10) };
    let limits = Limits { wrong_guesses: rate, ..Limits::without_rates() };
    let mut bed = ServerBed::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default());
    let mut carol = ScriptedClient::unregistered(&mut bed, 1);
    let code = otp(&mut carol, &mut bed);
    let mut mallory = ScriptedClient::unregistered(&mut bed, 2);
    for number in 1..=2 {
        mallory.phone = format!("+49160000000{number}").parse().unwrap();
        let his = otp(&mut mallory, &mut bed);
        let answer = confirm(&mut mallory, &mut bed, &wrong(&his));
        assert_eq!(refusal(&answer), (ErrorCode::OtpRejected, 0));
    }
    // Over the limit, a right guess and a wrong one look the same, and neither counts.
    for guess in [&code, &wrong(&code)] {
        let answer = confirm(&mut carol, &mut bed, guess);
        assert_eq!(refusal(&answer), (ErrorCode::RateLimited, 10));
    }
    bed.advance(Duration::from_secs(10));
    for _ in 0..3 {
        carol.conn = bed.connect();
        let answer = ask(&mut carol, &mut bed);
        assert!(matches!(answer, Received::OtpIssued(OtpIssued { attempts: 5, .. })), "{answer:?}");
    }
    assert_eq!(confirm(&mut carol, &mut bed, &code), Received::SessionIssued);
}
