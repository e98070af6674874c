//! The cost of each cryptography provider's operations, and of the server's acknowledgements.

#![expect(clippy::expect_used, reason = "a benchmark that goes wrong must not report a figure")]

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::sync::Arc;

use chacha20::ChaCha20Rng;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rand_core::SeedableRng;
use sealpost_benches::packets::BODY;
use sealpost_core::crypto::{
    AwsLc, Crypto, Draft, Job, Outcome, OwnKey, Part, PrivateKey, Provider, RustCrypto,
};
use sealpost_core::ids::{MessageId, UserId};
use sealpost_core::keys::SymmetricKey;
use sealpost_core::wire::{Header, Op, Profile, StoredAck};
use sealpost_storage::conformance::at;

/// Every provider, with the same private key.
fn providers() -> [(Arc<dyn Provider>, Arc<dyn PrivateKey>); 2] {
    let der = AwsLc::default().generate_key(&mut rng()).expect("a key");
    let with_key = |provider: Arc<dyn Provider>| {
        let key = provider.load_key(der.expose()).expect("a key that was just made");
        (provider, key)
    };
    [with_key(Arc::new(AwsLc::default())), with_key(Arc::new(RustCrypto))]
}

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([1; 32])
}

fn provider(criterion: &mut Criterion) {
    const LABEL: &[u8] = b"sealpost/1/session";
    let message = [5; BODY];
    let (key, iv) = (SymmetricKey::from_bytes([6; 32]), [7; 16]);
    for (provider, private) in providers() {
        let public = private.public_key();
        let rng = &mut rng();
        let mut group = criterion.benchmark_group(provider.name());

        let signature = private.sign(rng, &message).expect("a signature");
        group.bench_function("sign", |bencher| {
            bencher.iter(|| private.sign(rng, black_box(&message)).expect("a signature"));
        });
        group.bench_function("verify", |bencher| {
            bencher.iter(|| {
                provider.verify(public, black_box(&message), &signature).expect("it holds");
            });
        });

        let sealed = provider.oaep_seal(rng, public, LABEL, &[8; 65]).expect("it fits");
        group.bench_function("oaep seal", |bencher| {
            bencher.iter(|| provider.oaep_seal(rng, public, LABEL, &[8; 65]).expect("it fits"));
        });
        group.bench_function("oaep open", |bencher| {
            bencher.iter(|| private.oaep_open(rng, LABEL, black_box(&sealed)).expect("it opens"));
        });

        group.throughput(Throughput::Bytes(BODY as u64));
        let sealed = provider.cbc_seal(&key, &iv, &message).expect("it seals");
        group.bench_function(format!("cbc seal {BODY}"), |bencher| {
            bencher.iter(|| provider.cbc_seal(&key, &iv, black_box(&message)).expect("it seals"));
        });
        group.bench_function(format!("cbc open {BODY}"), |bencher| {
            bencher.iter(|| provider.cbc_open(&key, &iv, black_box(&sealed)).expect("it opens"));
        });
        group.finish();
    }
}

/// Verification with a key that is not cached and has to be parsed first: two keys in turn, and room
/// for one. It is the case of a user who has sent nothing for a while.
fn verify_parsing(criterion: &mut Criterion) {
    let provider = AwsLc::with_parsed_keys(NonZeroUsize::MIN);
    let message = [5; BODY];
    let rng = &mut rng();
    let signed = [0, 1].map(|_| {
        let der = provider.generate_key(rng).expect("a key");
        let key = provider.load_key(der.expose()).expect("a key that was just made");
        (key.public_key().clone(), key.sign(rng, &message).expect("a signature"))
    });
    let mut turns = signed.iter().cycle();
    criterion.bench_function("aws-lc/verify anew", |bencher| {
        bencher.iter(|| {
            let (key, signature) = turns.next().expect("no end");
            provider.verify(key, black_box(&message), signature).expect("it holds");
        });
    });
}

/// One 203 *stored* for `count` messages, sealed and signed. One signature costs the same for one
/// message and for a thousand, which is why acknowledgements are coalesced.
fn coalesce(criterion: &mut Criterion) {
    let [(provider, private), _] = providers();
    let wrapping_key = SymmetricKey::from_bytes([9; 32]);
    let mut crypto = Crypto::new(provider, private, wrapping_key, Box::new(rng()));
    let recipient = UserId::new(2).expect("not 0");
    let mut group = criterion.benchmark_group("coalesce");
    for count in [1, 32, 1024] {
        group.throughput(Throughput::Elements(count));
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter(|| {
                let items = (1..=count).map(|id| (recipient, MessageId(id))).collect();
                let outcome = crypto.run(Job::Emit(Box::new(stored(&StoredAck { items }))));
                assert!(matches!(outcome, Outcome::Emitted(Ok(_))));
            });
        });
    }
    group.finish();
}

fn stored(ack: &StoredAck) -> Draft {
    let sender = UserId::new(1);
    let header = Header { sender: None, recipient: sender, timestamp: at(0), op: Op::DeliveryAck };
    let key = SymmetricKey::from_bytes([6; 32]);
    let parts = vec![Part::Sealed { key, plaintext: ack.emit() }];
    Draft { profile: Profile::Compact, header, parts, signer: Some(OwnKey::First) }
}

criterion_group!(benches, provider, verify_parsing, coalesce);
criterion_main!(benches);
