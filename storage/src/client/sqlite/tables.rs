//! The tables of a client's database.

use rusqlite::{Connection, Row, Transaction};
use sealpost_core::address::{Endpoints, Transport};
use sealpost_core::keys::Fingerprint;

use super::conversations::group_schema::GROUPS;
use super::conversations::notices::NOTICES;
use super::conversations::schema::{BEGINNINGS_OF_WORDS, CONVERSATIONS};
use super::transfers::schema::FILES;
use crate::client::identity::Identity;
use crate::engine::{Schema, column};

/// Schema of `client.db`. The application id spells `SpCl`.
pub(super) const CLIENT: Schema = Schema {
    application_id: i32::from_be_bytes(*b"SpCl"),
    migrations: &[
        V1,
        V2,
        V3,
        V4,
        V5,
        V6,
        V7,
        CONVERSATIONS,
        FILES,
        GROUPS,
        BEGINNINGS_OF_WORDS,
        NOTICES,
    ],
};

/// Ids are unsigned elsewhere and signed here, bit for bit. Times are in seconds since 1970.
/// `place` is one counter for messages sent and received, so that both together are the history.
const V1: &str = "
    CREATE TABLE account (
        only_row           INTEGER PRIMARY KEY CHECK (only_row = 1),
        phone_number       TEXT    NOT NULL,
        server_fingerprint BLOB    NOT NULL,
        profile            TEXT    NOT NULL CHECK (profile IN ('compact', 'wide')),
        host_port          TEXT    NOT NULL,
        server_key         BLOB,
        user_id            INTEGER,
        last_reconnect     INTEGER,
        clock_offset_secs  INTEGER NOT NULL DEFAULT 0,
        next_receipt       INTEGER NOT NULL DEFAULT 1,
        last_message       INTEGER,
        last_place         INTEGER NOT NULL DEFAULT 0,
        shown_up_to        INTEGER NOT NULL DEFAULT 0
    ) STRICT;

    CREATE TABLE contacts (
        phone_number       TEXT    NOT NULL PRIMARY KEY,
        user_id            INTEGER NOT NULL,
        public_key         BLOB    NOT NULL,
        verified           INTEGER NOT NULL DEFAULT 0 CHECK (verified IN (0, 1)),
        offered_user_id    INTEGER,
        offered_public_key BLOB,
        last_sent          INTEGER,
        CHECK ((offered_user_id IS NULL) = (offered_public_key IS NULL))
    ) STRICT;

    CREATE TABLE outbox (
        place        INTEGER PRIMARY KEY,
        message_id   INTEGER NOT NULL UNIQUE,
        recipient_id INTEGER NOT NULL,
        phone_number TEXT    NOT NULL,
        sent_at      INTEGER NOT NULL,
        status       INTEGER NOT NULL,
        kind         INTEGER NOT NULL,
        content      BLOB    NOT NULL,
        packet       BLOB,
        CHECK ((status = 0) = (packet IS NOT NULL))
    ) STRICT;

    CREATE INDEX outbox_queued ON outbox (place) WHERE status = 0;
    CREATE INDEX outbox_peer ON outbox (phone_number);

    CREATE TABLE inbox (
        place        INTEGER PRIMARY KEY,
        sender_id    INTEGER NOT NULL,
        phone_number TEXT    NOT NULL,
        message_id   INTEGER NOT NULL,
        previous_id  INTEGER,
        sent_at      INTEGER NOT NULL,
        received_at  INTEGER NOT NULL,
        trust        INTEGER NOT NULL,
        continuity   INTEGER NOT NULL,
        kind         INTEGER NOT NULL,
        content      BLOB    NOT NULL
    ) STRICT;

    CREATE INDEX inbox_peer ON inbox (phone_number);

    CREATE TABLE replay_windows (
        sender_id INTEGER PRIMARY KEY,
        window    BLOB    NOT NULL
    ) STRICT;
";

/// Adds the user ids that contacts had before the user accepted another id.
const V2: &str = "
    CREATE TABLE former_contacts (
        user_id    INTEGER PRIMARY KEY,
        public_key BLOB    NOT NULL
    ) STRICT;
";

/// Adds the reply key of the registration under way.
const V3: &str = "
    ALTER TABLE account ADD COLUMN reply_key BLOB;
";

/// Keeps hashes of received packets, and finds received messages by sender and id, which the replay
/// windows could answer for the newest 1,024 ids only. Every message that a window had admitted is
/// in the inbox. The packets of earlier messages are gone: their hash is 32 zeros.
const V4: &str = "
    ALTER TABLE inbox ADD COLUMN arrival INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE inbox ADD COLUMN packet_hash BLOB NOT NULL
        DEFAULT x'0000000000000000000000000000000000000000000000000000000000000000';

    CREATE INDEX inbox_messages ON inbox (sender_id, message_id, packet_hash);
    CREATE INDEX inbox_gaps ON inbox (sender_id, previous_id) WHERE continuity = 1;

    DROP TABLE replay_windows;
";

/// Keeps messages that can't be sealed yet, and finds messages by the beginning of the hash of their
/// packet, as the server names them. Those of messages sent earlier are not known.
const V5: &str = "
    CREATE TABLE drafts (
        draft_id     INTEGER PRIMARY KEY,
        phone_number TEXT,
        user_id      INTEGER,
        kind         INTEGER NOT NULL,
        content      BLOB    NOT NULL,
        CHECK ((phone_number IS NULL) <> (user_id IS NULL))
    ) STRICT;

    ALTER TABLE outbox ADD COLUMN in_reply_to BLOB;
    CREATE INDEX outbox_awaited ON outbox (in_reply_to) WHERE status <= 1;
";

/// Adds what carries the packets to the server, which was plain TCP. Finds received messages by the
/// sender's phone number and id, whatever user id the sender had; and the messages without a receipt.
const V6: &str = "
    ALTER TABLE account ADD COLUMN transport TEXT NOT NULL DEFAULT 'tcp'
        CHECK (transport IN ('tcp', 'tls'));
    CREATE INDEX inbox_numbers ON inbox (phone_number, message_id);
    CREATE INDEX outbox_unanswered ON outbox (recipient_id, sent_at) WHERE status = 1;
";

/// Adds the key to ask the server for while it changes its key.
const V7: &str = "
    ALTER TABLE account ADD COLUMN server_successor BLOB;
";

/// Records the identity that a new database belongs to.
pub(super) fn record_identity(
    transaction: &Transaction<'_>,
    identity: &Identity,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO account
               (only_row, phone_number, server_fingerprint, profile, transport, host_port)
               VALUES (1, ?1, ?2, ?3, ?4, ?5)";
    let Identity { phone, server, profile, transport, endpoints } = identity;
    let names = (column::profile_name(*profile), transport_name(*transport));
    let row = (phone.to_string(), server.0, names.0, names.1, endpoints.to_string());
    transaction.execute(sql, row).map(drop)
}

/// Returns the identity that the database belongs to.
pub(super) fn recorded_identity(connection: &Connection) -> rusqlite::Result<Identity> {
    let sql = "SELECT phone_number, server_fingerprint, profile, transport, host_port FROM account";
    connection.query_row(sql, (), |row: &Row<'_>| {
        Ok(Identity {
            phone: column::phone(row, 0)?,
            server: Fingerprint(row.get(1)?),
            profile: column::profile(row, 2)?,
            transport: transport(row, 3)?,
            endpoints: endpoints(row, 4)?,
        })
    })
}

/// The name of a transport in the database.
pub(super) const fn transport_name(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "tcp",
        Transport::Tls => "tls",
    }
}

/// One `HOST:PORT` or several, with commas between.
fn endpoints(row: &Row<'_>, column: usize) -> rusqlite::Result<Endpoints> {
    let text: String = row.get(column)?;
    text.parse().map_err(|_| column::Unreadable("address of the server").into())
}

fn transport(row: &Row<'_>, column: usize) -> rusqlite::Result<Transport> {
    let name: String = row.get(column)?;
    [Transport::Tcp, Transport::Tls]
        .into_iter()
        .find(|transport| transport_name(*transport) == name)
        .ok_or_else(|| column::Unreadable("transport").into())
}
