//! The server machine: how much may be under way, to a reader and from a sender.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

use std::time::Duration;

use sealpost_core::frame::Event;
use sealpost_core::server::OtpChannel;
use sealpost_core::server::limits::{Limits, Rate};
use sealpost_core::wire::Profile;
use sealpost_storage::Quota;
use sealpost_tests::actor::Actor;
use sealpost_tests::correspondence::{
    acknowledge, caught_up, delivered, message, pair, send, stored,
};
use sealpost_tests::stage::Stage;

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
