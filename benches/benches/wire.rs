//! Deframing and parsing of packets.

#![expect(clippy::expect_used, reason = "a benchmark that goes wrong must not report a figure")]

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sealpost_benches::packets::{PER_RECEIPT, Packets, READ};
use sealpost_core::ids::UserId;
use sealpost_core::keys::PublicKey;
use sealpost_core::wire::{Deframer, FromClient, Gate, Packet, Profile};
use sealpost_storage::conformance::public_key;

const PROFILE: Profile = Profile::Compact;

/// Length of a piece: so small that every packet arrives in several.
const PIECE: usize = 300;

fn packets() -> Packets {
    let [sender, recipient] = [1, 2].map(|id| UserId::new(id).expect("not 0"));
    Packets::new(PROFILE, sender, recipient)
}

fn deframe(criterion: &mut Criterion) {
    let mut packets = packets();
    let stream = packets.messages();
    let mut group = criterion.benchmark_group("deframe");
    group.throughput(Throughput::Elements(READ as u64));
    for (name, piece_len) in [("whole", stream.len()), ("cut", PIECE)] {
        let mut deframer = Deframer::new(PROFILE);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut packets = 0;
                for mut piece in stream.chunks(piece_len) {
                    while let Some(packet) =
                        deframer.next(&mut piece, Gate::InSession).expect("packets of a session")
                    {
                        black_box(packet);
                        packets += 1;
                    }
                }
                assert_eq!(packets, READ);
            });
        });
    }
    group.finish();
}

fn parse(criterion: &mut Criterion) {
    let mut packets = packets();
    let message = first(packets.messages());
    let receipt = first(packets.receipt());
    let mut group = criterion.benchmark_group("parse");
    group.bench_function("message", |bencher| {
        bencher.iter(|| FromClient::parse(black_box(&message).clone()).expect("a message"));
    });
    group.bench_function(format!("receipt of {PER_RECEIPT}"), |bencher| {
        bencher.iter(|| FromClient::parse(black_box(&receipt).clone()).expect("a receipt"));
    });
    let key = public_key(0);
    group.bench_function("new public key", |bencher| {
        bencher.iter(|| PublicKey::from_der(black_box(key.der())).expect("a key"));
    });
    group.bench_function("stored public key", |bencher| {
        bencher.iter(|| PublicKey::from_accepted_der(black_box(key.der())).expect("a key"));
    });
    group.finish();
}

fn first(stream: &[u8]) -> Packet {
    let packet = Deframer::new(PROFILE).next(&mut &*stream, Gate::InSession);
    let packet = packet.expect("a packet of a session").expect("a whole packet");
    Packet::parse(PROFILE, Bytes::copy_from_slice(packet.bytes())).expect("the same packet")
}

criterion_group!(benches, deframe, parse);
criterion_main!(benches);
