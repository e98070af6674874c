//! A value that a power cut may set back.

use super::disk::Survival;
use super::random::Random;

/// A value with a durable version on the disk and later versions in the system's cache.
pub(super) struct Volatile<T> {
    durable: T,
    /// All later values, the current one last.
    since: Vec<T>,
    /// Whether the next sync writes the current value.
    dirty: bool,
}

impl<T: Clone> Volatile<T> {
    pub(super) const fn new(durable: T) -> Self {
        Self { durable, since: Vec::new(), dirty: false }
    }

    pub(super) const fn now(&self) -> &T {
        match self.since.as_slice().last() {
            Some(now) => now,
            None => &self.durable,
        }
    }

    pub(super) fn set(&mut self, value: T) {
        self.since.push(value);
        self.dirty = true;
    }

    pub(super) fn sync(&mut self) {
        if self.dirty {
            self.keep(self.since.len());
        }
        self.dirty = false;
    }

    pub(super) fn survive(&mut self, survival: Survival, random: &mut Random) {
        let latest = self.since.len();
        let survivor = match survival {
            Survival::All => latest,
            Survival::Nothing => 0,
            Survival::Percent(percent) if random.chance(percent) => latest,
            Survival::Percent(_) => random.below(latest + 1),
        };
        self.keep(survivor);
        self.dirty = false;
    }

    /// Makes the next sync leave the current value out.
    pub(super) const fn forget(&mut self) {
        self.dirty = false;
    }

    /// Keeps one version: 0 is the durable one, 1 the first one after it.
    fn keep(&mut self, survivor: usize) {
        if let Some(value) = survivor.checked_sub(1).and_then(|index| self.since.get(index)) {
            self.durable = value.clone();
        }
        self.since.clear();
    }
}
