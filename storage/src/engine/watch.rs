//! Whether the files of an open database are still those under its path.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

/// The files of a database, as they were when it was opened. SQLite would go on writing to files
/// that were removed or replaced, and what it reports as durable would be gone with the process.
#[derive(Debug)]
pub(super) struct FileWatch(Vec<(PathBuf, FileId)>);

/// A file of the database was removed, or another file has its name.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} was removed or replaced while it was in use: nothing more is stored until the program is \
     restarted; restore the database first if it is gone",
    .0.display()
)]
pub(super) struct Removed(PathBuf);

impl FileWatch {
    /// Watches the files of an open database; those that exist, so none of one in memory.
    pub(super) fn of(connection: &Connection) -> Self {
        let database = connection.path().filter(|path| !path.is_empty());
        let files =
            database.into_iter().flat_map(|path| [path.into(), format!("{path}-wal").into()]);
        Self(files.filter_map(|file: PathBuf| FileId::of(&file).map(|id| (file, id))).collect())
    }

    /// Looks for every file. This takes a system call each, which is little beside a sync.
    pub(super) fn check(&self) -> Result<(), Removed> {
        match self.0.iter().find(|(file, id)| FileId::of(file) != Some(*id)) {
            Some((file, _)) => Err(Removed(file.clone())),
            None => Ok(()),
        }
    }
}

/// Identifies a file, independently of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// Returns `None` if there is no such file, or none that can be looked up.
    #[cfg(unix)]
    fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let metadata = path.symlink_metadata().ok()?;
        Some(Self { device: metadata.dev(), inode: metadata.ino() })
    }

    /// Nothing is watched where files have no number, and can't be removed while in use.
    #[cfg(not(unix))]
    fn of(_: &Path) -> Option<Self> {
        None
    }
}
