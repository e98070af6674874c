//! From bytes to packets to what they say.

#![expect(
    clippy::expect_used,
    reason = "a benchmark that does not do what it says must not give a figure"
)]

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sealpost_benches::mail::{Mail, PER_RECEIPT, READ};
use sealpost_core::ids::UserId;
use sealpost_core::keys::PublicKey;
use sealpost_core::wire::{Deframer, FromClient, Gate, Packet, Profile};
use sealpost_storage::conformance::public_key;

const PROFILE: Profile = Profile::Compact;

/// Small enough that every packet comes in several pieces.
const PIECE: usize = 300;

fn mail() -> Mail {
    let [sender, reader] = [1, 2].map(|id| UserId::new(id).expect("not 0"));
    Mail::new(PROFILE, sender, reader)
}

fn deframe(criterion: &mut Criterion) {
    let mut mail = mail();
    let stream = mail.messages();
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
    let mut mail = mail();
    let message = first(mail.messages());
    let receipt = first(mail.receipt());
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
