//! What an engine needs at its start.

use std::path::PathBuf;

use sealpost_core::client::store::Snapshot;
use sealpost_core::crypto::Crypto;
use sealpost_mio::Destination;
use sealpost_storage::client::{Identity, Location, SqliteClientStorage};

/// An account in a home that no other process uses.
pub struct Account {
    /// The account's phone number and server.
    pub identity: Identity,
    /// How to reach the servers, in the order of `identity.endpoints`.
    pub servers: Vec<Destination>,
    /// The state with which the machine starts.
    pub snapshot: Snapshot,
    /// The database, open for writing.
    pub store: SqliteClientStorage,
    /// Where the database is, for reading beside its writer.
    pub database: Location,
    /// Folder of received files, which is made if there is none; `None` if no files are kept.
    pub files: Option<PathBuf>,
    /// A runner with the account's private key.
    pub crypto: Crypto,
    /// Keeps other processes out until it is dropped.
    pub lock: Box<dyn Send + Sync>,
}
