//! Kernels, and randomness that can be replayed.

use std::sync::LazyLock;

use chacha20::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use sealpost_verify8::{Claim, Kernel};

/// Every kernel that this machine can run, with its name.
pub(crate) fn kernels() -> &'static [(&'static str, Kernel)] {
    static KERNELS: LazyLock<Vec<(&str, Kernel)>> = LazyLock::new(|| {
        let registers = [
            ("wide", Kernel::wide()),
            ("narrow", Kernel::narrow()),
            ("detected", Kernel::detect()),
        ];
        let registers = registers.into_iter().filter_map(|(name, kernel)| Some((name, kernel?)));
        registers.chain([("model", Kernel::model())]).collect()
    });
    &KERNELS
}

/// Asserts that every kernel gives these verdicts, and none on claims that there are not.
#[track_caller]
pub(crate) fn assert_verdicts(claims: &[Claim<'_>], expected: &[bool]) {
    for (name, kernel) in kernels() {
        let verdicts = kernel.verify(claims);
        let found: Vec<_> = (0..claims.len()).map(|nth| verdicts.is_valid(nth)).collect();
        assert_eq!(found, expected, "{name}: {claims:?}");
        for beyond in claims.len()..16 {
            assert!(!verdicts.is_valid(beyond), "{name}: claim {beyond} of {}", claims.len());
        }
    }
}

/// Generator for one test. Its seed is shown if the test fails; `SEALPOST_SEED` replays it.
pub(crate) fn rng() -> ChaCha20Rng {
    let seed = std::env::var("SEALPOST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or(0x5ea1_7057);
    show_seed(seed);
    ChaCha20Rng::seed_from_u64(seed)
}

#[expect(clippy::print_stdout, reason = "cargo shows it if the test fails")]
fn show_seed(seed: u64) {
    println!("SEALPOST_SEED={seed}");
}

/// An index below `len`.
pub(crate) fn below(rng: &mut impl Rng, len: usize) -> usize {
    rng.next_u32() as usize % len
}

pub(crate) fn bytes<const LEN: usize>(rng: &mut impl Rng) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    rng.fill_bytes(&mut bytes);
    bytes
}
