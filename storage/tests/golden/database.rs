//! Database files: made from SQL, read, and written as SQL.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

/// The rows of a table, by the names of their columns.
pub(crate) type Table = (String, Vec<String>, Vec<Vec<Value>>);

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Creates a database from SQL, as an earlier program would have left it.
pub(crate) fn loaded(folder: &TempDir, sql: &str) -> PathBuf {
    let path = folder.path().join("sealpost.db");
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).unwrap();
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("PRAGMA journal_mode = WAL").unwrap();
    connection.execute_batch(sql).unwrap();
    path
}

fn read_only(path: &Path) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    Connection::open_with_flags(path, flags).unwrap()
}

fn strings(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).unwrap();
    statement.query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

pub(crate) fn schema(path: &Path) -> BTreeSet<String> {
    let sql = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL";
    strings(&read_only(path), sql).into_iter().collect()
}

pub(crate) fn tables(path: &Path) -> Vec<Table> {
    let connection = read_only(path);
    // An index of words has no rows of its own.
    let sql = "SELECT name FROM sqlite_schema
               WHERE type = 'table' AND rootpage > 0 AND name NOT LIKE 'sqlite%'
                   AND name NOT IN (SELECT name FROM pragma_table_list WHERE type = 'shadow')";
    let read = |table: String| {
        let columns =
            strings(&connection, &format!("SELECT name FROM pragma_table_info('{table}')"));
        let mut statement =
            connection.prepare(&format!("SELECT * FROM {table} ORDER BY 1")).unwrap();
        let row = |row: &rusqlite::Row<'_>| (0..columns.len()).map(|i| row.get(i)).collect();
        let rows = statement.query_map((), row).unwrap().map(Result::unwrap).collect();
        (table, columns, rows)
    };
    strings(&connection, sql).into_iter().map(read).collect()
}

/// Every column that there still is has the values that it had.
pub(crate) fn assert_kept(before: &[Table], after: &[Table], name: &str) {
    for (table, columns, rows) in before {
        let Some((_, columns_after, rows_after)) = after.iter().find(|(name, ..)| name == table)
        else {
            continue;
        };
        assert_eq!(rows.len(), rows_after.len(), "{name}: {table}");
        for (i, column) in columns.iter().enumerate() {
            let Some(j) = columns_after.iter().position(|after| after == column) else { continue };
            for (row, row_after) in rows.iter().zip(rows_after) {
                assert_eq!(row[i], row_after[j], "{name}: {table}.{column}");
            }
        }
    }
}

/// SQL that creates the same database.
pub(crate) fn dump(path: &Path) -> String {
    let connection = read_only(path);
    let number =
        |pragma| -> i64 { connection.pragma_query_value(None, pragma, |row| row.get(0)).unwrap() };
    let version = number("user_version");
    let mut sql = format!("-- A database of schema {version}, as it was released. Never edited.\n");
    let objects = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite%'
                       AND name NOT IN (SELECT name FROM pragma_table_list WHERE type = 'shadow')
                   ORDER BY type = 'trigger', type = 'index', rootpage";
    for object in strings(&connection, objects) {
        writeln!(sql, "{object};").unwrap();
    }
    for (table, columns, _) in tables(path) {
        let quoted: Vec<_> = columns.iter().map(|column| format!("quote({column})")).collect();
        let quoted = quoted.join(" || ', ' || ");
        for row in strings(&connection, &format!("SELECT {quoted} FROM {table} ORDER BY 1")) {
            writeln!(sql, "INSERT INTO {table} VALUES ({row});").unwrap();
        }
    }
    writeln!(sql, "PRAGMA application_id = {};", number("application_id")).unwrap();
    writeln!(sql, "PRAGMA user_version = {version};").unwrap();
    sql
}
