//! The number that two people compare to know that nobody stands between them.

use alloc::string::String;
use core::fmt::Write;

use sha2::{Digest, Sha256};

use super::PublicKey;

/// The safety number of two keys: 60 decimal digits, the same whichever key comes first.
///
/// Each key gives 30 digits: SHA-256 over `sealpost/1/safety-number` and the DER, then 5,200 times
/// SHA-256 over the last hash and the DER; of the first 30 bytes, six big-endian integers of five
/// bytes modulo 100,000. The smaller half stands first. The repetition makes each guess at a key
/// whose number resembles another's cost as many hashes.
pub fn safety_number(a: &PublicKey, b: &PublicKey) -> String {
    let (a, b) = (half(a), half(b));
    if a <= b { a + &b } else { b + &a }
}

fn half(key: &PublicKey) -> String {
    let first = Sha256::new().chain_update(DOMAIN).chain_update(key.der()).finalize();
    let hash = (0..ITERATIONS)
        .fold(first, |hash, _| Sha256::new().chain_update(hash).chain_update(key.der()).finalize());
    let mut digits = String::with_capacity(30);
    let (groups, _) = hash.as_slice().as_chunks();
    for &[a, b, c, d, e] in groups {
        let group = u64::from_be_bytes([0, 0, 0, a, b, c, d, e]) % 100_000;
        // Writing to a string can't fail.
        let _ = write!(digits, "{group:05}");
    }
    digits
}

const DOMAIN: &[u8] = b"sealpost/1/safety-number";

const ITERATIONS: u32 = 5_200;
