//! The server's data folder: its files, and how they are created.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sealpost_core::address::ServerAddress;
use sealpost_core::crypto::{Crypto, PrivateKey, Provider};
use sealpost_core::keys::{PemError, PublicKey, SymmetricKey};
use sealpost_programs::{Failure, Folder, FolderLock, random_rng, runner};
use sealpost_storage::DatabaseMark;
use sealpost_storage::key_file::{KeyFile, KeyFileError, WrappingKeyFile, publish_key};

use crate::ballast::Ballast;
use crate::key::Successor;
use crate::manifest;

use crate::config::FILE_NAME;

/// The folder in which one server keeps everything.
#[derive(Clone, Debug)]
pub(crate) struct DataFolder(Folder);

/// The keys of one server.
pub(crate) struct Keys {
    /// Signs the server's packets and opens what clients sealed for it.
    pub(crate) private: Arc<dyn PrivateKey>,
    /// Takes the place of `private`, while the server changes its key.
    pub(crate) successor: Option<Successor>,
    /// Wraps the session keys in the database.
    pub(crate) wrapping: SymmetricKey,
}

/// The public halves of a server's keys.
pub(crate) struct PublicKeys {
    pub(crate) first: PublicKey,
    pub(crate) successor: Option<PublicKey>,
}

impl Keys {
    /// The public halves.
    pub(crate) fn public(&self) -> PublicKeys {
        let successor = self.successor.as_ref().map(|successor| successor.key.public_key().clone());
        PublicKeys { first: self.private.public_key().clone(), successor }
    }

    /// A runner of jobs with the keys.
    pub(crate) fn runner(self, provider: Arc<dyn Provider>) -> Result<Crypto, Failure> {
        let crypto = runner(provider, self.private, self.wrapping)?;
        Ok(match self.successor {
            Some(successor) => crypto.with_successor(successor.key),
            None => crypto,
        })
    }
}

impl PublicKeys {
    /// The key in the address that is given to new clients.
    pub(crate) fn newest(&self) -> &PublicKey {
        self.successor.as_ref().unwrap_or(&self.first)
    }
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

    /// Keeps out other servers, and commands that change users, until the lock is dropped. Returns
    /// `None` if another process holds it.
    pub(crate) fn try_lock(&self) -> Result<Option<FolderLock>, Failure> {
        self.0.try_lock()
    }

    /// As [`DataFolder::try_lock`], for a process that can't go on without the lock.
    pub(crate) fn lock(&self) -> Result<FolderLock, Failure> {
        self.0.try_lock()?.ok_or_else(|| {
            let path = self.0.path().display();
            Failure::new(format_args!("another sealpostd runs on {path}: stop it first"))
        })
    }

    /// Names of the files that a backup keeps, besides the database.
    pub(crate) fn kept_files(&self) -> Result<Vec<String>, Failure> {
        let failed = || Failure::context(self.0.path().display());
        let mut names = Vec::new();
        for entry in fs::read_dir(self.0.path()).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            let is_file = entry.file_type().map_err(failed())?.is_file();
            names.extend(
                entry.file_name().into_string().ok().filter(|name| is_file && is_kept(name)),
            );
        }
        Ok(names)
    }

    /// Path of a file in the folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.file(name)
    }

    fn key_path(&self) -> PathBuf {
        self.0.file(KEY)
    }

    /// The space that is kept on the disk for the day on which it is full.
    pub(crate) fn ballast(&self) -> Ballast {
        Ballast::in_folder(self.0.path())
    }

    /// What the folder remembers of its database.
    pub(crate) fn mark(&self) -> DatabaseMark {
        DatabaseMark::new(self.0.file(MARK))
    }

    /// The deployment in NATS that the folder's server belongs to; `None` if it has a database, or no
    /// server has run.
    pub(crate) fn deployment(&self) -> Result<Option<String>, Failure> {
        let path = self.0.file(STORE);
        if !path.try_exists()? {
            return Ok(None);
        }
        let text = self.0.read(STORE)?;
        match text.trim_end().strip_prefix(NATS) {
            Some(deployment) => Ok(Some(deployment.to_owned())),
            None => Err(Failure::new(format_args!(
                "{} is damaged, or of a later version: it must contain `{NATS}` and the name of a \
                 deployment",
                path.display()
            ))),
        }
    }

    /// Remembers that the folder's server belongs to a deployment in NATS.
    pub(crate) fn remember_deployment(&self, deployment: &str) -> Result<(), Failure> {
        self.0.write(STORE, &format!("{NATS}{deployment}\n"))
    }

    /// Remembers no deployment any more: the folder's server has a database.
    #[cfg(feature = "jetstream")]
    pub(crate) fn forget_deployment(&self) -> Result<(), Failure> {
        let path = self.0.file(STORE);
        fs::remove_file(&path).map_err(Failure::context(path.display()))
    }

    /// The folder, for a command that works on its database and makes no sense without.
    pub(crate) fn with_database(&self, instead: &str) -> Result<&Self, Failure> {
        match self.deployment()? {
            None => Ok(self),
            Some(deployment) => Err(Failure::new(format_args!(
                "the server of {} keeps its accounts in NATS, in the deployment \"{deployment}\", and \
                 not in a database: {instead}",
                self.path().display()
            ))),
        }
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

    /// The server's public key, without its successor, as of the last start.
    pub(crate) fn public_key(&self) -> Result<PublicKey, Failure> {
        let file = self.0.file(PUBLIC_KEY);
        PublicKey::from_pem(&self.0.read(PUBLIC_KEY)?).map_err(Failure::context(file.display()))
    }

    /// The failure of a command on a folder in which no server has run.
    pub(crate) fn unused(&self) -> Failure {
        Failure::new(format_args!("no server has run on {} yet", self.0.path().display()))
    }

    /// Fails if the database has users: they trust the server's key, which is missing, and a new one
    /// would lock all of them out for good.
    pub(crate) fn refuse_new_key(&self) -> Result<(), Failure> {
        if self.inspect()?.stats()?.last_user_id == 0 {
            return Ok(());
        }
        Err(Failure::new(format_args!(
            "{} is missing, and the users in the database trust no other key: restore the file from \
             a backup",
            self.key_path().display()
        )))
    }

    /// Loads the server's keys, and creates missing ones, unless `refuse_new_key` fails. The caller
    /// must hold the lock and have created the store.
    pub(crate) fn keys(
        &self,
        provider: &dyn Provider,
        refuse_new_key: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<Keys, Failure> {
        let file = KeyFile::new(self.key_path());
        let der = match file.load(None) {
            Err(KeyFileError::Missing(_)) => {
                refuse_new_key()?;
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
        publish_key(&self.0.file(PUBLIC_KEY), private.public_key())?;
        // A backup that was made while the old key was retired has the new one twice.
        let is_other = |successor: &Successor| successor.key.public_key() != private.public_key();
        let successor = self.successor(provider)?.filter(is_other);
        Ok(Keys { private, successor, wrapping: self.wrapping_key()? })
    }

    /// Loads the wrapping key, or creates one. Losing it only ends the sessions, so a missing file
    /// is no failure.
    fn wrapping_key(&self) -> Result<SymmetricKey, Failure> {
        let file = WrappingKeyFile::new(self.0.file(WRAPPING_KEY));
        match file.load() {
            Err(KeyFileError::Missing(_)) => Ok(file.create(&mut *random_rng()?)?),
            loaded => Ok(loaded?),
        }
    }
}

/// Whether a backup keeps the file with this name in a data folder, besides the database: keys, the
/// address, the configuration, and whatever an operator or a later version puts there. The mark is
/// left out: whoever copies a backup's files into place by hand is told to restore it.
pub(crate) fn is_kept(name: &str) -> bool {
    let transient = [MARK, LOCK, BALLAST, manifest::NAME];
    let is_name = !name.is_empty() && !name.starts_with('.') && !name.contains('/');
    is_name && !transient.contains(&name) && !name.starts_with(DATABASE) && !is_temporary(name)
}

/// Whether a file with this name is being written, or a crash has left it.
fn is_temporary(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "new")
}

pub(crate) const DATABASE: &str = "sealpost.db";
pub(crate) const MARK: &str = "database-id";
pub(crate) const LOCK: &str = "lock";
pub(crate) const BALLAST: &str = "reserved-space";
/// The copy of a backup while it is made.
pub(crate) const STAGING: &str = "restore.partial";
/// The complete copy of a backup while it is moved into place.
pub(crate) const RESTORED: &str = "restore.ready";
/// A database while accounts are moved into it.
#[cfg(feature = "jetstream")]
pub(crate) const MIGRATING: &str = "sealpost.db.migrating";
/// The one file without which a backup is worth nothing.
pub(crate) const KEY: &str = "server-key.pem";
const PUBLIC_KEY: &str = "server-key.pub.pem";
const WRAPPING_KEY: &str = "wrapping-key";
const ADDRESS: &str = "address";
/// Names the store that the server uses, unless it is the database.
pub(crate) const STORE: &str = "store";
/// Stands in that file before the name of a deployment.
const NATS: &str = "nats ";
