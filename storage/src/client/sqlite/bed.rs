//! A client's database in a folder of its own, for tests.

use std::path::PathBuf;

use tempfile::TempDir;

use super::SqliteClientStorage;
use crate::client::identity::Identity;
use crate::engine::test_folder::folder;

/// A database, and the folder that it is in.
pub(crate) struct SqliteBed {
    folder: TempDir,
    storage: Option<SqliteClientStorage>,
}

impl SqliteBed {
    pub(crate) fn new(identity: &Identity) -> Self {
        let folder = folder();
        let path = folder.path().join("client.db");
        let storage = SqliteClientStorage::create(&path, identity).unwrap();
        Self { folder, storage: Some(storage) }
    }

    pub(crate) fn reopened(mut self) -> Self {
        self.storage = None;
        self.storage = Some(SqliteClientStorage::open(&self.path()).unwrap());
        self
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("client.db")
    }

    pub(crate) fn storage(&self) -> &SqliteClientStorage {
        self.storage.as_ref().unwrap()
    }

    pub(crate) fn storage_mut(&mut self) -> &mut SqliteClientStorage {
        self.storage.as_mut().unwrap()
    }
}
