//! Tests whether a modulus is fit for use. They are cheap and catch broken key generators: a small
//! factor, and the fingerprint of ROCA (CVE-2017-15361). They prove nothing about a modulus that
//! passes.

/// The 308 odd primes below 2^11.
const SMALL_PRIMES: [u64; 308] = small_primes();

/// Generator of ROCA's primes: modulo each of the first 39 primes, each of them is a power of it.
const ROCA_GENERATOR: u64 = 65_537;

/// The 39th prime. Moduli of the flawed library show its fingerprint up to this prime, whatever
/// their size. About one sound modulus in 2^27 does too.
const ROCA_LAST_PRIME: u64 = 167;

/// Whether a big-endian modulus is odd, has no prime factor below 2^11, and does not look like one
/// of ROCA's.
pub(super) fn is_fit(modulus: &[u8; 256]) -> bool {
    let odd = modulus.last().is_some_and(|low| low % 2 == 1);
    let mut looks_like_roca = true;
    // Two primes at a time: their product is under 2^22, and so one pass over the modulus serves
    // both.
    for pair in SMALL_PRIMES.chunks(2) {
        let remainder = remainder(modulus, pair.iter().product());
        for &prime in pair {
            let residue = remainder % prime;
            if residue == 0 {
                return false;
            }
            looks_like_roca &= prime > ROCA_LAST_PRIME || is_roca_residue(residue, prime);
        }
    }
    odd && !looks_like_roca
}

/// Remainder of the modulus by `divisor`, which is under 2^24, so that a step of five bytes fits a
/// `u64`.
fn remainder(modulus: &[u8; 256], divisor: u64) -> u64 {
    let (&head, rest) = modulus.split_first().unwrap_or((&0, &[]));
    let (steps, _) = rest.as_chunks();
    steps.iter().fold(u64::from(head) % divisor, |remainder, &[a, b, c, d, e]| {
        (remainder << 40 | u64::from_be_bytes([0, 0, 0, a, b, c, d, e])) % divisor
    })
}

/// Whether `residue` is a power of the generator modulo `prime`.
fn is_roca_residue(residue: u64, prime: u64) -> bool {
    let mut power = 1;
    loop {
        if power == residue {
            return true;
        }
        power = power * ROCA_GENERATOR % prime;
        if power == 1 {
            return false;
        }
    }
}

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which checks the bounds")]
const fn small_primes<const N: usize>() -> [u64; N] {
    let mut primes = [0; N];
    let (mut found, mut candidate) = (0, 3);
    while found < N {
        let mut divisor = 3;
        while divisor * divisor <= candidate && candidate % divisor != 0 {
            divisor += 2;
        }
        if divisor * divisor > candidate {
            primes[found] = candidate;
            found += 1;
        }
        candidate += 2;
    }
    primes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_primes_are_the_odd_ones_below_two_to_the_eleventh() {
        assert_eq!(SMALL_PRIMES[..5], [3, 5, 7, 11, 13]);
        assert_eq!(SMALL_PRIMES.last(), Some(&2_039));
    }
}
