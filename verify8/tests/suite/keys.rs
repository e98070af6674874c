//! Keys whose private half is known, for any modulus of which the prime factors are known.
//!
//! Verification takes no notice of the factors. So a modulus is the product of 32 primes of 64 bits,
//! with which signing takes microseconds, or a prime of a chosen form.

use std::array;

use aws_lc_rs::digest::{Digest, SHA256};
use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use num_bigint::BigUint;
use rand_core::Rng;
use sealpost_verify8::{Claim, Key};

/// A key pair, and AWS-LC's form of its public key.
pub(crate) struct KeyPair {
    pub(crate) modulus: BigUint,
    pub(crate) key: Key,
    /// Each prime factor, and its private exponent.
    factors: Vec<(BigUint, BigUint)>,
    reference: ParsedPublicKey,
}

impl KeyPair {
    /// A modulus of 32 random primes of 64 bits.
    pub(crate) fn random(rng: &mut impl Rng) -> Self {
        let primes = array::from_fn::<_, 32, _>(|_| random_prime(rng).into());
        Self::of_primes(primes.into())
    }

    fn of_primes(primes: Vec<BigUint>) -> Self {
        let modulus: BigUint = primes.iter().product();
        let with_exponent = |prime: BigUint| {
            let exponent = BigUint::from(E).modinv(&(&prime - 1_u8)).unwrap();
            (prime, exponent)
        };
        let key = Key::from_modulus(&to_bytes(&modulus)).unwrap();
        let reference = reference(&to_bytes(&modulus));
        let factors = primes.into_iter().map(with_exponent).collect();
        Self { modulus, key, factors, reference }
    }

    /// The number whose power is `encoded`, by the Chinese remainder theorem.
    pub(crate) fn sign(&self, encoded: &BigUint) -> [u8; 256] {
        let (mut root, mut modulus) = (BigUint::ZERO, BigUint::from(1_u8));
        for (prime, exponent) in &self.factors {
            let wanted = (encoded % prime).modpow(exponent, prime);
            let lacking = (wanted + prime - &root % prime) % prime;
            let step = lacking * (&modulus % prime).modinv(prime).unwrap() % prime;
            root += step * &modulus;
            modulus *= prime;
        }
        assert_eq!(root.modpow(&E.into(), &self.modulus), *encoded);
        to_bytes(&root)
    }

    /// Verdict of AWS-LC.
    pub(crate) fn reference_accepts(&self, digest: &[u8; 32], signature: &[u8; 256]) -> bool {
        let digest = Digest::import_less_safe(digest, &SHA256).unwrap();
        self.reference.verify_digest_sig(&digest, signature).is_ok()
    }

    pub(crate) fn claim<'a>(&'a self, digest: &'a [u8; 32], signature: &'a [u8; 256]) -> Claim<'a> {
        Claim { key: &self.key, digest, signature }
    }
}

/// Primes of forms that are extreme for the arithmetic. No factor less one is divisible by 65537.
pub(crate) fn extreme_keys() -> [(&'static str, KeyPair); 5] {
    let power = |exponent: u32| BigUint::from(1_u8) << exponent;
    let alternating =
        (0..20_u32).map(|nth| (power(52) - 1_u8) << (104 * nth + 52)).sum::<BigUint>();
    [
        ("next below 2^2048", power(2048) - 1557_u16),
        ("next above 2^2047", power(2047) + 1919_u16),
        ("lower half all ones", power(2048) - (power(1040) * 1577_u16) - 1_u8),
        ("lowest digit 1", power(2047) + (power(52) * 202_u16) + 1_u8),
        ("digits 0 and 2^52 - 1", alternating % power(2048) + 2933_u16),
    ]
    .map(|(name, prime)| (name, KeyPair::of_primes(vec![prime])))
}

/// AWS-LC's form of a public key: DER of `RSAPublicKey` (RFC 8017, appendix A.1.1).
pub(crate) fn reference(modulus: &[u8; 256]) -> ParsedPublicKey {
    let before = [0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00];
    let exponent = [0x02, 0x03, 0x01, 0x00, 0x01];
    let der = [before.as_slice(), modulus, &exponent].concat();
    ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der).unwrap()
}

/// The encoded message for a digest (RFC 8017, section 9.2), written out anew.
pub(crate) fn encoded(digest: &[u8; 32]) -> [u8; 256] {
    let algorithm = b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20";
    let padding = [0xff; 256 - 3 - 19 - 32];
    let encoded = [b"\x00\x01", padding.as_slice(), b"\x00", algorithm, digest].concat();
    encoded.try_into().unwrap()
}

pub(crate) fn to_bytes(number: &BigUint) -> [u8; 256] {
    let digits = number.to_bytes_be();
    let mut bytes = [0; 256];
    bytes[256 - digits.len()..].copy_from_slice(&digits);
    bytes
}

const E: u32 = 65537;

/// A prime so close to 2^64 that the product of 32 of them has 2048 bits.
fn random_prime(rng: &mut impl Rng) -> u64 {
    loop {
        let candidate = rng.next_u64() | 0xfb << 56 | 1;
        if candidate % u64::from(E) != 1 && is_prime(candidate) {
            return candidate;
        }
    }
}

/// The test of Miller and Rabin. With these bases it is exact for numbers of 64 bits.
fn is_prime(n: u64) -> bool {
    let times = |a: u64, b: u64| -> u64 {
        (u128::from(a) * u128::from(b) % u128::from(n)).try_into().unwrap()
    };
    let power = |base: u64, exponent: u64| {
        (0..64).rev().fold(1, |result, bit| {
            let squared = times(result, result);
            if exponent >> bit & 1 == 1 { times(squared, base) } else { squared }
        })
    };
    let twos = (n - 1).trailing_zeros();
    [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37].into_iter().all(|base| {
        let mut x = power(base, (n - 1) >> twos);
        x == 1
            || (0..twos).any(|_| {
                let is_minus_one = x == n - 1;
                x = times(x, x);
                is_minus_one
            })
    })
}
