//! A folder that belongs to one process at a time, and to one user of the machine.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::Failure;

/// A folder with keys and a database in it.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

/// Holds a folder until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl Folder {
    /// A folder that is there already.
    pub fn existing(path: &Path) -> Result<Self, Failure> {
        match path.metadata() {
            Ok(found) if found.is_dir() => Ok(Self(path.into())),
            Ok(_) => Err(Failure::new(format_args!("{} is not a folder", path.display()))),
            Err(error) => Err(Failure::context(path.display())(error)),
        }
    }

    /// A folder, made with mode 0700 if it is missing. It survives a loss of power before anything
    /// in it is counted on.
    pub fn make(path: &Path) -> Result<Self, Failure> {
        let missing = path.ancestors().take_while(|folder| !folder.exists()).count();
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.and_then(|()| path.ancestors().skip(1).take(missing).try_for_each(sync))
            .map_err(Failure::context(format_args!("can't make the folder {}", path.display())))?;
        Self::existing(path)
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Keeps other processes of this program out. `None`: one of them has it.
    ///
    /// # Errors
    /// If the folder can't be written to.
    pub fn try_lock(&self) -> Result<Option<FolderLock>, Failure> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let path = self.file("lock");
        let can_not = || Failure::context(format!("can't write {}", path.display()));
        let file = options.open(&path).map_err(can_not())?;
        match file.try_lock() {
            Ok(()) => Ok(Some(FolderLock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(can_not()(error)),
        }
    }
}

/// Makes the entries of a folder durable.
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
    fn file_is_no_folder() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(Folder::make(file.path()).is_err());
        assert!(Folder::existing(file.path()).is_err());
    }
}
