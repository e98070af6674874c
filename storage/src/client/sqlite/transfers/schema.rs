//! The tables of file transfers.

/// Adds file transfers, their messages, the arrivals that wait for them, and how much of what a peer
/// offers is accepted without asking.
///
/// `state` and `end` are numbers, whose meaning is in `row`, which also says what `round` and `piece`
/// of a message are. Messages name their transfer by its three columns, because some answers are about
/// transfers that nobody knows.
pub(in crate::client::sqlite) const FILES: &str = "
    ALTER TABLE conversations ADD COLUMN accepted_files INTEGER NOT NULL DEFAULT 0;

    CREATE TABLE transfers (
        direction    INTEGER NOT NULL CHECK (direction IN (0, 1)),
        peer         BLOB    NOT NULL,
        file_id      BLOB    NOT NULL,
        entry        INTEGER REFERENCES timeline,
        name         TEXT    NOT NULL,
        media_type   TEXT    NOT NULL,
        size         INTEGER NOT NULL,
        sha256       BLOB    NOT NULL,
        piece_length INTEGER NOT NULL,
        caption      TEXT    NOT NULL,
        state        INTEGER NOT NULL,
        round        INTEGER,
        confirmed    INTEGER,
        resent       INTEGER,
        prefix       INTEGER,
        ahead        INTEGER,
        ended        INTEGER,
        ended_order  INTEGER,
        path         BLOB,
        stamp        BLOB,
        saved        BLOB,
        PRIMARY KEY (direction, peer, file_id)
    ) STRICT;
    CREATE INDEX transfers_of_entries ON transfers (entry);

    CREATE TABLE file_sends (
        made      INTEGER PRIMARY KEY AUTOINCREMENT,
        token     INTEGER NOT NULL UNIQUE,
        direction INTEGER NOT NULL,
        peer      BLOB    NOT NULL,
        file_id   BLOB    NOT NULL,
        round     INTEGER,
        piece     INTEGER,
        kind      INTEGER,
        content   BLOB
    ) STRICT;
    CREATE UNIQUE INDEX file_sends_names
        ON file_sends (direction, peer, file_id, round, piece);
    CREATE INDEX file_sends_to_send ON file_sends (made) WHERE content IS NOT NULL;

    CREATE TABLE file_arrivals (
        place INTEGER PRIMARY KEY REFERENCES inbox
    ) STRICT;
";
