//! The server machine under a wall clock that is wrong, and then right again (PROTOCOL 8).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use sealpost_core::server::limits::Limits;
use sealpost_core::server::{Notice, OtpChannel};
use sealpost_core::wire::{ErrorCode, ErrorForm, Profile};
use sealpost_tests::beds::ServerBed;
use sealpost_tests::scripted_client::ScriptedClient;
use sealpost_tests::server_fixture::{error, pair, send};

const DAY_SECS: i64 = 24 * 60 * 60;

/// A server that has recorded its clock and holds one message.
fn with_a_message() -> ServerBed {
    let (mut bed, mut alice, bob) = pair();
    bed.advance(Duration::ZERO);
    bed.cut(bob.conn);
    send(&mut bed, &mut alice, &bob, "kept");
    bed
}

fn held(bed: &ServerBed) -> usize {
    bed.store.inner().packets().count()
}

/// Restarts the server, and lets it search for items past retention once.
fn restart(bed: ServerBed) -> ServerBed {
    let mut bed = bed.restart(OtpChannel::InBand, Limits::without_rates());
    bed.advance(Duration::ZERO);
    bed
}

/// Times by which the clock differs from the newest time on record, as far as the server says so.
fn implausible(bed: &mut ServerBed) -> Vec<i64> {
    let mut steps = Vec::new();
    for notice in bed.take_notices() {
        if let Notice::ClockImplausible { clock, newest } = notice {
            steps.push(clock.secs_since(newest));
        }
    }
    steps
}

#[test]
fn one_start_with_the_clock_31_days_ahead_deletes_nothing() {
    let mut bed = with_a_message();
    bed.jump_wall_clock(31 * DAY_SECS);
    let mut bed = restart(bed);
    assert_eq!(implausible(&mut bed), [31 * DAY_SECS]);
    bed.advance(Duration::from_mins(20));
    assert_eq!(implausible(&mut bed).len(), 2, "said at every search");
    assert_eq!(held(&bed), 1);

    bed.jump_wall_clock(-31 * DAY_SECS);
    let mut bed = restart(bed);
    assert!(implausible(&mut bed).is_empty());
    assert_eq!(held(&bed), 1);
}

#[test]
fn clock_that_jumps_under_a_running_server_deletes_nothing() {
    let mut bed = with_a_message();
    for jump in [31 * DAY_SECS, -62 * DAY_SECS] {
        bed.jump_wall_clock(jump);
        bed.advance(Duration::from_mins(10));
        assert_eq!(implausible(&mut bed).len(), 1);
        assert_eq!(held(&bed), 1);
    }
}

#[test]
fn step_back_within_the_skew_is_not_reported() {
    let mut bed = with_a_message();
    for (back, reported) in [(300, vec![]), (301, vec![-301])] {
        bed.jump_wall_clock(-back);
        bed = restart(bed);
        assert_eq!(implausible(&mut bed), reported);
        bed.jump_wall_clock(back);
    }
}

#[test]
fn trusted_clock_expires_items() {
    let mut bed = with_a_message();
    bed.jump_wall_clock(31 * DAY_SECS);
    let clock = bed.now().wall;
    bed.store.inner_mut().trust_clock(clock);
    let mut bed = restart(bed);
    assert!(implausible(&mut bed).is_empty());
    assert_eq!(held(&bed), 0);
}

#[test]
fn reconnect_while_the_clock_was_a_year_ahead_locks_nobody_out() {
    let mut bed = ServerBed::new(Profile::Compact);
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    bed.advance(Duration::ZERO);
    alice.reconnect_to(&mut bed);
    bed.jump_wall_clock(365 * DAY_SECS);
    alice.reconnect_to(&mut bed);
    let recorded = alice.reconnect(bed.now().wall);

    bed.jump_wall_clock(-365 * DAY_SECS);
    alice.reconnect_to(&mut bed);
    alice.reconnect_to(&mut bed);

    bed.jump_wall_clock(365 * DAY_SECS - 10);
    bed.cut(alice.conn);
    alice.conn = bed.connect();
    bed.input_packet(alice.conn, &recorded);
    let refused = error(&alice.receive_all(&mut bed));
    assert_eq!(refused, (ErrorForm::ReplyKey, ErrorCode::ClockSkew), "replayed when its time came");
}
