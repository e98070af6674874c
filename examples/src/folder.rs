//! A folder that one process at a time uses, and that only its owner can read.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::Failure;

/// A folder that contains keys and a database.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

/// Locks a folder until it is dropped or the process ends, in whatever way it ends.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl Folder {
    /// Opens an existing folder.
    pub fn existing(path: &Path) -> Result<Self, Failure> {
        match path.metadata() {
            Ok(found) if found.is_dir() => Ok(Self(path.into())),
            Ok(_) => Err(Failure::new(format_args!("{} is not a folder", path.display()))),
            Err(error) => Err(Failure::context(path.display())(error)),
        }
    }

    /// Opens a folder, and creates it with mode 0700 if it does not exist. A created folder is
    /// durable when the call returns, so that a power loss can't take it away with what is stored
    /// in it later.
    pub fn make(path: &Path) -> Result<Self, Failure> {
        let missing = path.ancestors().take_while(|folder| !folder.exists()).count();
        let failure = Failure::context(format!("can't create the folder {}", path.display()));
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .and_then(|()| path.ancestors().skip(1).take(missing).try_for_each(sync))
            .map_err(failure)?;
        Self::existing(path)
    }

    /// Path of a file in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Path of the folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Locks the folder against other processes of this program. Returns `None` if another process
    /// holds the lock.
    ///
    /// # Errors
    /// Fails if the lock file can't be written.
    pub fn try_lock(&self) -> Result<Option<FolderLock>, Failure> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let path = self.file("lock");
        let failure = || Failure::context(format!("can't lock {}", path.display()));
        let file = options.open(&path).map_err(failure())?;
        match file.try_lock() {
            Ok(()) => Ok(Some(FolderLock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failure()(error)),
        }
    }
}

/// Makes the directory entries of a folder durable.
fn sync(folder: &Path) -> io::Result<()> {
    let here = folder.as_os_str().is_empty();
    File::open(if here { Path::new(".") } else { folder })?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn new_folder_is_private_and_is_locked_once() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        let folder = Folder::make(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        let lock = folder.try_lock().unwrap();
        assert!(lock.is_some());
        assert!(folder.try_lock().unwrap().is_none());
        drop(lock);
        assert!(folder.try_lock().unwrap().is_some());
    }

    #[test]
    fn file_is_not_a_folder() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(Folder::make(file.path()).is_err());
        assert!(Folder::existing(file.path()).is_err());
    }
}
