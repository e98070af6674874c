//! What every part of the engine works with.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use sealpost_core::client::{Client, store};
use sealpost_core::frame::StoreError;
use sealpost_core::ids::Phone;
use sealpost_core::keys::PublicKey;
use sealpost_mio::{Handle, StoreHandle};
use sealpost_storage::client::{Identity, Location, SqliteClientStorage};

use super::files::Files;
use super::groups::{Desk, Members};
use super::held::Held;
use super::hub::Hub;
use super::safety_numbers::SafetyNumbers;
use crate::api::{ApiError, Changed, ErrorKind};

/// The engine without its threads.
pub(super) struct Core {
    pub(super) handle: Handle<Client>,
    pub(super) hub: Arc<Hub>,
    pub(super) files: Files,
    pub(super) identity: Identity,
    pub(super) public_key: PublicKey,
    pub(super) safety_numbers: SafetyNumbers,
    pub(super) version: &'static str,
    pub(super) store: StoreHandle<SqliteClientStorage>,
    pub(super) database: Location,
    pub(super) groups: Mutex<Desk>,
    /// Why messages wait that the server does not take.
    pub(super) held: Held,
    /// Members of groups, for whoever can't wait for the end of a turn.
    pub(super) members: Members,
    /// Last place of the inbox that a message got when its group released it.
    pub(super) released_up_to: AtomicU64,
    /// Connections to the database that nobody uses now.
    pub(super) readers: Mutex<Vec<SqliteClientStorage>>,
}

impl Core {
    /// Reads the database, beside its writer.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&SqliteClientStorage) -> Result<T, StoreError>,
    ) -> Result<T, ApiError> {
        let spare = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let reader = spare.map_or_else(|| self.database.open_read_only(), Ok);
        let reader = reader.map_err(|error| ErrorKind::Storage.error(error))?;
        let found = read(&reader).map_err(|error| ErrorKind::Storage.error(error));
        let mut spare = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < READERS_MAX {
            spare.push(reader);
        }
        found
    }

    /// Works on the database, between two commits. What the work changes is durable then.
    pub(super) fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&mut SqliteClientStorage) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ApiError> {
        match self.store.with_store(write).recv() {
            Ok(written) => written.map_err(|error| ErrorKind::Storage.error(error)),
            Err(_) => Err(stopping()),
        }
    }

    /// Waits until the store has committed what the machine asked of it before its last notice. Some
    /// notices come before that.
    pub(super) fn settle(&self) {
        // The reactor hands its requests over at the beginning of the turn in which this visit is made.
        let _ = self.handle.with_machine(|_| ()).recv();
        // Visits take turns with commits: a commit is between the two.
        let _ = self.store.with_store(|_| ()).recv();
        let _ = self.store.with_store(|_| ()).recv();
    }

    /// Waits until the store has what was commanded before.
    pub(super) fn settle_commands(&self) {
        // A turn takes commands up, and the next one hands over what they ask of the store.
        let _ = self.handle.with_machine(|_| ()).recv();
        self.settle();
    }

    /// Shows that a contact is not as it was.
    pub(super) fn contact_changed(&self, phone: Phone) {
        self.settle();
        match self.contact(phone) {
            Ok(Some(contact)) => {
                self.hub.show(&Changed::Contact { contact: Box::new(contact) });
            }
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "can't read a contact"),
        }
    }

    /// Every contact, in the order of phone numbers.
    pub(super) fn contacts(&self) -> Result<Vec<store::Contact>, ApiError> {
        self.read(SqliteClientStorage::contacts)
    }
}

/// The answer to a request that the engine can't carry out any more.
pub(super) fn stopping() -> ApiError {
    ErrorKind::Unavailable.error("the process that has the home is ending; try again")
}

/// Most spare connections to the database.
const READERS_MAX: usize = 4;
