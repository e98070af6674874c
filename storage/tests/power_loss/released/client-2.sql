-- What schema 2 of client.db added to schema 1. Never edited.
CREATE TABLE former_contacts (
    user_id    INTEGER PRIMARY KEY,
    public_key BLOB    NOT NULL
) STRICT;
