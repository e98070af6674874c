//! The database as one side of a migration.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};
use sealpost_core::ids::UserId;
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{InReplyTo, InvitationHash, ItemId, ItemKind};

use super::SqliteStorage;
use super::correspondents::Correspondents;
use super::invitations;
use super::mailboxes::Mailboxes;
use super::row::{self, ITEM_COLUMNS, USER_COLUMNS};
use super::tables;
use crate::database_mark::DatabaseId;
use crate::engine::EngineError;
use crate::engine::column::{Unreadable, count, optional, timestamp, user_id, wrapped_key};
use crate::server::daily_use::DailyUse;
use crate::server::invitations::InvitationRecord;
use crate::server::moving::{Account, Deployment, MigrationError, MovedItem, Source, Target};
use crate::server::quota::Correspondent;
use crate::server::suspension::Suspension;
use crate::server::usage::Usage;

impl Source for SqliteStorage {
    fn leave(&mut self) -> Result<DatabaseId, MigrationError> {
        Ok(self.id()?)
    }

    fn deployment(&mut self) -> Result<Deployment, MigrationError> {
        let connection = &self.writer.connection;
        Ok(Deployment {
            profile: self.profile,
            last_user_id: sql(tables::last_user_id(connection))?,
            last_invitation_id: sql(last_invitation_id(connection))?,
            newest_time: sql(tables::newest_time(connection))?,
            invitations: sql(all_invitations(connection))?,
        })
    }

    fn count_accounts(&mut self) -> Result<u64, MigrationError> {
        let query = "SELECT count(*) FROM users";
        sql(self.writer.connection.query_row(query, (), |row| count(row, 0)))
    }

    fn next_account(&mut self, after: Option<UserId>) -> Result<Option<Account>, MigrationError> {
        sql(self.read_account(after))
    }
}

impl Target for SqliteStorage {
    /// A new database takes the id of the migration.
    fn prepare(&mut self, migration: DatabaseId) -> Result<(), MigrationError> {
        if self.id()? == migration {
            return Ok(());
        }
        if self.last_user_id()? > 0 || sql(last_invitation_id(&self.writer.connection))? > 0 {
            return Err(MigrationError::TargetInUse);
        }
        let update = "UPDATE deployment SET database_id = ?1";
        sql(self.writer.connection.execute(update, [migration.0])).map(drop)
    }

    fn delete_between(
        &mut self,
        after: Option<UserId>,
        before: Option<UserId>,
    ) -> Result<(), MigrationError> {
        let after = after.map_or(0, |id| id.value().cast_signed());
        let before = before.map_or(i64::MAX, |id| id.value().cast_signed());
        let delete = "DELETE FROM users WHERE user_id > ?1 AND user_id < ?2";
        sql(self.writer.connection.execute(delete, [after, before])).map(drop)
    }

    fn put(&mut self, account: &Account) -> Result<Vec<ItemId>, MigrationError> {
        let transaction = sql(self.writer.connection.transaction())?;
        let connection = &*transaction;
        let left_out = sql(put(
            &Mailboxes {
                connection,
                profile: self.profile,
                quota: self.quota.current(),
                fill: &self.fill,
                correspondents: Correspondents { connection },
            },
            account,
        ))?;
        sql(transaction.commit())?;
        self.fill.forget_stored_bytes();
        Ok(left_out)
    }

    fn put_deployment(&mut self, deployment: &Deployment) -> Result<(), MigrationError> {
        let transaction = sql(self.writer.connection.transaction())?;
        sql(put_deployment(&transaction, deployment))?;
        sql(transaction.commit())
    }

    /// Empties the write-ahead log, so that the database is one file, which can be renamed. Fails while
    /// another process reads it.
    fn complete(&mut self) -> Result<(), MigrationError> {
        let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
        let is_busy = sql(self.writer.connection.query_row(checkpoint, (), |row| row.get(0)))?;
        if is_busy {
            let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
            return sql(Err(rusqlite::Error::SqliteFailure(busy, None)));
        }
        Ok(())
    }
}

fn sql<T>(result: rusqlite::Result<T>) -> Result<T, MigrationError> {
    result.map_err(|error| EngineError::from(error).into())
}

impl SqliteStorage {
    fn read_account(&self, after: Option<UserId>) -> rusqlite::Result<Option<Account>> {
        let after = after.map_or(0, |id| id.value().cast_signed());
        let query = format!(
            "SELECT {USER_COLUMNS}, aes_key, created_at, reconnects, suspended_at,
                    coalesce(day, 0), coalesce(lookups, 0)
             FROM users LEFT JOIN daily_use USING (user_id)
             WHERE user_id > ?1 ORDER BY user_id LIMIT 1"
        );
        let found = self.prepare(&query)?.query_row([after], account).optional()?;
        let Some(mut account) = found else { return Ok(None) };
        let owner = account.id().value().cast_signed();
        let query = "SELECT message FROM undeliverable WHERE sender_id = ?1 ORDER BY seq";
        account.undeliverable = self.all(query, owner, |row| row.get(0).map(InReplyTo))?;
        let query = "SELECT peer_id FROM correspondents WHERE owner_id = ?1 AND answered";
        account.answered = self.all(query, owner, |row| user_id(row, 0))?;
        let query = format!(
            "SELECT {ITEM_COLUMNS}, stored_at FROM pending_messages
             WHERE recipient_id = ?1 ORDER BY seq"
        );
        account.items = self.all(&query, owner, |row| {
            let packet = row::item(self.profile, row)?.packet;
            let id = ItemId::of(&packet).ok_or(Unreadable("item id"))?;
            Ok(MovedItem { id, packet, stored_at: timestamp(row, STORED_AT)? })
        })?;
        Ok(Some(account))
    }

    fn all<T, C: FromIterator<T>>(
        &self,
        query: &str,
        owner: i64,
        value: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<C> {
        self.prepare(query)?.query_map([owner], value)?.collect()
    }

    fn prepare(&self, query: &str) -> rusqlite::Result<CachedStatement<'_>> {
        self.writer.connection.prepare_cached(query)
    }
}

/// Reads an account without what is in other tables.
fn account(row: &Row<'_>) -> rusqlite::Result<Account> {
    let suspended_at = optional(row, 7, timestamp)?;
    Ok(Account {
        user: row::user(row)?,
        aes_key: wrapped_key(row, 4)?,
        created_at: timestamp(row, 5)?,
        reconnects: row::reconnects(row, 6)?,
        suspension: suspended_at.map_or(Suspension::Active, Suspension::Suspended),
        lookups: DailyUse { day: row.get(8)?, uses: row.get(9)? },
        undeliverable: Vec::new(),
        answered: BTreeSet::new(),
        items: Vec::new(),
    })
}

/// Stores an account, unless it is there. Returns the items that are in other mailboxes.
fn put(mailboxes: &Mailboxes<'_>, account: &Account) -> rusqlite::Result<Vec<ItemId>> {
    let connection = mailboxes.connection;
    let owner = account.id().value().cast_signed();
    let (mut left_out, mut stored) = (Vec::new(), Vec::new());
    for item in &account.items {
        let list = if is_elsewhere(connection, owner, item)? { &mut left_out } else { &mut stored };
        list.push(item);
    }
    let left_out = left_out.into_iter().map(|item| item.id).collect();
    if connection.prepare_cached("SELECT 1 FROM users WHERE user_id = ?1")?.exists([owner])? {
        return Ok(left_out);
    }
    put_user(connection, account)?;
    put_counters(connection, account, &stored)?;
    for MovedItem { id, packet, stored_at } in stored {
        mailboxes.insert(account.id(), id, packet, *stored_at)?;
    }
    Ok(left_out)
}

fn is_elsewhere(connection: &Connection, owner: i64, item: &MovedItem) -> rusqlite::Result<bool> {
    let query = "SELECT 1 FROM pending_messages
                 WHERE kind = ?1 AND sender_id = ?2 AND message_id = ?3 AND recipient_id <> ?4";
    let ItemId { kind, origin, id } = item.id;
    let (kind, origin) = (row::kind_code(kind), origin.value().cast_signed());
    connection.prepare_cached(query)?.exists(params![kind, origin, id.cast_signed(), owner])
}

fn put_user(connection: &Connection, account: &Account) -> rusqlite::Result<()> {
    let Account { user, aes_key, created_at, reconnects, suspension, .. } = account;
    let owner = user.id.value().cast_signed();
    let suspended_at = match suspension {
        Suspension::Suspended(at) => Some(at.unix_secs()),
        Suspension::Active => None,
    };
    connection
        .prepare_cached(
            "INSERT INTO users (phone_number, user_id, rsa_public_key, aes_key, last_seen, created_at,
                                reconnects, suspended_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            user.phone.to_string(),
            owner,
            user.public_key.der(),
            aes_key.0,
            user.last_seen.unix_secs(),
            created_at.unix_secs(),
            reconnects.encode(),
            suspended_at,
        ])?;
    let DailyUse { day, uses } = account.lookups;
    if account.lookups != DailyUse::default() {
        connection
            .prepare_cached("INSERT INTO daily_use (user_id, day, lookups) VALUES (?1, ?2, ?3)")?
            .execute(params![owner, day, uses])?;
    }
    let mut remember = connection
        .prepare_cached("INSERT INTO undeliverable (sender_id, message) VALUES (?1, ?2)")?;
    for message in &account.undeliverable {
        remember.execute(params![owner, message.0])?;
    }
    // A server that opens the database gives no id again.
    connection
        .prepare_cached("UPDATE deployment SET last_user_id = max(last_user_id, ?1)")?
        .execute([owner])
        .map(drop)
}

fn put_counters(
    connection: &Connection,
    account: &Account,
    items: &[&MovedItem],
) -> rusqlite::Result<()> {
    let owner = account.id().value().cast_signed();
    let mut usage = Usage::default();
    let mut peers: BTreeMap<UserId, Correspondent> = BTreeMap::new();
    for peer in &account.answered {
        peers.entry(*peer).or_default().answered = true;
    }
    for item in items {
        let len = item.packet.bytes().len() as u64;
        usage.add(item.id.kind, len);
        if item.id.kind == ItemKind::Message {
            peers.entry(item.id.origin).or_default().add(1, len);
        }
    }
    let Usage { messages, receipts, bytes, receipt_bytes } = usage;
    let counters = [messages, receipts, bytes, receipt_bytes].map(u64::cast_signed);
    let [messages, receipts, bytes, receipt_bytes] = counters;
    connection
        .prepare_cached(
            "INSERT INTO mailboxes (user_id, messages, receipts, bytes, receipt_bytes)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute([owner, messages, receipts, bytes, receipt_bytes])?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO correspondents (owner_id, peer_id, messages, bytes, answered)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for (peer, Correspondent { messages, bytes, answered }) in peers {
        let (messages, bytes) = (messages.cast_signed(), bytes.cast_signed());
        insert.execute(params![owner, peer.value().cast_signed(), messages, bytes, answered])?;
    }
    Ok(())
}

fn put_deployment(connection: &Connection, deployment: &Deployment) -> rusqlite::Result<()> {
    let newest = deployment.newest_time.map(Timestamp::unix_secs);
    connection.execute(
        "UPDATE deployment SET last_user_id = ?1, newest_time = ?2",
        params![deployment.last_user_id.cast_signed(), newest],
    )?;
    connection.execute("DELETE FROM invitations", ())?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO invitations
         (id, hash, uses, uses_left, created_at, expires_at, phone_number, note)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    for (hash, record) in &deployment.invitations {
        let InvitationRecord { id, uses, uses_left, created_at, expires_at, phone, note } = record;
        insert.execute(params![
            id.cast_signed(),
            hash.0,
            uses,
            uses_left,
            created_at.unix_secs(),
            expires_at.unix_secs(),
            phone.map(|phone| phone.to_string()),
            note,
        ])?;
    }
    // SQLite gives no id again that is in this table of its own.
    connection.execute("DELETE FROM sqlite_sequence WHERE name = 'invitations'", ())?;
    connection.execute(
        "INSERT INTO sqlite_sequence (name, seq) VALUES ('invitations', ?1)",
        [deployment.last_invitation_id.cast_signed()],
    )?;
    Ok(())
}

fn last_invitation_id(connection: &Connection) -> rusqlite::Result<u64> {
    let query = "SELECT seq FROM sqlite_sequence WHERE name = 'invitations'";
    let found = connection.query_row(query, (), |row| count(row, 0)).optional()?;
    Ok(found.unwrap_or_default())
}

fn all_invitations(
    connection: &Connection,
) -> rusqlite::Result<BTreeMap<InvitationHash, InvitationRecord>> {
    let query = format!("SELECT {}, hash FROM invitations", invitations::COLUMNS);
    let mut statement = connection.prepare_cached(&query)?;
    let read = |row: &Row<'_>| Ok((InvitationHash(row.get(HASH)?), invitations::record(row)?));
    statement.query_map((), read)?.collect()
}

/// Index of the time of arrival behind [`ITEM_COLUMNS`].
const STORED_AT: usize = row::PAYLOAD_LEN + 1;
/// Index of the hash behind [`invitations::COLUMNS`].
const HASH: usize = 7;
