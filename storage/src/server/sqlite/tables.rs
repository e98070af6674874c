//! The tables of the server's database.

use rusqlite::{Connection, Transaction};
use sealpost_core::wire::Profile;

use crate::engine::{Schema, column};

/// Schema of `sealpost.db`. The application id spells `SpSv`.
pub(super) const SERVER: Schema =
    Schema { application_id: i32::from_be_bytes(*b"SpSv"), migrations: &[V1, V2] };

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

/// Receipts count in bytes, too. `correspondents` has what each sender has in a mailbox, and whom
/// its owner has answered; a row with neither is deleted. `undeliverable` has the first 8 bytes of
/// the hash of each message that went with its recipient's account. A packet is its payload and 282
/// more bytes in the compact profile, 294 in the wide one.
const V2: &str = "
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

/// Records the deployment that a new database belongs to.
pub(super) fn record_deployment(
    transaction: &Transaction<'_>,
    profile: Profile,
) -> rusqlite::Result<()> {
    let profile = column::profile_name(profile);
    transaction.execute("INSERT INTO deployment VALUES (1, ?1, 0)", [profile]).map(drop)
}

/// Returns the profile that the database was created for.
pub(super) fn recorded_profile(connection: &Connection) -> rusqlite::Result<Profile> {
    connection.query_row("SELECT profile FROM deployment", (), |row| column::profile(row, 0))
}
