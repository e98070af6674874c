//! Pauses that double, with full jitter.

use core::time::Duration;

use crate::entropy::Entropy;

/// The pause before the next attempt. Each is drawn uniformly from zero up to a ceiling that
/// doubles, so that many clients who lost one server do not return all at once.
#[derive(Clone, Copy, Debug)]
pub(in crate::client) struct Backoff {
    first: Duration,
    max: Duration,
    ceiling: Duration,
}

impl Backoff {
    pub(in crate::client) const fn new(first: Duration, max: Duration) -> Self {
        Self { first, max, ceiling: first }
    }

    /// Draws a pause like the first one, which leaves the ceiling as it is.
    pub(in crate::client) fn short(&self, entropy: &mut Entropy) -> Duration {
        below(self.first, entropy)
    }

    /// Draws the next pause.
    pub(in crate::client) fn next(&mut self, entropy: &mut Entropy) -> Duration {
        let pause = below(self.ceiling, entropy);
        // Saturates because the longest pause is the embedder's choice.
        self.ceiling = self.ceiling.saturating_mul(2).min(self.max);
        pause
    }

    /// Starts over with the shortest pause.
    pub(in crate::client) const fn reset(&mut self) {
        self.ceiling = self.first;
    }
}

/// Draws a duration from zero up to `ceiling`.
fn below(ceiling: Duration, entropy: &mut Entropy) -> Duration {
    let micros = u64::try_from(ceiling.as_micros()).unwrap_or(u64::MAX - 1);
    Duration::from_micros(entropy.below(micros + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn pauses_stay_under_a_ceiling_that_doubles() {
        let mut entropy = Entropy::from_seed([7; 32]);
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_mins(1));
        let ceilings = [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000];
        let pauses: Vec<_> = ceilings.iter().map(|_| backoff.next(&mut entropy)).collect();
        for (pause, ceiling) in pauses.iter().zip(ceilings) {
            assert!(*pause <= Duration::from_millis(ceiling), "{pause:?} over {ceiling} ms");
        }
        backoff.reset();
        assert!(backoff.next(&mut entropy) <= Duration::from_millis(500));
    }
}
