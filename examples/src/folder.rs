//! A folder that one process at a time uses, and that only its owner can change.

use std::fs::{DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::process::geteuid;

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
    ///
    /// # Errors
    /// Fails for a symbolic link, and for a folder that another user owns or can write to: that user
    /// could put keys and databases there.
    pub fn existing(path: &Path) -> Result<Self, Failure> {
        let found = path.symlink_metadata().map_err(Failure::context(path.display()))?;
        match objection(&found, geteuid().as_raw()) {
            None => Ok(Self(path.into())),
            Some(objection) => Err(Failure::new(format_args!("{} {objection}", path.display()))),
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

    /// Reads a text file in the folder. Does not follow a link.
    pub fn read(&self, name: &str) -> Result<String, Failure> {
        let path = self.file(name);
        let mut text = String::new();
        let read = options()
            .read(true)
            .open(&path)
            .and_then(|file| file.take(TEXT_MAX).read_to_string(&mut text));
        read.map_err(Failure::context(path.display()))?;
        Ok(text)
    }

    /// Writes a text file in the folder, in place of an existing one. Does not follow a link.
    pub fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        let path = self.file(name);
        let file = options().write(true).create(true).truncate(true).open(&path);
        file.and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(Failure::context(path.display()))
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
        let path = self.file("lock");
        let failure = || Failure::context(format!("can't lock {}", path.display()));
        let mut options = options();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&path).map_err(failure())?;
        match file.try_lock() {
            Ok(()) => Ok(Some(FolderLock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failure()(error)),
        }
    }
}

/// What is wrong with a folder of the user with this id.
fn objection(folder: &Metadata, user: u32) -> Option<String> {
    if folder.is_symlink() {
        return Some("is a symbolic link: give the path of the folder itself".into());
    }
    if !folder.is_dir() {
        return Some("is not a folder".into());
    }
    let (owner, mode) = (folder.uid(), folder.mode() & 0o777);
    if owner != user {
        return Some(format!(
            "belongs to the user with id {owner}, and this program runs as {user}: run it as that \
             user"
        ));
    }
    (mode & 0o022 != 0).then(|| {
        format!(
            "can be changed by other users: its mode is {mode:03o}; remove their right to write"
        )
    })
}

/// Options that do not follow a link at the end of a path.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    options
}

/// Makes the directory entries of a folder durable.
fn sync(folder: &Path) -> io::Result<()> {
    let here = folder.as_os_str().is_empty();
    File::open(if here { Path::new(".") } else { folder })?.sync_all()
}

/// Longest text in bytes: an address, or a public key.
const TEXT_MAX: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

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
    fn folder_that_others_can_change_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for (mode, allowed) in
            [(0o700, true), (0o755, true), (0o770, false), (0o702, false), (0o777, false)]
        {
            fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
            assert_eq!(Folder::existing(folder.path()).is_ok(), allowed, "{mode:o}");
            assert_eq!(Folder::make(folder.path()).is_ok(), allowed, "{mode:o}");
        }
        let found = folder.path().symlink_metadata().unwrap();
        let objection = objection(&found, found.uid() + 1).unwrap();
        assert!(objection.contains("belongs to the user with id"), "{objection}");
    }

    #[test]
    fn links_are_not_followed() {
        let parent = tempfile::tempdir().unwrap();
        let [real, link] = ["real", "link"].map(|name| parent.path().join(name));
        let folder = Folder::make(&real).unwrap();
        symlink(&real, &link).unwrap();
        assert!(Folder::existing(&link).is_err() && Folder::make(&link).is_err());

        let elsewhere = parent.path().join("elsewhere");
        fs::write(&elsewhere, "precious").unwrap();
        symlink(&elsewhere, real.join("lock")).unwrap();
        symlink(&elsewhere, real.join("address")).unwrap();
        assert!(folder.try_lock().is_err());
        assert!(folder.write("address", "x").is_err() && folder.read("address").is_err());
        assert_eq!(fs::read(&elsewhere).unwrap(), b"precious");

        fs::remove_file(real.join("address")).unwrap();
        folder.write("address", "long").unwrap();
        folder.write("address", "new").unwrap();
        assert_eq!(folder.read("address").unwrap(), "new");
    }

    #[test]
    fn file_is_not_a_folder() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(Folder::make(file.path()).is_err());
        assert!(Folder::existing(file.path()).is_err());
    }
}
