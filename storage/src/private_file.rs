//! Files that only the user of this process can read or change.
//!
//! The folder is examined as well: whoever can write to it can replace a file in it, however private
//! the file is. Above the folder nothing is examined, and a link to the folder is followed.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

use crate::atomic_file;

/// How other users can read, change or choose a file that must be private.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Exposure {
    /// The path is a symbolic link, whose target somebody else may have chosen.
    #[error("it is a symbolic link, which is not followed: use the path of the file itself")]
    Link,
    /// Another user owns the file.
    #[error(
        "it belongs to user {owner}, but this process runs as user {user}: run it as user {owner}"
    )]
    Owner {
        /// User id of the file's owner.
        owner: u32,
        /// Effective user id of this process.
        user: u32,
    },
    /// Users other than the owner may read or write the file. Somebody may know its content
    /// already, so it is not used.
    #[error("others may read or change it: its mode is {mode:03o}, and must be 600")]
    Mode {
        /// Permission bits of the file.
        mode: u32,
    },
    /// Another user, who is not root, owns the folder.
    #[error("its folder belongs to user {owner}, but this process runs as user {user}")]
    FolderOwner {
        /// User id of the folder's owner.
        owner: u32,
        /// Effective user id of this process.
        user: u32,
    },
    /// Users other than the owner may replace files in the folder.
    #[error(
        "others may change its folder, whose mode is {mode:03o}: use a private folder, or chmod go-w"
    )]
    FolderMode {
        /// Permission bits of the folder.
        mode: u32,
    },
}

/// Why a private file could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotPrivate {
    #[error(transparent)]
    Exposed(#[from] Exposure),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Opens a file for reading. It is the opened file that is examined: the name could be given to
/// another one meanwhile.
pub(crate) fn open(path: &Path) -> Result<File, NotPrivate> {
    check_folder(path)?;
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        // Without the second flag, opening a named pipe would wait for a writer.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, flags.bits().cast_signed());
    }
    let file = match options.open(path) {
        // The error of a link that is not followed is not the same on every system.
        Err(_) if path.is_symlink() => return Err(Exposure::Link.into()),
        opened => opened?,
    };
    examine(&file.metadata()?)?;
    Ok(file)
}

/// Examines an existing file that something else is about to open.
pub(crate) fn check(path: &Path) -> Result<(), NotPrivate> {
    check_folder(path)?;
    let metadata = path.symlink_metadata()?;
    if metadata.is_symlink() {
        return Err(Exposure::Link.into());
    }
    Ok(examine(&metadata)?)
}

/// Examines the folder of a file that is about to be created or opened.
pub(crate) fn check_folder(path: &Path) -> Result<(), NotPrivate> {
    Ok(examine_folder(&atomic_file::folder_of(path).metadata()?)?)
}

#[cfg(unix)]
fn examine(file: &Metadata) -> Result<(), Exposure> {
    use std::os::unix::fs::MetadataExt;
    let (owner, user) = (file.uid(), rustix::process::geteuid().as_raw());
    if owner != user {
        return Err(Exposure::Owner { owner, user });
    }
    let mode = file.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(Exposure::Mode { mode });
    }
    Ok(())
}

#[cfg(unix)]
fn examine_folder(folder: &Metadata) -> Result<(), Exposure> {
    use std::os::unix::fs::MetadataExt;
    const ROOT: u32 = 0;
    let (owner, user) = (folder.uid(), rustix::process::geteuid().as_raw());
    if owner != user && owner != ROOT {
        return Err(Exposure::FolderOwner { owner, user });
    }
    // A sticky folder is refused too: others can't rename our files in it, but they can create
    // those that we look for.
    let mode = folder.mode() & 0o777;
    if mode & 0o022 != 0 {
        return Err(Exposure::FolderMode { mode });
    }
    Ok(())
}

#[cfg(not(unix))]
fn examine(_: &Metadata) -> Result<(), Exposure> {
    Ok(())
}

#[cfg(not(unix))]
fn examine_folder(_: &Metadata) -> Result<(), Exposure> {
    Ok(())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, chown, symlink};
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::*;

    fn private_file() -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        atomic_file::create_if_missing(&path).unwrap();
        (folder, path)
    }

    /// Asserts that both ways to look at a file find the same exposure, or none.
    #[track_caller]
    fn assert_exposure(path: &Path, expected: Option<Exposure>) {
        let exposure = |error: NotPrivate| match error {
            NotPrivate::Exposed(exposure) => exposure,
            NotPrivate::Io(error) => panic!("{error}"),
        };
        assert_eq!(open(path).map_err(exposure).err(), expected);
        assert_eq!(check(path).map_err(exposure).err(), expected);
    }

    #[test]
    fn file_of_a_mode_that_lets_others_in_is_refused() {
        let (_folder, path) = private_file();
        assert_exposure(&path, None);
        for mode in [0o640, 0o604, 0o620, 0o601] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_exposure(&path, Some(Exposure::Mode { mode }));
        }
        fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
        assert_exposure(&path, None);
    }

    #[test]
    fn folder_that_others_may_change_is_refused() {
        let (folder, path) = private_file();
        for mode in [0o777, 0o1777, 0o720, 0o702] {
            fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
            assert_exposure(&path, Some(Exposure::FolderMode { mode: mode & 0o777 }));
        }
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        assert_exposure(&path, None);
    }

    #[test]
    fn links_are_not_followed() {
        let (folder, path) = private_file();
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        assert_exposure(&link, Some(Exposure::Link));
        fs::remove_file(&path).unwrap();
        assert_exposure(&link, Some(Exposure::Link));
        assert!(matches!(open(&path), Err(NotPrivate::Io(_))));
    }

    #[test]
    fn folder_may_be_reached_by_a_link() {
        let (folder, _path) = private_file();
        let parent = tempfile::tempdir().unwrap();
        let link = parent.path().join("data");
        symlink(folder.path(), &link).unwrap();
        assert_exposure(&link.join("secret"), None);
    }

    #[test]
    fn named_pipe_does_not_block() {
        let (folder, _path) = private_file();
        let pipe = folder.path().join("pipe");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, mode).unwrap();
        assert!(!open(&pipe).unwrap().metadata().unwrap().is_file());
    }

    /// Only root can give a file away; others have nothing to test.
    #[test]
    fn file_and_folder_of_others_are_refused() {
        let (folder, path) = private_file();
        let user = rustix::process::geteuid().as_raw();
        let owner = user + 1;
        if chown(&path, Some(owner), None).is_err() {
            return;
        }
        assert_exposure(&path, Some(Exposure::Owner { owner, user }));
        chown(folder.path(), Some(owner), None).unwrap();
        assert_exposure(&path, Some(Exposure::FolderOwner { owner, user }));
    }
}
