//! What a machine draws from its generator: the numbers of one-time passwords, and nothing else.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand_core::{CryptoRng, Rng, TryCryptoRng, TryRng};

/// Draws of a machine, in order, until nobody wants to know them any more.
#[derive(Clone)]
pub struct Draws(Arc<Mutex<Option<VecDeque<u64>>>>);

impl Draws {
    /// Makes a generator that draws from another one and notes what was drawn.
    pub fn tap(generator: Box<dyn CryptoRng + Send>) -> (Box<dyn CryptoRng + Send>, Self) {
        let draws = Self::default();
        (Box::new(Tapped { generator, draws: draws.clone() }), draws)
    }

    /// Makes a generator that draws what these draws hold, then zeros.
    pub(crate) fn generator(&self) -> Box<dyn CryptoRng + Send> {
        Box::new(Prepared(self.clone()))
    }

    pub(crate) fn push(&self, drawn: u64) {
        if let Some(draws) = &mut *self.lock() {
            draws.push_back(drawn);
        }
    }

    pub(crate) fn pop(&self) -> Option<u64> {
        self.lock().as_mut()?.pop_front()
    }

    /// Forgets the draws, and notes no more.
    pub(crate) fn close(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<VecDeque<u64>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Draws {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Some(VecDeque::new()))))
    }
}

impl fmt::Debug for Draws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Draws(…)")
    }
}

struct Tapped {
    generator: Box<dyn CryptoRng + Send>,
    draws: Draws,
}

impl TryRng for Tapped {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.generator.next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let drawn = self.generator.next_u64();
        self.draws.push(drawn);
        Ok(drawn)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.generator.fill_bytes(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Tapped {}

struct Prepared(Draws);

impl TryRng for Prepared {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(0)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.pop().unwrap_or_default())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill(0);
        Ok(())
    }
}

impl TryCryptoRng for Prepared {}
