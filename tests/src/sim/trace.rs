//! The trace of a run: a digest, and lines for people if wanted.

use std::fmt;

use sealpost_core::time::Mono;

/// A digest of everything that happened, in order. The same plan gives the same digest; runs that
/// differ anywhere have different ones.
#[derive(Debug, Default)]
pub struct Trace {
    digest: u64,
    lines: Option<Vec<String>>,
}

impl Trace {
    /// A trace that also keeps a line for each event.
    pub const fn with_lines() -> Self {
        Self { digest: 0, lines: Some(Vec::new()) }
    }

    /// Digest so far.
    pub const fn digest(&self) -> u64 {
        self.digest
    }

    /// Lines since the last call.
    pub fn take_lines(&mut self) -> Vec<String> {
        self.lines.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Records an event: as numbers for the digest, and in words that are built only if lines are
    /// kept.
    pub(super) fn note(&mut self, now: Mono, what: &[u64], words: impl FnOnce() -> String) {
        self.mix(now.0);
        for number in what {
            self.mix(*number);
        }
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{} {}", Seconds(now), words()));
        }
    }

    /// Adds bytes to the digest.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        for byte in rest {
            self.mix(u64::from(*byte));
        }
    }

    /// One round of a multiplicative hash. The constant is Knuth's, derived from the golden ratio.
    const fn mix(&mut self, number: u64) {
        let mixed = (self.digest.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.digest = mixed ^ (mixed >> 29);
    }
}

struct Seconds(Mono);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>6}.{:06}", self.0.0 / 1_000_000, self.0.0 % 1_000_000)
    }
}
