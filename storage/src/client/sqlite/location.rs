//! Where a client's database is.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rusqlite::Connection;

use super::{SqliteClientStorage, conversations, tables};
use crate::client::Identity;
use crate::engine::{OpenError, Writer};

/// Where a client's database is.
#[derive(Clone, Debug)]
pub enum Location {
    /// In this file, and those beside it.
    File(PathBuf),
    /// In the memory of this process.
    Memory(MemoryDatabase),
}

/// A database in the memory of this process. It is gone with the last clone of this value and the last
/// store that was opened on it. Nothing of it is written to a file.
#[derive(Clone, Debug)]
pub struct MemoryDatabase {
    uri: String,
    /// SQLite keeps the database while there is a connection.
    _keeper: Arc<Mutex<Connection>>,
}

impl MemoryDatabase {
    /// Makes the database of an account that is not registered yet.
    ///
    /// # Errors
    /// There is not enough memory.
    pub fn create(identity: &Identity) -> Result<Self, OpenError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        // Connections of the same name share the database.
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let uri = format!("file:/sealpost-{number}?vfs=memdb");
        let keeper =
            tables::CLIENT.create_in_memory(&uri, |new| tables::record_identity(new, identity))?;
        Ok(Self { uri, _keeper: Arc::new(Mutex::new(keeper)) })
    }
}

impl Location {
    /// Opens the database for writing. There must be only one writer.
    ///
    /// # Errors
    /// As [`SqliteClientStorage::open`].
    pub fn open(&self) -> Result<SqliteClientStorage, OpenError> {
        match self {
            Self::File(path) => SqliteClientStorage::open(path),
            Self::Memory(database) => {
                let mut connection = tables::CLIENT.open_in_memory(&database.uri)?;
                conversations::keys::name_signers(&mut connection).map_err(|error| OpenError {
                    path: database.uri.clone().into(),
                    reason: error.into(),
                })?;
                Ok(SqliteClientStorage { writer: Writer::new(connection) })
            }
        }
    }

    /// Opens the database for reading only, alongside its writer.
    ///
    /// # Errors
    /// As [`SqliteClientStorage::open_read_only`].
    pub fn open_read_only(&self) -> Result<SqliteClientStorage, OpenError> {
        match self {
            Self::File(path) => SqliteClientStorage::open_read_only(path),
            Self::Memory(database) => {
                let connection = tables::CLIENT.read_in_memory(&database.uri)?;
                Ok(SqliteClientStorage { writer: Writer::new(connection) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::ClientStorage;
    use crate::client::sqlite::tests::identity;
    use sealpost_core::ids::ReceiptId;

    #[test]
    fn database_in_memory_is_shared_and_gone_with_its_last_connection() {
        let database = MemoryDatabase::create(&identity()).unwrap();
        let other = Location::Memory(MemoryDatabase::create(&identity()).unwrap());
        let location = Location::Memory(database);
        let (mut writer, reader) = (location.open().unwrap(), location.open_read_only().unwrap());
        writer.number_from(77).unwrap();
        assert_eq!(reader.load().unwrap().next_receipt, ReceiptId(77));
        assert_ne!(other.open().unwrap().load().unwrap().next_receipt, ReceiptId(77));
        let left = location.clone();
        drop((location, writer, reader));
        assert_eq!(left.open().unwrap().load().unwrap().next_receipt, ReceiptId(77));
        let Location::Memory(MemoryDatabase { uri, _keeper: keeper }) = left else { panic!() };
        drop(keeper);
        assert!(tables::CLIENT.read_in_memory(&uri).is_err());
    }

    #[test]
    fn reader_in_memory_cannot_write() {
        let location = Location::Memory(MemoryDatabase::create(&identity()).unwrap());
        location.open_read_only().unwrap().number_from(5).unwrap_err();
    }
}
