//! The server's data folder: which files are in it, and how they come to be.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sealpost_core::crypto::{PrivateKey, Provider};
use sealpost_core::keys::{PemError, SymmetricKey};
use sealpost_core::wire::Profile;
use sealpost_programs::{Failure, Folder, FolderLock, random_rng};
use sealpost_storage::key_file::{KeyFile, KeyFileError, WrappingKeyFile, publish_key};
use sealpost_storage::{Inspector, OpenError, OpenFailure, Quota, SqliteStorage};

/// A data folder.
#[derive(Clone, Debug)]
pub(crate) struct DataFolder(Folder);

/// The keys of one server.
pub(crate) struct Keys {
    /// What it signs and opens with.
    pub(crate) private: Arc<dyn PrivateKey>,
    /// Under which session keys stand in the database.
    pub(crate) wrapping: SymmetricKey,
}

impl DataFolder {
    /// One that is there.
    pub(crate) fn existing(path: &Path) -> Result<Self, Failure> {
        Folder::existing(path).map(Self)
    }

    /// One that is made if it is missing.
    pub(crate) fn make(path: &Path) -> Result<Self, Failure> {
        Folder::make(path).map(Self)
    }

    /// Keeps every other server, and whoever changes users, out.
    pub(crate) fn lock(&self) -> Result<FolderLock, Failure> {
        self.0.try_lock()?.ok_or_else(|| {
            let path = self.0.path().display();
            Failure::new(format_args!("another sealpostd runs on {path}"))
        })
    }

    fn database(&self) -> PathBuf {
        self.0.file("sealpost.db")
    }

    /// Where the server notes its address at each start.
    pub(crate) fn address(&self) -> PathBuf {
        self.0.file("address")
    }

    /// The database, for reading.
    pub(crate) fn inspect(&self) -> Result<Inspector, Failure> {
        Inspector::open(&self.database()).map_err(|error| self.refused(error))
    }

    /// The database, made if it is missing, and its profile: the one asked for, else the one that
    /// it has, else compact. Needs the lock.
    pub(crate) fn open(&self, asked: Option<Profile>) -> Result<(SqliteStorage, Profile), Failure> {
        let open = |profile| {
            let store = SqliteStorage::open(&self.database(), profile, Quota::default())?;
            Ok((store, profile))
        };
        let opened = match open(asked.unwrap_or(Profile::Compact)) {
            Err(OpenError { reason: OpenFailure::OtherProfile(recorded), .. })
                if asked.is_none() =>
            {
                open(recorded)
            }
            opened => opened,
        };
        opened.map_err(|error| self.refused(error))
    }

    /// Nothing is here yet.
    pub(crate) fn unused(&self) -> Failure {
        Failure::new(format_args!("no server has run on {} yet", self.0.path().display()))
    }

    /// Why the database is of no use.
    fn refused(&self, error: OpenError) -> Failure {
        match error.reason {
            OpenFailure::Missing => self.unused(),
            OpenFailure::Foreign
            | OpenFailure::Exists
            | OpenFailure::OtherProfile(_)
            | OpenFailure::Newer { .. }
            | OpenFailure::Older { .. }
            | OpenFailure::File(_)
            | OpenFailure::Engine(_) => error.into(),
        }
    }

    /// The server's keys; those that are missing are made. Needs the lock, and the database.
    ///
    /// Beside a database with users a new key would lock all of them out for good: it is refused.
    pub(crate) fn keys(&self, provider: &dyn Provider) -> Result<Keys, Failure> {
        let file = KeyFile::new(self.0.file("server-key.pem"));
        let der = match file.load(None) {
            Err(KeyFileError::Missing(path)) => {
                if self.inspect()?.stats()?.last_user_id > 0 {
                    return Err(Failure::new(format_args!(
                        "{} is missing, and the users in the database trust no other key",
                        path.display()
                    )));
                }
                let der = provider.generate_key(&mut *random_rng()?)?;
                file.create(&der, None, &mut *random_rng()?)?;
                der
            }
            Err(KeyFileError::Pem(path, PemError::PassphraseNeeded)) => {
                return Err(Failure::new(format_args!(
                    "{}: a server's key can't be under a passphrase",
                    path.display()
                )));
            }
            loaded => loaded?,
        };
        let private = provider
            .load_key(der.expose())
            .map_err(Failure::context(self.0.file("server-key.pem").display()))?;
        publish_key(&self.0.file("server-key.pub.pem"), private.public_key())?;
        Ok(Keys { private, wrapping: self.wrapping_key()? })
    }

    /// A lost wrapping key costs nobody more than their session: a new one is drawn.
    fn wrapping_key(&self) -> Result<SymmetricKey, Failure> {
        let file = WrappingKeyFile::new(self.0.file("wrapping-key"));
        match file.load() {
            Err(KeyFileError::Missing(_)) => Ok(file.create(&mut *random_rng()?)?),
            loaded => Ok(loaded?),
        }
    }
}
