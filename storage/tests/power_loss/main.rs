#![cfg(test)]
#![expect(clippy::print_stdout, reason = "prints the seed and the counts")]
//! Compares SQLite on a disk with power cuts, faults and too little space with the memory stores.
//!
//! The stores open their databases as in production. Below SQLite, `vfs` replaces the system's disk
//! by one in memory. `SEALPOST_POWER_CUTS` sets the number of power cuts in each test, and
//! `SEALPOST_SEED` the first seed.

mod bed;
mod client;
mod conversations;
#[expect(dead_code, reason = "the tests of other files use the rest")]
mod disk;
mod file_system;
mod random;
mod server;
mod shared_state;
mod upgrade;
mod vfs;
mod volatile;

use std::time::Instant;

use bed::{Counts, FaultPlan, StoreBed, Subject};
use client::Client;
use disk::Part;
use server::Server;

#[test]
fn server_keeps_acknowledged_commits_through_power_cuts() {
    run::<Server>(FaultPlan::None);
}

#[test]
fn client_keeps_acknowledged_commits_through_power_cuts() {
    run::<Client>(FaultPlan::None);
}

#[test]
fn server_recovers_from_faults_and_full_disks() {
    run::<Server>(FaultPlan::Occasional);
}

#[test]
fn client_recovers_from_faults_and_full_disks() {
    run::<Client>(FaultPlan::Occasional);
}

/// After a failed sync, the system's cache may hold bytes that the disk does not have, and return
/// them to the next process that opens the log.
#[test]
fn log_left_in_the_cache_by_a_failed_sync_is_not_extended() {
    for (changes, times) in (0..30).flat_map(|changes| [1, 2, 4, 20].map(|times| (changes, times)))
    {
        let bed = StoreBed::<Server>::new(first_seed() + changes, FaultPlan::None);
        if let Err(violation) = bed.run_into_faults(changes, times) {
            panic!("{times} faults after {changes} changes: {violation}");
        }
    }
}

/// A store that omitted a necessary sync would fail this suite.
#[test]
fn disk_that_lies_about_syncs_is_detected() {
    let everything = [Part::Log, Part::Database, Part::Journal, Part::Folder];
    for lies in [&everything[..], &[Part::Log], &[Part::Database], &[Part::Folder]] {
        assert_detected::<Server>(lies);
        assert_detected::<Client>(lies);
    }
}

fn assert_detected<S: Subject>(lies: &[Part]) {
    let is_detected = |seed: &u64| {
        let bed = StoreBed::<S>::new(*seed, FaultPlan::None).lying_about(lies);
        bed.run(POWER_CUTS_PER_SEED).is_err()
    };
    let detected = (first_seed()..).take(LYING_DISKS).filter(is_detected).count();
    println!("{}, lies about {lies:?}: {detected} of {LYING_DISKS} detected", S::FILE);
    assert!(detected >= LYING_DISKS / 5, "{lies:?}");
}

fn run<S: Subject>(fault_plan: FaultPlan) {
    let (begin, mut total) = (Instant::now(), Counts::default());
    let power_cuts = power_cuts();
    for seed in first_seed().. {
        match StoreBed::<S>::new(seed, fault_plan).run(POWER_CUTS_PER_SEED) {
            Ok(counts) => total.add(counts),
            Err(violation) => panic!("SEALPOST_SEED={seed}: {violation}"),
        }
        if total.power_cuts >= power_cuts {
            break;
        }
    }
    println!("{total:?} in {:?}", begin.elapsed());
}

fn power_cuts() -> u64 {
    setting("SEALPOST_POWER_CUTS").unwrap_or(POWER_CUTS)
}

fn first_seed() -> u64 {
    setting("SEALPOST_SEED").unwrap_or(1)
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

/// Number of power cuts in each test, unless the environment sets it.
const POWER_CUTS: u64 = 300;
const POWER_CUTS_PER_SEED: u64 = 8;
const LYING_DISKS: usize = 20;
