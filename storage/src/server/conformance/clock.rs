//! The server's clock, and which of its times are plausible.

use std::time::Duration;

use sealpost_core::server::store::{StoreOp, StoreReply};

use super::harness::{Case, Harness};
use super::subject::Subject;
use crate::conformance::{at, cases};

cases![
    first_clock_is_believed,
    clock_may_advance_by_the_longest_step,
    clock_that_ran_ahead_is_forgotten,
    clock_that_went_back_is_forgotten,
    trusted_clock_is_the_newest_time,
];

fn first_clock_is_believed<S: Subject>(store: &mut Harness<S>) {
    assert_eq!(record(store, 1_000_000), 1_000_000);
}

fn clock_may_advance_by_the_longest_step<S: Subject>(store: &mut Harness<S>) {
    for secs in [5, 5, 6, 6 + MAX_STEP_SECS] {
        assert_eq!(record(store, secs), secs);
    }
}

fn clock_that_ran_ahead_is_forgotten<S: Subject>(store: &mut Harness<S>) {
    record(store, 5);
    for _ in 0..2 {
        assert_eq!(record(store, 6 + MAX_STEP_SECS), 5);
    }
    assert_eq!(record(store, 6), 6);
}

fn clock_that_went_back_is_forgotten<S: Subject>(store: &mut Harness<S>) {
    record(store, 50);
    for secs in [49, -1_000_000] {
        assert_eq!(record(store, secs), 50);
    }
    assert_eq!(record(store, 51), 51);
}

fn trusted_clock_is_the_newest_time<S: Subject>(store: &mut Harness<S>) {
    record(store, 50);
    for secs in [1_000_000, 7] {
        store.store().trust_clock(at(secs));
        assert_eq!(record(store, secs), secs);
    }
}

/// Returns the newest time on record afterwards.
#[track_caller]
fn record<S: Subject>(store: &mut Harness<S>, secs: i64) -> i64 {
    let max_step = Duration::from_secs(MAX_STEP_SECS.unsigned_abs());
    match store.ask(StoreOp::RecordClock { clock: at(secs), max_step }) {
        StoreReply::ClockRecorded(newest) => newest.secs_since(at(0)),
        other => panic!("{other:?}"),
    }
}

const MAX_STEP_SECS: i64 = 100;
