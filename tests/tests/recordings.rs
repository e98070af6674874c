//! Recordings of simulated servers: a replay does the same, and nothing secret is in them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use sealpost_recording::{Replay, Verdict};
use sealpost_tests::sim::{CryptoKind, FaultFamily, Plan, run, run_recorded};

/// Replays a recording. Returns the count of inputs, or how the replay differs.
fn replayed(text: &str) -> Result<u64, String> {
    let mut inputs = 0;
    for played in Replay::read(text).map_err(|error| error.to_string())? {
        let played = played.map_err(|error| error.to_string())?;
        if let Verdict::Differs { recorded, replayed } = &played.verdict {
            let actions = played.actions.join("\n  ");
            return Err(format!(
                "input {}: {}\n  {actions}\n  recorded {recorded}, replayed {replayed}",
                played.number, played.input
            ));
        }
        inputs += 1;
    }
    Ok(inputs)
}

#[test]
fn a_replay_of_any_run_does_the_same() {
    let families: Vec<_> = FaultFamily::ALL.iter().map(|(family, _)| *family).collect();
    let mut inputs = 0;
    for seed in 1..61 {
        let run = run_recorded(&Plan::from_seed(seed, CryptoKind::Insecure, &families));
        for (process, text) in run.recordings.iter().enumerate() {
            inputs += replayed(text)
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
