//! A machine with a disk: what a handle of SQLite's reaches.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{Disk, Fault, Inode};
use crate::memory::{Busy, Holder, Level, Mode, Region, Shared};

/// A machine that a test and SQLite share.
#[derive(Clone)]
pub(crate) struct Machine(Arc<Mutex<Parts>>);

struct Parts {
    disk: Disk,
    memory: BTreeMap<String, Shared>,
    next_holder: Holder,
}

/// Whether a file may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Making {
    /// It is made if it is missing. Its entry is synced with its first sync, as the system's own
    /// VFS does it, for it may have been made at another opening that ended early.
    Allowed,
    /// The database: the program makes it before SQLite comes, and syncs its folder.
    Elsewhere,
}

/// An open file.
pub(crate) struct Handle {
    machine: Machine,
    name: String,
    inode: Inode,
    holder: Holder,
    /// Its entry may not be durable yet.
    is_new: bool,
}

impl Machine {
    pub(crate) fn new(disk: Disk) -> Self {
        Self(Arc::new(Mutex::new(Parts { disk, memory: BTreeMap::new(), next_holder: 0 })))
    }

    /// Does something with the disk.
    pub(crate) fn disk<T>(&self, act: impl FnOnce(&mut Disk) -> T) -> T {
        act(&mut self.parts().disk)
    }

    /// Whether anybody has a file open.
    pub(crate) fn is_in_use(&self) -> bool {
        self.parts().memory.values().any(|shared| !shared.is_unused())
    }

    pub(crate) fn open(&self, name: &str, making: Making) -> Result<Handle, Fault> {
        let mut parts = self.parts();
        parts.disk.powered()?;
        let inode = match (parts.disk.find(name), making) {
            (Some(inode), _) => inode,
            (None, Making::Elsewhere) => parts.disk.adopt(name),
            (None, Making::Allowed) => parts.disk.create(name)?,
        };
        let is_new = making == Making::Allowed;
        parts.next_holder += 1;
        let holder = parts.next_holder;
        parts.memory.entry(name.into()).or_default().enter(holder);
        drop(parts);
        Ok(Handle { machine: self.clone(), name: name.into(), inode, holder, is_new })
    }

    fn parts(&self) -> MutexGuard<'_, Parts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handle {
    pub(crate) fn disk<T>(&self, act: impl FnOnce(&mut Disk, Inode) -> T) -> T {
        self.machine.disk(|disk| act(disk, self.inode))
    }

    /// Syncs the file, and the folder's entry for it if it is new.
    pub(crate) fn sync(&mut self) -> Result<(), Fault> {
        self.disk(Disk::sync)?;
        if self.is_new {
            self.machine.disk(Disk::sync_folder)?;
            self.is_new = false;
        }
        Ok(())
    }

    pub(crate) fn lock(&self, level: Level) -> Result<(), Busy> {
        self.shared(|shared| shared.lock(self.holder, level))
    }

    pub(crate) fn unlock(&self, level: Level) {
        self.shared(|shared| shared.unlock(self.holder, level));
    }

    pub(crate) fn is_reserved(&self) -> bool {
        self.shared(|shared| shared.is_reserved())
    }

    pub(crate) fn region(&self, index: usize, len: usize, extend: bool) -> Option<Region> {
        self.shared(|shared| {
            shared.map(self.holder);
            shared.region(index, len, extend)
        })
    }

    pub(crate) fn lock_slots(&self, mask: u32, mode: Mode) -> Result<(), Busy> {
        self.shared(|shared| shared.lock_slots(self.holder, mask, mode))
    }

    pub(crate) fn unlock_slots(&self, mask: u32) {
        self.shared(|shared| shared.unlock_slots(self.holder, mask));
    }

    pub(crate) fn unmap(&self) {
        self.shared(|shared| shared.unmap(self.holder));
    }

    fn shared<T>(&self, act: impl FnOnce(&mut Shared) -> T) -> T {
        act(self.machine.parts().memory.entry(self.name.clone()).or_default())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared(|shared| shared.leave(self.holder));
    }
}
