//! The server machine on its own: no sockets, no cryptography, a store in memory.

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sealpost_benches::mail::ROUND;
use sealpost_benches::pair::Pair;

fn route(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("route");
    group.throughput(Throughput::Elements(ROUND as u64));
    let mut pair = Pair::new();
    group.bench_function("live", |bencher| bencher.iter(|| pair.live_round()));
    group.bench_function("stored", |bencher| bencher.iter(|| pair.stored_round()));
    group.finish();
}

/// Only the page: that it must be filled before, and settled after, is not measured.
fn page(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("page");
    group.throughput(Throughput::Elements(ROUND as u64));
    let mut pair = Pair::new();
    group.bench_function("memory", |bencher| {
        bencher.iter_custom(|rounds| {
            let mut time = Duration::ZERO;
            for _ in 0..rounds {
                pair.fall_behind();
                let start = Instant::now();
                pair.catch_up();
                time += start.elapsed();
                pair.settle_all();
            }
            time
        });
    });
    group.finish();
}

criterion_group!(benches, route, page);
criterion_main!(benches);
