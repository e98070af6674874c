//! How full the store and its disk are.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::engine::column::count;
use crate::server::usage::Usage;

/// Bytes in all mailboxes and free space on the disk. Both are cached, because every append asks.
#[derive(Debug)]
pub(super) struct Fill {
    folder: PathBuf,
    /// `None` if it must be counted anew.
    stored_bytes: Cell<Option<u64>>,
    sampled: Cell<Option<Sample>>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Instant,
    free_bytes: u64,
}

impl Fill {
    /// Nothing is known yet about the database in this file.
    pub(super) fn new(database: &Path) -> Self {
        // The folder of a bare file name is the current one.
        let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty());
        Self {
            folder: folder.unwrap_or(Path::new(".")).into(),
            stored_bytes: Cell::new(None),
            sampled: Cell::new(None),
        }
    }

    /// Bytes of all packets, as of the transaction that the connection is in.
    pub(super) fn stored_bytes(&self, connection: &Connection) -> rusqlite::Result<u64> {
        if let Some(bytes) = self.stored_bytes.get() {
            return Ok(bytes);
        }
        let sql = "SELECT coalesce(sum(bytes + receipt_bytes), 0) FROM mailboxes";
        let bytes = connection.prepare_cached(sql)?.query_row((), |row| count(row, 0))?;
        self.stored_bytes.set(Some(bytes));
        Ok(bytes)
    }

    /// The counters of a mailbox have changed.
    pub(super) fn change(&self, before: Usage, after: Usage) {
        self.stored_bytes
            .update(|bytes| bytes?.checked_sub(before.all_bytes())?.checked_add(after.all_bytes()));
    }

    /// Changes were rolled back, or made elsewhere.
    pub(super) fn forget_stored_bytes(&self) {
        self.stored_bytes.set(None);
    }

    /// Free space on the disk, at most a second old; `None` if the system does not tell.
    pub(super) fn disk_free_bytes(&self) -> Option<u64> {
        let fresh = self.sampled.get().filter(|sample| sample.at.elapsed() < MAX_AGE);
        if let Some(sample) = fresh {
            return Some(sample.free_bytes);
        }
        let disk = rustix::fs::statvfs(&self.folder).ok()?;
        let free_bytes = disk.f_bavail.saturating_mul(disk.f_frsize);
        self.sampled.set(Some(Sample { at: Instant::now(), free_bytes }));
        Some(free_bytes)
    }
}

/// At a gigabyte a second, a disk loses four times the default reserve in this time at most; a
/// larger reserve suits a faster disk.
const MAX_AGE: Duration = Duration::from_secs(1);
