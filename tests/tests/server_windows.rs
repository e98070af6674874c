//! The server machine: limits on items in flight to a recipient, and on work for a sender.

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
use sealpost_tests::beds::ServerBed;
use sealpost_tests::scripted_client::ScriptedClient;
use sealpost_tests::server_fixture::{
    acknowledge, caught_up, delivered, message, pair, send, stored,
};

#[test]
fn a_recipient_that_stalls_spills_to_the_store() {
    let (mut bed, mut alice, mut bob) = pair();
    send(&mut bed, &mut alice, &bob, "one");
    bob.receive_all(&mut bed);
    bed.input_event(Event::Congested { conn: bob.conn });
    assert_eq!(alice.receive_all(&mut bed), [stored(&bob, &[1])]);
    send(&mut bed, &mut alice, &bob, "two");
    assert_eq!(alice.receive_all(&mut bed), [stored(&bob, &[2])]);
    assert!(bed.is_paused(bob.conn));
    assert_eq!(bob.receive_all(&mut bed), []);
    bed.input_event(Event::Writable { conn: bob.conn });
    assert!(!bed.is_paused(bob.conn));
    assert_eq!(bob.receive_all(&mut bed), [message(&alice, 2)]);
}

#[test]
fn a_stalled_recipient_gets_the_255_once_it_takes_bytes_again() {
    let (mut bed, mut alice, mut bob) = pair();
    bed.cut(bob.conn);
    send(&mut bed, &mut alice, &bob, "one");
    bob.reconnect_to(&mut bed);
    assert_eq!(bob.receive_all(&mut bed), [message(&alice, 1)]);
    bed.input_event(Event::Congested { conn: bob.conn });
    acknowledge(&mut bed, &mut bob, &alice, 1, &[1]);
    assert_eq!(bob.receive_all(&mut bed), []);
    bed.input_event(Event::Writable { conn: bob.conn });
    assert_eq!(bob.receive_all(&mut bed), [caught_up(1)]);
}

#[test]
fn a_window_is_full_by_bytes_too() {
    let (mut bed, mut alice, bob) = pair();
    let len = send(&mut bed, &mut alice, &bob, "text").bytes().len();
    let limits = Limits { in_flight_bytes: 2 * len, ..Limits::without_rates() };
    let mut bed = ServerBed::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default());
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    let mut bob = ScriptedClient::registered(&mut bed, 2);
    for first in [1, 3] {
        send(&mut bed, &mut alice, &bob, "text");
        send(&mut bed, &mut alice, &bob, "text");
        assert_eq!(alice.receive_all(&mut bed), [], "both are in flight");
        acknowledge(&mut bed, &mut bob, &alice, first, &[first, first + 1]);
        assert_eq!(alice.receive_all(&mut bed), [delivered(&bob, first, &[first, first + 1])]);
    }
    for _ in 5..=7 {
        send(&mut bed, &mut alice, &bob, "text");
    }
    assert_eq!(alice.receive_all(&mut bed), [stored(&bob, &[5, 6, 7])]);
    assert_eq!(bob.receive_all(&mut bed), [1, 2, 3, 4, 5, 6, 7].map(|id| message(&alice, id)));
}

#[test]
fn a_full_window_spills_to_the_store() {
    let limits = Limits { in_flight_items: 2, ..Limits::without_rates() };
    let mut bed = ServerBed::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default());
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    let mut bob = ScriptedClient::registered(&mut bed, 2);
    for text in ["one", "two", "three"] {
        send(&mut bed, &mut alice, &bob, text);
    }
    let received = alice.receive_all(&mut bed);
    assert_eq!(received, [stored(&bob, &[1, 2, 3])]);
    assert_eq!(bob.receive_all(&mut bed), [1, 2, 3].map(|id| message(&alice, id)));
    acknowledge(&mut bed, &mut bob, &alice, 1, &[1, 2, 3]);
    send(&mut bed, &mut alice, &bob, "four");
    assert_eq!(alice.receive_all(&mut bed), [delivered(&bob, 1, &[1, 2, 3])]);
}

#[test]
fn a_long_mailbox_is_drained_a_window_at_a_time() {
    let limits = Limits { drain_items: 4, ..Limits::without_rates() };
    let mut bed = ServerBed::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default());
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    let mut bob = ScriptedClient::registered(&mut bed, 2);
    bed.cut(bob.conn);
    for _ in 0..10 {
        send(&mut bed, &mut alice, &bob, "text");
    }
    assert_eq!(bob.reconnect_to(&mut bed), 10);
    assert_eq!(bob.receive_all(&mut bed), [1, 2, 3, 4].map(|id| message(&alice, id)));
    acknowledge(&mut bed, &mut bob, &alice, 1, &[1]);
    assert_eq!(bob.receive_all(&mut bed), [], "not for a single place");
    acknowledge(&mut bed, &mut bob, &alice, 2, &[2, 3]);
    assert_eq!(bob.receive_all(&mut bed), [5, 6, 7].map(|id| message(&alice, id)));
    acknowledge(&mut bed, &mut bob, &alice, 3, &[4, 5, 6, 7]);
    assert_eq!(bob.receive_all(&mut bed), [8, 9, 10].map(|id| message(&alice, id)));
    acknowledge(&mut bed, &mut bob, &alice, 4, &[8, 9, 10]);
    assert_eq!(bob.receive_all(&mut bed), [caught_up(10)]);
}

#[test]
fn a_long_mailbox_is_drained_by_bytes_too() {
    let (mut bed, mut alice, bob) = pair();
    let len = send(&mut bed, &mut alice, &bob, "text").bytes().len();
    let limits = Limits { drain_bytes: u32::try_from(4 * len).unwrap(), ..Limits::without_rates() };
    let mut bed = ServerBed::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default());
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    let mut bob = ScriptedClient::registered(&mut bed, 2);
    bed.cut(bob.conn);
    for _ in 0..6 {
        send(&mut bed, &mut alice, &bob, "text");
    }
    bob.reconnect_to(&mut bed);
    assert_eq!(bob.receive_all(&mut bed), [1, 2, 3, 4].map(|id| message(&alice, id)));
    acknowledge(&mut bed, &mut bob, &alice, 1, &[1]);
    assert_eq!(bob.receive_all(&mut bed), [], "not for a quarter");
    acknowledge(&mut bed, &mut bob, &alice, 2, &[2]);
    assert_eq!(bob.receive_all(&mut bed), [5, 6].map(|id| message(&alice, id)));
}

#[test]
fn a_sender_that_floods_is_paused_until_the_store_has_caught_up() {
    let limits = Limits { unstored_per_user: 4, ..Limits::without_rates() };
    let mut bed = ServerBed::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default());
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    let bob = ScriptedClient::registered(&mut bed, 2);
    bed.cut(bob.conn);
    bed.hold_store = true;
    for _ in 0..5 {
        assert!(!bed.is_paused(alice.conn));
        send(&mut bed, &mut alice, &bob, "text");
    }
    assert!(bed.is_paused(alice.conn));
    bed.release_store(); // the first alone
    assert!(bed.is_paused(alice.conn), "until half is free");
    bed.hold_store = false;
    bed.release_store();
    assert!(!bed.is_paused(alice.conn));
}

#[test]
fn a_sender_over_its_rate_is_slowed_down_and_loses_nothing() {
    let packets_per_user = Rate { burst: 2, every: Duration::from_secs(1) };
    let limits = Limits { packets_per_user, ..Limits::without_rates() };
    let mut bed = ServerBed::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default());
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    let mut bob = ScriptedClient::registered(&mut bed, 2);
    for _ in 0..3 {
        send(&mut bed, &mut alice, &bob, "text");
    }
    assert_eq!(bob.receive_all(&mut bed).len(), 3);
    assert!(bed.is_paused(alice.conn));
    bed.advance(Duration::from_secs(1));
    assert!(!bed.is_paused(alice.conn));
}
