//! The server machine: connections without a session, and what they may cause (PROTOCOL 8).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::IpAddr;
use std::time::Duration;

use sealpost_core::ids::{ConnId, UserId};
use sealpost_core::server::limits::{Limits, Rate};
use sealpost_core::server::{Notice, OtpChannel};
use sealpost_core::time::{Mono, Now};
use sealpost_core::wire::{ErrorCode, Profile};
use sealpost_storage::Quota;
use sealpost_tests::beds::ServerBed;
use sealpost_tests::scripted_client::{Received, ScriptedClient};
use sealpost_tests::server_fixture::{message, refused, send};

const SECOND: Duration = Duration::from_secs(1);

fn bed(limits: Limits) -> ServerBed {
    ServerBed::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default())
}

fn address(n: u8) -> IpAddr {
    IpAddr::from([198, 51, 100, n])
}

fn closed(bed: &ServerBed, conns: &[ConnId]) -> Vec<bool> {
    conns.iter().map(|conn| bed.is_closed(*conn)).collect()
}

#[test]
fn the_oldest_stranger_of_an_address_gives_way() {
    let mut bed = bed(Limits { strangers_per_address: 2, ..Limits::without_rates() });
    let others = [1, 1, 2].map(|n| bed.connect_from(address(n)));
    assert_eq!(closed(&bed, &others), [false; 3]);
    let new = bed.connect_from(address(1));
    assert_eq!(closed(&bed, &others), [true, false, false]);
    assert!(!bed.is_closed(new));
}

#[test]
fn the_oldest_stranger_of_the_address_with_the_most_gives_way() {
    let mut bed = bed(Limits { strangers: 4, ..Limits::without_rates() });
    let others = [1, 2, 2, 3].map(|n| bed.connect_from(address(n)));
    bed.connect_from(address(4));
    assert_eq!(closed(&bed, &others), [false, true, false, false]);
    // All have one now: the oldest of all goes.
    bed.connect_from(address(5));
    assert_eq!(closed(&bed, &others), [true, true, false, false]);
    assert_eq!(bed.stats().shed, 2);
}

#[test]
fn strangers_give_way_to_each_other_and_sessions_to_nobody() {
    let mut bed = bed(Limits { connections: 2, ..Limits::without_rates() });
    let alice = ScriptedClient::registered(&mut bed, 1);
    let stranger = bed.connect_from(address(1));
    let bob = ScriptedClient::registered(&mut bed, 2);
    assert_eq!(closed(&bed, &[alice.conn, stranger, bob.conn]), [false, true, false]);
    let late = bed.connect_from(address(1));
    assert_eq!(closed(&bed, &[alice.conn, bob.conn, late]), [false, false, true]);
}

#[test]
fn a_connection_whose_session_is_about_to_begin_does_not_give_way() {
    let mut bed = bed(Limits { strangers_per_address: 1, ..Limits::without_rates() });
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    bed.advance(SECOND);
    alice.conn = bed.connect();
    let request = alice.reconnect(bed.now().wall);
    bed.hold_jobs = true;
    bed.input_packet(alice.conn, &request);
    bed.release_jobs(|_| ()); // the 106 is verified and recorded, and the 206 is being signed
    bed.connect();
    assert!(!bed.is_closed(alice.conn));
    bed.hold_jobs = false;
    bed.release_jobs(|_| ());
    let session = alice.receive_all(&mut bed);
    assert!(session.iter().any(|received| matches!(received, Received::SessionResumed(_))));
}

#[test]
fn no_request_begins_while_too_much_is_under_way() {
    let mut bed = bed(Limits { under_way: 2, ..Limits::without_rates() });
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    let bob = ScriptedClient::registered(&mut bed, 2);
    let mut stranger = ScriptedClient::unregistered(&mut bed, 3);
    bed.hold_jobs = true;
    for _ in 0..3 {
        send(&mut bed, &mut alice, &bob, "text");
    }
    assert_eq!(bed.waiting_jobs(), 3, "those of a session");
    let request = stranger.register(bed.now().wall);
    bed.input_packet(stranger.conn, &request);
    assert_eq!((bed.waiting_jobs(), bed.is_closed(stranger.conn)), (3, true));
    bed.hold_jobs = false;
    bed.release_jobs(|_| {});
    stranger.conn = bed.connect();
    bed.input_packet(stranger.conn, &request);
    assert!(matches!(stranger.receive(&mut bed), Some(Received::OtpIssued(_))));
}

#[test]
fn jobs_for_strangers_are_limited_and_those_for_others_are_not() {
    let mut bed = bed(Limits { stranger_jobs: 2, ..Limits::without_rates() });
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    let mut bob = ScriptedClient::registered(&mut bed, 2);
    bed.advance(SECOND);
    bed.hold_jobs = true;
    let mut strangers = [3, 3, 3].map(|key| ScriptedClient::unregistered(&mut bed, key));
    for stranger in &mut strangers {
        let request = stranger.register(bed.now().wall);
        bed.input_packet(stranger.conn, &request);
    }
    assert_eq!(bed.waiting_jobs(), 2);
    let conns = strangers.each_ref().map(|stranger| stranger.conn);
    assert_eq!(closed(&bed, &conns), [false, false, true]);
    // No error is signed for a stranger either.
    let confused = bed.connect();
    bed.input_bytes(confused, &[0xff; 26]);
    assert!(bed.is_closed(confused));
    assert_eq!(bed.waiting_jobs(), 2);
    // A user who comes back, and one in a session, go on.
    alice.conn = bed.connect();
    let request = alice.reconnect(bed.now().wall);
    bed.input_packet(alice.conn, &request);
    send(&mut bed, &mut bob, &alice, "text");
    assert_eq!(bed.waiting_jobs(), 4);
    bed.hold_jobs = false;
    bed.release_jobs(|jobs| jobs.reverse());
    assert!(alice.receive_all(&mut bed).contains(&message(&bob, 1)));
    assert_eq!(bed.held().stranger_jobs, 0);
}

#[test]
fn requests_for_the_servers_key_are_limited_by_address() {
    let key_requests_per_address = Rate { burst: 2, every: 10 * SECOND };
    let mut bed = bed(Limits { key_requests_per_address, ..Limits::without_rates() });
    let mut alice = ScriptedClient::unregistered(&mut bed, 1);
    let request = alice.request_server_key(bed.now().wall);
    for _ in 0..2 {
        bed.input_packet(alice.conn, &request);
        assert!(matches!(alice.receive(&mut bed), Some(Received::ServerKey(_))));
    }
    bed.input_packet(alice.conn, &request);
    assert_eq!(alice.receive(&mut bed), None);
    assert!(bed.is_closed(alice.conn));
    alice.conn = bed.connect_from(address(9));
    bed.input_packet(alice.conn, &request);
    assert!(matches!(alice.receive(&mut bed), Some(Received::ServerKey(_))));
}

#[test]
fn a_stranger_behind_a_shared_address_keeps_nobody_out() {
    let rate = Rate { burst: 3, every: 1_000 * SECOND };
    let mut bed = bed(Limits {
        registrations_per_address: rate,
        reconnects_per_address: rate,
        refusals_per_address: rate,
        key_requests_per_address: rate,
        ..Limits::without_rates()
    });
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    bed.advance(SECOND);
    // The stranger names alice, an id that nobody has, or none, and asks for everything else.
    let mut mallory = ScriptedClient::unregistered(&mut bed, 3);
    for round in 0..40 {
        mallory.conn = bed.connect();
        mallory.id = [alice.id, UserId::new(99), None][round % 3];
        let now = bed.now().wall;
        let packet = match round % 4 {
            0 | 1 => mallory.reconnect(now),
            2 => mallory.register(now),
            _ => mallory.request_server_key(now),
        };
        bed.input_packet(mallory.conn, &packet);
    }
    assert_eq!(alice.reconnect_to(&mut bed), 0);
}

#[test]
fn failed_reconnects_are_charged_to_their_address() {
    let reconnects_per_address = Rate { burst: 2, every: 10 * SECOND };
    let mut bed = bed(Limits { reconnects_per_address, ..Limits::without_rates() });
    let alice = ScriptedClient::registered(&mut bed, 1);
    let mut mallory = ScriptedClient::unregistered(&mut bed, 3);
    (mallory.id, mallory.phone) = (alice.id, alice.phone);
    bed.advance(SECOND);
    let request = mallory.reconnect(bed.now().wall);
    let mut attempt = |bed: &mut ServerBed, peer| {
        mallory.conn = bed.connect_from(peer);
        bed.input_packet(mallory.conn, &request);
        assert!(bed.is_closed(mallory.conn));
        mallory.receive_all(bed)
    };
    for _ in 0..2 {
        assert_eq!(refused(&attempt(&mut bed, address(1))), ErrorCode::BadSignature);
    }
    assert_eq!(attempt(&mut bed, address(1)), [], "no signature is spent on the third");
    assert_eq!(refused(&attempt(&mut bed, address(2))), ErrorCode::BadSignature);
    bed.advance(10 * SECOND);
    assert_eq!(refused(&attempt(&mut bed, address(1))), ErrorCode::BadSignature);
}

#[test]
fn a_flood_of_strangers_is_reported_every_ten_seconds() {
    let mut bed = bed(Limits { strangers: 1, ..Limits::without_rates() });
    let flood = |bed: &mut ServerBed| {
        for n in 0..4 {
            bed.connect_from(address(n));
        }
        bed.take_notices()
    };
    assert_eq!(flood(&mut bed), [Notice::StrangersShed { count: 1 }]);
    assert_eq!(flood(&mut bed), []);
    bed.advance(10 * SECOND); // the last one is closed for its silence
    assert_eq!(flood(&mut bed), [Notice::StrangersShed { count: 7 }]);
}

#[test]
fn a_clock_that_steps_back_locks_no_address_out() {
    let rate = Rate { burst: 1, every: 5 * SECOND };
    let mut bed = bed(Limits {
        registrations_per_address: rate,
        reconnects_per_address: rate,
        refusals_per_address: rate,
        ..Limits::without_rates()
    });
    bed.advance(1_000 * SECOND);
    let mut alice = ScriptedClient::unregistered(&mut bed, 1);
    let request = alice.register(bed.now().wall);
    bed.input_packet(alice.conn, &request);
    assert!(matches!(alice.receive(&mut bed), Some(Received::OtpIssued(_))));
    let Now { mono, wall } = bed.now();
    bed.set_now(Now { mono: Mono(mono.0 - 500_000_000), wall: wall.plus_secs(-500) });
    let silent = bed.connect(); // the next input shows the step
    bed.advance(5 * SECOND);
    let request = alice.register(bed.now().wall);
    bed.input_packet(alice.conn, &request);
    assert!(matches!(alice.receive(&mut bed), Some(Received::OtpIssued(_))));
    bed.advance(5 * SECOND);
    assert!(bed.is_closed(silent));
}
