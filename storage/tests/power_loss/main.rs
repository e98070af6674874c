#![cfg(test)]
#![expect(clippy::print_stdout, reason = "the seed, and what was done")]
//! SQLite on a disk that loses its power, fills up and fails, against the stores in memory.
//!
//! The products open their databases as always; below SQLite, `vfs` puts a disk in memory in place
//! of the system's. `SEALPOST_PULLS` sets how often each test pulls the plug, `SEALPOST_SEED` the
//! first seed.

mod client;
mod dice;
mod disk;
mod machine;
mod memory;
mod server;
mod vfs;
mod world;

use std::time::Instant;

use client::Client;
use disk::Part;
use server::Server;
use world::{Subject, Tally, Troubles, World};

#[test]
fn server_keeps_what_it_acknowledged_through_losses_of_power() {
    survive::<Server>(Troubles::None);
}

#[test]
fn client_keeps_what_it_acknowledged_through_losses_of_power() {
    survive::<Client>(Troubles::None);
}

#[test]
fn server_goes_on_after_faults_and_full_disks() {
    survive::<Server>(Troubles::Faults);
}

#[test]
fn client_goes_on_after_faults_and_full_disks() {
    survive::<Client>(Troubles::Faults);
}

/// After a failed sync the system's cache may hold what the disk does not, and give it to whoever
/// opens the log next.
#[test]
fn what_a_failed_sync_left_in_the_cache_is_not_built_upon() {
    for (changes, times) in (0..30).flat_map(|changes| [1, 2, 4, 20].map(|times| (changes, times)))
    {
        let world = World::<Server>::new(first_seed() + changes, Troubles::None);
        if let Err(broken) = world.run_into_faults(changes, times) {
            panic!("{times} faults after {changes} changes: {broken}");
        }
    }
}

/// The suite would notice if a store did not sync what it must.
#[test]
fn a_disk_that_lies_about_syncs_is_noticed() {
    let everything = [Part::Log, Part::Database, Part::Journal, Part::Folder];
    for lies in [&everything[..], &[Part::Log], &[Part::Database], &[Part::Folder]] {
        must_notice::<Server>(lies);
        must_notice::<Client>(lies);
    }
}

fn must_notice<S: Subject>(lies: &[Part]) {
    let is_noticed = |seed: &u64| {
        let world = World::<S>::new(*seed, Troubles::None).lying_about(lies);
        world.run(PULLS_OF_A_SEED).is_err()
    };
    let noticed = (first_seed()..).take(LIARS).filter(is_noticed).count();
    println!("{}, lies about {lies:?}: {noticed} of {LIARS} noticed", S::FILE);
    assert!(noticed >= LIARS / 5, "{lies:?}");
}

fn survive<S: Subject>(troubles: Troubles) {
    let (begin, mut total) = (Instant::now(), Tally::default());
    let pulls = pulls();
    for seed in first_seed().. {
        match World::<S>::new(seed, troubles).run(PULLS_OF_A_SEED) {
            Ok(tally) => total.add(tally),
            Err(broken) => panic!("SEALPOST_SEED={seed}: {broken}"),
        }
        if total.pulls >= pulls {
            break;
        }
    }
    println!("{total:?} in {:?}", begin.elapsed());
}

fn pulls() -> u64 {
    setting("SEALPOST_PULLS").unwrap_or(PULLS)
}

fn first_seed() -> u64 {
    setting("SEALPOST_SEED").unwrap_or(1)
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

/// How often each test pulls the plug, unless it is told.
const PULLS: u64 = 300;
const PULLS_OF_A_SEED: u64 = 8;
const LIARS: usize = 20;
