//! The server machine on its own: no sockets, no cryptography, a store in memory.

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sealpost_benches::packets::ROUND;
use sealpost_benches::server_bench::ServerBench;

fn route(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("route");
    group.throughput(Throughput::Elements(ROUND as u64));
    let mut bench = ServerBench::new();
    group.bench_function("live", |bencher| bencher.iter(|| bench.live_round()));
    group.bench_function("stored", |bencher| bencher.iter(|| bench.stored_round()));
    group.finish();
}

/// Reading a page of stored messages. Filling the mailbox before and settling it after are not
/// measured.
fn page(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("page");
    group.throughput(Throughput::Elements(ROUND as u64));
    let mut bench = ServerBench::new();
    group.bench_function("memory", |bencher| {
        bencher.iter_custom(|rounds| {
            let mut time = Duration::ZERO;
            for _ in 0..rounds {
                bench.fall_behind();
                let start = Instant::now();
                bench.catch_up();
                time += start.elapsed();
                bench.settle_all();
            }
            time
        });
    });
    group.finish();
}

criterion_group!(benches, route, page);
criterion_main!(benches);
