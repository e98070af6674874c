//! The tables of the server's database.

use rusqlite::{Connection, Transaction};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::Profile;

use crate::database_mark::DatabaseId;
use crate::engine::{Schema, column};

/// Schema of `sealpost.db`. The application id spells `SpSv`.
pub(super) const SERVER: Schema =
    Schema { application_id: i32::from_be_bytes(*b"SpSv"), migrations: &[V1, V2, V3] };

/// Ids are unsigned on the wire and signed here, bit for bit. Times are in seconds since 1970.
/// `kind` is 0 for a message and 1 for a receipt.
///
/// The counters are not columns of `users`, because every append rewrites a row of them, and rows
/// of 20 bytes fill far fewer pages than rows with a key of 294.
///
/// `mailbox_order` does not name `seq`: an index on a rowid table ends in the rowid.
///
/// Small columns come first, so that counting and expiring never read a payload's pages.
const V1: &str = "
    CREATE TABLE deployment (
        only_row     INTEGER PRIMARY KEY CHECK (only_row = 1),
        profile      TEXT    NOT NULL CHECK (profile IN ('compact', 'wide')),
        last_user_id INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE users (
        phone_number   TEXT    NOT NULL PRIMARY KEY,
        user_id        INTEGER NOT NULL UNIQUE,
        rsa_public_key BLOB    NOT NULL,
        aes_key        BLOB    NOT NULL,
        last_seen      INTEGER NOT NULL,
        last_reconnect INTEGER,
        created_at     INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE mailboxes (
        user_id  INTEGER PRIMARY KEY REFERENCES users (user_id) ON DELETE CASCADE,
        messages INTEGER NOT NULL DEFAULT 0,
        receipts INTEGER NOT NULL DEFAULT 0,
        bytes    INTEGER NOT NULL DEFAULT 0
    ) STRICT;

    CREATE TABLE pending_messages (
        seq               INTEGER PRIMARY KEY AUTOINCREMENT,
        kind              INTEGER NOT NULL CHECK (kind IN (0, 1)),
        message_id        INTEGER NOT NULL,
        sender_id         INTEGER NOT NULL,
        recipient_id      INTEGER NOT NULL REFERENCES mailboxes (user_id) ON DELETE CASCADE,
        timestamp         INTEGER NOT NULL,
        stored_at         INTEGER NOT NULL,
        encrypted_payload BLOB    NOT NULL,
        signature         BLOB    NOT NULL
    ) STRICT;

    CREATE UNIQUE INDEX item_name ON pending_messages (kind, sender_id, message_id);
    CREATE INDEX mailbox_order ON pending_messages (recipient_id);
    CREATE INDEX age ON pending_messages (stored_at);
";

/// `newest_time` is the newest time that the server's clock has plausibly shown. An older database
/// has none, so the newest time in its rows stands in for it.
///
/// `database_id` tells this database, and copies of it, from every other one.
///
/// `reconnects` has the dates of all 106s (see `ReconnectDates`), of which an older database knows
/// the last one of each user.
///
/// `daily_use` has the look-ups of each user on the last day with any (see `DailyUse`).
///
/// `mailbox_senders` answers whether something of one sender is stored for a recipient. Without it,
/// a user with a full mailbox could make the server read all of it for each look-up.
///
/// Receipts count in bytes, too. `correspondents` has what each sender has in a mailbox, and whom
/// its owner has answered; a row with neither is deleted. `undeliverable` has the first 8 bytes of
/// the hash of each message that went with its recipient's account. A packet is its payload and 282
/// more bytes in the compact profile, 294 in the wide one.
const V2: &str = "
    ALTER TABLE deployment ADD COLUMN newest_time INTEGER;
    UPDATE deployment SET newest_time = (SELECT max(time) FROM (
        SELECT max(created_at) AS time FROM users
        UNION ALL SELECT max(last_seen) FROM users
        UNION ALL SELECT max(stored_at) FROM pending_messages
    ));

    ALTER TABLE deployment ADD COLUMN database_id BLOB;
    UPDATE deployment SET database_id = randomblob(16);

    ALTER TABLE users ADD COLUMN reconnects BLOB NOT NULL DEFAULT x'';
    UPDATE users SET reconnects = unhex(printf('%016x%016x', last_reconnect, last_reconnect))
        WHERE last_reconnect IS NOT NULL;
    ALTER TABLE users DROP COLUMN last_reconnect;

    CREATE TABLE daily_use (
        user_id INTEGER PRIMARY KEY REFERENCES users (user_id) ON DELETE CASCADE,
        day     INTEGER NOT NULL,
        lookups INTEGER NOT NULL
    ) STRICT;

    CREATE INDEX mailbox_senders ON pending_messages (recipient_id, sender_id);
    ALTER TABLE mailboxes ADD COLUMN receipt_bytes INTEGER NOT NULL DEFAULT 0;

    UPDATE mailboxes SET receipt_bytes = coalesce((
        SELECT sum(length(encrypted_payload) + iif(profile = 'compact', 282, 294))
        FROM pending_messages, deployment WHERE recipient_id = user_id AND kind = 1), 0);

    CREATE TABLE correspondents (
        owner_id INTEGER NOT NULL REFERENCES mailboxes (user_id) ON DELETE CASCADE,
        peer_id  INTEGER NOT NULL,
        messages INTEGER NOT NULL DEFAULT 0,
        bytes    INTEGER NOT NULL DEFAULT 0,
        answered INTEGER NOT NULL DEFAULT 0 CHECK (answered IN (0, 1)),
        PRIMARY KEY (owner_id, peer_id)
    ) STRICT, WITHOUT ROWID;

    INSERT INTO correspondents (owner_id, peer_id, messages, bytes)
        SELECT recipient_id, sender_id, count(*),
               sum(length(encrypted_payload) + iif(profile = 'compact', 282, 294))
        FROM pending_messages, deployment WHERE kind = 0 GROUP BY recipient_id, sender_id;

    CREATE TABLE undeliverable (
        seq       INTEGER PRIMARY KEY,
        sender_id INTEGER NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
        message   BLOB    NOT NULL CHECK (length(message) = 8)
    ) STRICT;

    CREATE INDEX undeliverable_of ON undeliverable (sender_id);
";

/// `suspended_at` is when the operator suspended the account; NULL if it is not suspended.
///
/// `invitations` has the hash of each invitation's code, and never the code. `phone_number` is the
/// only one that it is good for. Expired ones are deleted a retention time later, by
/// `invitation_age`. A number that named a deleted invitation names no other.
const V3: &str = "
    ALTER TABLE users ADD COLUMN suspended_at INTEGER;

    CREATE TABLE invitations (
        id           INTEGER PRIMARY KEY AUTOINCREMENT,
        hash         BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
        uses         INTEGER NOT NULL CHECK (uses >= 1),
        uses_left    INTEGER NOT NULL CHECK (uses_left BETWEEN 0 AND uses),
        created_at   INTEGER NOT NULL,
        expires_at   INTEGER NOT NULL,
        phone_number TEXT,
        note         TEXT    NOT NULL
    ) STRICT;

    CREATE INDEX invitation_age ON invitations (expires_at);
";

/// Records the deployment that a new database belongs to.
pub(super) fn record_deployment(
    transaction: &Transaction<'_>,
    profile: Profile,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO deployment (only_row, profile, last_user_id, database_id)
               VALUES (1, ?1, 0, randomblob(16))";
    transaction.execute(sql, [column::profile_name(profile)]).map(drop)
}

/// Returns the id of the database.
pub(super) fn database_id(connection: &Connection) -> rusqlite::Result<DatabaseId> {
    let sql = "SELECT database_id FROM deployment";
    connection.query_row(sql, (), |row| row.get(0).map(DatabaseId))
}

/// Returns the last user id that was handed out.
pub(super) fn last_user_id(connection: &Connection) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("SELECT last_user_id FROM deployment")?
        .query_row((), |row| column::count(row, 0))
}

/// Skips the user ids up to `last`, and as many places as no server hands out between two backups.
pub(super) fn skip_ids(
    connection: &mut Connection,
    profile: Profile,
    last: u64,
) -> rusqlite::Result<()> {
    let last = last.min(profile.max_user_id()).cast_signed();
    let transaction = connection.transaction()?;
    let sql = "UPDATE deployment SET last_user_id = max(last_user_id, ?1)";
    transaction.execute(sql, [last])?;
    let sql = "UPDATE sqlite_sequence SET seq = seq + ?1 WHERE name = 'pending_messages'";
    if transaction.execute(sql, [SKIPPED_PLACES])? == 0 {
        let sql = "INSERT INTO sqlite_sequence (name, seq) VALUES ('pending_messages', ?1)";
        transaction.execute(sql, [SKIPPED_PLACES])?;
    }
    transaction.commit()
}

/// Returns the newest time on record; `None` before the server has recorded one.
pub(super) fn newest_time(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    connection
        .prepare_cached("SELECT newest_time FROM deployment")?
        .query_row((), |row| column::optional(row, 0, column::timestamp))
}

/// Records a time as the newest one.
pub(super) fn set_newest_time(connection: &Connection, time: Timestamp) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("UPDATE deployment SET newest_time = ?1")?;
    statement.execute([time.unix_secs()]).map(drop)
}

/// Returns the profile that the database was created for.
pub(super) fn recorded_profile(connection: &Connection) -> rusqlite::Result<Profile> {
    connection.query_row("SELECT profile FROM deployment", (), |row| column::profile(row, 0))
}

/// More than a server stores in three years at 10,000 messages a second, and eight million times as many
/// can be skipped.
const SKIPPED_PLACES: i64 = 1 << 40;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rusqlite::params;
    use sealpost_core::ids::UserId;
    use sealpost_core::server::store::{ReconnectOutcome, Seq, StoreOp, StoreReply};

    use super::*;
    use crate::conformance::{at, phone, public_key, wrapped_key};
    use crate::engine::test_folder::folder;
    use crate::server::{Inspector, Quota, SqliteStorage};
    use crate::storage::Storage;

    const FIRST: Schema = Schema { migrations: &[V1], ..SERVER };

    #[test]
    fn first_schema_is_migrated_with_its_reconnects_and_its_newest_time() {
        let folder = folder();
        let path = folder.path().join("sealpost.db");
        let deployment = "INSERT INTO deployment VALUES (1, 'compact', 3)";
        let first = FIRST.open(&path, |new| new.execute(deployment, ()).map(drop)).unwrap();
        let sql = "INSERT INTO users VALUES (?1, ?2, ?3, ?4, ?5, ?6, 10)";
        for (n, last_reconnect) in [(1, None), (2, Some(500)), (3, Some(-7))] {
            let (key, aes_key) = (public_key(n), wrapped_key(1));
            let seen = last_reconnect.unwrap_or(10);
            first
                .execute(
                    sql,
                    params![phone(n).to_string(), n, key.der(), aes_key.0, seen, last_reconnect],
                )
                .unwrap();
            first.execute("INSERT INTO mailboxes (user_id) VALUES (?1)", [n]).unwrap();
        }
        drop(first);

        let mut store = SqliteStorage::open(&path, Profile::Compact, Quota::default()).unwrap();
        let mut ask = |op| {
            let mut outcomes = Vec::new();
            store.commit(&[op], &mut outcomes);
            outcomes.remove(0).unwrap()
        };
        let record = |user, secs| StoreOp::RecordReconnect {
            user: UserId::new(user).unwrap(),
            at: Timestamp::from_unix_secs(secs),
            horizon: Timestamp::from_unix_secs(secs + 300),
            aes_key: wrapped_key(2),
        };
        for (user, last) in [(2, 500), (3, -7)] {
            let refused = StoreReply::ReconnectRecorded(ReconnectOutcome::NotNewer);
            assert_eq!(ask(record(user, last)), refused);
        }
        for (user, secs) in [(1, -999), (2, 501), (3, -6)] {
            let recorded = StoreReply::ReconnectRecorded(ReconnectOutcome::Recorded(Seq::START));
            assert_eq!(ask(record(user, secs)), recorded);
        }
        let ahead = StoreOp::RecordClock { clock: at(0), max_step: Duration::from_secs(1) };
        let newest = Timestamp::from_unix_secs(500);
        assert_eq!(ask(ahead), StoreReply::ClockRecorded(newest));
        let report = Inspector::open(&path).unwrap().check().unwrap();
        assert!(report.is_sound(), "{report:?}");
    }
}
