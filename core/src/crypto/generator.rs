//! The source of randomness of a runner.

use alloc::boxed::Box;

use chacha20::ChaCha20Rng;
use rand_core::{CryptoRng, SeedableRng};

/// A generator that can be forked for another thread.
pub trait Generator: CryptoRng + Send {
    /// Makes another generator, whose output tells nothing about this one's.
    fn fork(&mut self) -> Box<dyn Generator>;
}

/// For tests and simulations: the same seed gives the same streams. It is never seeded again, so
/// whoever learns its state can compute all that it will draw.
impl Generator for ChaCha20Rng {
    fn fork(&mut self) -> Box<dyn Generator> {
        Box::new(Self::from_rng(self))
    }
}
