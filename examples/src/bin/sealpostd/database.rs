//! The database in a data folder: which one is served, and which one is refused.

use std::path::PathBuf;

use sealpost_core::wire::Profile;
use sealpost_programs::Failure;
use sealpost_storage::{
    DatabaseId, Inspector, Marked, OpenError, OpenFailure, Quota, Remembered, SqliteStorage,
};

use crate::data::{DATABASE, DataFolder, KEY, RESTORED, STAGING};
use crate::skipped::{Skipped, skip_ids};

impl DataFolder {
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
            return Err(unaccepted(objection));
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

    /// Whether the database is of a version that wrote no mark.
    fn predates_marks(&self) -> bool {
        let opened = Inspector::open(&self.database());
        matches!(opened, Err(OpenError { reason: OpenFailure::Older { found: 1, .. }, .. }))
    }

    /// A server that started now would find an empty folder, and make a new key.
    fn refuse_unfinished_restore(&self) -> Result<(), Failure> {
        let ready = self.file(RESTORED);
        let lost = !self.database().exists() && self.file(STAGING).exists();
        if ready.exists() || lost {
            return Err(Failure::new(format_args!(
                "a restore into {} was interrupted: run it again, with --replace",
                self.path().display()
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

    /// Whether a server has used the folder: there is a key, or the folder remembers a database. Both
    /// are created before anything else.
    pub(crate) fn is_used(&self) -> Result<bool, Failure> {
        Ok(self.file(KEY).try_exists()? || self.mark().read()?.is_some())
    }

    /// Whether the folder has a database, or has had one, as far as it remembers without its key.
    pub(crate) fn has_database(&self) -> Result<bool, Failure> {
        self.refuse_unfinished_restore()?;
        Ok(self.database().try_exists()? || self.mark().read()?.is_some())
    }

    /// Whether the folder is that of a server, perhaps one whose creation was interrupted.
    pub(crate) fn is_a_server_s(&self) -> Result<bool, Failure> {
        Ok(self.has_database()? || self.is_used()?)
    }

    /// Opens the database for a command. The caller must hold the lock.
    pub(crate) fn open_existing(&self) -> Result<SqliteStorage, Failure> {
        self.ballast().release_if_full();
        // Looked up first: opening with a profile would create a missing database.
        let profile = self.inspect()?.profile();
        self.open(Some(profile), Quota::default()).map(|(store, _)| store)
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

    fn database(&self) -> PathBuf {
        self.file(DATABASE)
    }
}

fn unaccepted(objection: String) -> Failure {
    Failure::new(objection).and(
        "restore a backup with sealpostd restore, or, to serve with this database and lose what is \
         missing from it, run sealpostd accept-database",
    )
}

/// Stands in the mark of a database that an earlier version made, until it has been upgraded.
const UNKNOWN: Remembered = Remembered { id: DatabaseId::UNKNOWN, handed_out: 0, reserved: 0 };
