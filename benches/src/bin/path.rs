//! `sealpost-path live|stored ROUNDS`: routes messages and does nothing else. `benches/instructions`
//! runs it under a profiler that counts instructions.

use std::process::ExitCode;

use sealpost_benches::server_bench::ServerBench;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let parsed = match arguments.as_slice() {
        [path, rounds] => round(path).zip(rounds.parse().ok()),
        _ => None,
    };
    let Some((round, rounds)) = parsed else { return ExitCode::from(2) };
    let mut bench = ServerBench::new();
    for _ in 0..rounds {
        round(&mut bench);
    }
    ExitCode::SUCCESS
}

fn round(path: &str) -> Option<fn(&mut ServerBench)> {
    match path {
        "live" => Some(ServerBench::live_round),
        "stored" => Some(ServerBench::stored_round),
        _ => None,
    }
}
