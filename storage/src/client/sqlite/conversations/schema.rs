//! The tables of conversations, and what fills them from the messages of an earlier version.

/// Adds the application's names for messages, the keys that signed received messages, and the tables
/// of conversations. Whatever was sent and received is put into the timeline, in its order.
///
/// Earlier drafts and messages get names that no application counts up to. The keys of earlier
/// messages are looked up when the database is opened: SQL does not know how to hash one.
///
/// `author` is a fingerprint, and NULL for entries of our own. In `reactions` our own author is
/// empty, because NULL is never equal to NULL. `sources` names the items of the inbox that edited an
/// entry: they contain its text, too. What `kind` and `carries` mean is in `row`.
pub(in crate::client::sqlite) const CONVERSATIONS: &str = "
    CREATE TABLE drafts_with_tokens (
        draft_id     INTEGER PRIMARY KEY,
        token        INTEGER NOT NULL UNIQUE,
        phone_number TEXT,
        user_id      INTEGER,
        kind         INTEGER NOT NULL,
        content      BLOB    NOT NULL,
        CHECK ((phone_number IS NULL) <> (user_id IS NULL))
    ) STRICT;
    INSERT INTO drafts_with_tokens
        SELECT draft_id, -draft_id, phone_number, user_id, kind, content FROM drafts;
    DROP TABLE drafts;
    ALTER TABLE drafts_with_tokens RENAME TO drafts;

    ALTER TABLE outbox ADD COLUMN token INTEGER;
    UPDATE outbox SET token = -(1 << 62) - place;
    CREATE UNIQUE INDEX outbox_tokens ON outbox (token);
    CREATE INDEX outbox_failed ON outbox (place) WHERE status >= 3;

    ALTER TABLE inbox ADD COLUMN signed_by BLOB NOT NULL
        DEFAULT x'0000000000000000000000000000000000000000000000000000000000000000';
    CREATE INDEX inbox_unknown_keys ON inbox (sender_id) WHERE signed_by =
        x'0000000000000000000000000000000000000000000000000000000000000000';

    ALTER TABLE account ADD COLUMN applied_up_to INTEGER NOT NULL DEFAULT 0;

    CREATE TABLE conversations (
        conversation    INTEGER PRIMARY KEY AUTOINCREMENT,
        phone_number    TEXT    UNIQUE,
        group_id        BLOB    UNIQUE,
        name            TEXT,
        blocked         INTEGER NOT NULL DEFAULT 0 CHECK (blocked IN (0, 1)),
        muted_until     INTEGER,
        expiry_secs     INTEGER,
        keeps_originals INTEGER NOT NULL DEFAULT 0 CHECK (keeps_originals IN (0, 1)),
        read_marks      INTEGER NOT NULL DEFAULT 0 CHECK (read_marks IN (0, 1)),
        draft           TEXT    NOT NULL DEFAULT '',
        read_up_to      INTEGER NOT NULL DEFAULT 0,
        unread          INTEGER NOT NULL DEFAULT 0,
        last_entry      INTEGER NOT NULL DEFAULT 0,
        CHECK ((phone_number IS NULL) <> (group_id IS NULL))
    ) STRICT;
    CREATE INDEX conversations_active ON conversations (last_entry);

    CREATE TABLE timeline (
        entry         INTEGER PRIMARY KEY AUTOINCREMENT,
        conversation  INTEGER NOT NULL REFERENCES conversations,
        place         INTEGER UNIQUE,
        author        BLOB,
        phone_number  TEXT,
        event_id      BLOB,
        message_id    INTEGER,
        sent_at       INTEGER NOT NULL,
        received_at   INTEGER,
        kind          INTEGER NOT NULL,
        text          TEXT,
        data          BLOB,
        reply_own     INTEGER,
        reply_author  BLOB,
        reply_event   BLOB,
        reply_message INTEGER,
        edited_at     INTEGER,
        deleted_at    INTEGER,
        trust         INTEGER,
        arrival       INTEGER,
        continuity    INTEGER NOT NULL DEFAULT 0,
        expiry_secs   INTEGER,
        expires_at    INTEGER,
        tag           TEXT GENERATED ALWAYS AS ('c' || conversation) VIRTUAL
    ) STRICT;
    CREATE INDEX timeline_pages ON timeline (conversation);
    CREATE INDEX timeline_received ON timeline (conversation, entry)
        WHERE author IS NOT NULL AND kind <> 4;
    CREATE UNIQUE INDEX timeline_events ON timeline (author, event_id) WHERE event_id IS NOT NULL;
    CREATE INDEX timeline_messages ON timeline (author, message_id) WHERE message_id IS NOT NULL;
    CREATE INDEX timeline_expiring ON timeline (expires_at) WHERE expires_at IS NOT NULL;
    CREATE INDEX timeline_to_expire ON timeline (conversation, entry)
        WHERE expiry_secs IS NOT NULL AND expires_at IS NULL;

    CREATE TABLE sources (
        place INTEGER PRIMARY KEY,
        entry INTEGER NOT NULL REFERENCES timeline
    ) STRICT;
    CREATE INDEX sources_of_entries ON sources (entry);

    CREATE TABLE originals (
        entry    INTEGER NOT NULL REFERENCES timeline,
        until    INTEGER NOT NULL,
        text     TEXT    NOT NULL
    ) STRICT;
    CREATE INDEX originals_of_entries ON originals (entry);

    CREATE TABLE reactions (
        entry  INTEGER NOT NULL REFERENCES timeline,
        author BLOB    NOT NULL,
        phone_number TEXT,
        emoji  TEXT    NOT NULL,
        at     INTEGER NOT NULL,
        PRIMARY KEY (entry, author)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE copies (
        token        INTEGER PRIMARY KEY,
        entry        INTEGER NOT NULL REFERENCES timeline,
        phone_number TEXT    NOT NULL,
        carries      INTEGER NOT NULL,
        kind         INTEGER NOT NULL,
        content      BLOB,
        refused      INTEGER,
        read_at      INTEGER
    ) STRICT;
    CREATE INDEX copies_of_entries ON copies (entry);
    CREATE INDEX copies_to_send ON copies (token) WHERE content IS NOT NULL AND refused IS NULL;
    CREATE INDEX copies_refused ON copies (token) WHERE refused IS NOT NULL;

    CREATE TABLE consumers (
        name  TEXT    NOT NULL PRIMARY KEY,
        place INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE idempotency (
        key          TEXT    NOT NULL PRIMARY KEY,
        request_hash BLOB    NOT NULL,
        entry        INTEGER NOT NULL,
        at           INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX idempotency_ages ON idempotency (at);

    CREATE VIRTUAL TABLE search USING fts5 (
        text, tag, content = 'timeline', content_rowid = 'entry',
        tokenize = 'unicode61 remove_diacritics 2'
    );
    INSERT INTO search (search, rank) VALUES ('secure-delete', 1);
    CREATE TRIGGER search_insert AFTER INSERT ON timeline BEGIN
        INSERT INTO search (rowid, text, tag) VALUES (new.entry, new.text, new.tag);
    END;
    CREATE TRIGGER search_delete AFTER DELETE ON timeline BEGIN
        INSERT INTO search (search, rowid, text, tag)
            VALUES ('delete', old.entry, old.text, old.tag);
    END;
    CREATE TRIGGER search_update AFTER UPDATE OF text ON timeline BEGIN
        INSERT INTO search (search, rowid, text, tag)
            VALUES ('delete', old.entry, old.text, old.tag);
        INSERT INTO search (rowid, text, tag) VALUES (new.entry, new.text, new.tag);
    END;

    INSERT INTO conversations (phone_number)
        SELECT phone_number FROM (
            SELECT phone_number, place FROM inbox UNION ALL SELECT phone_number, place FROM outbox
        ) GROUP BY phone_number ORDER BY min(place);
    INSERT INTO conversations (phone_number)
        SELECT DISTINCT phone_number FROM drafts WHERE phone_number IS NOT NULL
        ON CONFLICT DO NOTHING;
    INSERT INTO timeline (conversation, place, author, phone_number, message_id, sent_at,
                          received_at, kind, text, data, trust, arrival, continuity)
        SELECT conversation, received, author, author_phone, message_id, sent_at, received_at, kind,
               text, data, trust, arrival, continuity
        FROM (
            SELECT place, place AS received, signed_by AS author, phone_number,
                   phone_number AS author_phone, message_id, sent_at, received_at, kind,
                   CASE kind WHEN 0 THEN CAST(content AS TEXT) END AS text,
                   CASE kind WHEN 1 THEN content END AS data, trust, arrival, continuity
            FROM inbox WHERE kind <= 2
            UNION ALL
            SELECT place, NULL, NULL, phone_number, NULL, message_id, sent_at, NULL, kind,
                   CASE kind WHEN 0 THEN CAST(content AS TEXT) END,
                   CASE kind WHEN 1 THEN content END, NULL, NULL, 0
            FROM outbox WHERE kind <= 1
        ) JOIN conversations USING (phone_number) ORDER BY place;
    INSERT INTO copies (token, entry, phone_number, carries, kind)
        SELECT token, entry, outbox.phone_number, 0, outbox.kind
        FROM timeline JOIN outbox USING (message_id)
        WHERE author IS NULL;
    INSERT INTO timeline (conversation, message_id, sent_at, kind, text, data)
        SELECT conversation, token,
               coalesce((SELECT max(coalesce(received_at, sent_at)) FROM timeline), 0), kind,
               CASE kind WHEN 0 THEN CAST(content AS TEXT) END,
               CASE kind WHEN 1 THEN content END
        FROM drafts JOIN conversations USING (phone_number)
        WHERE kind <= 1 ORDER BY draft_id;
    INSERT INTO copies (token, entry, phone_number, carries, kind)
        SELECT token, entry, drafts.phone_number, 0, drafts.kind
        FROM drafts JOIN timeline ON message_id = token AND author IS NULL
        WHERE token NOT IN (SELECT message_id FROM outbox);
    UPDATE timeline SET message_id = NULL
        WHERE author IS NULL AND message_id IN (SELECT token FROM drafts)
          AND message_id NOT IN (SELECT message_id FROM outbox);
    UPDATE conversations SET
        last_entry = coalesce(
            (SELECT max(entry) FROM timeline
             WHERE timeline.conversation = conversations.conversation), 0),
        read_up_to = coalesce(
            (SELECT max(entry) FROM timeline
             WHERE timeline.conversation = conversations.conversation
               AND place <= (SELECT shown_up_to FROM account)), 0);
    UPDATE conversations SET unread = (
        SELECT count(*) FROM timeline
        WHERE timeline.conversation = conversations.conversation
          AND author IS NOT NULL AND kind <> 4 AND entry > read_up_to);
    UPDATE account SET applied_up_to = (SELECT coalesce(max(place), 0) FROM inbox);
";

/// Adds an index of the beginnings of words. Without it, SQLite reads every place of every word with
/// the beginning that is searched for, before it returns the first entry.
///
/// Longer beginnings are found among the words themselves: few words have them, and each has few
/// places. The index is about four times as large as that of the words alone. An index cannot be changed, so it is built again from the timeline.
pub(in crate::client::sqlite) const BEGINNINGS_OF_WORDS: &str = "
    DROP TABLE search;
    CREATE VIRTUAL TABLE search USING fts5 (
        text, tag, content = 'timeline', content_rowid = 'entry',
        tokenize = 'unicode61 remove_diacritics 2', prefix = '1 2 3 4'
    );
    INSERT INTO search (search, rank) VALUES ('secure-delete', 1);
    INSERT INTO search (search) VALUES ('rebuild');
";
