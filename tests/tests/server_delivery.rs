//! The server machine: the life of a message (PROTOCOL 6).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

use std::time::Duration;

use sealpost_core::frame::Event;
use sealpost_core::ids::UserId;
use sealpost_core::server::limits::Limits;
use sealpost_core::server::store::StoreOp;
use sealpost_core::server::{Notice, OtpChannel, Stats};
use sealpost_core::wire::{ErrorCode, Profile};
use sealpost_storage::{Quota, Shares};
use sealpost_tests::beds::ServerBed;
use sealpost_tests::scripted_client::{Received, ScriptedClient};
use sealpost_tests::server_fixture::{
    acknowledge, caught_up, delivered, message, pair, send, stored,
};

#[test]
fn between_two_live_users_nothing_is_stored_and_nothing_signed() {
    let (mut bed, mut alice, mut bob) = pair();
    bed.hold_store = true;
    let sent = send(&mut bed, &mut alice, &bob, "hello");
    let arrived = bed.receive(bob.conn).unwrap();
    assert_eq!(arrived.bytes(), sent.bytes(), "forwarded verbatim");
    assert_eq!(bob.open_message(arrived, alice.public_key()).as_deref(), Some(&b"hello"[..]));
    acknowledge(&mut bed, &mut bob, &alice, 1, &[1]);
    assert_eq!(alice.receive_all(&mut bed), [delivered(&bob, 1, &[1])]);
    let taken = alice.receipts_taken(bed.now().wall, &[(bob.id.unwrap(), 1)]);
    bed.input_packet(alice.conn, &taken);
    assert_eq!(bed.waiting_ops().count(), 0);
    bed.advance(Duration::from_mins(1));
    assert_eq!(
        bed.waiting_ops().filter(|op| !matches!(op, StoreOp::RecordClock { .. })).count(),
        0
    );
    assert_eq!((alice.receive_all(&mut bed), bob.receive_all(&mut bed)), (vec![], vec![]));
}

#[test]
fn ack_waits_for_commit() {
    let (mut bed, mut alice, bob) = pair();
    bed.cut(bob.conn);
    bed.hold_store = true;
    send(&mut bed, &mut alice, &bob, "one");
    send(&mut bed, &mut alice, &bob, "two");
    assert_eq!(alice.receive(&mut bed), None);
    bed.release_store();
    assert_eq!(alice.receive_all(&mut bed), [stored(&bob, &[1])]);
    bed.release_store();
    assert_eq!(alice.receive_all(&mut bed), [stored(&bob, &[2])]);
}

#[test]
fn stored_items_are_drained_in_order_then_255() {
    let (mut bed, mut alice, mut bob) = pair();
    bed.cut(bob.conn);
    for text in ["one", "two", "three"] {
        send(&mut bed, &mut alice, &bob, text);
    }
    assert_eq!(
        alice.receive_all(&mut bed),
        [stored(&bob, &[1]), stored(&bob, &[2]), stored(&bob, &[3])]
    );
    assert_eq!(bob.reconnect_to(&mut bed), 3);
    assert_eq!(bob.receive_all(&mut bed), [1, 2, 3].map(|id| message(&alice, id)));
    // Not live before everything is acknowledged: this one is stored.
    send(&mut bed, &mut alice, &bob, "four");
    assert_eq!(alice.receive_all(&mut bed), [stored(&bob, &[4])]);
    acknowledge(&mut bed, &mut bob, &alice, 1, &[1, 2, 3]);
    assert_eq!(bob.receive_all(&mut bed), [message(&alice, 4)]);
    assert_eq!(alice.receive_all(&mut bed), [delivered(&bob, 1, &[1, 2, 3])]);
    acknowledge(&mut bed, &mut bob, &alice, 2, &[4]);
    assert_eq!(bob.receive_all(&mut bed), [caught_up(4)]);
    // Now it is live.
    send(&mut bed, &mut alice, &bob, "five");
    assert_eq!(bob.receive_all(&mut bed), [message(&alice, 5)]);
    assert_eq!(alice.receive_all(&mut bed), [delivered(&bob, 2, &[4])]);
}

#[test]
fn nothing_overtakes_the_255() {
    let (mut bed, mut alice, mut bob) = pair();
    bed.cut(bob.conn);
    send(&mut bed, &mut alice, &bob, "one");
    bob.reconnect_to(&mut bed);
    bed.hold_jobs = true;
    acknowledge(&mut bed, &mut bob, &alice, 1, &[1]);
    bed.release_jobs(|_| ()); // the receipt is checked, and the 255 waits to be signed
    bed.input_event(Event::Writable { conn: bob.conn });
    send(&mut bed, &mut alice, &bob, "two");
    bed.release_jobs(|jobs| jobs.reverse()); // first the message, then the 255
    bed.hold_jobs = false;
    bed.release_jobs(|_| ());
    assert_eq!(bob.receive_all(&mut bed), [message(&alice, 1), caught_up(1), message(&alice, 2)]);
    assert_eq!(
        alice.receive_all(&mut bed),
        [stored(&bob, &[1]), delivered(&bob, 1, &[1]), stored(&bob, &[2])]
    );
}

#[test]
fn a_user_with_nothing_pending_gets_255_at_once() {
    let (mut bed, _, mut bob) = pair();
    assert_eq!(bob.reconnect_to(&mut bed), 0);
    assert_eq!(bob.receive_all(&mut bed), [caught_up(0)]);
}

#[test]
fn items_in_flight_to_a_lost_recipient_are_stored_and_acknowledged() {
    let (mut bed, mut alice, mut bob) = pair();
    send(&mut bed, &mut alice, &bob, "one");
    assert_eq!(bob.receive_all(&mut bed), [message(&alice, 1)]);
    assert_eq!(alice.receive(&mut bed), None);
    bed.cut(bob.conn);
    assert_eq!(alice.receive_all(&mut bed), [stored(&bob, &[1])]);
    assert_eq!(bob.reconnect_to(&mut bed), 1);
    assert_eq!(bob.receive_all(&mut bed), [message(&alice, 1)]);
}

#[test]
fn messages_to_a_silent_recipient_are_stored_and_not_sent_twice() {
    let (mut bed, mut alice, mut bob) = pair();
    send(&mut bed, &mut alice, &bob, "one");
    assert_eq!(bob.receive_all(&mut bed), [message(&alice, 1)]);
    bed.advance(Duration::from_millis(4_999));
    assert_eq!(alice.receive(&mut bed), None);
    bed.advance(Duration::from_millis(1));
    assert_eq!(alice.receive_all(&mut bed), [stored(&bob, &[1])]);
    send(&mut bed, &mut alice, &bob, "two");
    assert_eq!(alice.receive_all(&mut bed), [stored(&bob, &[2])]);
    assert_eq!(bob.receive_all(&mut bed), [message(&alice, 2)], "each once on one connection");
    acknowledge(&mut bed, &mut bob, &alice, 1, &[1, 2]);
    assert_eq!(alice.receive_all(&mut bed), [delivered(&bob, 1, &[1, 2])]);
    assert_eq!(bob.receive_all(&mut bed), [], "a 255 follows a 206 only");
    send(&mut bed, &mut alice, &bob, "three");
    assert_eq!(bob.receive_all(&mut bed), [message(&alice, 3)]);
    assert_eq!(alice.receive_all(&mut bed), [], "live again");
}

#[test]
fn each_message_has_its_own_time_to_be_acknowledged() {
    let (mut bed, mut alice, mut bob) = pair();
    send(&mut bed, &mut alice, &bob, "one");
    assert_eq!(bob.receive_all(&mut bed), [message(&alice, 1)]);
    bed.advance(Duration::from_secs(3));
    acknowledge(&mut bed, &mut bob, &alice, 1, &[1]);
    assert_eq!(alice.receive_all(&mut bed), [delivered(&bob, 1, &[1])]);
    send(&mut bed, &mut alice, &bob, "two");
    assert_eq!(bob.receive_all(&mut bed), [message(&alice, 2)]);
    bed.advance(Duration::from_millis(4_999)); // the first one's time is up on the way
    assert_eq!(alice.receive_all(&mut bed), []);
    bed.advance(Duration::from_millis(1));
    assert_eq!(alice.receive_all(&mut bed), [stored(&bob, &[2])]);
}

#[test]
fn a_repeat_in_flight_changes_nothing_and_a_stored_one_is_acknowledged_again() {
    let (mut bed, mut alice, mut bob) = pair();
    let first = send(&mut bed, &mut alice, &bob, "one");
    bed.input_packet(alice.conn, &first);
    assert_eq!(bob.receive_all(&mut bed), [message(&alice, 1)]);
    assert_eq!(alice.receive(&mut bed), None);
    bed.cut(bob.conn);
    assert_eq!(alice.receive_all(&mut bed), [stored(&bob, &[1])]);
    bed.input_packet(alice.conn, &first);
    assert_eq!(alice.receive_all(&mut bed), [stored(&bob, &[1])]);
    // Another text under the same message id: the first one is kept.
    let key = bob.public_key().clone();
    let other = alice.message_numbered(1, bed.now().wall, bob.id.unwrap(), &key, "other");
    bed.input_packet(alice.conn, &other);
    assert_eq!(alice.receive_all(&mut bed), [stored(&bob, &[1])]);
    assert_eq!(bob.reconnect_to(&mut bed), 1);
    assert_eq!(bed.receive(bob.conn).unwrap().bytes(), first.bytes());
    assert_eq!(bob.receive_all(&mut bed), []);
}

#[test]
fn items_in_flight_that_a_full_store_refuses_are_retried_after_a_pause() {
    let quota = Quota { messages: 1, shares: Shares::Unlimited, ..Quota::default() };
    let limits = Limits::without_rates();
    let mut bed = ServerBed::with(Profile::Compact, OtpChannel::InBand, limits, quota);
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    let mut bob = ScriptedClient::registered(&mut bed, 2);
    send(&mut bed, &mut alice, &bob, "one");
    send(&mut bed, &mut alice, &bob, "two");
    bed.advance(Duration::ZERO); // the first search for expired items is done
    bed.hold_store = true;
    bed.advance(Duration::from_secs(5));
    bed.release_store(); // there is room for the first only
    assert_eq!(bed.waiting_ops().count(), 0);
    bed.hold_store = false;
    bed.advance(Duration::from_secs(1));
    assert_eq!(alice.receive_all(&mut bed), [stored(&bob, &[1])]);
    assert_eq!(bob.receive_all(&mut bed), [1, 2].map(|id| message(&alice, id)));
    acknowledge(&mut bed, &mut bob, &alice, 1, &[1, 2]);
    assert_eq!(alice.receive_all(&mut bed), [delivered(&bob, 1, &[1, 2])]);
}

#[test]
fn messages_to_a_new_account_before_its_session_are_drained_to_it() {
    let mut bed = ServerBed::new(Profile::Compact);
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    let mut bob = ScriptedClient::unregistered(&mut bed, 2);
    let request = bob.register(bed.now().wall);
    bed.input_packet(bob.conn, &request);
    let Some(Received::OtpIssued(issued)) = bob.receive(&mut bed) else { panic!("no password") };
    bed.hold_jobs = true;
    let confirm = bob.confirm(bed.now().wall, &issued.otp.unwrap());
    bed.input_packet(bob.conn, &confirm);
    bed.release_jobs(|_| ()); // the account is made, and the 201 waits to be signed
    let (to, key) = (UserId::new(2).unwrap(), bob.public_key().clone());
    let early = alice.message(bed.now().wall, to, &key, "early");
    bed.input_packet(alice.conn, &early);
    bed.release_jobs(|jobs| jobs.reverse()); // first the message, then the 201
    bed.hold_jobs = false;
    bed.release_jobs(|_| ());
    assert_eq!(bob.receive_all(&mut bed), [Received::SessionIssued, message(&alice, 1)]);
    assert_eq!(alice.receive_all(&mut bed), [stored(&bob, &[1])]);
}

#[test]
fn the_server_counts_what_it_forwards_and_stores() {
    let (mut bed, mut alice, mut bob) = pair();
    bed.connect();
    send(&mut bed, &mut alice, &bob, "one");
    acknowledge(&mut bed, &mut bob, &alice, 1, &[1]);
    bed.cut(bob.conn);
    send(&mut bed, &mut alice, &bob, "two");
    let stats = Stats { connections: 2, sessions: 1, forwarded: 2, stored: 1, ..Stats::default() };
    assert_eq!(bed.stats(), stats);
}

#[test]
fn packets_take_effect_in_order_however_their_verification_finishes() {
    let (mut bed, mut alice, mut bob) = pair();
    bed.hold_jobs = true;
    for text in ["one", "two", "three"] {
        send(&mut bed, &mut alice, &bob, text);
    }
    bed.release_jobs(|jobs| jobs.reverse());
    assert_eq!(bob.receive_all(&mut bed), [1, 2, 3].map(|id| message(&alice, id)));
}

#[test]
fn messages_to_a_displaced_recipient_go_to_the_new_connection() {
    let (mut bed, mut alice, mut bob) = pair();
    send(&mut bed, &mut alice, &bob, "one");
    let old = bob.conn;
    assert_eq!(bob.reconnect_to(&mut bed), 1);
    assert!(bed.is_closed(old));
    assert_eq!(bob.receive_all(&mut bed), [message(&alice, 1)]);
    // A receipt on the old connection has no effect.
    let late = bob.receipt(bed.now().wall, alice.id.unwrap(), 1, &[1]);
    bed.input_packet(old, &late);
    assert_eq!(alice.receive_all(&mut bed), [stored(&bob, &[1])]);
}

#[test]
fn an_orderly_stop_first_stores_and_acknowledges_what_is_in_flight() {
    let (mut bed, mut alice, mut bob) = pair();
    send(&mut bed, &mut alice, &bob, "one");
    bob.receive_all(&mut bed);
    bed.input_event(Event::Shutdown);
    match &alice.receive_all(&mut bed)[..] {
        [first, Received::Error(_, reply)] => {
            assert_eq!((first, reply.code), (&stored(&bob, &[1]), ErrorCode::ShuttingDown));
        }
        other => panic!("{other:?}"),
    }
    let mut bed = bed.restart(OtpChannel::InBand, Limits::without_rates());
    assert_eq!(bob.reconnect_to(&mut bed), 1);
}

#[test]
fn a_stop_completes_once_every_connection_is_closed_and_everything_stored() {
    let (mut bed, mut alice, bob) = pair();
    send(&mut bed, &mut alice, &bob, "one");
    (bed.hold_jobs, bed.hold_store) = (true, true);
    bed.input_event(Event::Shutdown);
    let stopped = |bed: &mut ServerBed| bed.take_notices().contains(&Notice::Stopped);
    bed.release_jobs(|_| ());
    assert!(bed.is_closed(bob.conn) && !bed.is_closed(alice.conn));
    assert!(!stopped(&mut bed), "alice waits for her acknowledgement");
    bed.cut(alice.conn);
    assert!(!stopped(&mut bed), "her message waits for the store");
    bed.release_store();
    assert!(stopped(&mut bed));
}

#[test]
fn a_stop_that_takes_too_long_is_cut_short() {
    let (mut bed, mut alice, bob) = pair();
    send(&mut bed, &mut alice, &bob, "one");
    bed.hold_store = true;
    bed.input_event(Event::Shutdown);
    bed.advance(Duration::from_millis(9_999));
    assert!(!bed.is_closed(alice.conn) && !bed.take_notices().contains(&Notice::Stopped));
    bed.advance(Duration::from_millis(1));
    assert!(bed.is_closed(alice.conn) && bed.take_notices().contains(&Notice::Stopped));
    assert_eq!(alice.receive_all(&mut bed), [], "what is not stored is not acknowledged");
}

#[test]
fn messages_before_a_222_are_acknowledged_before_its_answer() {
    let (mut bed, mut alice, bob) = pair();
    bed.cut(bob.conn);
    bed.hold_store = true;
    send(&mut bed, &mut alice, &bob, "one");
    let bye = alice.disconnect(bed.now().wall);
    bed.input_packet(alice.conn, &bye);
    send(&mut bed, &mut alice, &bob, "after the farewell");
    assert_eq!(alice.receive_all(&mut bed), []);
    bed.hold_store = false;
    bed.release_store();
    assert_eq!(alice.receive_all(&mut bed), [stored(&bob, &[1]), Received::Disconnect]);
    assert!(bed.is_closed(alice.conn));
}

#[test]
fn items_past_retention_expire() {
    let (mut bed, mut alice, mut bob) = pair();
    bed.cut(bob.conn);
    send(&mut bed, &mut alice, &bob, "one");
    // A server sees the days pass.
    for _ in 0..31 {
        bed.jump_wall_clock(24 * 60 * 60 - 600);
        bed.advance(Duration::from_mins(10));
    }
    assert_eq!(bob.reconnect_to(&mut bed), 0);
}

#[test]
fn items_past_retention_expire_in_batches() {
    let clock_step = Duration::from_hours(32 * 24);
    let limits = Limits { expire_batch: 2, clock_step, ..Limits::without_rates() };
    let mut bed = ServerBed::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default());
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    let bob = ScriptedClient::registered(&mut bed, 2);
    bed.cut(bob.conn);
    bed.advance(Duration::ZERO); // the first look finds nothing
    for (messages, first_look) in [(3, 1), (1, 0)] {
        for _ in 0..messages {
            send(&mut bed, &mut alice, &bob, "text");
        }
        bed.jump_wall_clock(31 * 24 * 60 * 60);
        bed.advance(Duration::from_secs(599));
        assert_eq!(bed.store.inner().packets().count(), messages);
        bed.advance(Duration::from_secs(1));
        assert_eq!(bed.store.inner().packets().count(), first_look);
        // After a full batch there may be more.
        bed.advance(Duration::from_millis(999));
        assert_eq!(bed.store.inner().packets().count(), first_look);
        bed.advance(Duration::from_millis(1));
        assert_eq!(bed.store.inner().packets().count(), 0);
    }
}
