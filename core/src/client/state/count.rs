//! Counters of things that are taken and released.

/// A count of things held. Releasing more than is held is a bug in this crate, which no peer and no
/// host can cause: debug builds panic, release builds continue with a count of zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::client) struct Count(usize);

impl Count {
    pub(in crate::client) const ZERO: Self = Self(0);

    pub(in crate::client) const fn get(self) -> usize {
        self.0
    }

    /// Counts more things.
    pub(in crate::client) const fn take(&mut self, things: usize) {
        self.0 += things;
    }

    /// Counts fewer things.
    pub(in crate::client) const fn release(&mut self, things: usize) {
        debug_assert!(self.0 >= things, "released more than was taken");
        self.0 = self.0.saturating_sub(things);
    }
}
