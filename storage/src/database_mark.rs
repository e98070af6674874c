//! What a server's folder remembers of its database, beside the key: a database that is lost or
//! replaced is noticed.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::atomic_file::{self, Existing, Readers};
use crate::key_file::{KeyFileError, read_private};

/// Identifies a server's database and every copy of it. Drawn when the database is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatabaseId(pub(crate) [u8; 16]);

impl fmt::Display for DatabaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The file that holds the id of the folder's database: 32 hex digits and a newline.
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

    /// Reads the id; `None` if the folder remembers no database.
    pub fn read(&self) -> Result<Option<DatabaseId>, KeyFileError> {
        let text = match read_private(&self.0) {
            Err(KeyFileError::Missing(_)) => return Ok(None),
            read => read?,
        };
        let digits = text.strip_suffix(b"\n").unwrap_or(&text);
        let mut id = [0; 16];
        match base16ct::lower::decode(digits, &mut id) {
            Ok(decoded) if decoded.len() == 16 => Ok(Some(DatabaseId(id))),
            Ok(_) | Err(_) => Err(KeyFileError::Malformed(self.0.clone())),
        }
    }

    /// Writes the id, replacing any other. It is on disk when this returns.
    pub fn write(&self, id: DatabaseId) -> Result<(), KeyFileError> {
        let text = format!("{id}\n");
        atomic_file::write(&self.0, text.as_bytes(), Readers::Owner, Existing::Replace)
            .map_err(|error| KeyFileError::Io(self.0.clone(), error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mark_reads_back_and_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let mark = DatabaseMark::new(folder.path().join("database-id"));
        assert_eq!(mark.read().unwrap(), None);
        for id in [DatabaseId([7; 16]), DatabaseId([0xab; 16])] {
            mark.write(id).unwrap();
            assert_eq!(mark.read().unwrap(), Some(id));
        }
        for bad in ["", "\n", "abab", &"ab".repeat(17), &"xy".repeat(16)] {
            std::fs::write(mark.path(), bad).unwrap();
            assert!(matches!(mark.read(), Err(KeyFileError::Malformed(_))), "{bad:?}");
        }
    }
}
