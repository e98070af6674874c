//! The server machine: the life of a message (PROTOCOL 6).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

use std::time::Duration;

use sealpost_core::frame::{Event, StoreError};
use sealpost_core::ids::UserId;
use sealpost_core::server::limits::Limits;
use sealpost_core::server::store::StoreOp;
use sealpost_core::server::{Notice, OtpChannel, Stats};
use sealpost_core::wire::{ErrorCode, Profile};
use sealpost_storage::Quota;
use sealpost_tests::actor::{Actor, Heard};
use sealpost_tests::correspondence::{
    acknowledge, caught_up, delivered, message, pair, send, stored,
};
use sealpost_tests::stage::Stage;

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
