//! The machine's own randomness: a generator that its maker chose.
//!
//! One-time passwords, a client's reply keys and the jitter of back-offs are drawn from it. Session
//! keys, message keys, IVs and OAEP seeds are not: they are drawn where the job that uses them runs
//! ([`crate::crypto`]).

use alloc::boxed::Box;

use chacha20::ChaCha20Rng;
use rand_core::{CryptoRng, SeedableRng};

use crate::keys::SymmetricKey;

/// A generator. The same stream gives the same actions.
pub struct Entropy(Box<dyn CryptoRng + Send>);

impl Entropy {
    /// Draws from this generator: in production the operating system's.
    pub fn new(generator: Box<dyn CryptoRng + Send>) -> Self {
        Self(generator)
    }

    /// Draws from a `ChaCha20` generator with a fixed seed, for tests and simulations.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(Box::new(ChaCha20Rng::from_seed(seed)))
    }

    /// Draws a number below `bound`, uniformly; 0 for a bound of 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        // The last stretch of the range may be incomplete. Rejecting it keeps the draw uniform.
        let stretch = u64::MAX - u64::MAX % bound;
        loop {
            let draw = self.0.next_u64();
            if draw < stretch {
                return draw % bound;
            }
        }
    }

    /// Draws a reply key, which the server seals its answer with.
    pub fn symmetric_key(&mut self) -> SymmetricKey {
        SymmetricKey::random(&mut *self.0)
    }
}
