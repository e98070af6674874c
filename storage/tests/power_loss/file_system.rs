//! A file system on a disk, with the state that its open files share.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{Disk, Fault, Inode};
use crate::shared_state::{Busy, Holder, Level, Mode, Region, SharedState};

/// A file system that a test and SQLite share.
#[derive(Clone)]
pub(crate) struct FileSystem(Arc<Mutex<Parts>>);

struct Parts {
    disk: Disk,
    shared: BTreeMap<String, SharedState>,
    next_holder: Holder,
}

/// Whether opening a file may create it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Creation {
    /// The file is created if it is missing. The folder's entry for it is synced with its first
    /// sync, as in the system's own VFS, because an earlier opening that ended early may have
    /// created it.
    Allowed,
    /// The file is the database, which the program has created, syncing its folder, before SQLite
    /// opens it.
    External,
}

/// An open file.
pub(crate) struct Handle {
    file_system: FileSystem,
    name: String,
    inode: Inode,
    holder: Holder,
    /// The folder's entry for it may not be durable yet.
    is_new: bool,
}

impl FileSystem {
    pub(crate) fn new(disk: Disk) -> Self {
        Self(Arc::new(Mutex::new(Parts { disk, shared: BTreeMap::new(), next_holder: 0 })))
    }

    /// Calls `act` with the disk.
    pub(crate) fn disk<T>(&self, act: impl FnOnce(&mut Disk) -> T) -> T {
        act(&mut self.parts().disk)
    }

    /// Whether any file is open.
    pub(crate) fn is_in_use(&self) -> bool {
        self.parts().shared.values().any(|shared| !shared.is_unused())
    }

    pub(crate) fn open(&self, name: &str, creation: Creation) -> Result<Handle, Fault> {
        let mut parts = self.parts();
        parts.disk.ensure_power()?;
        let inode = match (parts.disk.find(name), creation) {
            (Some(inode), _) => inode,
            (None, Creation::External) => parts.disk.adopt(name),
            (None, Creation::Allowed) => parts.disk.create(name)?,
        };
        let is_new = creation == Creation::Allowed;
        parts.next_holder += 1;
        let holder = parts.next_holder;
        parts.shared.entry(name.into()).or_default().connect(holder);
        drop(parts);
        Ok(Handle { file_system: self.clone(), name: name.into(), inode, holder, is_new })
    }

    fn parts(&self) -> MutexGuard<'_, Parts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handle {
    pub(crate) fn disk<T>(&self, act: impl FnOnce(&mut Disk, Inode) -> T) -> T {
        self.file_system.disk(|disk| act(disk, self.inode))
    }

    /// Syncs the file, and the folder if the file is new.
    pub(crate) fn sync(&mut self) -> Result<(), Fault> {
        self.disk(Disk::sync)?;
        if self.is_new {
            self.file_system.disk(Disk::sync_folder)?;
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

    fn shared<T>(&self, act: impl FnOnce(&mut SharedState) -> T) -> T {
        act(self.file_system.parts().shared.entry(self.name.clone()).or_default())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared(|shared| shared.disconnect(self.holder));
    }
}
