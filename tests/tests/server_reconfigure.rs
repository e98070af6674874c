//! The server machine: settings that change while it runs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use sealpost_core::server::OtpChannel;
use sealpost_core::server::limits::{Limits, Rate};
use sealpost_core::wire::Profile;
use sealpost_storage::Quota;
use sealpost_tests::beds::ServerBed;
use sealpost_tests::scripted_client::ScriptedClient;
use sealpost_tests::server_fixture::{acknowledge, delivered, message, send, stored};

const SECOND: Duration = Duration::from_secs(1);

fn bed(limits: Limits) -> ServerBed {
    ServerBed::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default())
}

/// The least of everything that a user may hold at once.
fn least() -> Limits {
    Limits {
        in_flight_items: 1,
        in_flight_bytes: 1,
        in_flight_bytes_in_all: 1,
        drain_items: 1,
        drain_bytes: 1,
        held_bytes: 1,
        held_bytes_in_all: 1,
        checks_per_conn: 1,
        unstored_per_user: 1,
        acks_per_packet: 1,
        append_batch: 1,
        remembered: 1,
        strangers: 1,
        ..Limits::without_rates()
    }
}

#[test]
fn lower_limits_lose_nothing_of_what_is_in_flight_stored_or_being_stored() {
    let mut bed = bed(Limits::without_rates());
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    let mut bob = ScriptedClient::registered(&mut bed, 2);
    for text in ["one", "two", "three"] {
        send(&mut bed, &mut alice, &bob, text);
    }
    assert_eq!(bob.receive_all(&mut bed), [1, 2, 3].map(|id| message(&alice, id)));
    assert!(bed.set_limits(least()));
    acknowledge(&mut bed, &mut bob, &alice, 1, &[1]);
    send(&mut bed, &mut alice, &bob, "four");
    bed.cut(bob.conn);
    send(&mut bed, &mut alice, &bob, "five");
    let mut told = vec![delivered(&bob, 1, &[1])];
    told.extend([2, 3, 4, 5].map(|id| stored(&bob, &[id])));
    assert_eq!(alice.receive_all(&mut bed), told);
    bob.reconnect_to(&mut bed);
    for (receipt, id) in [(2, 2), (3, 3), (4, 4), (5, 5)] {
        assert_eq!(bob.receive_all(&mut bed), [message(&alice, id)]);
        acknowledge(&mut bed, &mut bob, &alice, receipt, &[id]);
        // Her window is one item, too: a receipt that she has not taken keeps the next one back.
        let taken = alice.receipts_taken(bed.now().wall, &[(bob.id.unwrap(), receipt - 1)]);
        bed.input_packet(alice.conn, &taken);
        let received = alice.receive_all(&mut bed);
        assert_eq!(received, [delivered(&bob, receipt, &[id])]);
    }
}

#[test]
fn what_was_owed_is_owed_under_new_limits() {
    let rate = |burst| Limits {
        packets_per_user: Rate { burst, every: 10 * SECOND },
        ..Limits::without_rates()
    };
    let mut bed = bed(rate(4));
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    let bob = ScriptedClient::registered(&mut bed, 2);
    for text in ["one", "two"] {
        send(&mut bed, &mut alice, &bob, text);
        assert!(!bed.is_paused(alice.conn));
    }
    assert!(bed.set_limits(rate(2)));
    assert!(!bed.is_paused(alice.conn));
    send(&mut bed, &mut alice, &bob, "three");
    assert!(bed.is_paused(alice.conn), "a new meter would admit two");
}

#[test]
fn limits_that_a_server_cannot_work_with_change_nothing() {
    let limits =
        Limits { packets_per_user: Rate { burst: 1, every: SECOND }, ..Limits::without_rates() };
    let mut bed = bed(limits);
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    let bob = ScriptedClient::registered(&mut bed, 2);
    assert!(!bed.set_limits(Limits { remembered: 0, ..Limits::without_rates() }));
    send(&mut bed, &mut alice, &bob, "one");
    assert!(!bed.is_paused(alice.conn));
    send(&mut bed, &mut alice, &bob, "two");
    assert!(bed.is_paused(alice.conn), "the rate is still in force");
}
