//! The client's home: its files, and how they are created.

mod key;

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use sealpost_core::address::ServerAddress;
use sealpost_core::client::store::Snapshot;
use sealpost_core::crypto::{Crypto, Provider};
use sealpost_core::ids::Phone;
use sealpost_core::keys::{Plaintext, PublicKey, SymmetricKey};
use sealpost_messenger::api::ErrorKind;
use sealpost_messenger::engine::Account;
use sealpost_programs::{Failure, Folder, FolderLock, runner};
use sealpost_storage::client::{ClientStorage, Identity, Location, SqliteClientStorage};
use sealpost_storage::key_file::publish_key;
use sealpost_storage::{OpenError, OpenFailure};

use crate::authorities::Authorities;
use crate::passphrase::{Passphrase, Passphrases};

/// A client's folder, which may not exist yet.
#[derive(Clone)]
pub(crate) struct Home {
    folder: PathBuf,
    passphrases: Passphrases,
    authorities: Authorities,
    provider: Arc<dyn Provider>,
}

/// Key that a new address may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServerKey {
    /// The one that the account's server has.
    Same,
    /// Another one, which the user trusts.
    New,
}

impl Home {
    /// A home in this folder.
    pub(crate) const fn new(
        folder: PathBuf,
        passphrases: Passphrases,
        authorities: Authorities,
        provider: Arc<dyn Provider>,
    ) -> Self {
        Self { folder, passphrases, authorities, provider }
    }

    /// Opens the account's database for reading. Another process may be using it.
    pub(crate) fn look(&self) -> Result<SqliteClientStorage, Failure> {
        let folder = self.registered_folder()?;
        let database = folder.file(DATABASE);
        SqliteClientStorage::open_read_only(&database).map_err(|error| self.refused(error))
    }

    /// Whether nothing has been made here yet.
    pub(crate) fn is_new(&self) -> bool {
        !self.folder.join(KEY).exists()
    }

    /// Fails if no account is registered. Another process may be using the home.
    pub(crate) fn look_for_account(&self) -> Result<(), Failure> {
        let database = self.registered_folder()?.file(DATABASE);
        match SqliteClientStorage::open_read_only(&database) {
            Ok(store) => require_account(&store.load()?),
            // `open` upgrades it first.
            Err(OpenError { reason: OpenFailure::Older { .. }, .. }) => Ok(()),
            Err(error) => Err(self.refused(error)),
        }
    }

    /// Reads the account's public key. It is not secret, so this needs no passphrase.
    pub(crate) fn public_key(&self) -> Result<PublicKey, Failure> {
        let folder = self.registered_folder()?;
        PublicKey::from_pem(&folder.read(PUBLIC_KEY)?)
            .map_err(Failure::context(folder.file(PUBLIC_KEY).display()))
    }

    /// Connects to the process that has the home. `None` if none takes requests there.
    pub(crate) fn connect(&self) -> Result<Option<UnixStream>, Failure> {
        Ok(sealpost_messenger::rpc::connect(self.registered_folder()?.path()).ok())
    }

    /// Opens the account. `None` if another process has the home.
    pub(crate) fn try_open(&self, key: &Plaintext) -> Result<Option<Account>, Failure> {
        let folder = self.registered_folder()?;
        let Some(lock) = folder.try_lock()? else { return Ok(None) };
        let store = SqliteClientStorage::open(&folder.file(DATABASE));
        let store = store.map_err(|error| self.refused(error))?;
        self.account(&folder, lock, key, store).map(Some)
    }

    /// The failure for a home that another process has, which takes no requests.
    pub(crate) fn in_use(&self) -> Failure {
        Failure::with_status(
            format_args!("another sealpost uses {}: end it first", self.folder.display()),
            ErrorKind::HomeInUse.exit_status(),
        )
    }

    /// Path of the folder.
    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }

    /// Opens the account for registration. Creates the folder, the key and the database if they do
    /// not exist. A new key is encrypted with `passphrase`, if there is one.
    pub(crate) fn open_or_make(
        &self,
        address: &ServerAddress,
        phone: Phone,
        passphrase: Option<Passphrase>,
    ) -> Result<Account, Failure> {
        let folder = Folder::make(&self.folder)?;
        // Before the home is locked: loading the key may ask for its passphrase, and meanwhile
        // other commands must be able to use the home.
        let key = self.existing_key()?;
        let lock = self.lock(&folder)?;
        let key = match key {
            Some(key) => key,
            // Another process may have created one before we had the lock.
            None => match self.existing_key()? {
                Some(key) => key,
                None => self.make_key(passphrase)?,
            },
        };
        let store = self.open_or_make_store(&folder, address, phone)?;
        self.authorities.keep(&folder)?;
        self.account(&folder, lock, &key, store)
    }

    /// Replaces the address of the account's server. Returns the account with the new one.
    ///
    /// # Errors
    /// The new address is of another server, with another profile or, unless its user trusts that,
    /// another key: there the account does not exist.
    pub(crate) fn move_server(
        &self,
        address: &ServerAddress,
        key: ServerKey,
    ) -> Result<Identity, Failure> {
        let folder = self.registered_folder()?;
        let _lock = self.lock(&folder)?;
        let database = folder.file(DATABASE);
        let mut store =
            SqliteClientStorage::open(&database).map_err(|error| self.refused(error))?;
        let found = store.identity()?;
        let has_key = key == ServerKey::New || found.server == *address.fingerprint();
        if !has_key || found.profile != address.profile() {
            return Err(Failure::new(format_args!(
                "{address} is another server than that of the account in {}, whose key is \
                 sha256:{}; accounts can't move: to register there, choose another --home. If your \
                 server's operator says that its key has changed, pass --new-key",
                self.folder.display(),
                found.server
            )));
        }
        store.move_server(address.fingerprint(), address.transport(), address.endpoints())?;
        self.authorities.keep(&folder)?;
        Ok(store.identity()?)
    }

    fn account(
        &self,
        folder: &Folder,
        lock: FolderLock,
        key: &Plaintext,
        store: SqliteClientStorage,
    ) -> Result<Account, Failure> {
        let crypto = crypto(&self.provider, key)
            .map_err(Failure::context(self.folder.join(KEY).display()))?;
        publish_key(&self.folder.join(PUBLIC_KEY), crypto.public_key())?;
        let database = self.folder.join(DATABASE);
        let damaged = || Failure::context(database.display());
        let identity = store.identity().map_err(damaged())?;
        let snapshot = store.load().map_err(damaged())?;
        let servers = self.authorities.destinations(Some(folder), &identity)?;
        let lock = Box::new(lock);
        let files = Some(self.folder.join(FILES));
        let database = Location::File(database);
        Ok(Account { identity, servers, snapshot, store, database, files, crypto, lock })
    }

    /// Opens or creates the database of this account. A database for another number or server is
    /// replaced if its account was never registered, and refused if it was.
    fn open_or_make_store(
        &self,
        folder: &Folder,
        address: &ServerAddress,
        phone: Phone,
    ) -> Result<SqliteClientStorage, Failure> {
        let wanted = identity(address, phone);
        let database = folder.file(DATABASE);
        let mut store = match SqliteClientStorage::open(&database) {
            Err(OpenError { reason: OpenFailure::Missing, .. }) => {
                return self.make_store(&database, &wanted);
            }
            opened => opened.map_err(|error| self.refused(error))?,
        };
        let found = store.identity()?;
        let registered = store.load()?.account.user.is_some();
        let here = Identity {
            transport: wanted.transport,
            endpoints: wanted.endpoints.clone(),
            ..found.clone()
        };
        if here == wanted {
            if found != wanted {
                store.move_server(&wanted.server, wanted.transport, &wanted.endpoints)?;
            }
            if !registered {
                // Repeated, because a crash may have happened between the two steps of creating the
                // database.
                number_from_the_clock(&mut store)?;
            }
            return Ok(store);
        }
        if registered {
            return Err(Failure::new(format_args!(
                "{} belongs to the account of {} on another server or with another number; \
                 choose another --home",
                self.folder.display(),
                found.phone
            )));
        }
        drop(store);
        for name in [DATABASE, DATABASE_LOG, DATABASE_INDEX] {
            remove(&folder.file(name))?;
        }
        self.make_store(&database, &wanted)
    }

    fn make_store(
        &self,
        database: &Path,
        identity: &Identity,
    ) -> Result<SqliteClientStorage, Failure> {
        let mut store =
            SqliteClientStorage::create(database, identity).map_err(|error| self.refused(error))?;
        number_from_the_clock(&mut store)?;
        Ok(store)
    }

    fn lock(&self, folder: &Folder) -> Result<FolderLock, Failure> {
        folder.try_lock()?.ok_or_else(|| self.in_use())
    }

    fn registered_folder(&self) -> Result<Folder, Failure> {
        if !self.folder.exists() {
            return Err(self.not_registered());
        }
        Folder::existing(&self.folder)
    }

    fn refused(&self, error: OpenError) -> Failure {
        if let OpenFailure::Missing = error.reason {
            return self.not_registered();
        }
        error.into()
    }

    fn not_registered(&self) -> Failure {
        Failure::new(format_args!(
            "no account in {}: start with sealpost register",
            self.folder.display()
        ))
    }
}

/// Fails if the registration of the account is not finished.
pub(crate) fn require_account(snapshot: &Snapshot) -> Result<(), Failure> {
    if snapshot.account.user.is_none() {
        return Err(Failure::with_status(
            "not registered yet: finish sealpost register first",
            ErrorKind::NotRegistered.exit_status(),
        ));
    }
    Ok(())
}

/// A runner with an account's key.
pub(crate) fn crypto(provider: &Arc<dyn Provider>, key: &Plaintext) -> Result<Crypto, Failure> {
    let private = provider.load_key(key.expose())?;
    // A dummy: only servers wrap session keys.
    runner(Arc::clone(provider), private, SymmetricKey::from_bytes([0; 32]))
}

/// Makes message and receipt ids continue from the clock. The account may be older than its
/// database: ids that it used before are then known only to a lost database, and are far below the
/// ones that the clock gives.
pub(crate) fn number_from_the_clock(store: &mut SqliteClientStorage) -> Result<(), Failure> {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(store.number_from(since_1970.as_secs() << NUMBERS_A_SECOND_LOG2)?)
}

/// The account of a phone number on a server.
pub(crate) fn identity(address: &ServerAddress, phone: Phone) -> Identity {
    Identity {
        phone,
        server: *address.fingerprint(),
        profile: address.profile(),
        transport: address.transport(),
        endpoints: address.endpoints().clone(),
    }
}

fn remove(path: &Path) -> Result<(), Failure> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::context(path.display())(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

pub(crate) const KEY: &str = "key.pem";
const PUBLIC_KEY: &str = "key.pub.pem";
const FILES: &str = "files";
pub(crate) const DATABASE: &str = "client.db";
pub(crate) const SOCKET: &str = "socket";
pub(crate) const CERTIFICATES: &str = "ca.pem";
const DATABASE_LOG: &str = "client.db-wal";
const DATABASE_INDEX: &str = "client.db-shm";

/// Ids per second of the clock, as a power of two. A client can use a million ids a second before
/// they overtake the clock.
const NUMBERS_A_SECOND_LOG2: u32 = 20;
