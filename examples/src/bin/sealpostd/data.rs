//! The server's data folder: its files, and how they are created.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sealpost_core::address::ServerAddress;
use sealpost_core::crypto::{PrivateKey, Provider};
use sealpost_core::keys::{PemError, SymmetricKey};
use sealpost_core::wire::Profile;
use sealpost_programs::{Failure, Folder, FolderLock, random_rng};
use sealpost_storage::key_file::{KeyFile, KeyFileError, WrappingKeyFile, publish_key};
use sealpost_storage::{
    DatabaseId, DatabaseMark, Inspector, Marked, OpenError, OpenFailure, Quota, Remembered,
    SqliteStorage,
};

use crate::ballast::Ballast;
use crate::manifest;
use crate::skipped::{Skipped, skip_ids};

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

    fn database(&self) -> PathBuf {
        self.0.file(DATABASE)
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
        self.refuse_unfinished_restore()?;
        self.ballast().release_if_full();
        let (is_used, known) = (self.is_used()?, self.mark().read()?);
        if is_used && known.is_none() && self.predates_marks() {
            // Should the upgrade be interrupted, the next start must not take this database for a
            // copy.
            self.mark().write(UNKNOWN)?;
        }
        let known = self.mark().read()?;
        let (store, profile) = self.open_store(is_used, requested, quota)?;
        let (id, handed_out) = (store.id()?, store.last_user_id()?);
        if let Some(objection) = self.objection(is_used, known, id, handed_out) {
            return Err(self.unaccepted(objection));
        }
        let reserved = known.map_or(0, |known| known.reserved).max(handed_out);
        let now = Remembered { id, handed_out, reserved };
        if known != Some(now) {
            self.mark().write(now)?;
        }
        Ok((store, profile))
    }

    /// Wraps the database that [`open`](Self::open) has opened, so that the folder remembers which
    /// user ids it hands out.
    pub(crate) fn marked(&self, store: SqliteStorage) -> Result<Marked<SqliteStorage>, Failure> {
        let (mark, last) = (self.mark(), store.last_user_id()?);
        let id = store.id()?;
        let known = mark.read()?.unwrap_or(Remembered { id, handed_out: last, reserved: last });
        Ok(Marked::new(store, &mark, known, last)?)
    }

    fn open_store(
        &self,
        is_used: bool,
        requested: Option<Profile>,
        quota: Quota,
    ) -> Result<(SqliteStorage, Profile), Failure> {
        let open_store = if is_used { SqliteStorage::open_existing } else { SqliteStorage::open };
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
        opened.map_err(|error| self.refused(error))
    }

    /// What speaks against serving with the database, apart from damage. A server may be running.
    pub(crate) fn objection_to_database(&self) -> Result<Option<String>, Failure> {
        // The mark first: a running server changes it after the database.
        let (is_used, known) = (self.is_used()?, self.mark().read()?);
        let inspector = self.inspect()?;
        let (id, handed_out) = (inspector.id()?, inspector.stats()?.last_user_id);
        Ok(self.objection(is_used, known, id, handed_out))
    }

    fn objection(
        &self,
        is_used: bool,
        known: Option<Remembered>,
        id: DatabaseId,
        handed_out: u64,
    ) -> Option<String> {
        let database = self.database();
        let database = database.display();
        match known {
            None if !is_used => None,
            None => Some(format!(
                "{database} was copied without {}, so users and messages may be missing",
                self.mark().path().display()
            )),
            Some(known) if known.id != id && known != UNKNOWN => {
                Some(format!("{database} is not the database that this folder's server has used"))
            }
            Some(known) if known.handed_out > handed_out => Some(format!(
                "{database} is an older copy: its server has handed out user ids up to {}, and the \
                 copy knows of those up to {handed_out}",
                known.handed_out
            )),
            Some(_) => None,
        }
    }

    fn unaccepted(&self, objection: String) -> Failure {
        Failure::new(objection).and(
            "restore a backup with sealpostd restore, or, to serve with this database and lose what \
             is missing from it, run sealpostd accept-database",
        )
    }

    /// Whether the database is of a version that wrote no mark.
    fn predates_marks(&self) -> bool {
        let opened = Inspector::open(&self.database());
        matches!(opened, Err(OpenError { reason: OpenFailure::Older { found: 1, .. }, .. }))
    }

    /// A server that started now would find an empty folder, and make a new key.
    fn refuse_unfinished_restore(&self) -> Result<(), Failure> {
        let ready = self.0.file(RESTORED);
        let lost = !self.database().exists() && self.0.file(STAGING).exists();
        if ready.exists() || lost {
            return Err(Failure::new(format_args!(
                "a restore into {} was interrupted: run it again, with --replace",
                self.0.path().display()
            )));
        }
        Ok(())
    }

    /// Accepts whatever database is in the folder, and skips user ids that may have been handed out.
    /// The caller must hold the lock.
    pub(crate) fn accept_database(&self, skip: Option<u64>) -> Result<Skipped, Failure> {
        self.refuse_unfinished_restore()?;
        // A mark that can't be read tells no more than a missing one.
        let known = self.mark().read().unwrap_or_default();
        let (mut store, _) = self.open_store(true, None, Quota::default())?;
        skip_ids(&mut store, &self.mark(), known, skip)
    }

    /// Creates an empty database in place of a lost one. It begins above the ids of the lost one, if
    /// the folder remembers them. The caller must hold the lock.
    pub(crate) fn create_database(&self, profile: Profile) -> Result<(), Failure> {
        let known = self.mark().read()?;
        let mut store = SqliteStorage::create(&self.database(), profile, Quota::default())?;
        skip_ids(&mut store, &self.mark(), known, Some(0))?;
        Ok(())
    }

    /// Whether the folder has had a database: it is created before anything else.
    fn is_used(&self) -> Result<bool, Failure> {
        Ok(self.key_path().try_exists()? || self.mark().read()?.is_some())
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
            | OpenFailure::NotKept { .. }
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
        publish_key(&self.0.file(PUBLIC_KEY), private.public_key())?;
        Ok(Keys { private, wrapping: self.wrapping_key()? })
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
    is_name && !transient.contains(&name) && !name.starts_with(DATABASE) && !name.ends_with(".new")
}

pub(crate) const DATABASE: &str = "sealpost.db";
pub(crate) const MARK: &str = "database-id";
pub(crate) const LOCK: &str = "lock";
pub(crate) const BALLAST: &str = "reserved-space";
/// The copy of a backup while it is made.
pub(crate) const STAGING: &str = "restore.partial";
/// The complete copy of a backup while it is moved into place.
pub(crate) const RESTORED: &str = "restore.ready";
/// The one file without which a backup is worth nothing.
pub(crate) const KEY: &str = "server-key.pem";
const PUBLIC_KEY: &str = "server-key.pub.pem";
const WRAPPING_KEY: &str = "wrapping-key";
const ADDRESS: &str = "address";

/// Stands in the mark of a database that an earlier version made, until it has been upgraded.
const UNKNOWN: Remembered = Remembered { id: DatabaseId::UNKNOWN, handed_out: 0, reserved: 0 };
