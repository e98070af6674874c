//! The client's store in one SQLite file, `client.db`.
//!
//! - `tables`: the schema, and `row`: rows of it as values.
//! - `ops`: the requests as SQL; `arrivals`: the one that receives messages; `failures`: those that
//!   mark messages as failed.
//! - `location`: the file that a database is in, or the memory.
//! - `conversations/`: the tables of conversations; `transfers/`: those of file transfers.

mod arrivals;
#[cfg(test)]
pub(super) mod bed;
mod conversations;
mod failures;
mod location;
mod ops;
mod row;
mod tables;
#[cfg(test)]
mod tests;
mod transfers;

pub use location::{Location, MemoryDatabase};

use std::path::Path;

use rusqlite::{Connection, params};
use sealpost_core::address::{Endpoints, Transport};
use sealpost_core::client::store::{
    Account, Binding, ClientOp, ClientOutcome, Contact, Draft, QueuedMessage, Snapshot, Status,
};
use sealpost_core::frame::StoreError;
use sealpost_core::ids::{Phone, ReceiptId};
use sealpost_core::keys::{Fingerprint, SymmetricKey};

use super::history::{HistoryEntry, Place};
use super::identity::Identity;
use super::outbox::OutboxCounts;
use super::storage::ClientStorage;
use crate::engine::column::{count, id, optional, public_key, timestamp, user_id};
use crate::engine::{OpenError, Writer, copy, store_error};
use crate::storage::Storage;
use ops::{Ops, sql_place};
use row::{CONTACT_COLUMNS, DRAFT_COLUMNS, QUEUED_COLUMNS, RECEIVED_COLUMNS, SENT_COLUMNS};

/// A client's database.
#[derive(Debug)]
pub struct SqliteClientStorage {
    writer: Writer,
}

impl SqliteClientStorage {
    /// Creates the database, with mode 0600, of an account that is not registered yet.
    ///
    /// # Errors
    /// [`OpenFailure::Exists`](crate::OpenFailure::Exists) if there is one.
    pub fn create(path: &Path, identity: &Identity) -> Result<Self, OpenError> {
        let connection =
            tables::CLIENT.create(path, |new| tables::record_identity(new, identity))?;
        Ok(Self { writer: Writer::new(connection) })
    }

    /// Opens the database for writing. There must be only one writer of the same file.
    ///
    /// # Errors
    /// [`OpenFailure::Missing`](crate::OpenFailure::Missing) before [`create`](Self::create).
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let mut connection = tables::CLIENT.open_existing(path)?;
        conversations::keys::name_signers(&mut connection)
            .map_err(|error| OpenError { path: path.into(), reason: error.into() })?;
        Ok(Self { writer: Writer::new(connection) })
    }

    /// Opens the database for reading only, alongside its writer. Every request of a commit fails.
    pub fn open_read_only(path: &Path) -> Result<Self, OpenError> {
        Ok(Self { writer: Writer::new(tables::CLIENT.open_read_only(path)?) })
    }

    /// Copies the database, as of one point in time, to another file, in place of any database there,
    /// while its writer goes on. The copy has mode 0600, is one file, and is on disk when this returns.
    pub fn copy_to(&self, path: &Path) -> Result<(), OpenError> {
        copy(&self.writer.connection, path, |_| ())
            .map_err(|reason| OpenError { path: path.into(), reason })
    }

    /// Whether the database is whole, as far as SQLite can tell. Reads all of it.
    pub fn is_sound(&self) -> Result<bool, StoreError> {
        self.read(|connection| {
            let verdict = connection.query_row("PRAGMA quick_check(1)", (), |row| row.get(0));
            verdict.map(|verdict: String| verdict == "ok")
        })
    }

    /// Every contact, in the order of phone numbers, without the rest of the state.
    pub fn contacts(&self) -> Result<Vec<Contact>, StoreError> {
        self.read(contacts)
    }

    /// Numbers messages and receipts from `first` on, unless larger numbers have been used. For an
    /// account that may be older than this database: its peers reject a number that they have seen
    /// before. `first` is at most 2^63 - 1.
    pub fn number_from(&mut self, first: u64) -> Result<(), StoreError> {
        let sql = "UPDATE account SET next_receipt = MAX(next_receipt, ?1),
                                      last_message = MAX(IFNULL(last_message, 0), ?1 - 1)";
        let done = self.writer.connection.execute(sql, [first.cast_signed()]);
        done.map(drop).map_err(|error| store_error(&error))
    }

    /// Changes the state in one transaction. `change` may be carried out twice, the first time
    /// without effect.
    fn write<T>(
        &mut self,
        change: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let mut outcomes = Vec::new();
        self.writer.commit(&[()], &mut outcomes, |connection, ()| change(connection).map(Ok));
        outcomes.pop().unwrap_or(Err(StoreError::Io))
    }

    /// Reads the state at one point in time.
    fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let snapshot = self.writer.connection.unchecked_transaction();
        snapshot.and_then(|snapshot| read(&snapshot)).map_err(|error| store_error(&error))
    }
}

impl Storage for SqliteClientStorage {
    type Op = ClientOp;
    type Outcome = ClientOutcome;

    fn commit(&mut self, requests: &[ClientOp], outcomes: &mut Vec<ClientOutcome>) {
        self.writer
            .commit(requests, outcomes, |connection, request| Ops(connection).run(request).map(Ok));
    }

    fn failure(&mut self) -> Option<String> {
        self.writer.failure()
    }
}

impl ClientStorage for SqliteClientStorage {
    fn identity(&self) -> Result<Identity, StoreError> {
        self.read(tables::recorded_identity)
    }

    fn move_server(
        &mut self,
        server: &Fingerprint,
        transport: Transport,
        endpoints: &Endpoints,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE account SET
                       transport = ?1, host_port = ?2, server_fingerprint = ?3,
                       server_key = CASE WHEN server_fingerprint = ?3 THEN server_key END,
                       server_successor = CASE WHEN server_fingerprint = ?3 THEN server_successor END";
        let address = (tables::transport_name(transport), endpoints.to_string(), server.0);
        let done = self.writer.connection.execute(sql, address);
        done.map(drop).map_err(|error| store_error(&error))
    }

    fn load(&self) -> Result<Snapshot, StoreError> {
        self.read(|connection| {
            let identity = tables::recorded_identity(connection)?;
            let base = Snapshot::new(identity.phone, identity.server);
            let (drafts, outbox) = (drafts(connection)?, queued(connection, &identity)?);
            let (contacts, former) = (contacts(connection)?, former(connection)?);
            Ok(Snapshot { contacts, former, drafts, outbox, ..account(connection, base)? })
        })
    }

    fn outbox(&self) -> Result<OutboxCounts, StoreError> {
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT status, count(*) FROM outbox GROUP BY status")?;
            let mut rows = statement.query(())?;
            let mut counts = OutboxCounts::default();
            let drafts = "SELECT count(*) FROM drafts";
            counts.add(Status::Queued, connection.query_row(drafts, (), |row| count(row, 0))?);
            while let Some(row) = rows.next()? {
                counts.add(row::status(row.get(0)?)?, count(row, 1)?);
            }
            Ok(counts)
        })
    }

    fn history(
        &self,
        peer: Phone,
        before: Option<Place>,
        limit: u32,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        let before = before.map_or(i64::MAX, |before| sql_place(before.0));
        let latest = |table, columns| {
            format!(
                "SELECT {columns} FROM {table} WHERE phone_number = ?1 AND place < ?2
                 ORDER BY place DESC LIMIT ?3"
            )
        };
        self.read(|connection| {
            let query = params![peer.to_string(), before, limit];
            let mut statement = connection.prepare_cached(&latest("outbox", SENT_COLUMNS))?;
            let mut entries = statement
                .query_map(query, |row| row::sent(row).map(HistoryEntry::Sent))?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            let mut statement = connection.prepare_cached(&latest("inbox", RECEIVED_COLUMNS))?;
            for item in statement.query_map(query, row::received)? {
                entries.push(HistoryEntry::Received(item?));
            }
            entries.sort_unstable_by_key(HistoryEntry::place);
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            Ok(entries.split_off(entries.len().saturating_sub(limit)))
        })
    }
}

/// Reads everything in a snapshot but the contacts, the former ones, the drafts and the outbox.
fn account(connection: &Connection, base: Snapshot) -> rusqlite::Result<Snapshot> {
    let sql = "SELECT server_key, user_id, last_reconnect, clock_offset_secs, next_receipt,
                      last_message, reply_key, server_successor
               FROM account";
    connection.query_row(sql, (), |row| {
        let account = Account {
            server_key: optional(row, 0, public_key)?,
            user: optional(row, 1, user_id)?,
            last_reconnect: optional(row, 2, timestamp)?,
            clock_offset_secs: row.get(3)?,
            reply_key: row.get::<_, Option<_>>(6)?.map(SymmetricKey::from_bytes),
            successor: row.get::<_, Option<_>>(7)?.map(Fingerprint),
            ..base.account
        };
        let next_receipt = ReceiptId(id(row, 4)?);
        let last_message = optional(row, 5, row::message_id)?;
        Ok(Snapshot { account, last_message, next_receipt, ..base })
    })
}

fn contacts(connection: &Connection) -> rusqlite::Result<Vec<Contact>> {
    let sql = format!("SELECT {CONTACT_COLUMNS} FROM contacts");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut contacts =
        statement.query_map((), row::contact)?.collect::<rusqlite::Result<Vec<_>>>()?;
    contacts.sort_unstable_by_key(|contact| contact.phone);
    Ok(contacts)
}

fn former(connection: &Connection) -> rusqlite::Result<Vec<Binding>> {
    let mut statement =
        connection.prepare_cached("SELECT user_id, public_key FROM former_contacts")?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Binding { user: user_id(row, 0)?, public_key: public_key(row, 1)? })
    };
    let mut former = statement.query_map((), read)?.collect::<rusqlite::Result<Vec<_>>>()?;
    // Sorted here and not in SQL, where the largest ids are negative.
    former.sort_unstable_by_key(|binding| binding.user);
    Ok(former)
}

fn drafts(connection: &Connection) -> rusqlite::Result<Vec<Draft>> {
    let sql = format!("SELECT {DRAFT_COLUMNS} FROM drafts");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut drafts = statement.query_map((), row::draft)?.collect::<rusqlite::Result<Vec<_>>>()?;
    // Sorted here for the same reason.
    drafts.sort_unstable_by_key(|draft| draft.id);
    Ok(drafts)
}

fn queued(connection: &Connection, identity: &Identity) -> rusqlite::Result<Vec<QueuedMessage>> {
    let sql = format!("SELECT {QUEUED_COLUMNS} FROM outbox WHERE status = 0");
    let mut statement = connection.prepare_cached(&sql)?;
    let read = |row: &rusqlite::Row<'_>| row::queued(identity.profile, row);
    let mut queued = statement.query_map((), read)?.collect::<rusqlite::Result<Vec<_>>>()?;
    // Sorted here for the same reason.
    queued.sort_unstable_by_key(|message| message.id);
    Ok(queued)
}
