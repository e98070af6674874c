//! The source of a simulation's choices.

use chacha20::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use crate::arb::Arb;

/// A stream of choices: endless from a seed, or read from bytes. Once the bytes are exhausted, every
/// choice is 0.
#[derive(Debug)]
pub struct Dice<'a>(Source<'a>);

enum Source<'a> {
    Seed(Box<ChaCha8Rng>),
    Bytes(Arb<'a>),
}

impl std::fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Seed(_) => "a seed",
            Self::Bytes(_) => "bytes",
        })
    }
}

impl Dice<'static> {
    /// Endless choices. The same seed gives the same choices.
    pub fn from_seed(seed: u64) -> Self {
        let mut wide = [0; 32];
        wide[..8].copy_from_slice(&seed.to_le_bytes());
        Self(Source::Seed(Box::new(ChaCha8Rng::from_seed(wide))))
    }
}

impl<'a> Dice<'a> {
    /// Choices read from bytes.
    pub const fn from_bytes(bytes: &'a [u8]) -> Self {
        Self(Source::Bytes(Arb::new(bytes)))
    }

    /// Whether the bytes are exhausted. A seed never is.
    pub const fn is_exhausted(&self) -> bool {
        match &self.0 {
            Source::Seed(_) => false,
            Source::Bytes(arb) => arb.is_empty(),
        }
    }

    /// A number of any size.
    pub fn number(&mut self) -> u64 {
        self.below(u64::MAX)
    }

    /// A number below `bound`, or 0 for a bound of 0. The bias does not matter here.
    pub fn below(&mut self, bound: u64) -> u64 {
        match &mut self.0 {
            Source::Seed(rng) => rng.next_u64().checked_rem(bound).unwrap_or(0),
            Source::Bytes(arb) => arb.below(bound),
        }
    }

    /// A number from `least` to `most`, both inclusive.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most.saturating_sub(least).saturating_add(1))
    }

    /// An index into a slice of this length.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    /// True with a probability of `per_mille` in a thousand.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1_000) >= 1_000 - per_mille.min(1_000)
    }

    /// One of the items.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.index(of.len())]
    }
}
