//! The server machine: what it does not take, and what that means for what follows
//! (PROTOCOL 6.2, 8).

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
use sealpost_storage::Quota;
use sealpost_tests::actor::{Actor, Heard};
use sealpost_tests::correspondence::{
    acknowledge, delivered, message, pair, refused, send, stored,
};
use sealpost_tests::stage::Stage;

#[test]
fn what_the_store_cannot_take_is_refused_and_not_acknowledged() {
    let (mut stage, mut alice, bob) = pair();
    stage.cut(bob.conn);
    stage.fail_store(1, StoreError::DiskFull);
    let first = send(&mut stage, &mut alice, &bob, "one");
    match &alice.hear_all(&mut stage)[..] {
        [Heard::Error(_, reply)] => {
            assert_eq!(reply.code, ErrorCode::Unavailable);
            assert_eq!(reply.in_reply_to, first.request_hash().in_reply_to());
        }
        other => panic!("{other:?}"),
    }
    stage.pass(Duration::from_secs(1));
    stage.packet(alice.conn, &first);
    assert_eq!(alice.hear_all(&mut stage), [stored(&bob, &[1])]);
}

#[test]
fn no_message_overtakes_one_that_was_refused_before_it() {
    let (mut stage, mut alice, bob) = pair();
    stage.cut(bob.conn);
    stage.hold_store = true;
    for text in ["one", "two", "three"] {
        send(&mut stage, &mut alice, &bob, text);
    }
    stage.fail_store(1, StoreError::Busy);
    stage.release_store(); // the first fails, while two more wait
    stage.hold_store = false;
    stage.release_store();
    let codes: Vec<_> = alice
        .hear_all(&mut stage)
        .into_iter()
        .map(|heard| match heard {
            Heard::Error(_, reply) => reply.code,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(codes, [ErrorCode::Unavailable; 3]);
}

#[test]
fn what_follows_a_refused_message_is_refused_until_that_comes_again() {
    let (mut stage, mut alice, bob) = pair();
    let mut carol = Actor::registered(&mut stage, 3);
    stage.cut(bob.conn);
    stage.fail_store(1, StoreError::DiskFull);
    let first = send(&mut stage, &mut alice, &bob, "one");
    assert_eq!(refused(&alice.hear_all(&mut stage)), ErrorCode::Unavailable);
    stage.pass(Duration::from_secs(1)); // the store has room again
    let second = send(&mut stage, &mut alice, &bob, "two");
    assert_eq!(refused(&alice.hear_all(&mut stage)), ErrorCode::Unavailable);
    send(&mut stage, &mut alice, &carol, "to another");
    assert_eq!(carol.hear_all(&mut stage), [message(&alice, 3)]);
    stage.packet(alice.conn, &first);
    stage.packet(alice.conn, &second);
    assert_eq!(alice.hear_all(&mut stage), [stored(&bob, &[1]), stored(&bob, &[2])]);
}

#[test]
fn what_follows_a_message_from_the_future_waits_for_its_time() {
    let (mut stage, mut alice, mut bob) = pair();
    let (to, key) = (bob.id.unwrap(), bob.public_key().clone());
    let early = alice.message(stage.now().wall.plus_secs(301), to, &key, "early");
    stage.packet(alice.conn, &early);
    assert_eq!(refused(&alice.hear_all(&mut stage)), ErrorCode::ClockSkew);
    let second = send(&mut stage, &mut alice, &bob, "two");
    assert_eq!(refused(&alice.hear_all(&mut stage)), ErrorCode::Unavailable);
    stage.jump(1);
    stage.packet(alice.conn, &early);
    stage.packet(alice.conn, &second);
    assert_eq!(bob.hear_all(&mut stage), [1, 2].map(|id| message(&alice, id)));
}

#[test]
fn what_follows_a_message_whose_time_was_changed_on_the_way_is_not_taken() {
    for years in [-1, 1] {
        let (mut stage, mut alice, mut bob) = pair();
        let (now, to, key) = (stage.now().wall, bob.id.unwrap(), bob.public_key().clone());
        let first = alice.message(now, to, &key, "one");
        let second = alice.message(now, to, &key, "two");
        let misdated = alice.message(now.plus_secs(years * 366 * 24 * 60 * 60), to, &key, "one");
        let header_len = Profile::Compact.header_len();
        let changed = [&misdated.bytes()[..header_len], &first.bytes()[header_len..]].concat();
        stage.bytes(alice.conn, &[&changed[..], second.bytes()].concat());
        assert_eq!(bob.hear_all(&mut stage), []);
        match &alice.hear_all(&mut stage)[..] {
            [Heard::Error(_, misdated), Heard::Error(_, forged)] => assert_eq!(
                [misdated.code, forged.code],
                [ErrorCode::ClockSkew, ErrorCode::BadSignature]
            ),
            other => panic!("{other:?}"),
        }
        assert!(stage.is_closed(alice.conn));
    }
}

#[test]
fn so_many_refused_messages_are_remembered_and_no_more() {
    let limits = Limits { refused_messages: 2, ..Limits::without_rates() };
    let mut stage = Stage::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default());
    let mut alice = Actor::registered(&mut stage, 1);
    let bob = Actor::registered(&mut stage, 2);
    stage.cut(bob.conn);
    stage.fail_store(1, StoreError::DiskFull);
    for _ in 0..2 {
        send(&mut stage, &mut alice, &bob, "text");
        assert_eq!(refused(&alice.hear_all(&mut stage)), ErrorCode::Unavailable);
    }
    send(&mut stage, &mut alice, &bob, "text");
    assert_eq!(refused(&alice.hear_all(&mut stage)), ErrorCode::RateLimited);
    assert!(stage.is_closed(alice.conn));
}

#[test]
fn a_full_mailbox_refuses_messages_and_takes_receipts() {
    let quota = Quota { messages: 2, ..Quota::default() };
    let mut stage =
        Stage::with(Profile::Compact, OtpChannel::InBand, Limits::without_rates(), quota);
    let mut alice = Actor::registered(&mut stage, 1);
    let mut bob = Actor::registered(&mut stage, 2);
    send(&mut stage, &mut bob, &alice, "to alice");
    alice.hear_all(&mut stage);
    stage.cut(bob.conn);
    for text in ["one", "two", "three"] {
        send(&mut stage, &mut alice, &bob, text);
    }
    match &alice.hear_all(&mut stage)[..] {
        [one, two, Heard::Error(_, reply)] => {
            assert_eq!([one, two], [&stored(&bob, &[1]), &stored(&bob, &[2])]);
            assert_eq!(reply.code, ErrorCode::MailboxFull);
        }
        other => panic!("{other:?}"),
    }
    acknowledge(&mut stage, &mut alice, &bob, 1, &[1]);
    assert_eq!(bob.return_to(&mut stage), 3);
}

#[test]
fn what_is_refused_to_one_sender_is_not_refused_to_others() {
    let (mut stage, mut alice, mut bob) = pair();
    let mut carol = Actor::registered(&mut stage, 3);
    send(&mut stage, &mut bob, &alice, "to alice");
    alice.hear_all(&mut stage);
    stage.cut(bob.conn);
    stage.hold_store = true;
    send(&mut stage, &mut alice, &bob, "one");
    send(&mut stage, &mut carol, &bob, "from carol");
    acknowledge(&mut stage, &mut alice, &bob, 1, &[1]);
    send(&mut stage, &mut alice, &bob, "two");
    stage.fail_store(1, StoreError::Busy);
    stage.release_store(); // the first fails, while the others wait
    stage.hold_store = false;
    stage.pass(Duration::from_secs(1));
    let refused = |heard| match heard {
        Heard::Error(_, reply) => reply.code,
        other => panic!("{other:?}"),
    };
    let refused: Vec<_> = alice.hear_all(&mut stage).into_iter().map(refused).collect();
    assert_eq!(refused, [ErrorCode::Unavailable; 2]);
    assert_eq!(carol.hear_all(&mut stage), [stored(&bob, &[1])]);
    assert_eq!(bob.return_to(&mut stage), 2);
    assert_eq!(bob.hear_all(&mut stage), [message(&carol, 1), delivered(&alice, 1, &[1])]);
}

#[test]
fn a_message_to_nobody_is_refused() {
    let (mut stage, mut alice, bob) = pair();
    let key = bob.public_key().clone();
    let message = alice.message(stage.now().wall, UserId::new(99).unwrap(), &key, "hello");
    stage.packet(alice.conn, &message);
    match &alice.hear_all(&mut stage)[..] {
        [Heard::Error(_, reply)] => assert_eq!(reply.code, ErrorCode::UnknownUser),
        other => panic!("{other:?}"),
    }
    assert!(!stage.is_closed(alice.conn));
}

#[test]
fn nothing_after_a_forged_packet_takes_effect() {
    let (mut stage, mut alice, mut bob) = pair();
    stage.hold_jobs = true;
    let mut forged = alice
        .message(stage.now().wall, bob.id.unwrap(), &bob.public_key().clone(), "x")
        .bytes()
        .to_vec();
    forged[40] ^= 1;
    stage.bytes(alice.conn, &forged);
    send(&mut stage, &mut alice, &bob, "two");
    stage.release_jobs(|jobs| jobs.reverse());
    stage.hold_jobs = false;
    stage.release_jobs(|_| ());
    assert_eq!(bob.hear_all(&mut stage), []);
    assert!(stage.is_closed(alice.conn));
}

#[test]
fn an_old_message_may_still_come_and_one_past_retention_may_not() {
    let (mut stage, mut alice, mut bob) = pair();
    let key = bob.public_key().clone();
    let day = 24 * 60 * 60;
    let month_old =
        alice.message(stage.now().wall.plus_secs(-30 * day), bob.id.unwrap(), &key, "old");
    stage.packet(alice.conn, &month_old);
    assert_eq!(bob.hear_all(&mut stage), [message(&alice, 1)]);
    let older =
        alice.message(stage.now().wall.plus_secs(-30 * day - 1), bob.id.unwrap(), &key, "older");
    stage.packet(alice.conn, &older);
    match &alice.hear_all(&mut stage)[..] {
        [Heard::Error(_, reply)] => assert_eq!(reply.code, ErrorCode::ClockSkew),
        other => panic!("{other:?}"),
    }
    // Its time is over, so nothing has to wait for it.
    send(&mut stage, &mut alice, &bob, "new");
    assert_eq!(bob.hear_all(&mut stage), [message(&alice, 3)]);
}
