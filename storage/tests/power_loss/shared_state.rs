//! State that connections to one database share in memory: locks, and the index of the log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// Identifies a connection that holds locks.
pub(crate) type Holder = u64;

/// Another connection holds a conflicting lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy;

/// Level to which a connection has locked the file, in SQLite's order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    #[default]
    Unlocked,
    Shared,
    Reserved,
    Pending,
    Exclusive,
}

/// Mode in which a slot of the index is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Shared,
    Exclusive,
}

/// Part of the index, in words. SQLite reads and writes it by its address.
pub(crate) type Region = Arc<[AtomicU64]>;

/// State that the connections to one database share.
#[derive(Default)]
pub(crate) struct SharedState {
    levels: BTreeMap<Holder, Level>,
    slots: BTreeMap<Holder, Slots>,
    regions: Vec<Region>,
}

/// Slots that one connection has locked, as bit masks.
#[derive(Clone, Copy, Default)]
struct Slots {
    shared: u32,
    exclusive: u32,
}

impl SharedState {
    /// Raises a lock. A connection that must wait for readers before it can be exclusive keeps new
    /// ones out.
    pub(crate) fn lock(&mut self, holder: Holder, level: Level) -> Result<(), Busy> {
        let others = self.levels.iter().filter(|(other, _)| **other != holder);
        let highest = others.map(|(_, level)| *level).max().unwrap_or_default();
        let (granted, outcome) = match level {
            Level::Unlocked => return Ok(()),
            Level::Shared if highest < Level::Pending => (level, Ok(())),
            Level::Reserved | Level::Pending if highest < Level::Reserved => (level, Ok(())),
            Level::Exclusive if highest < Level::Shared => (level, Ok(())),
            Level::Exclusive if highest < Level::Reserved => (Level::Pending, Err(Busy)),
            Level::Shared | Level::Reserved | Level::Pending | Level::Exclusive => {
                return Err(Busy);
            }
        };
        let held = self.levels.entry(holder).or_default();
        *held = granted.max(*held);
        outcome
    }

    /// Lowers a lock.
    pub(crate) fn unlock(&mut self, holder: Holder, level: Level) {
        let held = self.levels.entry(holder).or_default();
        *held = level.min(*held);
    }

    /// Whether a connection is about to write.
    pub(crate) fn is_reserved(&self) -> bool {
        self.levels.values().any(|level| *level >= Level::Reserved)
    }

    /// Returns a part of the index. Creates it, zeroed, if `extend` is set.
    pub(crate) fn region(&mut self, index: usize, len: usize, extend: bool) -> Option<Region> {
        while extend && self.regions.len() <= index {
            self.regions.push((0..len / size_of::<u64>()).map(|_| AtomicU64::new(0)).collect());
        }
        self.regions.get(index).cloned()
    }

    /// Locks the slots of a mask.
    pub(crate) fn lock_slots(&mut self, holder: Holder, mask: u32, mode: Mode) -> Result<(), Busy> {
        let others = self.slots.iter().filter(|(other, _)| **other != holder);
        let conflicting = others.fold(0, |taken, (_, slots)| match mode {
            Mode::Shared => taken | slots.exclusive,
            Mode::Exclusive => taken | slots.exclusive | slots.shared,
        });
        if conflicting & mask != 0 {
            return Err(Busy);
        }
        let held = self.slots.entry(holder).or_default();
        match mode {
            Mode::Shared => held.shared |= mask,
            Mode::Exclusive => held.exclusive |= mask,
        }
        Ok(())
    }

    /// Unlocks the slots of a mask.
    pub(crate) fn unlock_slots(&mut self, holder: Holder, mask: u32) {
        let held = self.slots.entry(holder).or_default();
        held.shared &= !mask;
        held.exclusive &= !mask;
    }

    /// Ends a connection's use of the index, which is dropped with the last one.
    pub(crate) fn unmap(&mut self, holder: Holder) {
        self.slots.remove(&holder);
        if self.slots.is_empty() {
            self.regions.clear();
        }
    }

    /// Registers a connection.
    pub(crate) fn connect(&mut self, holder: Holder) {
        self.levels.insert(holder, Level::Unlocked);
    }

    /// Removes a connection and everything that it holds.
    pub(crate) fn disconnect(&mut self, holder: Holder) {
        self.levels.remove(&holder);
        self.unmap(holder);
    }

    /// Begins a connection's use of the index.
    pub(crate) fn map(&mut self, holder: Holder) {
        self.slots.entry(holder).or_default();
    }

    pub(crate) fn is_unused(&self) -> bool {
        self.levels.is_empty()
    }
}
