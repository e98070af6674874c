//! Simulations: many seeds, each run twice; the plans that are kept; and real cryptography.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fs, thread};

use sealpost_tests::sim::{CryptoKind, FaultFamily, Plan, RunResult, run};

const REGRESSIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/regressions");

fn families() -> Vec<FaultFamily> {
    FaultFamily::ALL.iter().map(|(family, _)| *family).collect()
}

/// Runs the plans of these seeds on all cores. Returns the violations by seed.
fn run_seeds(
    seeds: std::ops::Range<u64>,
    crypto: CryptoKind,
    check: impl Fn(&Plan) -> Option<String> + Sync,
) -> Vec<(u64, String)> {
    run_plans(seeds, |seed| Plan::from_seed(seed, crypto, &families()), check)
}

/// Runs the plans that are made of these seeds.
fn run_plans(
    seeds: std::ops::Range<u64>,
    plan: impl Fn(u64) -> Plan + Sync,
    check: impl Fn(&Plan) -> Option<String> + Sync,
) -> Vec<(u64, String)> {
    let (next, failed) = (AtomicU64::new(seeds.start), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let plan = plan(seed);
            if let Some(violation) = check(&plan) {
                failed.lock().unwrap().push((seed, violation));
            }
        }
    };
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(work);
        }
    });
    failed.into_inner().unwrap()
}

#[test]
fn three_hundred_seeds_pass_and_repeat_exactly() {
    assert_eq!(run_seeds(1..301, CryptoKind::Insecure, passes_and_repeats), []);
}

#[test]
fn a_hundred_seeds_with_several_servers_pass_and_repeat_exactly() {
    let plan = |seed: u64| {
        let servers = 2 + usize::try_from(seed % 3).unwrap();
        Plan::with_servers(seed, CryptoKind::Insecure, &families(), servers)
    };
    assert_eq!(run_plans(1_001..1_101, plan, passes_and_repeats), []);
}

fn passes_and_repeats(plan: &Plan) -> Option<String> {
    let (first, second) = (run(plan), run(plan));
    first.violation.clone().or_else(|| {
        (first != second).then(|| format!("{:016x}, then {:016x}", first.digest, second.digest))
    })
}

#[test]
fn seeds_with_real_cryptography_pass() {
    assert_eq!(run_seeds(1..5, CryptoKind::Real, |plan| run(plan).violation), []);
}

/// Most were shrunk from failing simulations, and docs/TESTING.md says what was wrong; some were
/// written by hand, for what random plans seldom reach.
#[test]
fn every_plan_that_is_kept_passes() {
    let mut plans = 0;
    for entry in fs::read_dir(PathBuf::from(REGRESSIONS)).unwrap() {
        let path = entry.unwrap().path();
        let plan = Plan::parse(&fs::read_to_string(&path).unwrap()).unwrap();
        let RunResult { violation, .. } = run(&plan);
        assert_eq!(violation, None, "{}", path.display());
        plans += 1;
    }
    assert!(plans > 0, "no regressions in {REGRESSIONS}");
}

#[test]
fn a_plan_survives_printing_and_parsing() {
    for seed in 0..50 {
        let plan = Plan::from_seed(seed, CryptoKind::Insecure, &families());
        match Plan::parse(&plan.to_string()) {
            Ok(read) => assert_eq!(read, plan),
            Err(error) => panic!("seed {seed}: {error}"),
        }
    }
}
