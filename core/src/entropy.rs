//! The machine's own randomness: a seeded generator, given at construction.
//!
//! One-time passwords, a client's reply keys and the jitter of back-offs are drawn from it. Session
//! keys, message keys, IVs and OAEP seeds are not: they are drawn where the job that uses them runs
//! ([`crate::crypto`]).

use chacha20::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use crate::keys::SymmetricKey;

/// A `ChaCha20` generator. The same seed gives the same stream, and so the same trace.
pub struct Entropy(ChaCha20Rng);

impl Entropy {
    /// Starts from a seed: from the operating system in production, fixed in a simulation.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(ChaCha20Rng::from_seed(seed))
    }

    /// A number below `bound`, uniformly; 0 for a bound of 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        // Rejecting the incomplete last stretch of the range keeps the draw uniform.
        let stretch = u64::MAX - u64::MAX % bound;
        loop {
            let draw = self.0.next_u64();
            if draw < stretch {
                return draw % bound;
            }
        }
    }

    /// A key that an answer is to be sealed with.
    pub fn symmetric_key(&mut self) -> SymmetricKey {
        SymmetricKey::random(&mut self.0)
    }
}
