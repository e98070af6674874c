//! Right signatures over wrong encoded messages: only the one encoded message is accepted.

use num_bigint::BigUint;
use sealpost_verify8::Claim;

use crate::keys::{KeyPair, encoded, extreme_keys, to_bytes};
use crate::support::{assert_verdicts, bytes, rng};

#[test]
fn every_byte_of_the_encoded_message_is_compared() {
    let mut rng = rng();
    let digest = bytes(&mut rng);
    reject_all_but_the_right_one(&KeyPair::random(&mut rng), &digest, &all_wrong(&digest));
}

/// Few messages, because signing with a prime modulus takes long.
#[test]
fn extreme_moduli_are_no_exception() {
    let digest = bytes(&mut rng());
    for (_, key) in extreme_keys() {
        let wrong: Vec<_> = all_wrong(&digest).into_iter().step_by(20).collect();
        reject_all_but_the_right_one(&key, &digest, &wrong);
    }
}

/// `cargo test --release -p sealpost-verify8 --test suite -- --ignored`
#[test]
#[ignore = "takes half a minute"]
fn extreme_moduli_are_no_exception_for_any_byte() {
    let digest = bytes(&mut rng());
    for (_, key) in extreme_keys() {
        reject_all_but_the_right_one(&key, &digest, &all_wrong(&digest));
    }
}

/// A signature has 256 bytes, but is below the modulus.
#[test]
fn signature_plus_modulus_is_refused() {
    let digest = bytes(&mut rng());
    // Next above 2^2047, so that the sum fits.
    let [_, (_, key), ..] = extreme_keys();
    let signature = key.sign(&BigUint::from_bytes_be(&encoded(&digest)));
    let sum = to_bytes(&(BigUint::from_bytes_be(&signature) + &key.modulus));
    let claims = [signature, sum, signature].map(|signature| (digest, signature));
    judge(&key, &claims, &[true, false, true]);
}

/// Judges signatures over the right encoded message and over wrong ones.
fn reject_all_but_the_right_one(key: &KeyPair, digest: &[u8; 32], wrong: &[[u8; 256]]) {
    for wrong in wrong.chunks(7) {
        let signed: Vec<_> = [&encoded(digest)]
            .into_iter()
            .chain(wrong)
            .map(|encoded| (*digest, key.sign(&(BigUint::from_bytes_be(encoded) % &key.modulus))))
            .collect();
        let expected: Vec<_> = (0..signed.len()).map(|nth| nth == 0).collect();
        judge(key, &signed, &expected);
    }
}

/// Asserts the verdicts of AWS-LC and of the kernels.
fn judge(key: &KeyPair, signed: &[([u8; 32], [u8; 256])], expected: &[bool]) {
    for ((digest, signature), expected) in signed.iter().zip(expected) {
        assert_eq!(key.reference_accepts(digest, signature), *expected);
    }
    let claims: Vec<Claim<'_>> =
        signed.iter().map(|(digest, signature)| key.claim(digest, signature)).collect();
    assert_verdicts(&claims, expected);
}

/// Encoded messages that a careless parser might take for the right one.
fn all_wrong(digest: &[u8; 32]) -> Vec<[u8; 256]> {
    let right = encoded(digest);
    let spoilt = (0..256).map(|nth| {
        let mut encoded = right;
        encoded[nth] ^= 1 << (nth % 8);
        encoded
    });
    let shifted = [1, 2, 8].map(|bytes| {
        let mut encoded = right;
        encoded[2..].rotate_left(bytes);
        encoded
    });
    spoilt
        .chain(shifted)
        .chain([short_padding(digest), digest_first(digest), no_null(digest)])
        .collect()
}

/// Eight bytes of padding, and garbage after the digest (Bleichenbacher's forgery of 2006).
fn short_padding(digest: &[u8; 32]) -> [u8; 256] {
    let right = encoded(digest);
    let mut encoded = [0x5a; 256];
    encoded[..10].copy_from_slice(&right[..10]);
    encoded[10..10 + 52].copy_from_slice(&right[256 - 52..]);
    encoded
}

/// The digest where the padding begins, with as much padding less at the end.
fn digest_first(digest: &[u8; 32]) -> [u8; 256] {
    let right = encoded(digest);
    let parts = [&right[..2], digest, &right[2..224]];
    parts.concat().try_into().unwrap()
}

/// An identifier of the hash without its parameters.
fn no_null(digest: &[u8; 32]) -> [u8; 256] {
    let algorithm = b"\x30\x2f\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x04\x20";
    let padding = [0xff; 256 - 3 - 17 - 32];
    let encoded = [b"\x00\x01", padding.as_slice(), b"\x00", algorithm, digest].concat();
    encoded.try_into().unwrap()
}
