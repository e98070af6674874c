//! `sealpost chat --incognito`: an account that is gone when the program ends.

use std::path::PathBuf;
use std::sync::Arc;

use sealpost_core::crypto::Provider;
use sealpost_core::keys::Plaintext;
use sealpost_messenger::engine::Account;
use sealpost_programs::{Failure, random_rng, tell};
use sealpost_storage::client::{ClientStorage, Location, MemoryDatabase};

use crate::args::AddressOrLink;
use crate::authorities::Authorities;
use crate::first_run::ask_for_account;
use crate::home::{crypto, identity, number_from_the_clock};
use crate::register::{register_account, server};

/// An account in memory.
pub(crate) struct Incognito {
    key: Plaintext,
    provider: Arc<dyn Provider>,
    authorities: Authorities,
    database: Location,
    /// Folder of received files; `None` if none are kept.
    files: Option<PathBuf>,
}

impl Incognito {
    /// Asks for what an account needs, and registers it.
    pub(crate) fn register(
        authorities: Authorities,
        provider: Arc<dyn Provider>,
        files: Option<PathBuf>,
    ) -> Result<Self, Failure> {
        tell("Incognito: key, contacts and messages are in memory only, gone when you quit.")?;
        tell("The server goes on knowing the number that you register. Nobody can register it")?;
        tell("again before its operator deletes the account.")?;
        let args = ask_for_account()?;
        let AddressOrLink { address, invitation } = server(&args)?;
        let key = provider.generate_key(&mut *random_rng()?)?;
        let database = MemoryDatabase::create(&identity(&address, args.phone))?;
        let database = Location::Memory(database);
        number_from_the_clock(&mut database.open()?)?;
        let incognito = Self { key, provider, authorities, database, files };
        register_account(incognito.account()?, invitation, &args)?;
        Ok(incognito)
    }

    /// The account as the database has it now.
    pub(crate) fn account(&self) -> Result<Account, Failure> {
        let store = self.database.open()?;
        let (identity, snapshot) = (store.identity()?, store.load()?);
        Ok(Account {
            servers: self.authorities.destinations(None, &identity)?,
            crypto: crypto(&self.provider, &self.key)?,
            database: self.database.clone(),
            files: self.files.clone(),
            // Nobody else can reach the database.
            lock: Box::new(()),
            identity,
            snapshot,
            store,
        })
    }
}
