//! Safety numbers, which two people compare to make sure that nobody is between them.

use alloc::string::String;
use core::fmt::Write;

use sha2::{Digest, Sha256};

use super::PublicKey;

/// Safety number of two keys: 60 decimal digits, whichever key comes first.
///
/// Each key yields 30 digits. Start with SHA-256 over `sealpost/1/safety-number` and the DER, then
/// compute 5,200 times SHA-256 over the last hash and the DER. Read the first 30 bytes as six
/// big-endian integers of five bytes, each modulo 100,000. The smaller half comes first.
///
/// The repetition makes it expensive to search for a key with a similar number: every guess costs
/// that number of hashes.
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
        // Writing to a string cannot fail.
        let _ = write!(digits, "{group:05}");
    }
    digits
}

const DOMAIN: &[u8] = b"sealpost/1/safety-number";

const ITERATIONS: u32 = 5_200;
