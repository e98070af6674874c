//! Claims of every kind, in batches of any size, judged by the kernels and by AWS-LC.

use num_bigint::BigUint;
use rand_core::Rng;

use crate::keys::{KeyPair, encoded, extreme_keys, to_bytes};
use crate::support::{assert_verdicts, below, bytes, rng};

#[test]
fn kernels_judge_as_aws_lc_does() {
    compare(20, 3_000);
}

/// `cargo test --release -p sealpost-verify8 --test suite -- --ignored`
#[test]
#[ignore = "takes minutes"]
fn kernels_judge_as_aws_lc_does_at_length() {
    compare(100, 300_000);
}

fn compare(keys: usize, claims: usize) {
    let mut rng = rng();
    let keys: Vec<_> = (0..keys).map(|_| KeyPair::random(&mut rng)).collect();
    let extreme = extreme_keys().map(|(_, key)| key);
    let (mut accepted, mut rejected) = (0, 0);
    while accepted + rejected < claims {
        let batch: Vec<_> = (0..=below(&mut rng, 8))
            .map(|_| {
                // Signing with an extreme key takes as long as a hundred signatures otherwise.
                let of = if below(&mut rng, 200) == 0 { &extreme } else { keys.as_slice() };
                let key = &of[below(&mut rng, of.len())];
                let other = &keys[below(&mut rng, keys.len())];
                let (digest, signature) = digest_and_signature(&mut rng, key, other);
                (key, digest, signature)
            })
            .collect();
        let claims: Vec<_> =
            batch.iter().map(|(key, digest, signature)| key.claim(digest, signature)).collect();
        let expected: Vec<_> = batch
            .iter()
            .map(|(key, digest, signature)| key.reference_accepts(digest, signature))
            .collect();
        assert_verdicts(&claims, &expected);
        let valid = expected.iter().filter(|valid| **valid).count();
        accepted += valid;
        rejected += expected.len() - valid;
    }
    assert!(accepted > claims / 5 && rejected > claims / 2, "{accepted} and {rejected}");
}

/// A digest, and a signature over it or something else.
fn digest_and_signature(
    rng: &mut impl Rng,
    key: &KeyPair,
    other: &KeyPair,
) -> ([u8; 32], [u8; 256]) {
    let n = &key.modulus;
    let mut digest = bytes(rng);
    let encoded = encoded(&digest);
    let message = BigUint::from_bytes_be(&encoded);
    let number = match below(rng, 20) {
        // A signature with one bit wrong.
        0 => flipped(rng, &key.sign(&message)),
        // A signature over another message.
        1 => {
            let signature = key.sign(&message);
            digest = flipped(rng, &digest);
            signature
        }
        // A signature by somebody else.
        2 => other.sign(&message),
        // A signature over an encoded message with one bit wrong.
        3 => key.sign(&(BigUint::from_bytes_be(&flipped(rng, &encoded)) % n)),
        // What has the same power modulo n, or the opposite one.
        4 => least_bytes(&(signature(key, &message) + n)),
        5 => to_bytes(&(n - signature(key, &message))),
        // Numbers of no use to anybody.
        6 => encoded,
        7 => to_bytes(&BigUint::ZERO),
        8 => to_bytes(&BigUint::from(1_u8)),
        9 => to_bytes(&(n - 1_u8)),
        10 => to_bytes(n),
        11 => least_bytes(&(n + 1_u8)),
        12 => [0xff; 256],
        13 => bytes(rng),
        _ => key.sign(&message),
    };
    (digest, number)
}

fn signature(key: &KeyPair, message: &BigUint) -> BigUint {
    BigUint::from_bytes_be(&key.sign(message))
}

/// The number modulo 2^2048.
fn least_bytes(number: &BigUint) -> [u8; 256] {
    to_bytes(&(number % (BigUint::from(1_u8) << 2048_u32)))
}

/// A copy in which one bit differs.
fn flipped<const LEN: usize>(rng: &mut impl Rng, bytes: &[u8; LEN]) -> [u8; LEN] {
    let mut bytes = *bytes;
    let bit = below(rng, 8 * LEN);
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}
