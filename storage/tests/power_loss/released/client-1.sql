-- Schema 1 of client.db, as it was released. Never edited.
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
