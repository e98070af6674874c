//! A database file of ours: how it is made, recognised, migrated and opened.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::error::OpenError;
use crate::atomic_file::{self, Readers};

/// The shape of a database, and the way to it from every earlier shape.
pub(crate) struct Schema {
    /// In the file's header, where `file(1)` finds it too.
    pub(crate) application_id: i32,
    /// The SQL that leads from version `n` to `n + 1`, by `n`. What was released is never edited.
    pub(crate) migrations: &'static [&'static str],
}

impl Schema {
    fn version(&self) -> u32 {
        u32::try_from(self.migrations.len()).unwrap_or(u32::MAX)
    }

    /// Opens a database for writing, making or migrating it if need be. `fill` is called with a
    /// database that was just made.
    pub(crate) fn open(
        &self,
        path: &Path,
        fill: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<Connection, OpenError> {
        create_if_missing(path)?;
        self.ready(connect(path)?, path, fill)
    }

    /// The same, if there is no database yet.
    pub(crate) fn create(
        &self,
        path: &Path,
        fill: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<Connection, OpenError> {
        create_if_missing(path)?;
        let connection = connect(path)?;
        if self.recognise(&connection, path)?.is_some() {
            return Err(OpenError::Exists(path.into()));
        }
        self.ready(connection, path, fill)
    }

    /// The same, if there is a database already. A crash may have left a file, of any length, in
    /// which one was being made: that is none.
    pub(crate) fn open_existing(&self, path: &Path) -> Result<Connection, OpenError> {
        let missing = || OpenError::Missing(path.into());
        if !path.try_exists()? {
            return Err(missing());
        }
        let connection = connect(path)?;
        self.recognise(&connection, path)?.ok_or_else(missing)?;
        self.ready(connection, path, |_| Ok(()))
    }

    fn ready(
        &self,
        mut connection: Connection,
        path: &Path,
        fill: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<Connection, OpenError> {
        self.migrate(&mut connection, path, fill)?;
        connection.execute_batch(WRITER_PRAGMAS)?;
        connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
        Ok(connection)
    }

    /// Opens a database that exists, for reading only, beside a writer if there is one.
    pub(crate) fn open_read_only(&self, path: &Path) -> Result<Connection, OpenError> {
        if !path.exists() {
            return Err(OpenError::Missing(path.into()));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.execute_batch(READER_PRAGMAS)?;
        let known = self.version();
        match self.recognise(&connection, path)? {
            None => Err(OpenError::Foreign(path.into())),
            Some(found) if found < known => Err(OpenError::Older { found, known }),
            Some(_) => Ok(connection),
        }
    }

    /// Brings the file to the current version, all in one transaction.
    fn migrate(
        &self,
        connection: &mut Connection,
        path: &Path,
        fill: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), OpenError> {
        // A foreign file is refused before anything is written to it, a lock included.
        self.recognise(connection, path)?;
        // After a failed sync, the system may show an earlier process's log as written though the
        // disk does not have it: what is added behind would be lost with it. So nothing is.
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()))?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found = self.recognise(&transaction, path)?;
        let missing = self.migrations.iter().skip(found.unwrap_or(0) as usize);
        for migration in missing {
            transaction.execute_batch(migration)?;
        }
        if found.is_none() {
            transaction.pragma_update(None, "application_id", self.application_id)?;
            fill(&transaction)?;
        }
        transaction.pragma_update(None, "user_version", self.version())?;
        transaction.commit()?;
        Ok(())
    }

    /// The version of a file of ours; `None` if the file is empty.
    fn recognise(&self, connection: &Connection, path: &Path) -> Result<Option<u32>, OpenError> {
        let read = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
        let application_id = match read("application_id") {
            Err(rusqlite::Error::SqliteFailure(failure, _))
                if failure.code == rusqlite::ErrorCode::NotADatabase =>
            {
                return Err(OpenError::Foreign(path.into()));
            }
            other => other?,
        };
        let objects: i64 =
            connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
        let version = u32::try_from(read("user_version")?).unwrap_or(u32::MAX);
        if application_id == 0 && version == 0 && objects == 0 {
            return Ok(None);
        }
        if application_id != i64::from(self.application_id) {
            return Err(OpenError::Foreign(path.into()));
        }
        let known = self.version();
        if version > known {
            return Err(OpenError::Newer { found: version, known });
        }
        Ok(Some(version))
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

/// Makes an empty file that nobody else may read; the -wal and -shm files take its mode over.
fn create_if_missing(path: &Path) -> std::io::Result<()> {
    match atomic_file::create(path, Readers::Owner) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
        // SQLite syncs what it puts into the file, not the folder's entry for it.
        Ok(_) => atomic_file::sync_folder_of(path),
    }
}

/// How long to wait for another process, such as an operator's, before saying `Busy`.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// More than there are statements.
const CACHED_STATEMENTS: usize = 64;

/// FULL: a commit returns after the log is on disk, not merely handed to the system. The log is cut
/// to 64 MiB when a reader has let it grow. 2 MiB of pages are cached here: the system has the
/// others, and a larger cache makes nothing faster that we measure.
const WRITER_PRAGMAS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA fullfsync = ON;
    PRAGMA foreign_keys = ON;
    PRAGMA trusted_schema = OFF;
    PRAGMA cell_size_check = ON;
    PRAGMA temp_store = MEMORY;
    PRAGMA cache_size = -2048;
    PRAGMA wal_autocheckpoint = 4096;
    PRAGMA journal_size_limit = 67108864;
";

const READER_PRAGMAS: &str = "
    PRAGMA query_only = ON;
    PRAGMA trusted_schema = OFF;
    PRAGMA cell_size_check = ON;
    PRAGMA temp_store = MEMORY;
";

#[cfg(test)]
mod tests {
    use sealpost_core::frame::StoreError;

    use super::*;
    use crate::sqlite::schema::SERVER;
    use crate::sqlite::tests::folder;

    const FIRST: &str = "CREATE TABLE notes (text TEXT)";
    const SECOND: &str = "ALTER TABLE notes ADD COLUMN at INTEGER DEFAULT 7";
    const BEFORE: Schema = Schema { application_id: 5, migrations: &[FIRST] };
    const NOW: Schema = Schema { application_id: 5, migrations: &[FIRST, SECOND] };

    fn fill(new: &Transaction<'_>) -> rusqlite::Result<()> {
        new.execute_batch("INSERT INTO notes (text) VALUES ('kept')")
    }

    #[test]
    fn file_with_an_earlier_schema_is_migrated_and_keeps_what_it_holds() {
        let folder = folder();
        let path = folder.path().join("notes.db");
        drop(BEFORE.open(&path, fill).unwrap());
        let refused = NOW.open_read_only(&path).unwrap_err();
        assert!(matches!(refused, OpenError::Older { found: 1, known: 2 }));

        let connection = NOW.open(&path, |_| unreachable!("it is filled")).unwrap();
        let sql = "SELECT text, at FROM notes";
        let note = connection.query_row(sql, (), |row| Ok((row.get(0)?, row.get(1)?)));
        assert_eq!(note, Ok(("kept".to_owned(), 7)));
        NOW.open_read_only(&path).unwrap();
        let refused = BEFORE.open(&path, fill).unwrap_err();
        assert!(matches!(refused, OpenError::Newer { found: 2, known: 1 }));
    }

    #[test]
    fn file_in_a_folder_that_is_missing_can_not_be_made() {
        let folder = folder();
        let refused = NOW.open(&folder.path().join("missing").join("notes.db"), fill);
        assert!(matches!(refused, Err(OpenError::File(_))));
    }

    #[test]
    fn file_that_is_locked_is_not_said_to_be_foreign() {
        let folder = folder();
        let path = folder.path().join("sealpost.db");
        let other = Connection::open(&path).unwrap();
        other.execute_batch("CREATE TABLE diary (day TEXT); BEGIN EXCLUSIVE").unwrap();
        let connection = Connection::open(&path).unwrap();
        connection.busy_timeout(Duration::ZERO).unwrap();
        let refused = SERVER.recognise(&connection, &path).unwrap_err();
        assert!(matches!(refused, OpenError::Engine(error) if error.kind() == StoreError::Busy));
    }
}
