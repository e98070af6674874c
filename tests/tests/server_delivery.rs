//! The server machine: the life of a message (PROTOCOL 5).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

use std::time::Duration;

use sealpost_core::ids::{MessageId, ReceiptId, UserId};
use sealpost_core::limits::{Limits, Rate};
use sealpost_core::machine::Event;
use sealpost_core::server::{Notice, OtpChannel, Stats};
use sealpost_core::store::{StoreError, StoreOp};
use sealpost_core::wire::{ErrorCode, NoMoreMessages, Packet, Profile, Receipt};
use sealpost_storage::Quota;
use sealpost_tests::actor::{Actor, Heard};
use sealpost_tests::stage::Stage;

/// A stage with alice and bob, both live.
fn pair() -> (Stage, Actor, Actor) {
    let mut stage = Stage::new(Profile::Compact);
    let alice = Actor::registered(&mut stage, 1);
    let bob = Actor::registered(&mut stage, 2);
    (stage, alice, bob)
}

/// Alice sends bob her next message; returns it.
fn send(stage: &mut Stage, from: &mut Actor, to: &Actor, text: &str) -> Packet {
    let message = from.message(stage.now().wall, to.id.unwrap(), &to.public_key().clone(), text);
    stage.packet(from.conn, &message);
    message
}

fn acknowledge(
    stage: &mut Stage,
    reader: &mut Actor,
    sender: &Actor,
    receipt_id: u64,
    ids: &[u64],
) {
    let receipt = reader.receipt(stage.now().wall, sender.id.unwrap(), receipt_id, ids);
    stage.packet(reader.conn, &receipt);
}

fn message(from: &Actor, id: u64) -> Heard {
    Heard::Message(from.id.unwrap(), MessageId(id))
}

fn stored(to: &Actor, ids: &[u64]) -> Heard {
    Heard::Stored(ids.iter().map(|id| (to.id.unwrap(), MessageId(*id))).collect())
}

fn delivered(by: &Actor, receipt_id: u64, ids: &[u64]) -> Heard {
    let message_ids = ids.iter().copied().map(MessageId).collect();
    Heard::Delivered(by.id.unwrap(), Receipt { receipt_id: ReceiptId(receipt_id), message_ids })
}

fn caught_up(drained: u32) -> Heard {
    Heard::NoMoreMessages(NoMoreMessages { drained })
}

#[test]
fn between_two_who_are_live_nothing_is_stored_and_nothing_signed() {
    let (mut stage, mut alice, mut bob) = pair();
    stage.hold_store = true;
    let sent = send(&mut stage, &mut alice, &bob, "hello");
    let arrived = stage.receive(bob.conn).unwrap();
    assert_eq!(arrived.bytes(), sent.bytes(), "forwarded verbatim");
    assert_eq!(bob.read(arrived, alice.public_key()).as_deref(), Some(&b"hello"[..]));
    acknowledge(&mut stage, &mut bob, &alice, 1, &[1]);
    assert_eq!(alice.hear_all(&mut stage), [delivered(&bob, 1, &[1])]);
    let taken = alice.taken(stage.now().wall, &[(bob.id.unwrap(), 1)]);
    stage.packet(alice.conn, &taken);
    assert_eq!(stage.waiting_ops().count(), 0);
    stage.pass(Duration::from_mins(1));
    assert_eq!(stage.waiting_ops().filter(|op| !matches!(op, StoreOp::Expire { .. })).count(), 0);
    assert_eq!((alice.hear_all(&mut stage), bob.hear_all(&mut stage)), (vec![], vec![]));
}

#[test]
fn ack_waits_for_commit() {
    let (mut stage, mut alice, bob) = pair();
    stage.cut(bob.conn);
    stage.hold_store = true;
    send(&mut stage, &mut alice, &bob, "one");
    send(&mut stage, &mut alice, &bob, "two");
    assert_eq!(alice.hear(&mut stage), None);
    stage.release_store();
    assert_eq!(alice.hear_all(&mut stage), [stored(&bob, &[1])]);
    stage.release_store();
    assert_eq!(alice.hear_all(&mut stage), [stored(&bob, &[2])]);
}

#[test]
fn what_is_stored_is_drained_in_order_then_255() {
    let (mut stage, mut alice, mut bob) = pair();
    stage.cut(bob.conn);
    for text in ["one", "two", "three"] {
        send(&mut stage, &mut alice, &bob, text);
    }
    assert_eq!(
        alice.hear_all(&mut stage),
        [stored(&bob, &[1]), stored(&bob, &[2]), stored(&bob, &[3])]
    );
    assert_eq!(bob.return_to(&mut stage), 3);
    assert_eq!(bob.hear_all(&mut stage), [1, 2, 3].map(|id| message(&alice, id)));
    // Not live before everything is acknowledged: this one is stored.
    send(&mut stage, &mut alice, &bob, "four");
    assert_eq!(alice.hear_all(&mut stage), [stored(&bob, &[4])]);
    acknowledge(&mut stage, &mut bob, &alice, 1, &[1, 2, 3]);
    assert_eq!(bob.hear_all(&mut stage), [message(&alice, 4)]);
    assert_eq!(alice.hear_all(&mut stage), [delivered(&bob, 1, &[1, 2, 3])]);
    acknowledge(&mut stage, &mut bob, &alice, 2, &[4]);
    assert_eq!(bob.hear_all(&mut stage), [caught_up(4)]);
    // Now it is live.
    send(&mut stage, &mut alice, &bob, "five");
    assert_eq!(bob.hear_all(&mut stage), [message(&alice, 5)]);
    assert_eq!(alice.hear_all(&mut stage), [delivered(&bob, 2, &[4])]);
}

#[test]
fn nothing_overtakes_the_255() {
    let (mut stage, mut alice, mut bob) = pair();
    stage.cut(bob.conn);
    send(&mut stage, &mut alice, &bob, "one");
    bob.return_to(&mut stage);
    stage.hold_jobs = true;
    acknowledge(&mut stage, &mut bob, &alice, 1, &[1]);
    stage.release_jobs(|_| ()); // the receipt is checked, and the 255 waits to be signed
    stage.event(Event::Writable { conn: bob.conn });
    send(&mut stage, &mut alice, &bob, "two");
    stage.release_jobs(|jobs| jobs.reverse()); // first the message, then the 255
    stage.hold_jobs = false;
    stage.release_jobs(|_| ());
    assert_eq!(bob.hear_all(&mut stage), [message(&alice, 1), caught_up(1), message(&alice, 2)]);
    assert_eq!(
        alice.hear_all(&mut stage),
        [stored(&bob, &[1]), delivered(&bob, 1, &[1]), stored(&bob, &[2])]
    );
}

#[test]
fn who_returns_to_nothing_gets_255_at_once() {
    let (mut stage, _, mut bob) = pair();
    assert_eq!(bob.return_to(&mut stage), 0);
    assert_eq!(bob.hear_all(&mut stage), [caught_up(0)]);
}

#[test]
fn what_a_lost_reader_held_is_stored_and_acknowledged() {
    let (mut stage, mut alice, mut bob) = pair();
    send(&mut stage, &mut alice, &bob, "one");
    assert_eq!(bob.hear_all(&mut stage), [message(&alice, 1)]);
    assert_eq!(alice.hear(&mut stage), None);
    stage.cut(bob.conn);
    assert_eq!(alice.hear_all(&mut stage), [stored(&bob, &[1])]);
    assert_eq!(bob.return_to(&mut stage), 1);
    assert_eq!(bob.hear_all(&mut stage), [message(&alice, 1)]);
}

#[test]
fn a_reader_that_does_not_acknowledge_in_time_is_stored_for_and_not_sent_to_twice() {
    let (mut stage, mut alice, mut bob) = pair();
    send(&mut stage, &mut alice, &bob, "one");
    assert_eq!(bob.hear_all(&mut stage), [message(&alice, 1)]);
    stage.pass(Duration::from_millis(4_999));
    assert_eq!(alice.hear(&mut stage), None);
    stage.pass(Duration::from_millis(1));
    assert_eq!(alice.hear_all(&mut stage), [stored(&bob, &[1])]);
    send(&mut stage, &mut alice, &bob, "two");
    assert_eq!(alice.hear_all(&mut stage), [stored(&bob, &[2])]);
    assert_eq!(bob.hear_all(&mut stage), [message(&alice, 2)], "each once on one connection");
    acknowledge(&mut stage, &mut bob, &alice, 1, &[1, 2]);
    assert_eq!(alice.hear_all(&mut stage), [delivered(&bob, 1, &[1, 2])]);
    assert_eq!(bob.hear_all(&mut stage), [], "a 255 follows a 206 only");
    send(&mut stage, &mut alice, &bob, "three");
    assert_eq!(bob.hear_all(&mut stage), [message(&alice, 3)]);
    assert_eq!(alice.hear_all(&mut stage), [], "live again");
}

#[test]
fn each_message_has_its_own_time_to_be_acknowledged() {
    let (mut stage, mut alice, mut bob) = pair();
    send(&mut stage, &mut alice, &bob, "one");
    assert_eq!(bob.hear_all(&mut stage), [message(&alice, 1)]);
    stage.pass(Duration::from_secs(3));
    acknowledge(&mut stage, &mut bob, &alice, 1, &[1]);
    assert_eq!(alice.hear_all(&mut stage), [delivered(&bob, 1, &[1])]);
    send(&mut stage, &mut alice, &bob, "two");
    assert_eq!(bob.hear_all(&mut stage), [message(&alice, 2)]);
    stage.pass(Duration::from_millis(4_999)); // the first one's time is up on the way
    assert_eq!(alice.hear_all(&mut stage), []);
    stage.pass(Duration::from_millis(1));
    assert_eq!(alice.hear_all(&mut stage), [stored(&bob, &[2])]);
}

#[test]
fn a_stored_receipt_goes_to_a_live_sender_without_being_read_back() {
    let (mut stage, mut alice, mut bob) = pair();
    stage.cut(bob.conn);
    send(&mut stage, &mut alice, &bob, "one");
    bob.return_to(&mut stage);
    alice.hear_all(&mut stage);
    stage.hold_store = true;
    acknowledge(&mut stage, &mut bob, &alice, 1, &[1]);
    stage.release_store();
    assert_eq!(alice.hear_all(&mut stage), [delivered(&bob, 1, &[1])]);
    assert_eq!(stage.waiting_ops().count(), 0);
}

#[test]
fn a_repeat_in_flight_changes_nothing_and_a_stored_one_is_acknowledged_again() {
    let (mut stage, mut alice, mut bob) = pair();
    let first = send(&mut stage, &mut alice, &bob, "one");
    stage.packet(alice.conn, &first);
    assert_eq!(bob.hear_all(&mut stage), [message(&alice, 1)]);
    assert_eq!(alice.hear(&mut stage), None);
    stage.cut(bob.conn);
    assert_eq!(alice.hear_all(&mut stage), [stored(&bob, &[1])]);
    stage.packet(alice.conn, &first);
    assert_eq!(alice.hear_all(&mut stage), [stored(&bob, &[1])]);
    // Another text under the same number: the first one stands.
    let key = bob.public_key().clone();
    let other = alice.message_numbered(1, stage.now().wall, bob.id.unwrap(), &key, "other");
    stage.packet(alice.conn, &other);
    assert_eq!(alice.hear_all(&mut stage), [stored(&bob, &[1])]);
    assert_eq!(bob.return_to(&mut stage), 1);
    assert_eq!(stage.receive(bob.conn).unwrap().bytes(), first.bytes());
    assert_eq!(bob.hear_all(&mut stage), []);
}

#[test]
fn receipts_for_an_absent_sender_are_kept_until_it_takes_them() {
    let (mut stage, mut alice, mut bob) = pair();
    send(&mut stage, &mut alice, &bob, "one");
    stage.cut(alice.conn);
    assert_eq!(bob.hear_all(&mut stage), [message(&alice, 1)]);
    acknowledge(&mut stage, &mut bob, &alice, 7, &[1]);
    for _ in 0..2 {
        assert_eq!(alice.return_to(&mut stage), 1);
        assert_eq!(alice.hear_all(&mut stage), [delivered(&bob, 7, &[1])]);
    }
    let taken = alice.taken(stage.now().wall, &[(bob.id.unwrap(), 7)]);
    stage.packet(alice.conn, &taken);
    assert_eq!(alice.hear_all(&mut stage), [caught_up(1)]);
    assert_eq!(alice.return_to(&mut stage), 0);
}

#[test]
fn a_receipt_that_the_store_could_not_take_is_tried_again() {
    let (mut stage, mut alice, mut bob) = pair();
    send(&mut stage, &mut alice, &bob, "one");
    stage.cut(alice.conn);
    stage.fail_store(1, StoreError::Busy);
    acknowledge(&mut stage, &mut bob, &alice, 7, &[1]);
    assert_eq!(stage.store.inner().packets().count(), 0);
    stage.pass(Duration::from_secs(1));
    assert_eq!(alice.return_to(&mut stage), 1);
    assert_eq!(alice.hear_all(&mut stage), [delivered(&bob, 7, &[1])]);
}

#[test]
fn a_receipt_nobody_awaits_is_dropped() {
    let (mut stage, mut alice, mut bob) = pair();
    let mut carol = Actor::registered(&mut stage, 3);
    send(&mut stage, &mut alice, &bob, "one");
    bob.hear_all(&mut stage);
    // Carol did not get it, and bob did not get a second one.
    acknowledge(&mut stage, &mut carol, &alice, 1, &[1]);
    acknowledge(&mut stage, &mut bob, &alice, 1, &[2]);
    assert_eq!(alice.hear_all(&mut stage), []);
    acknowledge(&mut stage, &mut bob, &alice, 2, &[1]);
    acknowledge(&mut stage, &mut bob, &alice, 3, &[1]);
    assert_eq!(alice.hear_all(&mut stage), [delivered(&bob, 2, &[1])], "once");
}

#[test]
fn an_acknowledgement_that_overtakes_the_commit_waits_for_it() {
    let (mut stage, mut alice, mut bob) = pair();
    send(&mut stage, &mut alice, &bob, "one");
    bob.hear_all(&mut stage);
    stage.hold_store = true;
    stage.pass(Duration::from_secs(5)); // the append is under way
    acknowledge(&mut stage, &mut bob, &alice, 1, &[1]);
    assert_eq!(alice.hear_all(&mut stage), []);
    stage.hold_store = false;
    stage.release_store();
    let heard = alice.hear_all(&mut stage);
    assert!(
        heard.contains(&stored(&bob, &[1])) && heard.contains(&delivered(&bob, 1, &[1])),
        "{heard:?}"
    );
    assert_eq!(bob.return_to(&mut stage), 0);
}

#[test]
fn a_stored_message_and_its_receipt_change_places_at_once() {
    let (mut stage, mut alice, mut bob) = pair();
    stage.cut(bob.conn);
    send(&mut stage, &mut alice, &bob, "one");
    bob.return_to(&mut stage);
    bob.hear_all(&mut stage);
    alice.hear_all(&mut stage);
    stage.hold_store = true;
    acknowledge(&mut stage, &mut bob, &alice, 4, &[1]);
    // Power is lost after the commit and before anyone hears of it.
    stage.commit_without_answer();
    let mut stage = stage.restart(OtpChannel::InBand, Limits::without_rates());
    assert_eq!(alice.return_to(&mut stage), 1);
    assert_eq!(alice.hear_all(&mut stage), [delivered(&bob, 4, &[1])]);
    assert_eq!(bob.return_to(&mut stage), 0);
}

#[test]
fn a_settlement_that_fails_is_tried_again() {
    let (mut stage, mut alice, mut bob) = pair();
    stage.cut(bob.conn);
    send(&mut stage, &mut alice, &bob, "one");
    bob.return_to(&mut stage);
    bob.hear_all(&mut stage);
    alice.hear_all(&mut stage);
    stage.fail_store(2, StoreError::Busy);
    acknowledge(&mut stage, &mut bob, &alice, 1, &[1]);
    assert_eq!(alice.hear_all(&mut stage), []);
    stage.pass(Duration::from_secs(2));
    assert_eq!(alice.hear_all(&mut stage), [delivered(&bob, 1, &[1])]);
    assert_eq!(bob.hear_all(&mut stage), [caught_up(1)]);
}

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

fn refused(heard: &[Heard]) -> ErrorCode {
    match heard {
        [Heard::Error(_, reply)] => reply.code,
        other => panic!("{other:?}"),
    }
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
fn what_a_reader_holds_and_the_store_has_no_room_for_is_tried_again_without_haste() {
    let quota = Quota { messages: 1, ..Quota::default() };
    let limits = Limits::without_rates();
    let mut stage = Stage::with(Profile::Compact, OtpChannel::InBand, limits, quota);
    let mut alice = Actor::registered(&mut stage, 1);
    let mut bob = Actor::registered(&mut stage, 2);
    send(&mut stage, &mut alice, &bob, "one");
    send(&mut stage, &mut alice, &bob, "two");
    stage.hold_store = true;
    stage.pass(Duration::from_secs(5));
    stage.release_store(); // there is room for the first only
    assert_eq!(stage.waiting_ops().count(), 0);
    stage.hold_store = false;
    stage.pass(Duration::from_secs(1));
    assert_eq!(alice.hear_all(&mut stage), [stored(&bob, &[1])]);
    assert_eq!(bob.hear_all(&mut stage), [1, 2].map(|id| message(&alice, id)));
    acknowledge(&mut stage, &mut bob, &alice, 1, &[1, 2]);
    assert_eq!(alice.hear_all(&mut stage), [delivered(&bob, 1, &[1, 2])]);
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
fn what_reaches_a_new_account_before_its_session_is_drained_to_it() {
    let mut stage = Stage::new(Profile::Compact);
    let mut alice = Actor::registered(&mut stage, 1);
    let mut bob = Actor::stranger(&mut stage, 2);
    let request = bob.register(stage.now().wall);
    stage.packet(bob.conn, &request);
    let Some(Heard::OtpIssued(issued)) = bob.hear(&mut stage) else { panic!("no password") };
    stage.hold_jobs = true;
    let confirm = bob.confirm(stage.now().wall, &issued.otp.unwrap());
    stage.packet(bob.conn, &confirm);
    stage.release_jobs(|_| ()); // the account is made, and the 201 waits to be signed
    let (to, key) = (UserId::new(2).unwrap(), bob.public_key().clone());
    let early = alice.message(stage.now().wall, to, &key, "early");
    stage.packet(alice.conn, &early);
    stage.release_jobs(|jobs| jobs.reverse()); // first the message, then the 201
    stage.hold_jobs = false;
    stage.release_jobs(|_| ());
    assert_eq!(bob.hear_all(&mut stage), [Heard::SessionIssued, message(&alice, 1)]);
    assert_eq!(alice.hear_all(&mut stage), [stored(&bob, &[1])]);
}

#[test]
fn the_server_counts_what_it_forwards_and_stores() {
    let (mut stage, mut alice, mut bob) = pair();
    stage.connect();
    send(&mut stage, &mut alice, &bob, "one");
    acknowledge(&mut stage, &mut bob, &alice, 1, &[1]);
    stage.cut(bob.conn);
    send(&mut stage, &mut alice, &bob, "two");
    let stats = Stats { connections: 2, sessions: 1, forwarded: 2, stored: 1 };
    assert_eq!(stage.stats(), stats);
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
fn packets_take_effect_in_order_however_their_checks_finish() {
    let (mut stage, mut alice, mut bob) = pair();
    stage.hold_jobs = true;
    for text in ["one", "two", "three"] {
        send(&mut stage, &mut alice, &bob, text);
    }
    stage.release_jobs(|jobs| jobs.reverse());
    assert_eq!(bob.hear_all(&mut stage), [1, 2, 3].map(|id| message(&alice, id)));
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
fn a_displaced_readers_messages_go_to_the_new_connection() {
    let (mut stage, mut alice, mut bob) = pair();
    send(&mut stage, &mut alice, &bob, "one");
    let old = bob.conn;
    assert_eq!(bob.return_to(&mut stage), 1);
    assert!(stage.is_closed(old));
    assert_eq!(bob.hear_all(&mut stage), [message(&alice, 1)]);
    // The old connection's word counts for nothing.
    let late = bob.receipt(stage.now().wall, alice.id.unwrap(), 1, &[1]);
    stage.packet(old, &late);
    assert_eq!(alice.hear_all(&mut stage), [stored(&bob, &[1])]);
}

#[test]
fn a_reader_that_stalls_spills_to_the_store() {
    let (mut stage, mut alice, mut bob) = pair();
    send(&mut stage, &mut alice, &bob, "one");
    bob.hear_all(&mut stage);
    stage.event(Event::Congested { conn: bob.conn });
    assert_eq!(alice.hear_all(&mut stage), [stored(&bob, &[1])]);
    send(&mut stage, &mut alice, &bob, "two");
    assert_eq!(alice.hear_all(&mut stage), [stored(&bob, &[2])]);
    assert!(stage.is_paused(bob.conn));
    assert_eq!(bob.hear_all(&mut stage), []);
    stage.event(Event::Writable { conn: bob.conn });
    assert!(!stage.is_paused(bob.conn));
    assert_eq!(bob.hear_all(&mut stage), [message(&alice, 2)]);
}

#[test]
fn a_reader_that_stalls_is_told_the_255_when_it_takes_bytes_again() {
    let (mut stage, mut alice, mut bob) = pair();
    stage.cut(bob.conn);
    send(&mut stage, &mut alice, &bob, "one");
    bob.return_to(&mut stage);
    assert_eq!(bob.hear_all(&mut stage), [message(&alice, 1)]);
    stage.event(Event::Congested { conn: bob.conn });
    acknowledge(&mut stage, &mut bob, &alice, 1, &[1]);
    assert_eq!(bob.hear_all(&mut stage), []);
    stage.event(Event::Writable { conn: bob.conn });
    assert_eq!(bob.hear_all(&mut stage), [caught_up(1)]);
}

#[test]
fn a_window_is_full_by_bytes_too() {
    let (mut stage, mut alice, bob) = pair();
    let len = send(&mut stage, &mut alice, &bob, "text").bytes().len();
    let limits = Limits { in_flight_bytes: 2 * len, ..Limits::without_rates() };
    let mut stage = Stage::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default());
    let mut alice = Actor::registered(&mut stage, 1);
    let mut bob = Actor::registered(&mut stage, 2);
    for first in [1, 3] {
        send(&mut stage, &mut alice, &bob, "text");
        send(&mut stage, &mut alice, &bob, "text");
        assert_eq!(alice.hear_all(&mut stage), [], "both are in flight");
        acknowledge(&mut stage, &mut bob, &alice, first, &[first, first + 1]);
        assert_eq!(alice.hear_all(&mut stage), [delivered(&bob, first, &[first, first + 1])]);
    }
    for _ in 5..=7 {
        send(&mut stage, &mut alice, &bob, "text");
    }
    assert_eq!(alice.hear_all(&mut stage), [stored(&bob, &[5, 6, 7])]);
    assert_eq!(bob.hear_all(&mut stage), [1, 2, 3, 4, 5, 6, 7].map(|id| message(&alice, id)));
}

#[test]
fn a_full_window_spills_to_the_store() {
    let limits = Limits { in_flight_items: 2, ..Limits::without_rates() };
    let mut stage = Stage::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default());
    let mut alice = Actor::registered(&mut stage, 1);
    let mut bob = Actor::registered(&mut stage, 2);
    for text in ["one", "two", "three"] {
        send(&mut stage, &mut alice, &bob, text);
    }
    let heard = alice.hear_all(&mut stage);
    assert_eq!(heard, [stored(&bob, &[1, 2, 3])]);
    assert_eq!(bob.hear_all(&mut stage), [1, 2, 3].map(|id| message(&alice, id)));
    acknowledge(&mut stage, &mut bob, &alice, 1, &[1, 2, 3]);
    send(&mut stage, &mut alice, &bob, "four");
    assert_eq!(alice.hear_all(&mut stage), [delivered(&bob, 1, &[1, 2, 3])]);
}

#[test]
fn a_long_mailbox_is_drained_a_window_at_a_time() {
    let limits = Limits { drain_items: 4, ..Limits::without_rates() };
    let mut stage = Stage::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default());
    let mut alice = Actor::registered(&mut stage, 1);
    let mut bob = Actor::registered(&mut stage, 2);
    stage.cut(bob.conn);
    for _ in 0..10 {
        send(&mut stage, &mut alice, &bob, "text");
    }
    assert_eq!(bob.return_to(&mut stage), 10);
    assert_eq!(bob.hear_all(&mut stage), [1, 2, 3, 4].map(|id| message(&alice, id)));
    acknowledge(&mut stage, &mut bob, &alice, 1, &[1]);
    assert_eq!(bob.hear_all(&mut stage), [], "not for a single place");
    acknowledge(&mut stage, &mut bob, &alice, 2, &[2, 3]);
    assert_eq!(bob.hear_all(&mut stage), [5, 6, 7].map(|id| message(&alice, id)));
    acknowledge(&mut stage, &mut bob, &alice, 3, &[4, 5, 6, 7]);
    assert_eq!(bob.hear_all(&mut stage), [8, 9, 10].map(|id| message(&alice, id)));
    acknowledge(&mut stage, &mut bob, &alice, 4, &[8, 9, 10]);
    assert_eq!(bob.hear_all(&mut stage), [caught_up(10)]);
}

#[test]
fn a_long_mailbox_is_drained_by_bytes_too() {
    let (mut stage, mut alice, bob) = pair();
    let len = send(&mut stage, &mut alice, &bob, "text").bytes().len();
    let limits = Limits { drain_bytes: u32::try_from(4 * len).unwrap(), ..Limits::without_rates() };
    let mut stage = Stage::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default());
    let mut alice = Actor::registered(&mut stage, 1);
    let mut bob = Actor::registered(&mut stage, 2);
    stage.cut(bob.conn);
    for _ in 0..6 {
        send(&mut stage, &mut alice, &bob, "text");
    }
    bob.return_to(&mut stage);
    assert_eq!(bob.hear_all(&mut stage), [1, 2, 3, 4].map(|id| message(&alice, id)));
    acknowledge(&mut stage, &mut bob, &alice, 1, &[1]);
    assert_eq!(bob.hear_all(&mut stage), [], "not for a quarter");
    acknowledge(&mut stage, &mut bob, &alice, 2, &[2]);
    assert_eq!(bob.hear_all(&mut stage), [5, 6].map(|id| message(&alice, id)));
}

#[test]
fn a_sender_that_floods_is_paused_until_the_store_has_caught_up() {
    let limits = Limits { unstored_per_user: 4, ..Limits::without_rates() };
    let mut stage = Stage::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default());
    let mut alice = Actor::registered(&mut stage, 1);
    let bob = Actor::registered(&mut stage, 2);
    stage.cut(bob.conn);
    stage.hold_store = true;
    for _ in 0..5 {
        assert!(!stage.is_paused(alice.conn));
        send(&mut stage, &mut alice, &bob, "text");
    }
    assert!(stage.is_paused(alice.conn));
    stage.release_store(); // the first alone
    assert!(stage.is_paused(alice.conn), "until half is free");
    stage.hold_store = false;
    stage.release_store();
    assert!(!stage.is_paused(alice.conn));
}

#[test]
fn who_sends_too_often_is_slowed_down_and_loses_nothing() {
    let messages_per_user = Rate { burst: 2, every: Duration::from_secs(1) };
    let limits = Limits { messages_per_user, ..Limits::without_rates() };
    let mut stage = Stage::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default());
    let mut alice = Actor::registered(&mut stage, 1);
    let mut bob = Actor::registered(&mut stage, 2);
    for _ in 0..3 {
        send(&mut stage, &mut alice, &bob, "text");
    }
    assert_eq!(bob.hear_all(&mut stage).len(), 3);
    assert!(stage.is_paused(alice.conn));
    stage.pass(Duration::from_secs(1));
    assert!(!stage.is_paused(alice.conn));
}

#[test]
fn at_the_orderly_stop_what_is_in_flight_is_stored_and_acknowledged_first() {
    let (mut stage, mut alice, mut bob) = pair();
    send(&mut stage, &mut alice, &bob, "one");
    bob.hear_all(&mut stage);
    stage.event(Event::Shutdown);
    match &alice.hear_all(&mut stage)[..] {
        [first, Heard::Error(_, reply)] => {
            assert_eq!((first, reply.code), (&stored(&bob, &[1]), ErrorCode::ShuttingDown));
        }
        other => panic!("{other:?}"),
    }
    let mut stage = stage.restart(OtpChannel::InBand, Limits::without_rates());
    assert_eq!(bob.return_to(&mut stage), 1);
}

#[test]
fn a_stop_is_complete_once_everyone_is_gone_and_everything_stored() {
    let (mut stage, mut alice, bob) = pair();
    send(&mut stage, &mut alice, &bob, "one");
    (stage.hold_jobs, stage.hold_store) = (true, true);
    stage.event(Event::Shutdown);
    let stopped = |stage: &mut Stage| stage.notices().contains(&Notice::Stopped);
    stage.release_jobs(|_| ());
    assert!(stage.is_closed(bob.conn) && !stage.is_closed(alice.conn));
    assert!(!stopped(&mut stage), "alice waits for her acknowledgement");
    stage.cut(alice.conn);
    assert!(!stopped(&mut stage), "her message waits for the store");
    stage.release_store();
    assert!(stopped(&mut stage));
}

#[test]
fn a_stop_that_takes_too_long_is_cut_short() {
    let (mut stage, mut alice, bob) = pair();
    send(&mut stage, &mut alice, &bob, "one");
    stage.hold_store = true;
    stage.event(Event::Shutdown);
    stage.pass(Duration::from_millis(9_999));
    assert!(!stage.is_closed(alice.conn) && !stage.notices().contains(&Notice::Stopped));
    stage.pass(Duration::from_millis(1));
    assert!(stage.is_closed(alice.conn) && stage.notices().contains(&Notice::Stopped));
    assert_eq!(alice.hear_all(&mut stage), [], "what is not stored is not acknowledged");
}

#[test]
fn what_was_sent_before_a_222_is_acknowledged_before_its_answer() {
    let (mut stage, mut alice, bob) = pair();
    stage.cut(bob.conn);
    stage.hold_store = true;
    send(&mut stage, &mut alice, &bob, "one");
    let bye = alice.disconnect(stage.now().wall);
    stage.packet(alice.conn, &bye);
    send(&mut stage, &mut alice, &bob, "after the goodbye");
    assert_eq!(alice.hear_all(&mut stage), []);
    stage.hold_store = false;
    stage.release_store();
    assert_eq!(alice.hear_all(&mut stage), [stored(&bob, &[1]), Heard::Disconnect]);
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

#[test]
fn what_is_past_retention_is_expired() {
    let (mut stage, mut alice, mut bob) = pair();
    stage.cut(bob.conn);
    send(&mut stage, &mut alice, &bob, "one");
    stage.jump(31 * 24 * 60 * 60);
    stage.pass(Duration::from_mins(10));
    assert_eq!(bob.return_to(&mut stage), 0);
}

#[test]
fn what_is_past_retention_goes_a_batch_at_a_time_and_is_looked_for_again() {
    let limits = Limits { expire_batch: 2, ..Limits::without_rates() };
    let mut stage = Stage::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default());
    let mut alice = Actor::registered(&mut stage, 1);
    let bob = Actor::registered(&mut stage, 2);
    stage.cut(bob.conn);
    stage.pass(Duration::ZERO); // the first look finds nothing
    for (messages, first_look) in [(3, 1), (1, 0)] {
        for _ in 0..messages {
            send(&mut stage, &mut alice, &bob, "text");
        }
        stage.jump(31 * 24 * 60 * 60);
        stage.pass(Duration::from_secs(599));
        assert_eq!(stage.store.inner().packets().count(), messages);
        stage.pass(Duration::from_secs(1));
        assert_eq!(stage.store.inner().packets().count(), first_look);
        // After a full batch there may be more.
        stage.pass(Duration::from_millis(999));
        assert_eq!(stage.store.inner().packets().count(), first_look);
        stage.pass(Duration::from_millis(1));
        assert_eq!(stage.store.inner().packets().count(), 0);
    }
}
