//! The programs' source of randomness.

use std::convert::Infallible;

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng, SeedableRng, TryCryptoRng, TryRng};
use sealpost_core::crypto::Generator;
use zeroize::Zeroizing;

use crate::Failure;

/// Draws everything from the operating system, which seeds its generator again and again, also after
/// a virtual machine was copied. There is no buffer in the program, where the keys that were drawn
/// last could be found.
pub struct SystemGenerator {
    /// Draws if the operating system fails, which it does not do once it has given the first bytes.
    spare: ChaCha20Rng,
}

impl SystemGenerator {
    /// Makes a generator.
    ///
    /// # Errors
    /// Fails if the operating system has no randomness.
    pub fn new() -> Result<Self, Failure> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed)
            .map_err(Failure::context("can't get randomness from the operating system"))?;
        Ok(Self { spare: ChaCha20Rng::from_seed(*seed) })
    }
}

impl TryRng for SystemGenerator {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_ne_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        if let Err(error) = getrandom::fill(bytes) {
            tracing::error!(%error, "the operating system gave no randomness");
            self.spare.fill_bytes(bytes);
        }
        Ok(())
    }
}

impl TryCryptoRng for SystemGenerator {}

impl Generator for SystemGenerator {
    fn fork(&mut self) -> Box<dyn Generator> {
        Box::new(Self { spare: ChaCha20Rng::from_rng(&mut self.spare) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As after a virtual machine was copied, or a process forked.
    #[test]
    fn copies_of_a_generator_draw_different_numbers() {
        let [mut one, mut other] =
            [0, 1].map(|_| SystemGenerator { spare: ChaCha20Rng::from_seed([7; 32]) });
        assert_ne!(one.next_u64(), other.next_u64());
        assert_ne!(one.fork().next_u64(), other.fork().next_u64());
        let [mut key, mut another] = [[0; 32]; 2];
        one.fill_bytes(&mut key);
        other.fill_bytes(&mut another);
        assert_ne!(key, another);
    }
}
