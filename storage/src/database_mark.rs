//! What a server's folder remembers of its database, beside the key: a database that is lost,
//! replaced, or older than what the server has handed out is noticed.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

#[cfg(feature = "jetstream")]
use rand_core::CryptoRng;

use crate::atomic_file::{self, Existing, Readers};
use crate::key_file::{KeyFileError, read_private};

/// Identifies a server's database and every copy of it. Drawn when the database is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatabaseId(pub(crate) [u8; 16]);

impl DatabaseId {
    /// Stands for a database that has no id yet. No database draws it.
    pub const UNKNOWN: Self = Self([0; 16]);

    /// Draws an id for a database that is to be created.
    #[cfg(feature = "jetstream")]
    pub fn random(rng: &mut dyn CryptoRng) -> Self {
        let mut id = [0; 16];
        rng.fill_bytes(&mut id);
        Self(id)
    }
}

impl fmt::Display for DatabaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What a folder remembers of its database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Id of the database.
    pub id: DatabaseId,
    /// The last user id that the server has handed out for certain. A database that knows of fewer
    /// is older than its server.
    pub handed_out: u64,
    /// The last user id that it may have handed out: a database that takes the place of this one
    /// must begin above.
    pub reserved: u64,
}

/// The file that holds what a folder remembers: the id of its database as 32 hex digits, the two user
/// ids as 20 decimal digits each, and a newline. Folders of earlier versions have the id only.
#[derive(Clone, Debug)]
pub struct DatabaseMark(PathBuf);

impl DatabaseMark {
    /// Names the file at this path, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Path of the file.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Reads the file; `None` if the folder remembers no database.
    pub fn read(&self) -> Result<Option<Remembered>, KeyFileError> {
        let text = match read_private(&self.0) {
            Err(KeyFileError::Missing(_)) => return Ok(None),
            read => read?,
        };
        let text = str::from_utf8(&text).ok();
        let remembered = text.and_then(|text| parse(text.strip_suffix('\n').unwrap_or(text)));
        remembered.map(Some).ok_or_else(|| KeyFileError::Malformed(self.0.clone()))
    }

    /// Writes the file, replacing any other. It is on disk when this returns.
    pub fn write(&self, remembered: Remembered) -> Result<(), KeyFileError> {
        let text = line(remembered);
        atomic_file::write(&self.0, text.as_bytes(), Readers::Owner, Existing::Replace)
            .map_err(|error| KeyFileError::Io(self.0.clone(), error))
    }

    /// Opens the file, which [`write`](Self::write) has written, to change it in place.
    pub(crate) fn open(&self) -> io::Result<OpenMark> {
        Ok(OpenMark(OpenOptions::new().write(true).open(&self.0)?))
    }
}

/// The file of a [`DatabaseMark`], open for changes. A change overwrites bytes that are there, so it
/// succeeds on a full disk. They are fewer than a disk's sector, so a power loss leaves the earlier
/// ones or the later ones.
#[derive(Debug)]
pub(crate) struct OpenMark(File);

impl OpenMark {
    /// Overwrites what is remembered. A process that ends leaves it to the next one; a power loss may
    /// undo it.
    pub(crate) fn note(&mut self, remembered: Remembered) -> io::Result<()> {
        self.0.seek(SeekFrom::Start(0))?;
        self.0.write_all(line(remembered).as_bytes())
    }

    /// Overwrites what is remembered. It is on disk when this returns.
    pub(crate) fn record(&mut self, remembered: Remembered) -> io::Result<()> {
        self.note(remembered)?;
        self.0.sync_data()
    }
}

/// Always of the same length.
fn line(Remembered { id, handed_out, reserved }: Remembered) -> String {
    format!("{id} {handed_out:020} {reserved:020}\n")
}

fn parse(text: &str) -> Option<Remembered> {
    let mut words = text.split(' ');
    let mut id = [0; 16];
    let decoded = base16ct::lower::decode(words.next()?, &mut id).ok()?;
    let whole = decoded.len() == 16;
    let number = |word: Option<&str>| match word {
        None => Some(0),
        Some(digits) if digits.len() == 20 => digits.parse().ok(),
        Some(_) => None,
    };
    let (handed_out, reserved) = (words.next(), words.next());
    let complete = handed_out.is_some() == reserved.is_some() && words.next().is_none();
    let remembered = Remembered {
        id: DatabaseId(id),
        handed_out: number(handed_out)?,
        reserved: number(reserved)?,
    };
    Some(remembered).filter(|_| whole && complete)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark() -> (tempfile::TempDir, DatabaseMark) {
        let folder = tempfile::tempdir().unwrap();
        let mark = DatabaseMark::new(folder.path().join("database-id"));
        (folder, mark)
    }

    const FIRST: Remembered =
        Remembered { id: DatabaseId([7; 16]), handed_out: 0, reserved: u64::MAX };

    #[test]
    fn mark_reads_back_and_is_replaced() {
        let (_folder, mark) = mark();
        assert_eq!(mark.read().unwrap(), None);
        let second = Remembered { id: DatabaseId([0xab; 16]), handed_out: 3, reserved: 64 };
        for remembered in [FIRST, second] {
            mark.write(remembered).unwrap();
            assert_eq!(mark.read().unwrap(), Some(remembered));
        }
        let later = Remembered { handed_out: 65, reserved: 128, ..second };
        let mut open = mark.open().unwrap();
        open.note(later).unwrap();
        assert_eq!(mark.read().unwrap(), Some(later));
        open.record(FIRST).unwrap();
        assert_eq!(mark.read().unwrap(), Some(FIRST));
    }

    #[test]
    fn mark_of_an_earlier_version_remembers_no_ids() {
        let (_folder, mark) = mark();
        mark.write(FIRST).unwrap();
        std::fs::write(mark.path(), format!("{}\n", FIRST.id)).unwrap();
        assert_eq!(mark.read().unwrap(), Some(Remembered { reserved: 0, ..FIRST }));
    }

    #[test]
    fn malformed_mark_is_refused() {
        let (_folder, mark) = mark();
        mark.write(FIRST).unwrap();
        let id = "ab".repeat(16);
        let number = "0".repeat(20);
        for bad in [
            "",
            "\n",
            "abab",
            &"ab".repeat(17),
            &"xy".repeat(16),
            &format!("{id} {number}"),
            &format!("{id} {number} 7"),
            &format!("{id} {number} {number} {number}"),
            &format!("{id} {number} {}", "9".repeat(20)),
            &format!("{id} {number} {number}\n\n"),
        ] {
            std::fs::write(mark.path(), bad).unwrap();
            assert!(matches!(mark.read(), Err(KeyFileError::Malformed(_))), "{bad:?}");
        }
    }
}
