//! The server machine: refused messages, and the messages behind them (PROTOCOL 6.2, 8).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

use std::time::Duration;

use sealpost_core::frame::StoreError;
use sealpost_core::ids::UserId;
use sealpost_core::server::OtpChannel;
use sealpost_core::server::limits::Limits;
use sealpost_core::wire::{ErrorCode, Profile};
use sealpost_storage::{Quota, Shares};
use sealpost_tests::beds::ServerBed;
use sealpost_tests::scripted_client::{Received, ScriptedClient};
use sealpost_tests::server_fixture::{
    acknowledge, delivered, message, pair, refused, send, stored,
};

#[test]
fn messages_that_cannot_be_stored_are_refused_and_not_acknowledged() {
    let (mut bed, mut alice, bob) = pair();
    bed.cut(bob.conn);
    bed.fail_store(1, StoreError::DiskFull);
    let first = send(&mut bed, &mut alice, &bob, "one");
    match &alice.receive_all(&mut bed)[..] {
        [Received::Error(_, reply)] => {
            assert_eq!(reply.code, ErrorCode::Unavailable);
            assert_eq!(reply.in_reply_to, first.request_hash().in_reply_to());
        }
        other => panic!("{other:?}"),
    }
    bed.advance(Duration::from_secs(1));
    bed.input_packet(alice.conn, &first);
    assert_eq!(alice.receive_all(&mut bed), [stored(&bob, &[1])]);
}

#[test]
fn no_message_overtakes_one_that_was_refused_before_it() {
    let (mut bed, mut alice, bob) = pair();
    bed.cut(bob.conn);
    bed.hold_store = true;
    for text in ["one", "two", "three"] {
        send(&mut bed, &mut alice, &bob, text);
    }
    bed.fail_store(1, StoreError::Busy);
    bed.release_store(); // the first fails, while two more wait
    bed.hold_store = false;
    bed.release_store();
    let codes: Vec<_> = alice
        .receive_all(&mut bed)
        .into_iter()
        .map(|received| match received {
            Received::Error(_, reply) => reply.code,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(codes, [ErrorCode::Unavailable; 3]);
}

#[test]
fn messages_behind_a_refused_one_are_refused_until_it_is_repeated() {
    let (mut bed, mut alice, bob) = pair();
    let mut carol = ScriptedClient::registered(&mut bed, 3);
    bed.cut(bob.conn);
    bed.fail_store(1, StoreError::DiskFull);
    let first = send(&mut bed, &mut alice, &bob, "one");
    assert_eq!(refused(&alice.receive_all(&mut bed)), ErrorCode::Unavailable);
    bed.advance(Duration::from_secs(1)); // the store has room again
    let second = send(&mut bed, &mut alice, &bob, "two");
    assert_eq!(refused(&alice.receive_all(&mut bed)), ErrorCode::Unavailable);
    send(&mut bed, &mut alice, &carol, "to another");
    assert_eq!(carol.receive_all(&mut bed), [message(&alice, 3)]);
    bed.input_packet(alice.conn, &first);
    bed.input_packet(alice.conn, &second);
    assert_eq!(alice.receive_all(&mut bed), [stored(&bob, &[1]), stored(&bob, &[2])]);
}

#[test]
fn messages_behind_one_from_the_future_wait_for_it() {
    let (mut bed, mut alice, mut bob) = pair();
    let (to, key) = (bob.id.unwrap(), bob.public_key().clone());
    let early = alice.message(bed.now().wall.plus_secs(301), to, &key, "early");
    bed.input_packet(alice.conn, &early);
    assert_eq!(refused(&alice.receive_all(&mut bed)), ErrorCode::ClockSkew);
    let second = send(&mut bed, &mut alice, &bob, "two");
    assert_eq!(refused(&alice.receive_all(&mut bed)), ErrorCode::Unavailable);
    bed.jump_wall_clock(1);
    bed.input_packet(alice.conn, &early);
    bed.input_packet(alice.conn, &second);
    assert_eq!(bob.receive_all(&mut bed), [1, 2].map(|id| message(&alice, id)));
}

#[test]
fn messages_behind_one_with_a_forged_time_are_not_accepted() {
    for years in [-1, 1] {
        let (mut bed, mut alice, mut bob) = pair();
        let (now, to, key) = (bed.now().wall, bob.id.unwrap(), bob.public_key().clone());
        let first = alice.message(now, to, &key, "one");
        let second = alice.message(now, to, &key, "two");
        let misdated = alice.message(now.plus_secs(years * 366 * 24 * 60 * 60), to, &key, "one");
        let header_len = Profile::Compact.header_len();
        let changed = [&misdated.bytes()[..header_len], &first.bytes()[header_len..]].concat();
        bed.input_bytes(alice.conn, &[&changed[..], second.bytes()].concat());
        assert_eq!(bob.receive_all(&mut bed), []);
        match &alice.receive_all(&mut bed)[..] {
            [Received::Error(_, misdated), Received::Error(_, forged)] => assert_eq!(
                [misdated.code, forged.code],
                [ErrorCode::ClockSkew, ErrorCode::BadSignature]
            ),
            other => panic!("{other:?}"),
        }
        assert!(bed.is_closed(alice.conn));
    }
}

#[test]
fn remembered_refusals_are_limited() {
    let limits = Limits { refused_messages: 2, ..Limits::without_rates() };
    let mut bed = ServerBed::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default());
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    let bob = ScriptedClient::registered(&mut bed, 2);
    bed.cut(bob.conn);
    bed.fail_store(1, StoreError::DiskFull);
    for _ in 0..2 {
        send(&mut bed, &mut alice, &bob, "text");
        assert_eq!(refused(&alice.receive_all(&mut bed)), ErrorCode::Unavailable);
    }
    send(&mut bed, &mut alice, &bob, "text");
    assert_eq!(refused(&alice.receive_all(&mut bed)), ErrorCode::RateLimited);
    assert!(bed.is_closed(alice.conn));
}

#[test]
fn a_full_mailbox_refuses_messages_and_takes_receipts() {
    let quota = Quota { messages: 2, shares: Shares::Unlimited, ..Quota::default() };
    let mut bed =
        ServerBed::with(Profile::Compact, OtpChannel::InBand, Limits::without_rates(), quota);
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    let mut bob = ScriptedClient::registered(&mut bed, 2);
    send(&mut bed, &mut bob, &alice, "to alice");
    alice.receive_all(&mut bed);
    bed.cut(bob.conn);
    for text in ["one", "two", "three"] {
        send(&mut bed, &mut alice, &bob, text);
    }
    match &alice.receive_all(&mut bed)[..] {
        [one, two, Received::Error(_, reply)] => {
            assert_eq!([one, two], [&stored(&bob, &[1]), &stored(&bob, &[2])]);
            assert_eq!(reply.code, ErrorCode::MailboxFull);
        }
        other => panic!("{other:?}"),
    }
    acknowledge(&mut bed, &mut alice, &bob, 1, &[1]);
    assert_eq!(bob.reconnect_to(&mut bed), 3);
}

#[test]
fn what_waits_behind_messages_that_a_full_mailbox_does_not_take_is_refused() {
    let quota = Quota { messages: 1, shares: Shares::Unlimited, ..Quota::default() };
    let limits = Limits { in_flight_items: 3, append_batch: 2, ..Limits::without_rates() };
    let mut bed = ServerBed::with(Profile::Compact, OtpChannel::InBand, limits, quota);
    let [mut alice, mut bob, mut carol] =
        [1, 2, 3].map(|seed| ScriptedClient::registered(&mut bed, seed));
    for text in ["one", "two", "three"] {
        send(&mut bed, &mut alice, &bob, text);
    }
    bob.receive_all(&mut bed);
    let to_repeat = send(&mut bed, &mut carol, &bob, "four");
    assert_eq!(refused(&carol.receive_all(&mut bed)), ErrorCode::MailboxFull);
    assert_eq!(alice.receive_all(&mut bed), [stored(&bob, &[1])]);
    acknowledge(&mut bed, &mut bob, &alice, 1, &[1, 2, 3]);
    bed.advance(Duration::from_secs(2));
    bed.input_packet(carol.conn, &to_repeat);
    assert_eq!(bob.receive_all(&mut bed), [message(&carol, 1)]);
}

#[test]
fn a_refusal_to_one_sender_does_not_affect_others() {
    let (mut bed, mut alice, mut bob) = pair();
    let mut carol = ScriptedClient::registered(&mut bed, 3);
    send(&mut bed, &mut bob, &alice, "to alice");
    alice.receive_all(&mut bed);
    bed.cut(bob.conn);
    bed.hold_store = true;
    send(&mut bed, &mut alice, &bob, "one");
    send(&mut bed, &mut carol, &bob, "from carol");
    acknowledge(&mut bed, &mut alice, &bob, 1, &[1]);
    send(&mut bed, &mut alice, &bob, "two");
    bed.fail_store(1, StoreError::Busy);
    bed.release_store(); // the first fails, while the others wait
    bed.hold_store = false;
    bed.advance(Duration::from_secs(1));
    let refused = |received| match received {
        Received::Error(_, reply) => reply.code,
        other => panic!("{other:?}"),
    };
    let refused: Vec<_> = alice.receive_all(&mut bed).into_iter().map(refused).collect();
    assert_eq!(refused, [ErrorCode::Unavailable; 2]);
    assert_eq!(carol.receive_all(&mut bed), [stored(&bob, &[1])]);
    assert_eq!(bob.reconnect_to(&mut bed), 2);
    assert_eq!(bob.receive_all(&mut bed), [message(&carol, 1), delivered(&alice, 1, &[1])]);
}

#[test]
fn a_message_to_an_unknown_user_is_refused() {
    let (mut bed, mut alice, bob) = pair();
    let key = bob.public_key().clone();
    let message = alice.message(bed.now().wall, UserId::new(99).unwrap(), &key, "hello");
    bed.input_packet(alice.conn, &message);
    match &alice.receive_all(&mut bed)[..] {
        [Received::Error(_, reply)] => assert_eq!(reply.code, ErrorCode::UnknownUser),
        other => panic!("{other:?}"),
    }
    assert!(!bed.is_closed(alice.conn));
}

#[test]
fn nothing_after_a_forged_packet_takes_effect() {
    let (mut bed, mut alice, mut bob) = pair();
    bed.hold_jobs = true;
    let mut forged = alice
        .message(bed.now().wall, bob.id.unwrap(), &bob.public_key().clone(), "x")
        .bytes()
        .to_vec();
    forged[40] ^= 1;
    bed.input_bytes(alice.conn, &forged);
    send(&mut bed, &mut alice, &bob, "two");
    bed.release_jobs(|jobs| jobs.reverse());
    bed.hold_jobs = false;
    bed.release_jobs(|_| ());
    assert_eq!(bob.receive_all(&mut bed), []);
    assert!(bed.is_closed(alice.conn));
}

#[test]
fn an_old_message_may_still_come_and_one_past_retention_may_not() {
    let (mut bed, mut alice, mut bob) = pair();
    let key = bob.public_key().clone();
    let day = 24 * 60 * 60;
    let month_old =
        alice.message(bed.now().wall.plus_secs(-30 * day), bob.id.unwrap(), &key, "old");
    bed.input_packet(alice.conn, &month_old);
    assert_eq!(bob.receive_all(&mut bed), [message(&alice, 1)]);
    let older =
        alice.message(bed.now().wall.plus_secs(-30 * day - 1), bob.id.unwrap(), &key, "older");
    bed.input_packet(alice.conn, &older);
    match &alice.receive_all(&mut bed)[..] {
        [Received::Error(_, reply)] => assert_eq!(reply.code, ErrorCode::ClockSkew),
        other => panic!("{other:?}"),
    }
    // It has expired, so nothing has to wait for it.
    send(&mut bed, &mut alice, &bob, "new");
    assert_eq!(bob.receive_all(&mut bed), [message(&alice, 3)]);
}
