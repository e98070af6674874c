//! Space on the disk that a server keeps for the day on which the disk is full.
//!
//! Without a single free block SQLite can't even open a database, let alone delete from it. So a file
//! holds some blocks, and gives them back when they are needed: messages and registrations are
//! refused by then, and what is left suffices to let users in, to drain mailboxes and to delete users.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FallocateFlags, fallocate, statvfs};
use sealpost_core::frame::StoreError;
use sealpost_core::server::store::{StoreOp, StoreOutcome};
use sealpost_storage::Storage;

use crate::data::BALLAST;

/// The file that takes up the space.
#[derive(Clone, Debug)]
pub(crate) struct Ballast {
    file: PathBuf,
    folder: PathBuf,
}

impl Ballast {
    /// The ballast in a data folder, which need not be there.
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self { file: folder.join(BALLAST), folder: folder.into() }
    }

    /// Drops the ballast if the disk is so full that a database may not be opened.
    pub(crate) fn release_if_full(&self) {
        if self.free_bytes().is_some_and(|free| free < SIZE) {
            self.release();
        }
    }

    /// Takes up the space, if it is not taken up and the disk has it besides the reserve.
    pub(crate) fn restore(&self, reserve_bytes: u64) {
        let enough =
            self.free_bytes().is_some_and(|free| free > reserve_bytes.saturating_add(SIZE));
        if !enough || self.file.exists() {
            return;
        }
        if let Err(error) = self.take_up() {
            // A part of it would be taken for all of it.
            let _ = fs::remove_file(&self.file);
            tracing::info!("no space is kept for a full disk: {}: {error}", self.file.display());
        }
    }

    /// Drops the ballast. Returns whether there was one.
    fn release(&self) -> bool {
        let released = fs::remove_file(&self.file).is_ok();
        if released {
            tracing::warn!(
                "the disk is full: dropped {}, which kept space for letting users in and for \
                 deleting; make room",
                self.file.display()
            );
        }
        released
    }

    fn take_up(&self) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&self.file)?;
        fallocate(&file, FallocateFlags::empty(), 0, SIZE)?;
        file.sync_all()
    }

    /// Free space on the disk; `None` if the system does not tell.
    pub(crate) fn free_bytes(&self) -> Option<u64> {
        let disk = statvfs(&self.folder).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
}

/// A store that drops the ballast when its disk is full, and then tries again.
#[derive(Debug)]
pub(crate) struct Ballasted<S> {
    store: S,
    ballast: Ballast,
    reserve_bytes: u64,
    /// When the ballast was dropped or last found impossible to restore.
    missing_since: Option<Instant>,
}

impl<S> Ballasted<S> {
    /// Wraps a store. Without a reserve there is no ballast.
    pub(crate) fn new(store: S, ballast: Ballast, reserve_bytes: u64) -> Self {
        let mut ballasted = Self { store, ballast, reserve_bytes, missing_since: None };
        ballasted.restore();
        ballasted
    }

    /// The store inside.
    pub(crate) const fn inner(&mut self) -> &mut S {
        &mut self.store
    }

    fn restore(&mut self) {
        if self.reserve_bytes > 0 {
            self.ballast.restore(self.reserve_bytes);
        }
        self.missing_since = (!self.ballast.file.exists()).then(Instant::now);
    }
}

impl<S: Storage<Op = StoreOp, Outcome = StoreOutcome>> Storage for Ballasted<S> {
    type Op = StoreOp;
    type Outcome = StoreOutcome;

    fn commit(&mut self, requests: &[StoreOp], outcomes: &mut Vec<StoreOutcome>) {
        if self.missing_since.is_some_and(|since| since.elapsed() > RETRY) {
            self.restore();
        }
        self.store.commit(requests, outcomes);
        if outcomes.contains(&Err(StoreError::DiskFull)) && self.ballast.release() {
            self.missing_since = Some(Instant::now());
            self.store.commit(requests, outcomes);
        }
    }

    fn failure(&mut self) -> Option<String> {
        self.store.failure()
    }
}

/// Twice the size that the write-ahead log has in normal operation.
const SIZE: u64 = 32 << 20;

/// How often a server that runs without ballast looks whether there is space for one.
const RETRY: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use sealpost_core::ids::UserId;
    use sealpost_core::server::store::Seq;
    use sealpost_core::wire::Profile;
    use sealpost_storage::{Faulty, MemoryStorage, Quota};

    use super::*;

    fn commit(store: &mut impl Storage<Op = StoreOp, Outcome = StoreOutcome>) -> StoreOutcome {
        let mut outcomes = Vec::new();
        store.commit(
            &[StoreOp::BeginSession { user: UserId::new(1).unwrap(), place: Seq::START }],
            &mut outcomes,
        );
        outcomes.remove(0)
    }

    #[test]
    fn full_disk_drops_the_ballast_once_and_repeats_the_commit() {
        let folder = tempfile::tempdir().unwrap();
        let ballast = Ballast::in_folder(folder.path());
        let memory = MemoryStorage::new(Profile::Compact, Quota::default());
        let mut store = Ballasted::new(Faulty::new(memory), ballast.clone(), 1);
        assert_eq!(ballast.file.metadata().unwrap().len(), SIZE);
        store.store.fail_next(1, StoreError::Io);
        assert_eq!(commit(&mut store), Err(StoreError::Io));
        assert!(ballast.file.exists(), "it would not help");
        store.store.fail_next(1, StoreError::DiskFull);
        assert!(commit(&mut store).is_ok());
        assert!(!ballast.file.exists());
        store.store.fail_next(1, StoreError::DiskFull);
        assert_eq!(commit(&mut store), Err(StoreError::DiskFull));
    }

    #[test]
    fn no_ballast_is_taken_from_the_reserve() {
        let folder = tempfile::tempdir().unwrap();
        let ballast = Ballast::in_folder(folder.path());
        ballast.restore(u64::MAX);
        assert!(!ballast.file.exists());
    }
}
