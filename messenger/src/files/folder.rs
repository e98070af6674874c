//! The folder of received files.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use sealpost_core::files::TransferId;
use sha2::{Digest, Sha256};

use super::SafeName;

/// A folder for received files. Only its owner may enter it. Partial files are in a folder within it
/// that is not shown.
#[derive(Clone, Debug)]
pub struct Folder {
    /// `None` if no files are kept.
    root: Option<PathBuf>,
}

/// Names a partial file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partial(String);

/// Outcome of finishing a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finished {
    /// The file is whole, and has this path.
    Saved(PathBuf),
    /// Its size or its hash is not what was offered.
    Mismatch,
}

impl Folder {
    /// Opens the folder, and makes it if there is none.
    ///
    /// # Errors
    /// A folder can't be made, or there is something else, such as a link.
    pub fn open(root: &Path) -> io::Result<Self> {
        let folder = Self { root: Some(root.to_owned()) };
        make(root)?;
        make(&folder.partial_folder()?)?;
        Ok(folder)
    }

    /// No folder: nothing can be written.
    pub const fn none() -> Self {
        Self { root: None }
    }

    /// Writes bytes into a partial file, durably. The same bytes may be written again.
    ///
    /// # Errors
    /// They may be there or not: the disk is full, or failed.
    pub fn write(&self, partial: &Partial, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let folder = self.partial_folder()?;
        let path = folder.join(&partial.0);
        let mut options = OpenOptions::new();
        options.write(true).create(true).mode(0o600).custom_flags(NO_LINKS);
        let file = options.open(&path)?;
        let is_new = file.metadata()?.len() == 0;
        file.write_all_at(bytes, offset)?;
        file.sync_data()?;
        // The name must survive as well as the bytes.
        if is_new { sync(&folder) } else { Ok(()) }
    }

    /// Checks size and hash of a partial file, and gives it a name that no other file has. The partial
    /// file stays until it is [discarded](Self::discard); finishing it again gives the same path.
    ///
    /// # Errors
    /// The file can't be read or named: the disk is full, or failed.
    pub fn finish(
        &self,
        partial: &Partial,
        size: u64,
        sha256: &[u8; 32],
        name: &SafeName,
    ) -> io::Result<Finished> {
        if size == 0 {
            self.write(partial, 0, &[])?;
        }
        let (root, path) = (self.root()?, self.partial_folder()?.join(&partial.0));
        let file = OpenOptions::new().read(true).custom_flags(NO_LINKS).open(&path)?;
        let metadata = file.metadata()?;
        if metadata.len() != size || hash(&file)? != *sha256 {
            return Ok(Finished::Mismatch);
        }
        for number in 1..=SAME_NAME_MAX {
            let named = root.join(name.numbered(number));
            // A link is made only if the name is free: nothing is ever replaced.
            match fs::hard_link(&path, &named) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let other = fs::symlink_metadata(&named)?;
                    if (other.dev(), other.ino()) != (metadata.dev(), metadata.ino()) {
                        continue;
                    }
                }
                Err(error) => return Err(error),
            }
            sync(root)?;
            return Ok(Finished::Saved(named));
        }
        Err(io::Error::other(format!("{SAME_NAME_MAX} files are called {name}: move some away")))
    }

    /// Deletes a partial file, if there is one.
    ///
    /// # Errors
    /// It can't be deleted.
    pub fn discard(&self, partial: &Partial) -> io::Result<()> {
        let Ok(folder) = self.partial_folder() else { return Ok(()) };
        match fs::remove_file(folder.join(&partial.0)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Deletes the partial files of transfers that are over.
    ///
    /// # Errors
    /// The folder can't be read, or a file can't be deleted.
    pub fn sweep(&self, open: &[Partial]) -> io::Result<()> {
        let Ok(folder) = self.partial_folder() else { return Ok(()) };
        for entry in fs::read_dir(folder)? {
            let name = entry?.file_name().into_string();
            let partial = Partial(name.unwrap_or_else(|name| name.to_string_lossy().into_owned()));
            if !open.contains(&partial) {
                self.discard(&partial)?;
            }
        }
        Ok(())
    }

    fn root(&self) -> io::Result<&Path> {
        self.root.as_deref().ok_or_else(|| io::Error::other("no files are kept here"))
    }

    fn partial_folder(&self) -> io::Result<PathBuf> {
        Ok(self.root()?.join(".partial"))
    }
}

impl Partial {
    /// The partial file of a transfer. Peers may use the same id.
    pub fn of(id: TransferId) -> Self {
        Self(format!("{}-{}", hex::encode(id.peer.0), id.file))
    }
}

fn make(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if fs::symlink_metadata(path)?.is_dir() {
                return Ok(());
            }
            let what = format!("{} is not a folder: move it away", path.display());
            Err(io::Error::new(io::ErrorKind::NotADirectory, what))
        }
        made => made,
    }
}

fn hash(mut file: &File) -> io::Result<[u8; 32]> {
    let (mut hash, mut chunk) = (Sha256::new(), vec![0; CHUNK]);
    loop {
        let count = file.read(&mut chunk)?;
        match chunk.get(..count) {
            Some(bytes) if count > 0 => hash.update(bytes),
            Some(_) | None => return Ok(hash.finalize().into()),
        }
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Nobody but the owner can write to the folder, yet what is opened is never a link.
const NO_LINKS: i32 = OFlags::NOFOLLOW.bits().cast_signed();
/// Files of the same name. The next one is not saved until some are moved away.
const SAME_NAME_MAX: u32 = 10_000;
const CHUNK: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    struct Bed {
        _home: tempfile::TempDir,
        root: PathBuf,
        folder: Folder,
    }

    impl Bed {
        fn new() -> Self {
            let home = tempfile::tempdir().unwrap();
            let root = home.path().join("files");
            Self { folder: Folder::open(&root).unwrap(), root, _home: home }
        }

        fn save(&self, partial: &str, bytes: &[u8], name: &str) -> PathBuf {
            let partial = Partial(partial.into());
            self.folder.write(&partial, 0, bytes).unwrap();
            self.finish(&partial, bytes, name)
        }

        fn finish(&self, partial: &Partial, bytes: &[u8], name: &str) -> PathBuf {
            let (size, sha256) = (bytes.len() as u64, Sha256::digest(bytes).into());
            match self.folder.finish(partial, size, &sha256, &SafeName::of(name)).unwrap() {
                Finished::Saved(path) => path,
                Finished::Mismatch => panic!("mismatch"),
            }
        }
    }

    #[test]
    fn a_file_is_put_together_and_saved_without_being_executable() {
        let bed = Bed::new();
        let partial = Partial("p".into());
        bed.folder.write(&partial, 3, b"lo").unwrap();
        bed.folder.write(&partial, 0, b"hel").unwrap();
        let path = bed.finish(&partial, b"hello", "../run.sh");
        assert_eq!(path, bed.root.join("run.sh"));
        assert_eq!(fs::read(&path).unwrap(), b"hello");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&bed.root)), (0o600, 0o700));
        bed.folder.discard(&partial).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"hello");
        assert_eq!(bed.save("empty", b"", "empty"), bed.root.join("empty"));
    }

    #[test]
    fn no_file_is_replaced_and_none_is_saved_twice() {
        let bed = Bed::new();
        assert_eq!(bed.save("a", b"first", "seal.png"), bed.root.join("seal.png"));
        assert_eq!(bed.save("b", b"second", "seal.png"), bed.root.join("seal (2).png"));
        // After a crash, the second one is finished again.
        let again = bed.finish(&Partial("b".into()), b"second", "seal.png");
        assert_eq!(again, bed.root.join("seal (2).png"));
        assert_eq!(fs::read(bed.root.join("seal.png")).unwrap(), b"first");

        symlink("/nowhere", bed.root.join("link")).unwrap();
        assert_eq!(bed.save("c", b"third", "link"), bed.root.join("link (2)"));
        fs::create_dir(bed.root.join("folder")).unwrap();
        assert_eq!(bed.save("d", b"fourth", "folder"), bed.root.join("folder (2)"));
    }

    #[test]
    fn a_file_of_another_size_or_hash_gets_no_name() {
        let bed = Bed::new();
        let partial = Partial("p".into());
        bed.folder.write(&partial, 0, b"hello").unwrap();
        let name = SafeName::of("x");
        for (size, content) in [(5, "hallo"), (4, "hello"), (6, "hello")] {
            let sha256 = Sha256::digest(content).into();
            let outcome = bed.folder.finish(&partial, size, &sha256, &name).unwrap();
            assert_eq!(outcome, Finished::Mismatch);
        }
        assert!(!bed.root.join("x").exists());
    }

    #[test]
    fn nothing_is_written_without_a_folder() {
        let (folder, partial) = (Folder::none(), Partial("p".into()));
        folder.write(&partial, 0, b"x").unwrap_err();
        folder.finish(&partial, 0, &[0; 32], &SafeName::of("x")).unwrap_err();
        folder.discard(&partial).unwrap();
        folder.sweep(&[]).unwrap();
    }

    #[test]
    fn links_are_not_followed() {
        let bed = Bed::new();
        let target = bed.root.join("target");
        fs::write(&target, "mine").unwrap();
        symlink(&target, bed.root.join(".partial/p")).unwrap();
        bed.folder.write(&Partial("p".into()), 0, b"theirs").unwrap_err();
        assert_eq!(fs::read(&target).unwrap(), b"mine");

        let link = bed.root.join("elsewhere");
        symlink("/tmp", &link).unwrap();
        Folder::open(&link).unwrap_err();
    }

    #[test]
    fn partial_files_of_transfers_that_are_over_are_swept_away() {
        let bed = Bed::new();
        for name in ["a", "b"] {
            bed.folder.write(&Partial(name.into()), 0, b"x").unwrap();
        }
        bed.folder.sweep(&[Partial("b".into())]).unwrap();
        let left = |name: &str| bed.root.join(".partial").join(name).exists();
        assert_eq!([left("a"), left("b")], [false, true]);
    }
}
