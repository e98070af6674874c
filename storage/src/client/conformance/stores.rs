//! The stores of this crate as subjects of the suite.

use rusqlite::Connection;
use sealpost_core::address::{Endpoints, Transport};
use sealpost_core::client::store::{ClientOp, ClientOutcome, Snapshot};
use sealpost_core::frame::StoreError;
use sealpost_core::ids::Phone;
use sealpost_core::keys::Fingerprint;

use super::subject::Subject;
use super::suite::run_all;
use crate::client::history::{HistoryEntry, Place};
use crate::client::identity::Identity;
use crate::client::memory::MemoryClientStorage;
use crate::client::outbox::OutboxCounts;
use crate::client::sqlite::bed::SqliteBed;
use crate::client::storage::ClientStorage;
use crate::storage::Storage;

impl Subject for MemoryClientStorage {
    /// A clone is what a disk would hold after a restart.
    fn reopen(self) -> Self {
        self.clone()
    }

    fn is_consistent(&mut self) -> bool {
        Self::is_consistent(self)
    }
}

impl Storage for SqliteBed {
    type Op = ClientOp;
    type Outcome = ClientOutcome;

    fn commit(&mut self, requests: &[ClientOp], outcomes: &mut Vec<ClientOutcome>) {
        self.storage_mut().commit(requests, outcomes);
    }
}

impl ClientStorage for SqliteBed {
    fn identity(&self) -> Result<Identity, StoreError> {
        self.storage().identity()
    }

    fn move_server(
        &mut self,
        server: &Fingerprint,
        transport: Transport,
        endpoints: &Endpoints,
    ) -> Result<(), StoreError> {
        self.storage_mut().move_server(server, transport, endpoints)
    }

    fn load(&self) -> Result<Snapshot, StoreError> {
        self.storage().load()
    }

    fn outbox(&self) -> Result<OutboxCounts, StoreError> {
        self.storage().outbox()
    }

    fn history(
        &self,
        peer: Phone,
        before: Option<Place>,
        limit: u32,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        self.storage().history(peer, before, limit)
    }
}

impl Subject for SqliteBed {
    fn reopen(self) -> Self {
        self.reopened()
    }

    fn is_consistent(&mut self) -> bool {
        let connection = Connection::open(self.path()).unwrap();
        let check = "PRAGMA integrity_check";
        connection.query_row(check, (), |row| row.get::<_, String>(0)).unwrap() == "ok"
    }
}

#[test]
fn memory_conforms() {
    run_all(|identity| MemoryClientStorage::new(identity.clone()));
}

#[test]
fn sqlite_conforms() {
    run_all(SqliteBed::new);
}
