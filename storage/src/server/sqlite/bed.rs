//! A server's database in a folder of its own, for tests.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use sealpost_core::server::store::{StoreOp, StoreOutcome, StoreReply};
use sealpost_core::wire::Profile;
use tempfile::TempDir;

use super::{Inspector, SqliteStorage};
use crate::engine::test_folder::folder;
use crate::server::quota::Quota;
use crate::storage::Storage;

/// A database, and the folder that it is in.
pub(crate) struct SqliteBed {
    folder: TempDir,
    profile: Profile,
    quota: Quota,
    storage: Option<SqliteStorage>,
}

impl SqliteBed {
    pub(crate) fn new(profile: Profile, quota: Quota) -> Self {
        Self { folder: folder(), profile, quota, storage: None }.opened()
    }

    pub(crate) fn reopened(mut self) -> Self {
        self.close();
        self.opened()
    }

    /// Reopens the database under another quota.
    pub(super) fn under(self, quota: Quota) -> Self {
        Self { quota, ..self }.reopened()
    }

    pub(crate) fn storage(&mut self) -> &mut SqliteStorage {
        self.storage.as_mut().expect("open")
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("sealpost.db")
    }

    /// Whether the operator's check finds no fault.
    pub(crate) fn is_sound(&self) -> bool {
        Inspector::open(&self.path()).unwrap().check().unwrap().is_sound()
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn close(&mut self) {
        self.storage = None;
    }

    /// Closes the database, and opens the one in another folder instead.
    pub(super) fn moved_to(mut self, folder: TempDir) -> Self {
        self.close();
        self.folder = folder;
        self.opened()
    }

    pub(super) fn outcomes(&mut self, requests: &[StoreOp]) -> Vec<StoreOutcome> {
        let mut outcomes = Vec::new();
        self.storage().commit(requests, &mut outcomes);
        outcomes
    }

    pub(super) fn replies(&mut self, requests: &[StoreOp]) -> Vec<StoreReply> {
        self.outcomes(requests).into_iter().map(Result::unwrap).collect()
    }

    /// Changes the file through a connection of another process.
    pub(super) fn tamper(&self, sql: &str) {
        let connection = Connection::open(self.path()).unwrap();
        connection.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        connection.execute_batch(sql).unwrap();
    }

    fn opened(mut self) -> Self {
        self.storage = Some(SqliteStorage::open(&self.path(), self.profile, self.quota).unwrap());
        self
    }
}
