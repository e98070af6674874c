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
use world::{Broken, Subject, Tally, Troubles, World};

#[test]
fn server_keeps_what_it_acknowledged_through_losses_of_power() {
    survive::<Server>(Troubles::None);
}

#[test]
fn client_keeps_what_it_acknowledged_through_losses_of_power() {
    survive::<Client>(Troubles::None);
}

#[test]
fn server_goes_on_after_failed_writes_and_full_disks() {
    survive::<Server>(Troubles::Faults);
}

#[test]
fn client_goes_on_after_failed_writes_and_full_disks() {
    survive::<Client>(Troubles::Faults);
}

/// The suite would notice if a store did not sync what it must.
#[test]
fn a_disk_that_lies_about_syncs_is_noticed() {
    for part in [Part::Log, Part::Database, Part::Folder] {
        let broken = |seed| {
            let world = World::<Server>::new(seed, Troubles::None).lying_about(&[part]);
            world.run(PULLS_OF_A_SEED).err()
        };
        let noticed: Vec<Broken> = (first_seed()..).take(LIARS).filter_map(broken).collect();
        println!("lies about the {part:?}: {} of {LIARS} noticed", noticed.len());
        assert!(!noticed.is_empty(), "{part:?}");
    }
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
const PULLS: u64 = 400;
const PULLS_OF_A_SEED: u64 = 8;
const LIARS: usize = 20;
