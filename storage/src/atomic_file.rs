//! Files that exist completely or not at all, even after a crash while one is written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Users who may read a file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Readers {
    /// Mode 0600.
    Owner,
    /// Mode 0644, minus the umask.
    Everyone,
}

/// What to do about an existing file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Existing {
    Refuse,
    Replace,
}

/// The calls by which files are written. Tests pass a disk that loses power.
trait Calls {
    type File;

    fn exists(&mut self, path: &Path) -> io::Result<bool>;

    /// Creates a file. Fails if it exists.
    fn create(&mut self, path: &Path, readers: Readers) -> io::Result<Self::File>;

    fn write(&mut self, file: &mut Self::File, bytes: &[u8]) -> io::Result<()>;

    fn sync(&mut self, file: &mut Self::File) -> io::Result<()>;

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()>;

    fn remove(&mut self, path: &Path) -> io::Result<()>;

    /// Makes the entries of the folder of `path` durable.
    fn sync_folder_of(&mut self, path: &Path) -> io::Result<()>;
}

/// Writes a temporary file in the same folder, syncs it, and renames it to `path`. The caller must
/// not write the same path twice at once.
pub(crate) fn write(
    path: &Path,
    bytes: &[u8],
    readers: Readers,
    existing: Existing,
) -> io::Result<()> {
    write_by(&mut System, path, bytes, readers, existing)
}

fn write_by(
    calls: &mut impl Calls,
    path: &Path,
    bytes: &[u8],
    readers: Readers,
    existing: Existing,
) -> io::Result<()> {
    match existing {
        Existing::Refuse if calls.exists(path)? => return Err(ErrorKind::AlreadyExists.into()),
        Existing::Refuse | Existing::Replace => {}
    }
    let temporary = temporary(path);
    // A crash may have left one, perhaps with another mode, which would be kept.
    match calls.remove(&temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let written = calls.create(&temporary, readers).and_then(|mut file| {
        calls.write(&mut file, bytes)?;
        calls.sync(&mut file)
    });
    let moved = written.and_then(|()| calls.rename(&temporary, path));
    if moved.is_err() {
        // The first error is the one to report.
        let _ = calls.remove(&temporary);
    }
    moved?;
    calls.sync_folder_of(path)
}

/// Creates an empty file for its owner only, unless there is one. Its entry in the folder is durable
/// when this returns; what is written into it is not.
pub(crate) fn create_if_missing(path: &Path) -> io::Result<()> {
    create_if_missing_by(&mut System, path)
}

fn create_if_missing_by(calls: &mut impl Calls, path: &Path) -> io::Result<()> {
    match calls.create(path, Readers::Owner) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
        Ok(_) => calls.sync_folder_of(path),
    }
}

/// The system's own files.
struct System;

impl Calls for System {
    type File = File;

    fn exists(&mut self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn create(&mut self, path: &Path, readers: Readers) -> io::Result<File> {
        create(path, readers)
    }

    fn write(&mut self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn sync(&mut self, file: &mut File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_folder_of(&mut self, path: &Path) -> io::Result<()> {
        sync_folder_of(path)
    }
}

/// Creates a file. Fails if it exists.
fn create(path: &Path, readers: Readers) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(
        &mut options,
        match readers {
            Readers::Owner => 0o600,
            Readers::Everyone => 0o644,
        },
    );
    #[cfg(not(unix))]
    let _ = readers;
    options.open(path)
}

/// Syncs the folder of `path`, so that a new or renamed entry survives a loss of power.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

/// Returns the folder of `path`: the current one if `path` is a bare name.
pub(crate) fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

#[cfg(test)]
mod power_loss;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_of_a_bare_name_is_the_current_folder() {
        sync_folder_of(Path::new("name")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        sync_folder_of(&folder.path().join("name")).unwrap();
        let missing = sync_folder_of(&folder.path().join("missing").join("name"));
        assert_eq!(missing.unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn obstacle_at_the_temporary_path_is_not_mistaken_for_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::create_dir(temporary(&path)).unwrap();
        let refused = write(&path, b"text", Readers::Owner, Existing::Refuse).unwrap_err();
        assert_ne!(refused.kind(), ErrorKind::AlreadyExists);
        assert!(!path.exists());
    }
}
