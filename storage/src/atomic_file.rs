//! Files that are there whole or not at all, whatever happens while they are written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Who may read a file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Readers {
    /// Mode 0600.
    Owner,
    /// Mode 0644, less what the umask takes.
    Everyone,
}

/// Whether a file may be there already.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Existing {
    Refuse,
    Replace,
}

/// Writes a file beside its place, makes it durable, and moves it there. Two writers of one place
/// must be kept apart by their caller.
pub(crate) fn write(
    path: &Path,
    bytes: &[u8],
    readers: Readers,
    existing: Existing,
) -> io::Result<()> {
    match existing {
        Existing::Refuse if path.try_exists()? => return Err(ErrorKind::AlreadyExists.into()),
        Existing::Refuse | Existing::Replace => {}
    }
    let beside = beside(path);
    // Left over from a crash: with another mode, perhaps.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let written = create(&beside, readers).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let moved = written.and_then(|()| fs::rename(&beside, path));
    if moved.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&beside);
    }
    moved?;
    sync_folder_of(path)
}

/// Makes a file that is not there yet.
pub(crate) fn create(path: &Path, readers: Readers) -> io::Result<File> {
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

/// Makes a new or renamed entry of a folder survive a loss of power.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_of_a_bare_name_is_the_current_one() {
        sync_folder_of(Path::new("name")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        sync_folder_of(&folder.path().join("name")).unwrap();
        let missing = sync_folder_of(&folder.path().join("missing").join("name"));
        assert_eq!(missing.unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn what_stands_in_the_way_is_not_taken_for_the_file_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::create_dir(beside(&path)).unwrap();
        let refused = write(&path, b"text", Readers::Owner, Existing::Refuse).unwrap_err();
        assert_ne!(refused.kind(), ErrorKind::AlreadyExists);
        assert!(!path.exists());
    }
}
