use std::path::PathBuf;

use rusqlite::Connection;
use sealpost_core::client::store::ClientReply;
use sealpost_core::ids::{MessageId, ReceiptId};
use sealpost_core::wire::Profile;
use tempfile::TempDir;

use super::*;
use crate::client::conformance::{self, Subject};
use crate::conformance::phone;
use crate::sqlite::tests::folder;

/// A database in a folder of its own.
pub(crate) struct Sqlite {
    folder: TempDir,
    storage: Option<SqliteClientStorage>,
}

impl Sqlite {
    pub(crate) fn new(identity: &Identity) -> Self {
        let folder = folder();
        let path = folder.path().join("client.db");
        let storage = SqliteClientStorage::create(&path, identity).unwrap();
        Self { folder, storage: Some(storage) }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("client.db")
    }

    fn inner(&self) -> &SqliteClientStorage {
        self.storage.as_ref().unwrap()
    }

    fn inner_mut(&mut self) -> &mut SqliteClientStorage {
        self.storage.as_mut().unwrap()
    }
}

impl Storage for Sqlite {
    type Op = ClientOp;
    type Outcome = ClientOutcome;

    fn commit(&mut self, requests: &[ClientOp], outcomes: &mut Vec<ClientOutcome>) {
        self.inner_mut().commit(requests, outcomes);
    }
}

impl ClientStorage for Sqlite {
    fn identity(&self) -> Result<Identity, StoreError> {
        self.inner().identity()
    }

    fn set_host_port(&mut self, host_port: &str) -> Result<(), StoreError> {
        self.inner_mut().set_host_port(host_port)
    }

    fn load(&self) -> Result<Snapshot, StoreError> {
        self.inner().load()
    }

    fn outbox(&self) -> Result<OutboxCounts, StoreError> {
        self.inner().outbox()
    }

    fn history(
        &self,
        peer: Phone,
        before: Option<Place>,
        limit: u32,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        self.inner().history(peer, before, limit)
    }
}

impl Subject for Sqlite {
    fn reopen(mut self) -> Self {
        self.storage = None;
        self.storage = Some(SqliteClientStorage::open(&self.path()).unwrap());
        self
    }
}

fn identity() -> Identity {
    Identity {
        phone: phone(1),
        server: sealpost_core::keys::Fingerprint([7; 32]),
        profile: Profile::Wide,
        host_port: "localhost:7465".into(),
    }
}

#[test]
fn sqlite_conforms() {
    conformance::run_all(Sqlite::new);
}

#[test]
fn store_is_made_once_and_found_again() {
    let folder = folder();
    let path = folder.path().join("client.db");
    assert!(matches!(SqliteClientStorage::open(&path), Err(OpenError::Missing(_))));
    assert!(!path.exists());
    // A crash while the store was made.
    std::fs::write(&path, "").unwrap();
    assert!(matches!(SqliteClientStorage::open(&path), Err(OpenError::Missing(_))));
    drop(SqliteClientStorage::create(&path, &identity()).unwrap());
    let again = SqliteClientStorage::create(&path, &identity());
    assert!(matches!(again, Err(OpenError::Exists(_))));
    assert_eq!(SqliteClientStorage::open(&path).unwrap().identity(), Ok(identity()));
}

/// As a loss of power leaves them: the new database written, and the journal that undoes it.
#[test]
fn store_that_was_half_made_is_made_again() {
    let (made, crashed) = (folder(), folder());
    let path = made.path().join("client.db");
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch("PRAGMA cache_size = 1; BEGIN; CREATE TABLE account (phone_number TEXT)")
        .unwrap();
    connection.execute("INSERT INTO account VALUES (hex(randomblob(10000)))", ()).unwrap();
    for name in ["client.db", "client.db-journal"] {
        std::fs::copy(made.path().join(name), crashed.path().join(name)).unwrap();
    }
    let path = crashed.path().join("client.db");
    assert!(path.metadata().unwrap().len() > 0);
    assert!(matches!(SqliteClientStorage::open(&path), Err(OpenError::Missing(_))));
    drop(SqliteClientStorage::create(&path, &identity()).unwrap());
    assert_eq!(SqliteClientStorage::open(&path).unwrap().identity(), Ok(identity()));
}

#[cfg(unix)]
#[test]
fn what_can_not_be_looked_at_is_not_said_to_be_missing() {
    let folder = folder();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let opened = SqliteClientStorage::open(&file.join("client.db"));
    assert!(matches!(opened, Err(OpenError::File(_))));
}

#[test]
fn numbers_can_start_late_and_never_go_back() {
    let mut sqlite = Sqlite::new(&identity());
    for (first, next) in [(1 << 40, 1 << 40), (7, 1 << 40)] {
        sqlite.inner_mut().number_from(first).unwrap();
        let snapshot = sqlite.inner().load().unwrap();
        assert_eq!(snapshot.next_receipt, ReceiptId(next));
        assert_eq!(snapshot.last_message, Some(MessageId(next - 1)));
    }
}

#[test]
fn database_of_a_server_is_refused() {
    let folder = folder();
    let path = folder.path().join("client.db");
    let quota = crate::Quota::default();
    drop(crate::SqliteStorage::open(&path, Profile::Wide, quota).unwrap());
    assert!(matches!(SqliteClientStorage::open(&path), Err(OpenError::Foreign(_))));
    assert!(matches!(SqliteClientStorage::open_read_only(&path), Err(OpenError::Foreign(_))));
}

#[test]
fn reader_sees_what_is_committed_and_commits_nothing() {
    let mut sqlite = Sqlite::new(&identity());
    let mut reader = SqliteClientStorage::open_read_only(&sqlite.path()).unwrap();
    let mut outcomes = Vec::new();
    sqlite.commit(&[ClientOp::SetClockOffset { secs: 5 }], &mut outcomes);
    assert_eq!(outcomes, [Ok(ClientReply::Done)]);
    assert_eq!(reader.load().unwrap().account.clock_offset_secs, 5);
    reader.commit(&[ClientOp::SetClockOffset { secs: 9 }], &mut outcomes);
    assert_eq!(outcomes, [Err(StoreError::Io)]);
    assert!(reader.failure().unwrap().contains("readonly"));
    assert_eq!(reader.failure(), None, "told once");
    assert_eq!(reader.load().unwrap().account.clock_offset_secs, 5);
}

#[test]
fn damage_is_told_as_such() {
    for damage in [
        "UPDATE account SET server_key = x'00'",
        "UPDATE account SET phone_number = 'me'",
        "UPDATE account SET last_reconnect = 1 << 60",
        "DELETE FROM account",
    ] {
        let sqlite = Sqlite::new(&identity());
        Connection::open(sqlite.path()).unwrap().execute_batch(damage).unwrap();
        assert_eq!(sqlite.load().unwrap_err(), StoreError::Corrupt, "{damage}");
    }
}
