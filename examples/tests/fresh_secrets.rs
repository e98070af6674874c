#![cfg(test)]
//! Secrets of the programs come from the operating system: those of one process tell nothing about
//! those of another, whenever both were started.

mod support;

use std::collections::BTreeSet;

use chacha20::rand_core::Rng;
use sealpost_programs::SystemGenerator;
use support::{ALICE, ProgramBed};

/// Starts enough servers at once that some of them start in the same second.
#[test]
fn servers_started_together_have_different_keys_and_passwords() {
    let beds = [(); 4].map(|()| ProgramBed::new());
    let starting = [0, 1, 2, 3].map(|bed: usize| beds[bed].launch("127.0.0.1:0", CONSOLE));
    let mut servers = Vec::new();
    for server in starting {
        servers.push(server.ready());
    }
    let (mut addresses, mut passwords) = (BTreeSet::new(), BTreeSet::new());
    for (bed, server) in beds.iter().zip(&servers) {
        bed.sealpost("alice", &["register", &server.address, ALICE]).failed(1);
        let line = server.line().unwrap();
        passwords.insert(line.rsplit(' ').next().unwrap().to_owned());
        addresses.insert(server.address.rsplit('/').next().unwrap().to_owned());
    }
    assert_eq!((addresses.len(), passwords.len()), (4, 4), "{addresses:?} {passwords:?}");
}

/// A clock, or a counter, leaves most bytes as they are.
#[test]
fn every_byte_of_a_seed_is_random() {
    let seeds: Vec<_> = (0..256).map(|_| seed()).collect();
    for byte in 0..32 {
        let values: BTreeSet<_> = seeds.iter().map(|seed| seed[byte]).collect();
        // 162 are expected; fewer than 100 come up by chance once in 10^27 times.
        assert!(values.len() >= 100, "byte {byte} has {} values in 256 seeds", values.len());
    }
}

fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    SystemGenerator::new().unwrap().fill_bytes(&mut seed);
    seed
}

const CONSOLE: &[&str] = &["--otp", "console"];
