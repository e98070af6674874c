//! Files that are sent.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use sha2::{Digest, Sha256};

/// A file that is sent. It is read piece by piece, and not copied.
#[derive(Debug)]
pub struct Source {
    file: File,
    stamp: Stamp,
}

/// Tells whether a file has changed: which file it is, its size, and when it was last written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Device.
    pub device: u64,
    /// Number of the file on the device.
    pub inode: u64,
    /// Size in bytes.
    pub size: u64,
    /// Time of the last write, in nanoseconds since 1970.
    pub modified_nanos: i128,
}

/// Why a file can't be sent.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It is a folder, a device, or something else.
    #[error("not a file")]
    NotAFile,
    /// It has changed.
    #[error("the file has changed since it was offered")]
    Changed,
    /// It can't be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Source {
    /// Opens a file.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        // Without this flag, a named pipe would let us wait for a writer.
        let mut options = OpenOptions::new();
        let file =
            options.read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(SourceError::NotAFile);
        }
        Ok(Self { file, stamp: Stamp::of(&metadata) })
    }

    /// Opens a file again that was opened before.
    pub fn reopen(path: &Path, stamp: Stamp) -> Result<Self, SourceError> {
        let source = Self::open(path)?;
        if source.stamp == stamp { Ok(source) } else { Err(SourceError::Changed) }
    }

    /// What tells later whether the file has changed.
    pub const fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Reads a part of the file.
    pub fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>, SourceError> {
        let mut bytes = vec![0; len];
        let outcome = self.file.read_exact_at(&mut bytes, offset);
        // Looked at afterwards: what was read is then what was there before the change, or is refused.
        if Stamp::of(&self.file.metadata()?) != self.stamp {
            return Err(SourceError::Changed);
        }
        outcome?;
        Ok(bytes)
    }

    /// The SHA-256 of the whole file.
    pub fn sha256(&self) -> Result<[u8; 32], SourceError> {
        let (mut hash, mut offset) = (Sha256::new(), 0);
        while offset < self.stamp.size {
            let len = (self.stamp.size - offset).min(CHUNK);
            hash.update(self.read(offset, usize::try_from(len).unwrap_or(0))?);
            offset += len;
        }
        Ok(hash.finalize().into())
    }
}

impl Stamp {
    /// Bytes from which [`from_bytes`](Self::from_bytes) makes the same stamp.
    pub fn to_bytes(self) -> Vec<u8> {
        let Self { device, inode, size, modified_nanos } = self;
        let mut bytes = [device, inode, size].map(u64::to_le_bytes).concat();
        bytes.extend(modified_nanos.to_le_bytes());
        bytes
    }

    /// The stamp with these bytes. `None` if no stamp has them.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (numbers, modified) = bytes.split_at_checked(24)?;
        let [device, inode, size] = *numbers.as_chunks::<8>().0 else { return None };
        let modified_nanos = i128::from_le_bytes(modified.try_into().ok()?);
        let number = u64::from_le_bytes;
        Some(Self {
            device: number(device),
            inode: number(inode),
            size: number(size),
            modified_nanos,
        })
    }

    fn of(metadata: &Metadata) -> Self {
        let seconds = i128::from(metadata.mtime()) * 1_000_000_000;
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            modified_nanos: seconds + i128::from(metadata.mtime_nsec()),
        }
    }
}

const CHUNK: u64 = 256 * 1024;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_is_read_in_parts_and_hashed() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("x");
        let content = vec![7; 600_000];
        fs::write(&path, &content).unwrap();
        let source = Source::open(&path).unwrap();
        assert_eq!(source.stamp().size, 600_000);
        assert_eq!(source.sha256().unwrap(), <[u8; 32]>::from(Sha256::digest(&content)));
        assert_eq!(source.read(599_999, 1).unwrap(), [7]);
        Source::reopen(&path, source.stamp()).unwrap();
        assert_eq!(Stamp::from_bytes(&source.stamp().to_bytes()), Some(source.stamp()));
        assert_eq!(Stamp::from_bytes(&[0; 39]), None);
    }

    #[test]
    fn a_file_that_has_changed_is_not_read() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("x");
        fs::write(&path, "hello").unwrap();
        let source = Source::open(&path).unwrap();
        fs::write(&path, "hallo, world").unwrap();
        assert!(matches!(source.read(0, 5), Err(SourceError::Changed)));
        assert!(matches!(source.sha256(), Err(SourceError::Changed)));
        assert!(matches!(Source::reopen(&path, source.stamp()), Err(SourceError::Changed)));
    }

    #[test]
    fn what_is_not_a_file_is_not_sent() {
        let home = tempfile::tempdir().unwrap();
        assert!(matches!(Source::open(home.path()), Err(SourceError::NotAFile)));
        assert!(matches!(Source::open(Path::new("/dev/null")), Err(SourceError::NotAFile)));
        assert!(matches!(Source::open(&home.path().join("none")), Err(SourceError::Io(_))));
    }
}
