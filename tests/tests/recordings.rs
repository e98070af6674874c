//! Recordings of simulated servers: a replay does the same, and nothing secret is in them.

use sealpost_tests::recorded::replay;
use sealpost_tests::sim::{CryptoKind, FaultFamily, Plan, RecordedRun, run, run_recorded};
use serde_json::Value;

/// Runs of these seeds, with faults of all kinds.
fn runs(seeds: std::ops::Range<u64>) -> impl Iterator<Item = (u64, RecordedRun)> {
    let families: Vec<_> = FaultFamily::ALL.iter().map(|(family, _)| *family).collect();
    seeds.map(move |seed| {
        (seed, run_recorded(&Plan::from_seed(seed, CryptoKind::Insecure, &families)))
    })
}

#[test]
fn a_replay_of_any_run_does_the_same() {
    let mut inputs = 0;
    for (seed, run) in runs(1..31) {
        for (process, text) in run.recordings.iter().enumerate() {
            inputs += replay(text)
                .unwrap_or_else(|error| panic!("seed {seed}, process {process}, {error}"));
        }
    }
    assert!(inputs > 10_000, "{inputs} inputs are too few to show anything");
}

/// Whatever stands for something secret is a label, and labels are small. There is no other text than
/// the words of the format, and hashes under a key that is not kept.
#[test]
fn nothing_secret_is_in_a_recording() {
    for (seed, run) in runs(31..46) {
        for text in &run.recordings {
            for secret in &run.secrets {
                assert!(!text.contains(secret), "seed {seed}: {secret}");
            }
            for line in text.lines() {
                check("line", &serde_json::from_str(line).unwrap());
            }
        }
    }
}

#[test]
fn recording_does_not_change_a_run() {
    let plan = Plan::from_seed(7, CryptoKind::Insecure, &[]);
    assert_eq!(run_recorded(&plan).result, run(&plan));
}

fn check(key: &str, value: &Value) {
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::Number(number) => {
            let is_small = number.as_u64().is_some_and(|number| number < 10_000);
            assert!(!LABELLED.contains(&key) || is_small, "{key} is {number}");
        }
        Value::String(text) => {
            let is_hash = ["hash", "tag"].contains(&key) && text.len() == 16;
            let is_word =
                text.bytes().all(|byte| byte.is_ascii_lowercase() || b" -".contains(&byte));
            assert!(is_hash || is_word, "{key} is {text:?}");
        }
        Value::Array(values) => values.iter().for_each(|value| check(key, value)),
        Value::Object(fields) => fields.iter().for_each(|(key, value)| check(key, value)),
    }
}

/// Fields that are labels.
const LABELLED: [&str; 16] = [
    "after",
    "created",
    "drew",
    "from",
    "invitation",
    "key",
    "label",
    "lookup-id",
    "lookup-phone",
    "otp",
    "peer",
    "phone",
    "reply",
    "session",
    "to",
    "user",
];
