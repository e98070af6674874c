//! The server's data folder: its files, and how they are created.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sealpost_core::address::ServerAddress;
use sealpost_core::crypto::{PrivateKey, Provider};
use sealpost_core::keys::{PemError, SymmetricKey};
use sealpost_core::wire::Profile;
use sealpost_programs::{Failure, Folder, FolderLock, random_rng};
use sealpost_storage::key_file::{KeyFile, KeyFileError, WrappingKeyFile, publish_key};
use sealpost_storage::{DatabaseMark, Inspector, OpenError, OpenFailure, Quota, SqliteStorage};

use crate::config::FILE_NAME;

/// The folder in which one server keeps everything.
#[derive(Clone, Debug)]
pub(crate) struct DataFolder(Folder);

/// The keys of one server.
pub(crate) struct Keys {
    /// Signs the server's packets and opens what clients sealed for it.
    pub(crate) private: Arc<dyn PrivateKey>,
    /// Wraps the session keys in the database.
    pub(crate) wrapping: SymmetricKey,
}

impl DataFolder {
    /// Opens an existing data folder.
    pub(crate) fn existing(path: &Path) -> Result<Self, Failure> {
        Folder::existing(path).map(Self)
    }

    /// Opens a data folder, and creates it if it does not exist.
    pub(crate) fn make(path: &Path) -> Result<Self, Failure> {
        Folder::make(path).map(Self)
    }

    /// Path of the folder.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Keeps out other servers, and commands that change users, until the lock is dropped.
    pub(crate) fn lock(&self) -> Result<FolderLock, Failure> {
        self.0.try_lock()?.ok_or_else(|| {
            let path = self.0.path().display();
            Failure::new(format_args!("another sealpostd runs on {path}: stop it first"))
        })
    }

    fn database(&self) -> PathBuf {
        self.0.file("sealpost.db")
    }

    fn key_path(&self) -> PathBuf {
        self.0.file("server-key.pem")
    }

    fn mark(&self) -> DatabaseMark {
        DatabaseMark::new(self.0.file("database-id"))
    }

    /// Path of the configuration file in the folder.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.0.file(FILE_NAME)
    }

    /// Writes a configuration file, unless there is one.
    pub(crate) fn write_config(&self, text: &str) -> Result<(), Failure> {
        if self.config_file().try_exists()? { Ok(()) } else { self.0.write(FILE_NAME, text) }
    }

    /// Saves the server's address, as it does at each start.
    pub(crate) fn write_address(&self, address: &ServerAddress) -> Result<(), Failure> {
        self.0.write(ADDRESS, &format!("{address}\n"))
    }

    /// The address that the server saved at its last start.
    pub(crate) fn address(&self) -> Result<ServerAddress, Failure> {
        let file = self.0.file(ADDRESS);
        if !file.exists() {
            return Err(self.unused());
        }
        self.0.read(ADDRESS)?.trim_end().parse().map_err(Failure::context(file.display()))
    }

    /// Opens the database for reading. A server may be using it.
    pub(crate) fn inspect(&self) -> Result<Inspector, Failure> {
        Inspector::open(&self.database()).map_err(|error| self.refused(error))
    }

    /// Opens the database, creating it if it does not exist, and returns it with its profile: the
    /// requested one, or else the one that it has, or else compact. The caller must hold the lock.
    pub(crate) fn open(
        &self,
        requested: Option<Profile>,
        quota: Quota,
    ) -> Result<(SqliteStorage, Profile), Failure> {
        let mark = self.mark();
        let known = mark.read()?;
        let open_store =
            if self.is_used()? { SqliteStorage::open_existing } else { SqliteStorage::open };
        let open = |profile| {
            let store = open_store(&self.database(), profile, quota)?;
            Ok((store, profile))
        };
        let opened = match open(requested.unwrap_or(Profile::Compact)) {
            Err(OpenError { reason: OpenFailure::OtherProfile(recorded), .. })
                if requested.is_none() =>
            {
                open(recorded)
            }
            opened => opened,
        };
        let (store, profile) = opened.map_err(|error| self.refused(error))?;
        let id = store.id()?;
        match known {
            Some(known) if known != id => return Err(self.another_database()),
            Some(_) => {}
            None => mark.write(id)?,
        }
        Ok((store, profile))
    }

    /// Creates an empty database in place of a lost one. The caller must hold the lock.
    pub(crate) fn create_database(&self, profile: Profile) -> Result<(), Failure> {
        let store = SqliteStorage::create(&self.database(), profile, Quota::default())?;
        Ok(self.mark().write(store.id()?)?)
    }

    /// Whether the folder has had a database: it is created before anything else.
    pub(crate) fn is_used(&self) -> Result<bool, Failure> {
        Ok(self.key_path().try_exists()? || self.mark().read()?.is_some())
    }

    /// Whether the folder is that of a server, perhaps one whose creation was interrupted.
    pub(crate) fn is_a_server_s(&self) -> Result<bool, Failure> {
        Ok(self.database().try_exists()? || self.is_used()?)
    }

    /// Opens the database for a command. The caller must hold the lock.
    pub(crate) fn open_existing(&self) -> Result<SqliteStorage, Failure> {
        // Looked up first: opening with a profile would create a missing database.
        let profile = self.inspect()?.profile();
        self.open(Some(profile), Quota::default()).map(|(store, _)| store)
    }

    /// The failure of a command on a folder in which no server has run.
    pub(crate) fn unused(&self) -> Failure {
        Failure::new(format_args!("no server has run on {} yet", self.0.path().display()))
    }

    /// The failure for a database that is gone although the folder has had one. A new one would know
    /// no user, and nobody would notice that acknowledged messages are lost.
    fn lost_database(&self) -> Failure {
        Failure::new(format_args!(
            "{} is missing or empty, but the server's key has been used: restore the database from \
             a backup; to start over without any account or message, run sealpostd new-database",
            self.database().display()
        ))
    }

    fn another_database(&self) -> Failure {
        let (database, mark) = (self.database(), self.mark());
        Failure::new(format_args!(
            "{} is not the database that this folder's server has used: restore the right one, or \
             delete {} if this is it",
            database.display(),
            mark.path().display()
        ))
    }

    /// The failure for a database that could not be opened.
    fn refused(&self, error: OpenError) -> Failure {
        match error.reason {
            OpenFailure::Missing if self.is_used().unwrap_or(true) => self.lost_database(),
            OpenFailure::Missing => self.unused(),
            OpenFailure::Foreign
            | OpenFailure::Exists
            | OpenFailure::OtherProfile(_)
            | OpenFailure::Newer { .. }
            | OpenFailure::Older { .. }
            | OpenFailure::Exposed(_)
            | OpenFailure::File(_)
            | OpenFailure::Engine(_) => error.into(),
        }
    }

    /// Loads the server's keys, and creates missing ones. The caller must hold the lock and have
    /// created the database.
    ///
    /// Fails if the private key is missing and the database has users: they trust the lost key, and
    /// a new one would lock all of them out for good.
    pub(crate) fn keys(&self, provider: &dyn Provider) -> Result<Keys, Failure> {
        let file = KeyFile::new(self.key_path());
        let der = match file.load(None) {
            Err(KeyFileError::Missing(path)) => {
                if self.inspect()?.stats()?.last_user_id > 0 {
                    return Err(Failure::new(format_args!(
                        "{} is missing, and the users in the database trust no other key: restore \
                         the file from a backup",
                        path.display()
                    )));
                }
                let der = provider.generate_key(&mut *random_rng()?)?;
                file.create(&der, None, &mut *random_rng()?)?;
                der
            }
            Err(KeyFileError::Pem(path, PemError::PassphraseNeeded)) => {
                return Err(Failure::new(format_args!(
                    "{}: the server's key must not be protected by a passphrase",
                    path.display()
                )));
            }
            loaded => loaded?,
        };
        let private =
            provider.load_key(der.expose()).map_err(Failure::context(self.key_path().display()))?;
        publish_key(&self.0.file("server-key.pub.pem"), private.public_key())?;
        Ok(Keys { private, wrapping: self.wrapping_key()? })
    }

    /// Loads the wrapping key, or creates one. Losing it only ends the sessions, so a missing file
    /// is no failure.
    fn wrapping_key(&self) -> Result<SymmetricKey, Failure> {
        let file = WrappingKeyFile::new(self.0.file("wrapping-key"));
        match file.load() {
            Err(KeyFileError::Missing(_)) => Ok(file.create(&mut *random_rng()?)?),
            loaded => Ok(loaded?),
        }
    }
}

const ADDRESS: &str = "address";
