//! What a machine draws from its generator: the numbers of one-time passwords, and nothing else.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand_core::{CryptoRng, Rng, TryCryptoRng, TryRng};
use zeroize::Zeroizing;

/// Numbers that a machine has drawn and a recorder has not taken. They are secret.
#[derive(Clone, Default)]
pub struct Draws(Arc<Mutex<Drawn>>);

#[derive(Default)]
struct Drawn {
    numbers: Zeroizing<Vec<u64>>,
    /// Nobody takes them any more.
    is_closed: bool,
}

impl Draws {
    /// Makes a generator that draws from another one and notes what was drawn.
    pub fn tap(generator: Box<dyn CryptoRng + Send>) -> (Box<dyn CryptoRng + Send>, Self) {
        let draws = Self::default();
        (Box::new(Tapped { generator, draws: draws.clone() }), draws)
    }

    /// Takes the draws since the last call.
    pub(crate) fn take(&self) -> Zeroizing<Vec<u64>> {
        std::mem::take(&mut self.lock().numbers)
    }

    /// Forgets the draws, and notes no more.
    pub(crate) fn close(&self) {
        *self.lock() = Drawn { is_closed: true, ..Drawn::default() };
    }

    fn note(&self, drawn: u64) {
        let mut draws = self.lock();
        if !draws.is_closed {
            draws.numbers.push(drawn);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Drawn> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.draws.note(drawn);
        Ok(drawn)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.generator.fill_bytes(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Tapped {}

/// Numbers that a replayed machine will draw. After the last one it draws zeros.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prepared(Arc<Mutex<VecDeque<u64>>>);

impl Prepared {
    pub(crate) fn push(&self, number: u64) {
        self.lock().push_back(number);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TryRng for Prepared {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(0)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.lock().pop_front().unwrap_or_default())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill(0);
        Ok(())
    }
}

impl TryCryptoRng for Prepared {}
