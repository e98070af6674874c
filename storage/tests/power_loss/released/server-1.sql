-- Schema 1 of sealpost.db, as it was released. Never edited.
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
