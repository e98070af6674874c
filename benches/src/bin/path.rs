//! Routes messages and nothing else, to be run under a counter of instructions:
//! `sealpost-path live|stored ROUNDS`. `benches/instructions` runs it.

use std::process::ExitCode;

use sealpost_benches::pair::Pair;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let parsed = match arguments.as_slice() {
        [path, rounds] => round(path).zip(rounds.parse().ok()),
        _ => None,
    };
    let Some((round, rounds)) = parsed else { return ExitCode::from(2) };
    let mut pair = Pair::new();
    for _ in 0..rounds {
        round(&mut pair);
    }
    ExitCode::SUCCESS
}

fn round(path: &str) -> Option<fn(&mut Pair)> {
    match path {
        "live" => Some(Pair::live_round),
        "stored" => Some(Pair::stored_round),
        _ => None,
    }
}
