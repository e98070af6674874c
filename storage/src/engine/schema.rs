//! How a database file is created, identified, migrated and opened.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::error::{OpenError, OpenFailure};
use super::kept;
use crate::atomic_file;
use crate::private_file;

/// The schema of a database, and the way to it from every earlier one.
pub(crate) struct Schema {
    /// Identifies the program in the file's header, where `file(1)` looks for it too.
    pub(crate) application_id: i32,
    /// The SQL that leads from version `n` to `n + 1` is at index `n`. Released SQL is never
    /// edited: databases in the field have already run it.
    pub(crate) migrations: &'static [&'static str],
}

impl Schema {
    /// The version that this program reads and writes.
    pub(crate) fn version(&self) -> u32 {
        u32::try_from(self.migrations.len()).unwrap_or(u32::MAX)
    }

    /// Opens a database for writing. Creates it if it is missing, and migrates it if it is old.
    /// `fill` is called for a new database, in the transaction that creates its tables.
    pub(crate) fn open(
        &self,
        path: &Path,
        fill: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<Connection, OpenError> {
        let open = || {
            create_if_missing(path)?;
            self.prepare(connect(path)?, fill)
        };
        open().map_err(|reason| OpenError { path: path.into(), reason })
    }

    /// Creates a database for writing. Fails with [`OpenFailure::Exists`] if there is one.
    pub(crate) fn create(
        &self,
        path: &Path,
        fill: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<Connection, OpenError> {
        let create = || {
            create_if_missing(path)?;
            let connection = connect(path)?;
            if self.identify(&connection)?.is_some() {
                return Err(OpenFailure::Exists);
            }
            self.prepare(connection, fill)
        };
        create().map_err(|reason| OpenError { path: path.into(), reason })
    }

    /// Opens a database for writing, if there is one. A crash during creation may have left a file
    /// of any length without a database in it: this counts as missing.
    pub(crate) fn open_existing(&self, path: &Path) -> Result<Connection, OpenError> {
        let open = || {
            if !path.try_exists()? {
                return Err(OpenFailure::Missing);
            }
            let connection = connect(path)?;
            self.identify(&connection)?.ok_or(OpenFailure::Missing)?;
            self.prepare(connection, |_| Ok(()))
        };
        open().map_err(|reason| OpenError { path: path.into(), reason })
    }

    /// Opens an existing database for reading only, alongside a writer if there is one.
    pub(crate) fn open_read_only(&self, path: &Path) -> Result<Connection, OpenError> {
        let open = || {
            if !path.exists() {
                return Err(OpenFailure::Missing);
            }
            private_file::check(path)?;
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(BUSY_TIMEOUT)?;
            connection.execute_batch(READER_PRAGMAS)?;
            let known = self.version();
            match self.identify(&connection)? {
                None => Err(OpenFailure::Foreign),
                Some(found) if found < known => Err(OpenFailure::Older { found, known }),
                Some(_) => Ok(connection),
            }
        };
        open().map_err(|reason| OpenError { path: path.into(), reason })
    }

    /// Creates a database in memory for writing. Connections to the same URI share it.
    pub(crate) fn create_in_memory(
        &self,
        uri: &str,
        fill: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<Connection, OpenError> {
        let create = || self.prepare(connect_in_memory(uri)?, fill);
        create().map_err(|reason| OpenError { path: uri.into(), reason })
    }

    /// Opens a database in memory for writing, which a connection has created.
    pub(crate) fn open_in_memory(&self, uri: &str) -> Result<Connection, OpenError> {
        let open = || {
            let connection = connect_in_memory(uri)?;
            self.identify(&connection)?.ok_or(OpenFailure::Missing)?;
            self.prepare(connection, |_| Ok(()))
        };
        open().map_err(|reason| OpenError { path: uri.into(), reason })
    }

    /// Opens a database in memory for reading only, alongside its writer.
    pub(crate) fn read_in_memory(&self, uri: &str) -> Result<Connection, OpenError> {
        let open = || {
            let connection = connect_in_memory(uri)?;
            connection.execute_batch(READER_PRAGMAS)?;
            self.identify(&connection)?.ok_or(OpenFailure::Missing)?;
            Ok(connection)
        };
        open().map_err(|reason: OpenFailure| OpenError { path: uri.into(), reason })
    }

    /// Migrates a connection's database, and configures the connection for writing.
    fn prepare(
        &self,
        mut connection: Connection,
        fill: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<Connection, OpenFailure> {
        self.migrate(&mut connection, fill)?;
        connection.execute_batch(WRITER_PRAGMAS)?;
        // The first read opens the log, so that there is a file to be watched.
        self.identify(&connection)?;
        connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
        Ok(connection)
    }

    /// Brings the file to the current version, in one transaction.
    fn migrate(
        &self,
        connection: &mut Connection,
        fill: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), OpenFailure> {
        // A foreign file is rejected before anything is written to it, even a lock.
        let found = self.identify(connection)?;
        // After a failed sync, the page cache may present an earlier process's log as written
        // although the disk does not have it. Frames appended to such a log would be lost with it,
        // so the log is emptied before anything is added.
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()))?;
        if let Some(version) = found.filter(|version| *version < self.version()) {
            kept::keep(connection, version)?;
        }
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Identified again under the lock: another process may have migrated the file meanwhile.
        let found = self.identify(&transaction)?;
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
        if let Some(version) = found.filter(|version| *version < self.version()) {
            kept::forget_before(connection, version);
        }
        Ok(())
    }

    /// Returns the schema version of a database of this program; `None` if the file is empty.
    fn identify(&self, connection: &Connection) -> Result<Option<u32>, OpenFailure> {
        let read = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
        let application_id = match read("application_id") {
            Err(rusqlite::Error::SqliteFailure(failure, _))
                if failure.code == rusqlite::ErrorCode::NotADatabase =>
            {
                return Err(OpenFailure::Foreign);
            }
            other => other?,
        };
        // A replicator may have put tables of its own into an empty file.
        let sql = r"SELECT count(*) FROM sqlite_schema WHERE tbl_name NOT LIKE '\_litestream\_%'
                    ESCAPE '\'";
        let objects: i64 = connection.query_row(sql, (), |row| row.get(0))?;
        let version = u32::try_from(read("user_version")?).unwrap_or(u32::MAX);
        if application_id == 0 && version == 0 && objects == 0 {
            return Ok(None);
        }
        if application_id != i64::from(self.application_id) {
            return Err(OpenFailure::Foreign);
        }
        let known = self.version();
        if version > known {
            return Err(OpenFailure::Newer { found: version, known });
        }
        Ok(Some(version))
    }
}

/// Opens a file that exists. The folder was examined before the file, and is private: nobody can
/// put another file under the path meanwhile.
pub(super) fn connect(path: &Path) -> Result<Connection, OpenFailure> {
    private_file::check(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Before a migration, which may need more than fits into the cache: no text goes to a file of
    // SQLite's elsewhere, and none is needed on a disk that is full.
    connection.execute_batch("PRAGMA temp_store = MEMORY")?;
    Ok(connection)
}

/// Opens a database in the memory of this process.
fn connect_in_memory(uri: &str) -> Result<Connection, OpenFailure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(uri, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

/// Creates an empty file that only its owner may read. The -wal and -shm files inherit its mode.
/// SQLite syncs what it writes into the file, but not the folder's entry for it.
pub(super) fn create_if_missing(path: &Path) -> Result<(), OpenFailure> {
    private_file::check_folder(path)?;
    Ok(atomic_file::create_if_missing(path)?)
}

/// How long to wait for another process, such as an operator's, before failing with `Busy`.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// More than there are statements, so that none is ever prepared twice.
const CACHED_STATEMENTS: usize = 64;

/// `synchronous = FULL`: a commit returns once the log is on disk, not merely handed to the system.
/// The log is cut to 64 MiB after a long read let it grow. The page cache has 2 MiB: the system
/// caches the rest, and a larger cache made nothing measurably faster. What is deleted is
/// overwritten with zeros, in the database at the next checkpoint.
const WRITER_PRAGMAS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA fullfsync = ON;
    PRAGMA foreign_keys = ON;
    PRAGMA secure_delete = ON;
    PRAGMA trusted_schema = OFF;
    PRAGMA cell_size_check = ON;
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
    use crate::engine::test_folder::folder;
    use crate::private_file::Exposure;

    const FIRST: &str = "CREATE TABLE notes (text TEXT)";
    const SECOND: &str = "ALTER TABLE notes ADD COLUMN at INTEGER DEFAULT 7";
    const OLD: Schema = Schema { application_id: 5, migrations: &[FIRST] };
    const CURRENT: Schema = Schema { application_id: 5, migrations: &[FIRST, SECOND] };

    const THIRD: &str = "ALTER TABLE notes ADD COLUMN by TEXT";
    const NEXT: Schema = Schema { application_id: 5, migrations: &[FIRST, SECOND, THIRD] };

    fn fill(new: &Transaction<'_>) -> rusqlite::Result<()> {
        new.execute_batch("INSERT INTO notes (text) VALUES ('kept')")
    }

    #[test]
    fn copy_from_before_an_upgrade_is_kept_until_the_next_one() {
        let folder = folder();
        let path = folder.path().join("notes.db");
        let kept = || {
            let names = [1, 2].map(|version| format!("notes.db.schema-{version}.bak"));
            names.map(|name| folder.path().join(name).exists())
        };
        for (schema, expected) in [
            (&OLD, [false, false]),
            (&CURRENT, [true, false]),
            (&CURRENT, [true, false]),
            (&NEXT, [false, true]),
        ] {
            drop(schema.open(&path, fill).unwrap());
            assert_eq!(kept(), expected);
        }
        let kept = CURRENT.open_read_only(&folder.path().join("notes.db.schema-2.bak")).unwrap();
        let at: i64 = kept.query_row("SELECT at FROM notes", (), |row| row.get(0)).unwrap();
        assert_eq!(at, 7);
    }

    #[test]
    fn file_with_an_earlier_schema_is_migrated_and_keeps_its_rows() {
        let folder = folder();
        let path = folder.path().join("notes.db");
        drop(OLD.open(&path, fill).unwrap());
        let refused = CURRENT.open_read_only(&path).unwrap_err();
        assert!(matches!(refused.reason, OpenFailure::Older { found: 1, known: 2 }));

        let connection =
            CURRENT.open(&path, |_| unreachable!("only a new database is filled")).unwrap();
        let sql = "SELECT text, at FROM notes";
        let note = connection.query_row(sql, (), |row| Ok((row.get(0)?, row.get(1)?)));
        assert_eq!(note, Ok(("kept".to_owned(), 7)));
        CURRENT.open_read_only(&path).unwrap();
        let refused = OLD.open(&path, fill).unwrap_err();
        assert!(matches!(refused.reason, OpenFailure::Newer { found: 2, known: 1 }));
    }

    #[test]
    fn file_in_a_missing_folder_cannot_be_created() {
        let folder = folder();
        let refused =
            CURRENT.open(&folder.path().join("missing").join("notes.db"), fill).unwrap_err();
        assert!(matches!(refused.reason, OpenFailure::File(_)));
    }

    #[test]
    fn deleted_text_is_not_left_in_the_file() {
        let folder = folder();
        let path = folder.path().join("notes.db");
        let connection = CURRENT.open(&path, fill).unwrap();
        let secret = "not for the next owner of this disk".repeat(400);
        connection.execute("INSERT INTO notes (text) VALUES (?1)", [&secret]).unwrap();
        let in_file = || {
            let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
            connection.query_row(checkpoint, (), |_| Ok(())).unwrap();
            let bytes = std::fs::read(&path).unwrap();
            bytes.windows(12).any(|window| window == &secret.as_bytes()[..12])
        };
        assert!(in_file());
        connection.execute("DELETE FROM notes WHERE text = ?1", [&secret]).unwrap();
        assert!(!in_file());
    }

    #[cfg(unix)]
    #[test]
    fn file_that_others_may_read_or_have_chosen_is_refused() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = folder();
        let path = folder.path().join("notes.db");
        drop(CURRENT.open(&path, fill).unwrap());
        let link = folder.path().join("link.db");
        symlink(&path, &link).unwrap();
        let exposure = |path: &Path| {
            let refused = [
                CURRENT.open(path, fill).unwrap_err().reason,
                CURRENT.create(path, fill).unwrap_err().reason,
                CURRENT.open_existing(path).unwrap_err().reason,
                CURRENT.open_read_only(path).unwrap_err().reason,
            ];
            refused.map(|reason| {
                let OpenFailure::Exposed(exposure) = reason else { panic!("{reason}") };
                exposure
            })
        };
        assert_eq!(exposure(&link), [Exposure::Link; 4]);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        assert_eq!(exposure(&path), [Exposure::Mode { mode: 0o644 }; 4]);
        let new = folder.path().join("new.db");
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).unwrap();
        assert_eq!(exposure(&path), [Exposure::FolderMode { mode: 0o777 }; 4]);
        assert!(CURRENT.open(&new, fill).is_err());
        assert!(!new.exists(), "nothing is created there");
    }

    #[test]
    fn locked_file_is_not_reported_as_foreign() {
        let folder = folder();
        let path = folder.path().join("notes.db");
        let other = Connection::open(&path).unwrap();
        other.execute_batch("CREATE TABLE diary (day TEXT); BEGIN EXCLUSIVE").unwrap();
        let connection = Connection::open(&path).unwrap();
        connection.busy_timeout(Duration::ZERO).unwrap();
        let refused = CURRENT.identify(&connection).unwrap_err();
        assert!(matches!(refused, OpenFailure::Engine(error) if error.kind() == StoreError::Busy));
    }
}
