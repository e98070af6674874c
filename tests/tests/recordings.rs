//! Recordings of simulated servers: a replay does the same, and nothing secret is in them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use sealpost_tests::recorded::replay;
use sealpost_tests::sim::{CryptoKind, FaultFamily, Plan, run, run_recorded};

#[test]
fn a_replay_of_any_run_does_the_same() {
    let families: Vec<_> = FaultFamily::ALL.iter().map(|(family, _)| *family).collect();
    let mut inputs = 0;
    for seed in 1..61 {
        let run = run_recorded(&Plan::from_seed(seed, CryptoKind::Insecure, &families));
        for (process, text) in run.recordings.iter().enumerate() {
            inputs += replay(text)
                .unwrap_or_else(|error| panic!("seed {seed}, process {process}, {error}"));
            for secret in &run.secrets {
                assert!(!text.contains(secret), "seed {seed}, process {process}: {secret}");
            }
        }
    }
    assert!(inputs > 10_000, "{inputs} inputs are too few to show anything");
}

#[test]
fn recording_does_not_change_a_run() {
    let plan = Plan::from_seed(7, CryptoKind::Insecure, &[]);
    assert_eq!(run_recorded(&plan).result, run(&plan));
}
