//! The tables of groups.

/// Adds the keys that recipients must have, how the texts of a group were written, and the tables of
/// groups.
///
/// `groups_asked_at` is when peers were last asked again after a start.
///
/// `group_records` has what the machine of groups keeps, in its own encoding. `group_posts` has states
/// and requests that are to be sent and that the client machine does not have yet. `group_items` has
/// the places of messages that a group does not show (fate 0). One that is shown later gets another
/// place of the inbox, behind everything that consumers may have seen; until messages up to that place
/// were applied, it is there as well (fate 1).
pub(in crate::client::sqlite) const GROUPS: &str = "
    ALTER TABLE drafts ADD COLUMN recipient_key BLOB;
    ALTER TABLE copies ADD COLUMN recipient_key BLOB;
    ALTER TABLE account ADD COLUMN groups_asked_at INTEGER;
    ALTER TABLE timeline ADD COLUMN written INTEGER NOT NULL DEFAULT 0;

    CREATE TABLE group_records (
        group_id BLOB NOT NULL PRIMARY KEY,
        record   BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE group_posts (
        place         INTEGER PRIMARY KEY AUTOINCREMENT,
        token         INTEGER NOT NULL UNIQUE,
        group_id      BLOB NOT NULL,
        phone_number  TEXT NOT NULL,
        recipient_key BLOB NOT NULL,
        content       BLOB NOT NULL
    ) STRICT;

    CREATE TABLE group_items (
        place INTEGER PRIMARY KEY,
        fate  INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX group_items_released ON group_items (place) WHERE fate = 1;
";
